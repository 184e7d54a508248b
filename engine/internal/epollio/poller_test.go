//go:build linux

package epollio

import (
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
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
		r.Inside(l, func() {
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
	a, pa := r.Join(l)
	b, pb := r.Join(l)
	pa.Say(evlooptest.Opens(1))
	pa.Want("ACK 1")
	pb.Say(evlooptest.Opens(1))
	pb.Want("ACK 1")

	came := make(chan int, 1)
	r.Inside(l, func() {
		a.OnData = func(core.Handle, []byte) { // in a's event: b ends, and somebody new comes
			b.LC.Abort(core.End{Code: codec.Cancelled})
			b.LC.Closed(nil)
			p := evlooptest.Pair(t)
			if open, reused := evlooptest.Alive(b.FD), p[0] == b.FD || p[1] == b.FD; !open || reused {
				t.Errorf("in the batch in which it ended the descriptor is open: %v, somebody else's: %v", open, reused)
			}
			c := r.NewMember()
			if err := l.Attach(p[0], &c.LC, c, false, false); err != nil {
				t.Error(err)
			}
			came <- p[1]
		}
	})
	release := r.hold(l)
	defer release()
	pa.Say(evlooptest.Frame(codec.Data, 1, []byte("end b"))) // both are ready when the loop looks, a first
	pb.Say(evlooptest.Frame(codec.Data, 1, []byte("x")))
	release()
	r.Wait("the end of b", b.Over)
	other := <-came
	evlooptest.Until(t, "the descriptor to be closed", func() bool { return !evlooptest.Alive(b.FD) })
	pc := evlooptest.NewPeer(t, other)
	pc.Say(evlooptest.Opens(1)) // who came in between is not disturbed
	pc.Want("ACK 1")
	pc.Ask("are you there")
	pa.Close()
	r.Wait("the end of a", a.Over)
}

// The same by hand, event by event, as the poller would deliver them.
func TestEventsOfAClosedDescriptor(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	a, pa := r.Join(l)
	pa.Close()
	l.event(a.FD, unix.EPOLLIN|unix.EPOLLHUP, 0)
	if a.End == nil || !evlooptest.Alive(a.FD) {
		t.Fatalf("a: end %v, descriptor open: %v", a.End, evlooptest.Alive(a.FD))
	}
	l.event(a.FD, unix.EPOLLHUP|unix.EPOLLERR, 0) // what the batch still has for it
	l.endOfBatch(nil)
	if evlooptest.Alive(a.FD) {
		t.Error("the descriptor is open after the batch")
	}

	// The next connection has the number, and the poller still has something for it: only "look".
	p := evlooptest.Pair(t)
	if p[1] == a.FD {
		p[0], p[1] = p[1], p[0]
	}
	if p[0] != a.FD {
		t.Fatalf("%v does not reuse %d", p, a.FD)
	}
	b, pb := r.Attach(l, p[0]), evlooptest.NewPeer(t, p[1])
	for _, ev := range []uint32{unix.EPOLLHUP, unix.EPOLLERR, unix.EPOLLOUT, unix.EPOLLIN | unix.EPOLLHUP | unix.EPOLLERR} {
		l.event(b.FD, ev, 0)
		l.endOfBatch(nil)
		if b.End != nil {
			t.Fatalf("event %#x of a predecessor ended a connection", ev)
		}
	}
	pb.Say(evlooptest.Opens(1))
	l.event(b.FD, unix.EPOLLIN, 0)
	pb.Want("ACK 1")
	l.event(9999, unix.EPOLLIN, 0) // nobody's
}

// A connection with endless output: it stops after its budget, and from within a run it goes on by what the
// poller waits for together with sockets, so others have their turn.
func TestEndlessOutputHasABudget(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	down, pd := r.JoinTCP(l, func(fd int) { // takes megabytes before it is full
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	})
	down.Endlessly(evlooptest.Pattern(16384, 0))
	all := evlooptest.Opens(100)
	for i := range 100 {
		all = append(all, evlooptest.Grant(uint32(2*i+1), 1<<30)...)
	}
	pd.Say(all)
	evlooptest.Until(t, "the requests to arrive", func() bool {
		n, err := unix.IoctlGetInt(down.FD, unix.TIOCINQ)
		return err == nil && n == len(all)
	})
	const most = 256<<10 + 4*(codec.HeaderSize+16384)
	l.endOfBatch(nil) // of its beginning
	r.wakes[0].Store(0)
	for turn := range 5 {
		before := l.Loop.Stats.BytesOut.Load()
		if turn == 0 {
			l.event(down.FD, unix.EPOLLIN, 0)
		} else {
			l.endOfBatch(nil)
		}
		if n := l.Loop.Stats.BytesOut.Load() - before; n < 256<<10 || n > most {
			t.Errorf("turn %d: %d bytes, want 262,144 to %d", turn, n, most)
		}
		if c := connOf(down); c.interest != readable || c.rest != nil {
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

// sink is a transport that takes everything at once.
type sink struct{ m *evlooptest.Member }

func (s sink) Submit(b *core.Batch) { s.m.LC.Sent(b.Len()) }
func (s sink) WantRead(bool)        {}
func (s sink) CloseWrite() bool     { return true }
func (s sink) Close()               { s.m.LC.Gone() }
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
	fill := func(to *evlooptest.Member) func(core.Handle) {
		return func(core.Handle) {
			for rounds++; !stop && to.Send(to.Channels[0], make([]byte, 16000)) == core.SendOK; {
			}
		}
	}
	a, b := r.NewMember(), r.NewMember()
	l.Loop.Enter()
	for _, m := range []*evlooptest.Member{a, b} {
		l.Loop.Attach(&m.LC, sink{m}, m, false)
		m.LC.Bytes(append(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30)...))
	}
	a.OnWritable, b.OnWritable = fill(b), fill(a)
	l.watch(always, func() { looks++ })
	fill(a)(core.Handle{})
	rounds = 0
	l.Loop.Leave()
	r.Start()
	evlooptest.Until(t, "many rounds", func() bool {
		done := false
		r.Inside(l, func() {
			if done = rounds > 300; done && !stop {
				stop = true
				if looks < rounds/10 {
					t.Errorf("the poller looked at sockets %d times in %d rounds", looks, rounds)
				}
				forget(l, always)
			}
		})
		return done
	})
}

// A connection that ends in a run amid a batch of events: its descriptor is closed afterwards.
func TestEndInARunAmidABatch(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	m, _ := r.Join(l)
	l.endOfBatch(nil)
	l.Loop.Enter()
	m.LC.Abort(core.End{Code: codec.Cancelled})
	l.Loop.Touch(&m.LC)
	l.Loop.Leave()
	l.event(l.again, unix.EPOLLIN, 0)
	if m.End == nil || !evlooptest.Alive(m.FD) {
		t.Fatalf("end %v, descriptor open: %v", m.End, evlooptest.Alive(m.FD))
	}
	r.Start()
	evlooptest.Until(t, "the descriptor to be closed", func() bool { return !evlooptest.Alive(m.FD) })
}

// The timer itself: set, set earlier, set later, set in the past, switched off, set again.
func TestAlarm(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	expired := make(chan time.Duration, 10)
	l.handle[l.timer.FD] = func() {
		var count [8]byte
		unix.Read(l.timer.FD, count[:])
		expired <- l.Loop.Since()
	}
	r.Start()
	wait := func(what string, at time.Duration) {
		t.Helper()
		select {
		case got := <-expired:
			if got < at {
				t.Errorf("%s: went off at %v, set to %v", what, got, at)
			}
		case <-time.After(evlooptest.Patience):
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
		err := unix.TimerfdGettime(l.timer.FD, &spec)
		if left := time.Duration(spec.Value.Nano()); err != nil || left > d || left < d/2 {
			t.Errorf("set to %v from now: %v left, %v", d, left, err)
		}
	}
	l.Alarm(1<<63 - 1)
	if err := unix.TimerfdGettime(l.timer.FD, &spec); err != nil || spec.Value != (unix.Timespec{}) {
		t.Errorf("switched off: %+v, %v", spec, err)
	}
}

// A timer that has gone off is quiet until it is set again; it would keep the loop busy.
func TestTheTimerIsQuietAfterwards(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	l.Alarm(0)
	evlooptest.Until(t, "the timer", func() bool { return ready(t, l, l.timer.FD) != 0 })
	l.event(l.timer.FD, unix.EPOLLIN, 0)
	if ready(t, l, l.timer.FD) != 0 {
		t.Error("it is still ready after its turn")
	}
}

// While bytes are not wanted the poller does not report them: they would keep the loop busy.
func TestAPausedSocketIsQuiet(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	m, p := r.Join(l)
	p.Say(evlooptest.Frame(codec.FirstExtension, 0, nil))
	evlooptest.Until(t, "bytes", func() bool { return ready(t, l, m.FD) == unix.EPOLLIN })
	connOf(m).WantRead(false)
	if got := ready(t, l, m.FD); got != 0 {
		t.Errorf("not wanted, and %#x is reported", got)
	}
	connOf(m).WantRead(true)
	if got := ready(t, l, m.FD); got != unix.EPOLLIN {
		t.Errorf("wanted again, and %#x is reported", got)
	}
}

// register tells the poller, or the lane, what a socket waits for, from every state to every other.
func TestEveryChangeOfInterest(t *testing.T) {
	t.Run("poller", func(t *testing.T) { testEveryChangeOfInterest(t, false) })
	t.Run("lane", func(t *testing.T) { testEveryChangeOfInterest(t, true) })
}

func testEveryChangeOfInterest(t *testing.T, heavy bool) {
	r := newRig(t, 1)
	l := r.loops[0]
	epoll := epollDescriptor(l)
	m, _ := r.Join(l)
	c := connOf(m)
	if heavy {
		epoll = l.lane.fd
		c.move(true)
	}
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
			if got := readyIn(t, epoll, m.FD) & unix.EPOLLOUT; (got != 0) != (to&writable != 0) {
				t.Errorf("from %b to %b: the poller reports %#x", from, to, got)
			}
			if c.interest != to {
				t.Errorf("from %b to %b: %b is noted", from, to, c.interest)
			}
		}
	}
	// And with something to read.
	p := evlooptest.Pair(t)
	defer unix.Close(p[1])
	m = r.Attach(l, p[0])
	if c = connOf(m); heavy {
		c.move(true)
	}
	unix.Write(p[1], []byte("x"))
	for _, from := range kinds {
		for _, to := range kinds {
			set(from)
			set(to)
			if got := readyIn(t, epoll, m.FD) & unix.EPOLLIN; (got != 0) != (to&readable != 0) {
				t.Errorf("from %b to %b: the poller reports %#x", from, to, got)
			}
		}
	}
}

// ready returns what the poller of a loop that does not run would report of fd.
func ready(t *testing.T, l *Loop, fd int) uint32 {
	t.Helper()
	return readyIn(t, epollDescriptor(l), fd)
}

// readyIn returns what an epoll set reports of fd.
func readyIn(t *testing.T, epoll, fd int) uint32 {
	t.Helper()
	events := make([]unix.EpollEvent, 16)
	n, err := unix.EpollWait(epoll, events, 0)
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
