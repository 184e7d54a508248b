package loop

import (
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
)

const ms = time.Millisecond

// heapOf returns timers with a connection for each deadline.
func heapOf(at ...time.Duration) (*timers, []*Conn) {
	t := new(timers)
	conns := make([]*Conn, len(at))
	for i, d := range at {
		conns[i] = new(Conn)
		t.add(conns[i], d)
	}
	return t, conns
}

func TestTheEarliestDeadlineIsFirst(t *testing.T) {
	h, c := heapOf(5*ms, 3*ms, 9*ms, 3*ms, 7*ms)
	if h.first() != 3*ms {
		t.Errorf("first is due at %v", h.first())
	}
	if h.expired(2*ms) != nil {
		t.Error("due before its time")
	}
	h.remove(c[1])
	h.remove(c[3])
	if got := h.expired(5 * ms); got != c[0] {
		t.Error("another one is due at 5 ms")
	}
	h.remove(c[0])
	h.remove(c[2]) // from the middle
	if got := h.expired(7 * ms); got != c[4] {
		t.Error("another one is due at 7 ms")
	}
	h.remove(c[4])
	if h.first() != never || h.expired(never-1) != nil {
		t.Error("something is due without connections")
	}
}

// Deadlines that move further away cost nothing: the entry stays where it is until it is due. One that
// comes earlier moves at once.
func TestEntriesMoveOnlyWhenTheyMust(t *testing.T) {
	h, c := heapOf(10*ms, 20*ms, 30*ms)
	before := slices.Clone(*h)
	for now := range 9 {
		h.update(c[0], time.Duration(now+40)*ms, time.Duration(now)*ms)
	}
	if !slices.Equal(before, *h) || c[0].due != 10*ms {
		t.Errorf("moved, to %v, while it was only put off", c[0].due)
	}
	if h.expired(10*ms) != c[0] {
		t.Error("another one is due at 10 ms")
	}
	h.update(c[0], 49*ms, 10*ms) // it is due, and now it moves
	if c[0].due != 49*ms || h.first() != 20*ms {
		t.Errorf("due: moved to %v, first is %v", c[0].due, h.first())
	}
	h.update(c[2], 15*ms, 11*ms) // earlier
	if h.first() != 15*ms || h.expired(15*ms) != c[2] {
		t.Errorf("an earlier deadline: first is %v", h.first())
	}
	h.update(c[2], 14*ms, 16*ms) // in the past: soon, but not in this turn again
	if h.expired(16*ms) != nil || h.first() != 17*ms {
		t.Errorf("a deadline in the past: first is %v", h.first())
	}
}

// A connection that is overdue, and told so again and again because much comes over it, is due all the same; and nothing
// moves meanwhile, or the alarm would have to be set each time.
func TestActivityDoesNotPutOffWhatIsOverdue(t *testing.T) {
	h, c := heapOf(20*ms, 30*ms)
	for now := 10 * ms; now < 11*ms; now += ms / 10 {
		h.update(c[1], 5*ms, now)
		if h.first() != 11*ms || h.expired(now) != nil {
			t.Errorf("at %v the first is due at %v", now, h.first())
		}
	}
	if h.expired(11*ms) != c[1] {
		t.Error("nothing is due")
	}
}

// While one that is due is served, others come and go.
func TestConnectionsComeWhileOneIsServed(t *testing.T) {
	h, c := heapOf(1*ms, 3*ms, 8*ms)
	h.expired(1 * ms)
	h.add(new(Conn), 5*ms)
	h.remove(c[2])
	h.update(c[0], 4*ms, 1*ms)
	for now := 3 * ms; now <= 5*ms; now += ms {
		if h.first() != now {
			t.Errorf("first is due at %v, want %v", h.first(), now)
		}
		h.expired(now)
	}
}

// Ten thousand connections, whose deadlines move to and fro and some of which leave: each is looked at
// when its deadline comes, not later, and never found due without need twice.
func TestTenThousandDeadlines(t *testing.T) {
	const conns, end = 10_000, 400
	rnd := rand.New(rand.NewPCG(1, 2))
	h, all := heapOf()
	deadline := make(map[*Conn]time.Duration)
	for range conns {
		c := new(Conn)
		deadline[c] = time.Duration(rnd.IntN(end)) * ms
		h.add(c, deadline[c])
		all = append(all, c)
	}
	looks, fired := 0, 0
	for now := time.Duration(0); now < end*ms; now += ms {
		for range 100 { // activity
			c := all[rnd.IntN(len(all))]
			if _, ok := deadline[c]; !ok {
				continue
			}
			deadline[c] = now + time.Duration(1+rnd.IntN(end))*ms
			h.update(c, deadline[c], now)
		}
		for c := h.expired(now); c != nil; c = h.expired(now) {
			looks++
			if deadline[c] > now {
				h.update(c, deadline[c], now)
				continue
			}
			if deadline[c] < now {
				t.Fatalf("deadline %v found at %v", deadline[c], now)
			}
			fired++
			h.remove(c)
			delete(deadline, c)
		}
	}
	for _, d := range deadline {
		if d < end*ms {
			t.Fatalf("deadline %v was never found", d)
		}
	}
	if len(*h) != len(deadline) {
		t.Errorf("%d entries for %d connections", len(*h), len(deadline))
	}
	// Each look fires or moves an entry that activity had put off.
	if looks > fired+100*end {
		t.Errorf("%d looks for %d deadlines", looks, fired)
	}
}

// wantAlarms checks what alarms were set since the last look.
func (s *stage) wantAlarms(when string, want ...time.Duration) {
	s.t.Helper()
	if !slices.Equal(s.alarms, want) {
		s.t.Errorf("%s: alarms %v, want %v", when, s.alarms, want)
	}
	s.alarms = nil
}

// A peer connects and says nothing: one alarm is set, and when it goes off the connection ends.
func TestAPeerThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.Core.Timeouts.FirstFrame = 2 * time.Second })
		a := s.join(false)
		s.wantAlarms("a connection", 2*time.Second)
		time.Sleep(2 * time.Second)
		s.l.Expire()
		a.wantLog("up", "down TIMEOUT")
		if !a.closed || s.removed != 1 {
			t.Error("the connection did not end")
		}
		s.wantAlarms("nobody left")
	})
}

// When the connection that the alarm was for is gone, the alarm is switched off.
func TestTheAlarmIsSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a := s.join(true)
		s.wantAlarms("a connection", 30*time.Second)
		s.turn(func() { a.lc.Closed(io.EOF) })
		s.wantAlarms("its end", never)
	})
}

// A peer that says something now and then: its alarm is not touched, goes off for nothing, and is set
// for when there is something to do.
func TestActivityDoesNotTouchTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a := s.join(true)
		s.wantAlarms("a connection", 30*time.Second)
		for range 20 {
			time.Sleep(time.Second)
			a.hear(frame(codec.FirstExtension, 0, nil)) // says nothing, and is not answered
		}
		s.wantAlarms("activity")
		time.Sleep(10 * time.Second)
		s.l.Expire()
		s.wantAlarms("30 s, of which 10 in silence", 50*time.Second)
		a.wantFrames()
		time.Sleep(20 * time.Second)
		s.l.Expire()
		s.settle()
		if got := a.frames(); len(got) != 1 || got[0][:4] != "PING" {
			t.Errorf("after 30 s of silence: %q", got)
		}
	})
}

// A deadline that comes earlier than the alarm that is set moves the alarm, whatever brought it.
func TestAnEarlierDeadlineMovesTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.Core.Timeouts.Opening = 3 * time.Second })
		a := s.join(true)
		b := s.join(true)
		s.wantAlarms("two connections", 30*time.Second)
		time.Sleep(5 * time.Second)

		h := s.l.Arena.Open()
		s.l.Post(Op{Kind: Open, Conn: &b.lc, Channel: h})
		s.settle()
		s.wantAlarms("an OPEN that waits for its answer", 8*time.Second)
		time.Sleep(3*time.Second - ms)
		s.l.Expire() // too early: nothing happens, and it is set again
		b.wantLog("up")
		s.wantAlarms("an alarm that went off early", 8*time.Second)
		time.Sleep(ms)
		s.l.Expire()
		b.wantLog("closed TIMEOUT")
		s.wantAlarms("the answer did not come", 30*time.Second)
		a.wantLog("up")
	})
}

// Many connections with the same deadline end in one turn.
func TestOneAlarmForAllThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.Core.Timeouts.FirstFrame = time.Second })
		for range 1000 {
			s.join(false)
		}
		s.wantAlarms("a thousand connections", time.Second)
		time.Sleep(time.Second)
		s.l.Expire()
		if s.removed != 1000 {
			t.Errorf("%d of 1,000 ended", s.removed)
		}
		s.wantAlarms("all of them gone")
	})
}

// BenchmarkPutOff is what activity costs: it moves a deadline further away.
func BenchmarkPutOff(b *testing.B) {
	h, all := heapOf()
	for i := range 10_000 {
		c := new(Conn)
		h.add(c, time.Duration(i)*ms)
		all = append(all, c)
	}
	for i := range b.N {
		c := all[i%len(all)]
		h.update(c, time.Hour, -1)
	}
}
