//go:build linux

package epollio

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Each test here is for one of the rules for living with gnet's poller (ARCHITECTURE.md).

// Posts from many goroutines to a loop that is busy elsewhere trigger it once. Those made while it is
// inside do not trigger it at all.
func TestOneTriggerForABurst(t *testing.T) {
	r := serve(t, 1)
	l, wakes := r.loops[0], r.wakes[0]
	for range 3 {
		release := r.hold(l)
		defer release()
		wakes.Store(0)
		done := 0
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range 100 {
					l.Loop.Post(loop.Op{Kind: loop.Call, Func: func() { done++ }})
				}
			})
		}
		wg.Wait()
		if n := wakes.Load(); n != 1 {
			t.Errorf("%d wakes for a burst of 10,000", n)
		}
		release()
		r.inside(l, func() {
			if done != 10_000 {
				t.Errorf("%d of 10,000 done", done)
			}
			before := wakes.Load()
			for range 100 {
				wg.Go(func() { l.Loop.Post(loop.Op{Kind: loop.Call, Func: func() { done++ }}) })
			}
			wg.Wait()
			if n := wakes.Load() - before; n != 0 {
				t.Errorf("%d wakes for who is inside", n)
			}
		})
	}
}

// A connection has bytes to read in the same batch of events in which it is ended. Its descriptor stays
// taken until the batch is over, so that the event that is still to come reaches nobody else.
func TestADescriptorIsNotReusedInItsBatch(t *testing.T) {
	r := serve(t, 1)
	l := r.loops[0]
	a, pa := r.join(l)
	b, pb := r.join(l)
	pa.say(opens(1))
	pa.want("ACK 1")
	pb.say(opens(1))
	pb.want("ACK 1")

	came := make(chan int, 1)
	r.inside(l, func() {
		a.onData = func(core.Handle, []byte) { // in a's event: b ends, and somebody new comes
			b.lc.Abort(core.End{Code: codec.Cancelled})
			b.lc.Closed(nil)
			p := pair(t)
			if open, reused := alive(b.fd), p[0] == b.fd || p[1] == b.fd; !open || reused {
				t.Errorf("in the batch in which it ended the descriptor is open: %v, somebody else's: %v", open, reused)
			}
			c := r.newMember()
			if err := l.Attach(p[0], &c.lc, c, false, false); err != nil {
				t.Error(err)
			}
			came <- p[1]
		}
	})
	release := r.hold(l)
	defer release()
	pa.say(frame(codec.Data, 1, []byte("end b"))) // both are ready when the loop looks, a first
	pb.say(frame(codec.Data, 1, []byte("x")))
	release()
	r.wait("the end of b", b.gone)
	other := <-came
	until(t, "the descriptor to be closed", func() bool { return !alive(b.fd) })
	pc := newPeer(t, other)
	pc.say(opens(1)) // who came in between is not disturbed
	pc.want("ACK 1")
	pc.ask("are you there")
	pa.close()
	r.wait("the end of a", a.gone)
}

// The same by hand, event by event, as the poller would deliver them.
func TestEventsOfAClosedDescriptor(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	a, pa := r.join(l)
	pa.close()
	l.event(a.fd, unix.EPOLLIN|unix.EPOLLHUP, 0)
	if a.end == nil || !alive(a.fd) {
		t.Fatalf("a: end %v, descriptor open: %v", a.end, alive(a.fd))
	}
	l.event(a.fd, unix.EPOLLHUP|unix.EPOLLERR, 0) // what the batch still has for it
	l.endOfBatch(nil)
	if alive(a.fd) {
		t.Error("the descriptor is open after the batch")
	}

	// The next connection has the number, and the poller still has something for it: only "look".
	p := pair(t)
	if p[1] == a.fd {
		p[0], p[1] = p[1], p[0]
	}
	if p[0] != a.fd {
		t.Fatalf("%v does not reuse %d", p, a.fd)
	}
	b, pb := r.attach(l, p[0]), newPeer(t, p[1])
	for _, ev := range []uint32{unix.EPOLLHUP, unix.EPOLLERR, unix.EPOLLOUT, unix.EPOLLIN | unix.EPOLLHUP | unix.EPOLLERR} {
		l.event(b.fd, ev, 0)
		l.endOfBatch(nil)
		if b.end != nil {
			t.Fatalf("event %#x of a predecessor ended a connection", ev)
		}
	}
	pb.say(opens(1))
	l.event(b.fd, unix.EPOLLIN, 0)
	pb.want("ACK 1")
	l.event(9999, unix.EPOLLIN, 0) // nobody's
}

// A peer sends all it has, ends its direction and reads late: it gets everything all the same.
func TestAHalfClosedPeerGetsEverything(t *testing.T) {
	r := serve(t, 1)
	l := r.loops[0]
	const channels, each = 40, 60_000
	for _, tcp := range []bool{false, true} {
		m, p := r.join(l)
		if tcp {
			m, p = r.joinTCP(l)
		}
		go func() {
			all := opens(channels)
			for i := range channels {
				all = append(all, frame(codec.Data, uint32(2*i+1), pattern(each, i))...)
			}
			if _, err := p.nc.Write(all); err != nil {
				t.Error(err)
			}
			p.nc.(interface{ CloseWrite() error }).CloseWrite()
		}()
		until(t, "the end of the peer's direction", func() bool {
			seen := false
			r.inside(l, func() { seen = m.conn().deaf || m.end != nil })
			return seen
		})
		got := make(map[string][]byte)
		for {
			kind, payload, err := p.read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got[kind] = append(got[kind], payload...)
		}
		for i := range channels {
			name := fmt.Sprint("DATA ", 2*i+1)
			if string(got[name]) != string(pattern(each, i)) {
				t.Errorf("tcp %v: %s: %d of %d bytes, or others", tcp, name, len(got[name]), each)
			}
		}
		r.wait("the end", m.gone)
	}
}

// endlessly makes the member send on all its channels for ever, as fast as the socket takes it.
func endlessly(m *member, block []byte) {
	fill := func(ch core.Handle) {
		for m.send(ch, block) == core.SendOK {
		}
	}
	m.onOpened, m.onWritable = fill, fill
}

// A connection with endless output: it stops after its budget, and from within a run it goes on by what the
// poller waits for together with sockets, so others have their turn.
func TestEndlessOutputHasABudget(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	down, pd := r.joinTCP(l, func(fd int) { // takes megabytes before it is full
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	})
	endlessly(down, pattern(16384, 0))
	all := opens(100)
	for i := range 100 {
		all = append(all, grant(uint32(2*i+1), 1<<30)...)
	}
	pd.say(all)
	until(t, "the requests to arrive", func() bool {
		n, err := unix.IoctlGetInt(down.fd, unix.TIOCINQ)
		return err == nil && n == len(all)
	})
	const most = 256<<10 + 4*(codec.HeaderSize+16384)
	l.endOfBatch(nil) // of its beginning
	r.wakes[0].Store(0)
	for turn := range 5 {
		before := l.Loop.Stats.BytesOut.Load()
		if turn == 0 {
			l.event(down.fd, unix.EPOLLIN, 0)
		} else {
			l.endOfBatch(nil)
		}
		if n := l.Loop.Stats.BytesOut.Load() - before; n < 256<<10 || n > most {
			t.Errorf("turn %d: %d bytes, want 262,144 to %d", turn, n, most)
		}
		if c := down.conn(); c.interest != readable || c.rest != nil {
			t.Fatalf("turn %d: interest %b, rest %v: the socket has room", turn, c.interest, c.rest)
		}
		if n := r.wakes[0].Swap(0); n != 1 {
			t.Errorf("turn %d: %d wakes: the connection wants to go on", turn, n)
		}
		if again := ready(t, l, l.again) != 0; again != (turn > 0) {
			t.Errorf("turn %d: it goes on together with sockets: %v", turn, again)
		}
	}
}

// The same with the real poller: while one peer downloads without an end, another asks and is answered.
func TestEndlessOutputStarvesNobody(t *testing.T) {
	r := serve(t, 1)
	l := r.loops[0]
	down, pd := r.joinTCP(l)
	r.inside(l, func() { endlessly(down, pattern(16384, 0)) })
	_, pa := r.joinTCP(l)
	pa.say(opens(1))
	pa.want("ACK 1")
	all := opens(50)
	for i := range 50 {
		all = append(all, grant(uint32(2*i+1), 1<<30)...)
	}
	pd.say(all)
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 256<<10)
		for {
			if _, err := pd.nc.Read(buf); err != nil {
				return
			}
		}
	})
	downloaded := l.Loop.Stats.BytesOut.Load
	until(t, "the download", func() bool { return downloaded() > 1<<20 })
	before := downloaded()
	for range 50 {
		pa.ask("is it my turn")
	}
	until(t, "the download, which nobody stopped", func() bool { return downloaded() > before+1<<20 })
	pd.close()
	wg.Wait()
	r.wait("the end of the download", down.gone)
}

// sink is a transport that takes everything at once.
type sink struct{ m *member }

func (s sink) Submit(b *core.Batch) { s.m.lc.Sent(b.Len()) }
func (s sink) WantRead(bool)        {}
func (s sink) Close()               { s.m.lc.Gone() }
func (s sink) LocalAddr() net.Addr  { return nil }
func (s sink) RemoteAddr() net.Addr { return nil }

// Two connections give each other something to send, on and on, and it leaves at once: all the same the
// poller looks at sockets after every run.
func TestARunDoesNotStarveSockets(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	always, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) // is ready whenever sockets are looked at
	if err != nil {
		t.Fatal(err)
	}
	rounds, looks := 0, 0
	stop := false
	fill := func(to *member) func(core.Handle) {
		return func(core.Handle) {
			for rounds++; !stop && to.send(to.channels[0], make([]byte, 16000)) == core.SendOK; {
			}
		}
	}
	a, b := r.newMember(), r.newMember()
	l.Loop.Enter()
	for _, m := range []*member{a, b} {
		l.Loop.Attach(&m.lc, sink{m}, m, false)
		m.lc.Bytes(append(opens(1), grant(1, 1<<30)...))
	}
	a.onWritable, b.onWritable = fill(b), fill(a)
	l.watch(always, func() { looks++ })
	fill(a)(core.Handle{})
	rounds = 0
	l.Loop.Leave()
	r.start()
	until(t, "many rounds", func() bool {
		done := false
		r.inside(l, func() {
			if done = rounds > 300; done && !stop {
				stop = true
				if looks < rounds/10 {
					t.Errorf("the poller looked at sockets %d times in %d rounds", looks, rounds)
				}
				l.forget(always)
			}
		})
		return done
	})
}

// Goroutines wake a loop that goes on by itself all the time, each again when it was heard: none waits in
// vain, whichever way its wake takes.
func TestNoWakeIsLost(t *testing.T) {
	r := serve(t, 1)
	l := r.loops[0]
	down, pd := r.joinTCP(l)
	r.inside(l, func() { endlessly(down, pattern(16384, 0)) })
	pd.say(append(opens(1), grant(1, 1<<30)...))
	var wg sync.WaitGroup
	wg.Go(func() {
		for buf := make([]byte, 64<<10); ; {
			if _, err := pd.nc.Read(buf); err != nil {
				return
			}
		}
	})
	var posters sync.WaitGroup
	for range 4 {
		posters.Go(func() {
			for range 500 {
				select {
				case <-l.Loop.Call(func() {}):
				case <-time.After(patience):
					t.Error("nobody looks at what was posted")
					return
				}
			}
		})
	}
	posters.Wait()
	pd.close()
	wg.Wait()
	r.wait("the end of the download", down.gone)
}

// A connection that ends in a run amid a batch of events: its descriptor is closed afterwards.
func TestEndInARunAmidABatch(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	m, _ := r.join(l)
	l.endOfBatch(nil)
	l.Loop.Enter()
	m.lc.Abort(core.End{Code: codec.Cancelled})
	l.Loop.Touch(&m.lc)
	l.Loop.Leave()
	l.event(l.again, unix.EPOLLIN, 0)
	if m.end == nil || !alive(m.fd) {
		t.Fatalf("end %v, descriptor open: %v", m.end, alive(m.fd))
	}
	r.start()
	until(t, "the descriptor to be closed", func() bool { return !alive(m.fd) })
}

// A deadline comes although nothing else happens; one that comes earlier than the timer that is set moves
// it, and one that is put off does not disturb.
func TestDeadlinesOnAnIdleLoop(t *testing.T) {
	r := serve(t, 1, func(c *core.Config) {
		c.Timeouts.FirstFrame, c.Timeouts.Keepalive = 50*time.Millisecond, 60*time.Millisecond
	})
	l := r.loops[0]
	begin := time.Now()
	silent, ps := r.join(l)
	ps.wantEnd()
	r.wait("the end", silent.gone)
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("ended after %v", took)
	}
	if silent.end.Code != codec.Timeout {
		t.Errorf("the end: %+v", silent.end)
	}
	_, p := r.join(l) // and again, with a timer that has gone off before
	begin = time.Now()
	p.say(opens(1))
	p.want("ACK 1")
	p.want("PING 0")
	if took := time.Since(begin); took < 60*time.Millisecond {
		t.Errorf("the keep-alive beats after %v", took)
	}
}

// The timer itself: set, set earlier, set later, set in the past, switched off, set again.
func TestAlarm(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	expired := make(chan time.Duration, 10)
	l.handle[l.timer] = func() {
		var count [8]byte
		unix.Read(l.timer, count[:])
		expired <- l.Loop.Since()
	}
	r.start()
	wait := func(what string, at time.Duration) {
		t.Helper()
		select {
		case got := <-expired:
			if got < at {
				t.Errorf("%s: went off at %v, set to %v", what, got, at)
			}
		case <-time.After(patience):
			t.Fatalf("%s: did not go off", what)
		}
	}
	now := l.Loop.Since
	l.Alarm(now() + time.Hour)
	at := now() + 20*time.Millisecond
	l.Alarm(at)
	wait("set earlier", at)
	l.Alarm(now() + 20*time.Millisecond)
	at = now() + 60*time.Millisecond
	l.Alarm(at)
	wait("set later", at)
	l.Alarm(now() - time.Second)
	wait("set in the past", 0)
	l.Alarm(0)
	wait("set to the epoch", 0)
	l.Alarm(now() + 10*time.Millisecond)
	l.Alarm(1<<63 - 1) // never
	l.Alarm(now() + 5*time.Millisecond)
	wait("set again", 0)
	if n := len(expired); n != 0 {
		t.Errorf("it went off %d times more", n)
	}
	var spec unix.ItimerSpec
	for _, d := range []time.Duration{time.Second, time.Hour} { // set counts from the epoch, the timer from now
		l.Alarm(now() + d)
		err := unix.TimerfdGettime(l.timer, &spec)
		if left := time.Duration(spec.Value.Nano()); err != nil || left > d || left < d/2 {
			t.Errorf("set to %v from now: %v left, %v", d, left, err)
		}
	}
	l.Alarm(1<<63 - 1)
	if err := unix.TimerfdGettime(l.timer, &spec); err != nil || spec.Value != (unix.Timespec{}) {
		t.Errorf("switched off: %+v, %v", spec, err)
	}
}

// A timer that has gone off is quiet until it is set again; it would keep the loop busy.
func TestTheTimerIsQuietAfterwards(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	l.Alarm(0)
	until(t, "the timer", func() bool { return ready(t, l, l.timer) != 0 })
	l.event(l.timer, unix.EPOLLIN, 0)
	if ready(t, l, l.timer) != 0 {
		t.Error("it is still ready after its turn")
	}
}

// Bytes are not wanted for a while: they stay in the socket. When they are wanted again they all come, in
// order.
func TestReadingPauses(t *testing.T) {
	r := serve(t, 1)
	l := r.loops[0]
	m, p := r.join(l)
	r.inside(l, func() {
		m.onData = func(_ core.Handle, b []byte) { m.received = append(m.received, b...) }
	})
	p.say(opens(1))
	p.want("ACK 1")
	var want []byte
	for round := range 5 {
		r.inside(l, func() { m.conn().WantRead(false) })
		reads := l.Loop.Stats.Reads.Load()
		for i := range 4 {
			msg := pattern(1000, 10*round+i)
			want = append(want, msg...)
			p.say(frame(codec.Data, 1, msg))
			r.inside(l, func() {}) // a whole turn of the poller
		}
		if n := l.Loop.Stats.Reads.Load() - reads; n != 0 {
			t.Fatalf("round %d: %d reads while no bytes are wanted", round, n)
		}
		r.inside(l, func() { m.conn().WantRead(true) })
		var got []byte
		until(t, "what was sent meanwhile", func() bool {
			r.inside(l, func() { got = m.received })
			return len(got) == len(want)
		})
		if string(got) != string(want) {
			t.Fatalf("round %d: other bytes came", round)
		}
	}
}

// While bytes are not wanted the poller does not report them: they would keep the loop busy.
func TestAPausedSocketIsQuiet(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	m, p := r.join(l)
	p.say(frame(codec.FirstExtension, 0, nil))
	until(t, "bytes", func() bool { return ready(t, l, m.fd) == unix.EPOLLIN })
	m.conn().WantRead(false)
	if got := ready(t, l, m.fd); got != 0 {
		t.Errorf("not wanted, and %#x is reported", got)
	}
	m.conn().WantRead(true)
	if got := ready(t, l, m.fd); got != unix.EPOLLIN {
		t.Errorf("wanted again, and %#x is reported", got)
	}
}

// register tells the poller what a socket waits for, from every state to every other.
func TestEveryChangeOfInterest(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	m, _ := r.join(l)
	c := m.conn()
	set := func(want interest) {
		c.deaf, c.rest = want&readable == 0, nil
		if want&writable != 0 {
			c.rest = new(core.Batch)
		}
		c.register()
	}
	kinds := []interest{0, readable, writable, readable | writable}
	for _, from := range kinds {
		for _, to := range kinds {
			set(from)
			set(to)
			if c.err != nil {
				t.Fatalf("from %b to %b: %v", from, to, c.err)
			}
			// The peer never reads and never writes: the socket is writable, and never readable.
			if got := ready(t, l, m.fd) & unix.EPOLLOUT; (got != 0) != (to&writable != 0) {
				t.Errorf("from %b to %b: the poller reports %#x", from, to, got)
			}
			if c.interest != to {
				t.Errorf("from %b to %b: %b is noted", from, to, c.interest)
			}
		}
	}
	// And with something to read.
	p := pair(t)
	defer unix.Close(p[1])
	m = r.attach(l, p[0])
	c = m.conn()
	unix.Write(p[1], []byte("x"))
	for _, from := range kinds {
		for _, to := range kinds {
			set(from)
			set(to)
			if got := ready(t, l, m.fd) & unix.EPOLLIN; (got != 0) != (to&readable != 0) {
				t.Errorf("from %b to %b: the poller reports %#x", from, to, got)
			}
		}
	}
}

// ready returns what the poller of a loop that does not run would report of fd.
func ready(t *testing.T, l *Loop, fd int) uint32 {
	t.Helper()
	events := make([]unix.EpollEvent, 16)
	n, err := unix.EpollWait(epollDescriptor(l), events, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events[:n] {
		if int(ev.Fd) == fd {
			return ev.Events
		}
	}
	return 0
}
