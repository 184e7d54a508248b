//go:build linux

package uringio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
	"github.com/sscd-io/sscd/pool"
)

// A connection ends with everything imaginable under way. Its descriptor stays open, and its slot taken, until all of
// it has completed, and is closed soon after.
func TestCloseWithRequestsUnderWay(t *testing.T) {
	quit := core.End{Code: codec.Cancelled}
	for _, c := range []struct {
		name string
		want request // under way when it ends
		make func(t *testing.T, r *evlooptest.Rig, l *Loop, m *evlooptest.Member, p *evlooptest.Peer)
	}{
		{"nothing", 0, func(t *testing.T, r *evlooptest.Rig, l *Loop, m *evlooptest.Member, p *evlooptest.Peer) {
			r.Inside(l, func() { connOf(m).WantRead(false) })
			evlooptest.Until(t, "nothing under way", func() (yes bool) {
				r.Inside(l, func() { yes = connOf(m).under == 0 })
				return yes
			})
		}},
		{"a receive", receive, func(*testing.T, *evlooptest.Rig, *Loop, *evlooptest.Member, *evlooptest.Peer) {}},
		{"a receive and a poll", receive | poll, func(
			t *testing.T, r *evlooptest.Rig, l *Loop, m *evlooptest.Member, p *evlooptest.Peer,
		) {
			r.Inside(l, func() {
				evlooptest.Fill(m.FD)
				m.Send(m.Channels[0], make([]byte, 30_000))
			})
			evlooptest.Until(t, "a poll", func() (yes bool) {
				r.Inside(l, func() { yes = connOf(m).under&poll != 0 })
				return yes
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, l := serve(t, usual)
			m, p := r.Join(l)
			greet(p)
			c.make(t, r, l, m, p)
			r.Inside(l, func() {
				if got := connOf(m).under; got != c.want {
					t.Errorf("under way: %b, want %b", got, c.want)
				}
				m.LC.Abort(quit)
				l.Loop.Touch(&m.LC)
			})
			r.Wait("the end", m.Over)
			r.Wait("the very end", m.Left)
			p.NC.SetReadDeadline(time.Now().Add(evlooptest.Patience))
			if _, err := io.Copy(io.Discard, p.NC); err != nil && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the peer's end: %v", err)
			}
			if evlooptest.Alive(m.FD) {
				t.Error("the peer saw the end; the descriptor is open")
			}
			r.Inside(l, func() {
				if len(l.free) != 1 || l.free[0] != (slot{0, 1}) || l.conns[0] != nil {
					t.Errorf("free slots: %v", l.free)
				}
			})
		})
	}
}

// A connection ends when its batch is queued: the descriptor is kept until that is sent.
func TestCloseWithASendQueued(t *testing.T) {
	r, l := newRig(t, usual)
	m, p := r.Join(l)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.ring.Enable()
	l.settle()
	p.Say(evlooptest.Opens(1))
	for deadline := time.Now().Add(evlooptest.Patience); connOf(m).flight == nil; { // as serve does, up to there
		if l.enter(0, 0) != nil || time.Now().After(deadline) {
			t.Fatal("no answer is queued")
		}
		n := l.ring.Reap(l.cqes[:])
		l.Loop.Enter()
		for i := range n {
			l.complete(i, n)
		}
		l.Loop.Leave()
	}
	c := connOf(m)
	l.Loop.Enter()
	m.LC.Abort(core.End{Code: codec.Cancelled})
	l.Loop.Touch(&m.LC)
	l.Loop.Leave()
	l.Loop.Run()
	l.settle()
	if !c.closed || c.fd < 0 || c.flight == nil || m.End == nil {
		t.Errorf("closed %v, descriptor %d, %d bytes in flight", c.closed, c.fd, len(c.flight))
	}
	if l.drowsy() {
		t.Error("the loop would sleep, and the descriptor stay open")
	}
	for deadline := time.Now().Add(evlooptest.Patience); c.fd >= 0 && time.Now().Before(deadline); {
		l.enter(0, 0)
		l.turn()
	}
	if c.fd >= 0 || c.under != 0 || len(l.flying) != 0 {
		t.Errorf("descriptor %d, under way %b, %d in flight", c.fd, c.under, len(l.flying))
	}
	p.Want("ACK 1") // it left all the same
	p.WantEnd()
}

// Reading is switched off and on again at once, and later, while data flows: nothing is lost, and nothing comes twice.
func TestReadingPausesAllTheTime(t *testing.T) {
	for name, size := range map[string]int{"usual": usual.Buffers, "small": 0} {
		t.Run(name, func(t *testing.T) {
			cfg := usual
			if size == 0 {
				cfg = small
			}
			r, l := serve(t, cfg, func(c *core.Config) { c.SendQueue = 4 << 20 })
			m, p := r.JoinTCP(l)
			greet(p)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					<-l.Loop.Call(func() { connOf(m).WantRead(false) })
					if i%3 == 0 {
						time.Sleep(50 * time.Microsecond)
					}
					<-l.Loop.Call(func() {
						for range i % 4 {
							connOf(m).WantRead(true)
							connOf(m).WantRead(false)
						}
						connOf(m).WantRead(true)
					})
				}
			})
			if err := echoes(p, 4<<20, 0); err != nil {
				t.Fatal(err)
			}
			close(stop)
			wg.Wait()
			r.Inside(l, func() {})
			r.Inside(l, func() { settled(t, l) })
		})
	}
}

// A write fails when there is more unread than there are buffers: all of it is heard before the end.
func TestTheLastWordsNeedManyBuffers(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		r, l := serve(t, small)
		m, p := r.Join(l)
		greet(p)
		words := evlooptest.Pattern(60_000, 0)
		heard := make(chan []byte, 1)
		r.Inside(l, func() {
			m.OnData = func(ch core.Handle, _ []byte) {
				p.Say(evlooptest.Frame(codec.Data, 1, words))
				p.Close()
				m.Send(ch, []byte("are you there"))
				var all []byte
				m.OnData = func(_ core.Handle, b []byte) {
					if all = append(all, b...); deaf && len(all) > 2000 {
						connOf(m).WantRead(false)
					}
				}
				m.OnDown = func(*core.End) { heard <- all }
			}
		})
		p.Say(evlooptest.Frame(codec.Data, 1, []byte("now")))
		r.Wait("the end", m.Over)
		if all := <-heard; !deaf && !bytes.Equal(all, words) || !bytes.HasPrefix(words, all) {
			t.Errorf("deaf %v: heard %d bytes of %d, or others", deaf, len(all), len(words))
		}
		if !errors.Is(m.End.Err, unix.EPIPE) {
			t.Errorf("deaf %v: the end: %+v", deaf, m.End)
		}
	}
}

// A completion for a connection that had the slot before is nobody's.
func TestGenerationsOfASlot(t *testing.T) {
	r, l := newRig(t, usual)
	m, _ := r.Join(l)
	c := connOf(m)
	for _, gen := range []uint32{0, 1, genMask - 1, genMask} {
		c.slot.gen, c.under = gen, receive
		for _, other := range []uint32{gen + 1, gen - 1, gen + 7} {
			l.cqes[0].Data, l.cqes[0].Res = receive.data(c.slot.n, other), -int32(unix.ECANCELED)
			if l.complete(0, 1); c.under != receive {
				t.Errorf("generation %d has what completed for %d", gen, other)
			}
		}
		l.cqes[0].Data = receive.data(c.slot.n, gen)
		if l.complete(0, 1); c.under != 0 {
			t.Errorf("generation %d misses what completed", gen)
		}
	}
	l.cqes[0].Data = receive.data(99, 0) // nobody's
	l.complete(0, 1)
	if n := receive.data(1, genMask+1); n != receive.data(1, 0) {
		t.Errorf("%#x", n)
	}
	m.End = nil
}

// Slots are used again, each time with another generation.
func TestSlotsAreReused(t *testing.T) {
	r, l := serve(t, small)
	for range 50 {
		var members []*evlooptest.Member
		for range 4 {
			m, p := r.Join(l)
			greet(p)
			members = append(members, m)
		}
		r.Inside(l, func() {
			for _, m := range members {
				m.LC.Abort(core.End{Code: codec.Cancelled})
				l.Loop.Touch(&m.LC)
			}
		})
		evlooptest.Until(t, "the end of all", func() (yes bool) {
			r.Inside(l, func() { yes = len(l.free) == len(l.conns) })
			return yes
		})
	}
	r.Inside(l, func() {
		sum := uint32(0)
		for _, s := range l.free {
			sum += s.gen
		}
		if len(l.conns) != 4 || sum != 200 {
			t.Errorf("%d slots for 4 connections at a time; given %d times, want 200", len(l.conns), sum)
		}
	})
}

// The loop is woken while it sleeps and while it is awake, from several goroutines, 100,000 times: each is heard.
func TestWakes(t *testing.T) {
	_, l := serve(t, usual)
	var wg sync.WaitGroup
	for g := range 5 {
		wg.Go(func() {
			for i := range 20_000 {
				done := l.Loop.Call(func() {})
				if g == 0 && i%100 == 0 {
					time.Sleep(20 * time.Microsecond) // let it fall asleep
				}
				select {
				case <-done:
				case <-time.After(evlooptest.Patience):
					t.Error("nobody looks at what was posted")
					return
				}
			}
		})
	}
	wg.Wait()
}

// The ring fails. All that the loop had ends, as with Stop, and nobody waits for it.
func TestTheRingFails(t *testing.T) {
	r, l := newRig(t, usual)
	served := make(chan error, 1)
	r.StartWith(0, func(err error) { served <- err })
	d := r.Listen("127.0.0.1:0")
	m, p := r.Join(l)
	greet(p)
	full, deaf := r.Join(l)
	greet(deaf)
	r.Inside(l, func() {
		evlooptest.Fill(full.FD)
		full.Send(full.Channels[0], make([]byte, 1000))
	})
	evlooptest.Until(t, "a poll", func() (yes bool) {
		r.Inside(l, func() { yes = connOf(full).under&poll != 0 })
		return yes
	})
	keep := -1
	r.Inside(l, func() { // from now on the loop enters something that is no ring
		fd := l.ring.FD()
		keep, _ = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err := unix.Dup3(l.event, fd, unix.O_CLOEXEC); err != nil {
			t.Error(err)
		}
	})
	if err := <-served; !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("Serve: %v", err)
	}
	unix.Close(keep)
	for _, m := range []*evlooptest.Member{m, full} {
		r.Wait("the end", m.Over)
		r.Wait("the very end", m.Left)
		if !errors.Is(m.End.Err, unix.EOPNOTSUPP) {
			t.Errorf("the end: %+v", m.End)
		}
		if evlooptest.Alive(m.FD) {
			t.Error("the descriptor is open")
		}
	}
	p.WantEnd()
	d.Close()
	if evlooptest.Alive(d.FD) {
		t.Error("the listening socket is open")
	}
	if l.Loop.Post(loop.Op{Kind: loop.Call, Func: func() {}}) {
		t.Error("the loop takes posts")
	}
	l.Stop()
}

// A loop that ends does not wait for what does not come.
func TestStopAtOnce(t *testing.T) {
	for range 20 {
		r, l := serve(t, small)
		for i := range 12 {
			m, p := r.Join(l)
			greet(p)
			p.Say(evlooptest.Frame(codec.Data, 1, make([]byte, 5000)))
			if i%2 == 0 {
				r.Inside(l, func() { connOf(m).WantRead(false) })
			}
		}
		begin := time.Now()
		r.Stop()
		if took := time.Since(begin); took > lastWait*9/10 {
			t.Errorf("the end took %v", took)
		}
	}
}

// The queue is full when a request is needed: the loop does not sleep before that is queued.
func TestAFullQueue(t *testing.T) {
	r, l := newRig(t, small)
	r.Join(l)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.ring.Enable()
	for range 2 { // of a connection, and of the eventfd
		l.settle()
		l.enter(0, 0)
	}
	p := evlooptest.Pair(t)
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	for l.ring.Poll(p[0], unix.POLLIN, none.data(0, 0)) {
	}
	l.watching = [2]bool{}
	if l.settle(); l.watching != ([2]bool{}) || !l.behind {
		t.Fatal("the queue is not full")
	}
	l.wanted.Store(false)
	if l.drowsy() {
		t.Error("it would sleep")
	}
	l.enter(0, 0)
	if l.settle(); l.watching != ([2]bool{true, true}) || l.behind {
		t.Error("there is room, and nothing is queued")
	}
}

// Messages are served without allocating.
func TestMessagesDoNotAllocate(t *testing.T) {
	if ring.Allocates {
		t.Skip("giouring does")
	}
	if pool.Poison {
		t.Skip("the poison build allocates")
	}
	r, l := serve(t, usual)
	_, p := r.Join(l)
	greet(p)
	msg := evlooptest.Frame(codec.Data, 1, make([]byte, 64))
	back := make([]byte, len(msg))
	raw, err := p.NC.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := 0
	raw.Control(func(f uintptr) { fd = int(f) })
	round := func() {
		unix.Write(fd, msg)
		for got := 0; got < len(back); {
			n, err := unix.Read(fd, back[got:])
			if err == unix.EAGAIN {
				unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
			} else if got += n; err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 400 { // not so many that credit is granted
		round()
	}
	if n := testing.AllocsPerRun(200, round); n > 0.1 {
		t.Errorf("%v allocations for a message", n)
	}
}
