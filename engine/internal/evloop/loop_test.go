//go:build linux

package evloop_test

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/epollio"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/uringio"
)

// quiet waits until nobody is busy: a loop sleeps when there is nothing to do.
func quiet(t *testing.T) {
	t.Helper()
	const look = 100 * time.Millisecond
	evlooptest.Until(t, "peace", func() bool {
		var before, after unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &before)
		time.Sleep(look)
		unix.Getrusage(unix.RUSAGE_SELF, &after)
		used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
		return used < int64(look)/5
	})
}

// A peer sends all it has, ends its direction and reads late: it gets everything all the same.
func TestAHalfClosedPeerGetsEverything(t *testing.T) {
	const channels, size = 40, 60_000
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		l := r.Loops[0]
		for _, tcp := range []bool{false, true} {
			m, p := r.Join(l)
			if tcp {
				m, p = r.JoinTCP(l)
			}
			go func() {
				all := evlooptest.Opens(channels)
				for i := range channels {
					all = append(all, evlooptest.Frame(codec.Data, uint32(2*i+1), evlooptest.Pattern(size, i))...)
				}
				if _, err := p.NC.Write(all); err != nil {
					t.Error(err)
				}
				p.CloseWrite()
			}()
			evlooptest.Until(t, "the end of the peer's direction", func() bool {
				return evlooptest.Ready(m.FD, unix.POLLRDHUP)&unix.POLLRDHUP != 0 && evlooptest.Unread(m.FD) == 0
			})
			quiet(t)
			got := make(map[string][]byte)
			for {
				kind, payload, err := p.Read()
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
				if string(got[name]) != string(evlooptest.Pattern(size, i)) {
					t.Errorf("tcp %v: %s: %d of %d bytes, or others", tcp, name, len(got[name]), size)
				}
			}
			r.Wait("the end", m.Over)
		}
	})
}

// While one peer downloads without an end, another asks and is answered; with little sent in between, and from each
// loop, however fast the download is.
func TestEndlessOutputStarvesNobody(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		l := r.Loops[0]
		down, pd := r.JoinTCP(l, func(fd int) { // takes megabytes before it is full
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
		})
		r.Inside(l, func() { down.Endlessly(evlooptest.Pattern(16384, 0)) })
		_, pa := r.JoinTCP(l)
		greet(pa)
		pd.Say(evlooptest.Opens(50), evlooptest.Grants(50, 1<<30))
		var wg sync.WaitGroup
		wg.Go(func() { discard(pd) })
		downloaded := evloop.Of(l).Stats.BytesOut.Load
		evlooptest.Until(t, "the download", func() bool { return downloaded() > 1<<20 })
		before := downloaded()
		for range 50 {
			pa.Ask("is it my turn")
		}
		evlooptest.Until(t, "the download, which nobody stopped", func() bool { return downloaded() > before+1<<20 })
		pd.Close()
		wg.Wait()
		r.Wait("the end of the download", down.Over)
	})
}

// discard reads until the connection ends.
func discard(p *evlooptest.Peer) {
	for buf := make([]byte, 256<<10); ; {
		if _, err := p.NC.Read(buf); err != nil {
			return
		}
	}
}

// A connection with endless output stops after its budget in each turn, although the socket has room.
func TestEndlessOutputHasABudget(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		l := r.Loops[0]
		down, pd := r.JoinTCP(l, func(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20) })
		block := evlooptest.Pattern(16384, 0)
		const most = 256<<10 + 4*(codec.HeaderSize+16384)
		turns, last := 0, uint64(0)
		r.Inside(l, func() {
			down.Endlessly(block)
			onWritable := down.OnWritable
			down.OnWritable = func(ch core.Handle) { onWritable(ch) }
			down.OnOpened = func(ch core.Handle) { onWritable(ch) }
		})
		pd.Say(evlooptest.Opens(100), evlooptest.Grants(100, 1<<30))
		var wg sync.WaitGroup
		wg.Go(func() { discard(pd) })
		stats := &evloop.Of(l).Stats
		evlooptest.Until(t, "twenty looks at a download", func() bool {
			// Two calls one after the other are done in one turn, or there is a run between them.
			r.Inside(l, func() {
				out := stats.BytesOut.Load()
				evloop.Of(l).Call(func() {
					if n := stats.BytesOut.Load() - out; n > 2*most {
						t.Errorf("%d bytes between a call and the next, want %d at most", n, 2*most)
					}
				})
				if out > last {
					turns, last = turns+1, out
				}
			})
			return turns >= 20
		})
		pd.Close()
		wg.Wait()
		r.Wait("the end of the download", down.Over)
	})
}

// taking is a transport that takes everything at once.
type taking struct{ sink }

func (s *taking) Submit(b *core.Batch) { s.lc.Sent(b.Len()) }

// Two connections give each other something to send, on and on, and it leaves at once: all the same the
// loop looks at sockets after every run.
func TestARunDoesNotStarveSockets(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.New(t, maker, 1)
		l := r.Loops[0]
		rounds, stop := 0, false
		fill := func(to *evlooptest.Member) func(core.Handle) {
			return func(core.Handle) {
				for rounds++; !stop && to.Send(to.Channels[0], make([]byte, 16000)) == core.SendOK; {
				}
			}
		}
		a, b := r.NewMember(), r.NewMember()
		evloop.Of(l).Enter()
		for _, m := range []*evlooptest.Member{a, b} {
			evloop.Of(l).Attach(&m.LC, &taking{sink{lc: &m.LC}}, m, false)
			m.LC.Bytes(append(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30)...))
		}
		a.OnWritable, b.OnWritable = fill(b), fill(a)
		fill(a)(core.Handle{})
		evloop.Of(l).Leave()
		r.Start()
		_, p := r.Join(l)
		greet(p)
		before := 0
		r.Inside(l, func() { before = rounds })
		for range 50 {
			p.Ask("is it my turn")
		}
		evlooptest.Until(t, "many rounds", func() (done bool) {
			r.Inside(l, func() { done = rounds > before+300 })
			return done
		})
		r.Inside(l, func() { stop = true })
	})
}

// Goroutines wake a loop that goes on by itself all the time, and one that sleeps, each again when it was heard: none
// waits in vain, whichever way its wake takes.
func TestNoWakeIsLost(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 2)
		busy, idle := r.Loops[0], r.Loops[1]
		down, pd := r.JoinTCP(busy)
		r.Inside(busy, func() { down.Endlessly(evlooptest.Pattern(16384, 0)) })
		pd.Say(append(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30)...))
		var wg, posters sync.WaitGroup
		wg.Go(func() { discard(pd) })
		for i := range 8 {
			posters.Go(func() {
				for range 500 {
					select {
					case <-evloop.Of([]evloop.Server{busy, idle}[i%2]).Call(func() {}):
					case <-time.After(evlooptest.Patience):
						t.Error("nobody looks at what was posted")
						return
					}
				}
			})
		}
		posters.Wait()
		pd.Close()
		wg.Wait()
		r.Wait("the end of the download", down.Over)
	})
}

// A deadline comes although nothing else happens; one that comes earlier than the timer that is set moves
// it, and one that is put off does not disturb.
func TestDeadlinesOnAnIdleLoop(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1, func(c *core.Config) {
			c.Timeouts.FirstFrame, c.Timeouts.Keepalive = 50*time.Millisecond, 60*time.Millisecond
		})
		l := r.Loops[0]
		begin := time.Now()
		silent, ps := r.Join(l)
		ps.WantEnd()
		r.Wait("the end", silent.Over)
		if took := time.Since(begin); took < 50*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
		if silent.End.Code != codec.Timeout {
			t.Errorf("the end: %+v", silent.End)
		}
		_, p := r.Join(l) // and again, with a timer that has gone off before
		begin = time.Now()
		greet(p)
		p.Want("PING 0")
		if took := time.Since(begin); took < 60*time.Millisecond {
			t.Errorf("the keep-alive beats after %v", took)
		}
		p.Close()
		quiet(t) // a timer that has gone off would keep the loop busy
	})
}

// alarms is a loop's backend that counts its alarms.
type alarms struct {
	loop.Backend
	n *atomic.Int64
}

func (a alarms) Alarm(at time.Duration) {
	a.n.Add(1)
	a.Backend.Alarm(at)
}

// The alarm itself: set, set earlier, set later, set in the past, switched off, set again. When it goes off the loop
// sets the next one, for the deadline of its connection.
func TestAlarm(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		var n atomic.Int64
		r := evlooptest.Serve(t, func(cfg *loop.Config) (evloop.Server, error) {
			s, err := maker(cfg)
			switch l := s.(type) {
			case *epollio.Loop:
				l.Loop = loop.New(cfg, alarms{l, &n}, 9, false)
			case *uringio.Loop:
				l.Loop = loop.New(cfg, alarms{l, &n}, 9, false)
			}
			return s, err
		}, 1, func(c *core.Config) { c.Timeouts.FirstFrame = time.Hour })
		l := r.Loops[0]
		r.Join(l)
		alarm, since := l.(loop.Backend).Alarm, evloop.Of(l).Since
		wait := func(what string, least time.Duration, set ...time.Duration) {
			t.Helper()
			var before int64
			begin := time.Now()
			r.Inside(l, func() {
				before = n.Load()
				for _, d := range set {
					alarm(since() + d)
				}
			})
			evlooptest.Until(t, what, func() bool { return n.Load() > before })
			if took := time.Since(begin); took < least {
				t.Errorf("%s: went off after %v, set to %v", what, took, least)
			}
		}
		const ms = time.Millisecond
		r.Inside(l, func() {})
		wait("set earlier", 40*ms, time.Hour, 40*ms)
		wait("set later", 120*ms, 20*ms, 120*ms)
		wait("set in the past", 0, -time.Millisecond)
		r.Inside(l, func() { alarm(since() + 10*ms); alarm(1<<63 - 1) })
		before := n.Load()
		quiet(t)
		wait("set again", 50*ms, 50*ms)
		quiet(t)
		if n := n.Load() - before; n != 1 {
			t.Errorf("%d alarms, want one", n)
		}
	})
}

// Bytes are not wanted for a while: they stay in the socket. When they are wanted again they all come, in
// order.
func TestReadingPauses(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		l := r.Loops[0]
		m, p := r.Join(l)
		r.Inside(l, func() {
			m.OnData = func(_ core.Handle, b []byte) { m.Received = append(m.Received, b...) }
		})
		greet(p)
		var want []byte
		for round := range 5 {
			r.Inside(l, func() { m.LC.Transport().WantRead(false) })
			r.Inside(l, func() {}) // a whole turn
			quiet(t)
			reads := evloop.Of(l).Stats.Reads.Load()
			for i := range 4 {
				msg := evlooptest.Pattern(1000, 10*round+i)
				want = append(want, msg...)
				p.Say(evlooptest.Frame(codec.Data, 1, msg))
				r.Inside(l, func() {})
			}
			quiet(t) // a socket that is ready would keep the loop busy
			if n := evloop.Of(l).Stats.Reads.Load() - reads; n != 0 {
				t.Fatalf("round %d: %d reads while no bytes are wanted", round, n)
			}
			r.Inside(l, func() { m.LC.Transport().WantRead(true) })
			var got []byte
			evlooptest.Until(t, "what was sent meanwhile", func() bool {
				r.Inside(l, func() { got = m.Received })
				return len(got) == len(want)
			})
			if string(got) != string(want) {
				t.Fatalf("round %d: other bytes came", round)
			}
		}
	})
}
