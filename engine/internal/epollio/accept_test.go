//go:build linux

package epollio

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// warnings is a log that counts.
type warnings struct {
	slog.Handler
	n *atomic.Int64
}

func (w warnings) Enabled(context.Context, slog.Level) bool { return true }

func (w warnings) Handle(context.Context, slog.Record) error {
	w.n.Add(1)
	return nil
}

// door is a listener of a rig.
type door struct {
	*Acceptor
	warned atomic.Int64
	addr   string
}

// listen has loop 0 accept for all loops, as an engine does.
func (r *rig) listen(addr string) *door {
	r.t.Helper()
	fd, err := sock.Listen(addr, sock.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.accept(fd)
}

// accept has loop 0 accept from fd, which need not be able to.
func (r *rig) accept(fd int) *door {
	r.t.Helper()
	d := new(door)
	log := slog.New(warnings{slog.DiscardHandler, &d.warned})
	a, err := r.loops[0].Accept(fd, false, log, r.idlest, func() (*loop.Conn, loop.Events) {
		m := r.newMember()
		return &m.lc, m
	})
	if err != nil {
		r.t.Fatal(err)
	}
	d.Acceptor = a
	if a.addr != nil {
		d.addr = a.addr.String()
	}
	return d
}

// idlest is the loop with the fewest connections.
func (r *rig) idlest() *Loop {
	best := r.loops[0]
	for _, l := range r.loops[1:] {
		if l.Load() < best.Load() {
			best = l
		}
	}
	return best
}

// dial connects, which the kernel does alone.
func (d *door) dial(t testing.TB) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	return ofConn(t, nc)
}

// state reads what belongs to the loop.
func (r *rig) state(d *door) (pause time.Duration, resting, watched bool) {
	r.inside(d.l, func() {
		watched = d.l.handle[d.fd] != nil
		pause, resting = d.pause, d.resume != nil
	})
	return pause, resting, watched
}

// shortOf leaves the process n descriptors more than it has, and returns what ends that.
func shortOf(t testing.TB, n int) (enough func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var spare []int
	for range n + 1 { // the numbers that would be given out next
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		spare = append(spare, fd)
	}
	for _, fd := range spare {
		unix.Close(fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(spare[n]), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	restore := func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }
	t.Cleanup(restore)
	return restore
}

// The errors of accept(2) that are about a connection that is gone are told from those over which accepting
// has to rest: something has run out, or nobody knows.
func TestErrorsOfAccept(t *testing.T) {
	for _, err := range []unix.Errno{
		unix.EINTR, unix.ECONNABORTED, unix.ECONNRESET, unix.EPERM,
		// "Linux accept() passes already-pending network errors on the new socket as an error code."
		unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH,
		unix.EOPNOTSUPP, unix.ENETUNREACH, unix.ETIMEDOUT,
	} {
		if !lost(err) {
			t.Errorf("accepting would rest for %v", err)
		}
	}
	for _, err := range []unix.Errno{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM,
		unix.EAGAIN, unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOTSOCK, unix.ENOSYS, unix.ENOSR,
	} {
		if lost(err) {
			t.Errorf("%v would be skipped", err)
		}
	}
}

// Clients come, are served, and find nobody once the listener is closed.
func TestAccept(t *testing.T) {
	r := serve(t, 2)
	d := r.listen("127.0.0.1:0")
	for range 5 {
		p := d.dial(t)
		p.say(opens(1))
		p.want("ACK 1")
		p.ask("hello")
	}
	d.Close()
	d.Close()                                           // once more does no harm
	until(t, "connections to be refused", func() bool { // the socket is closed when the batch of events is over
		nc, err := net.Dial("tcp", d.addr)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
}

// No descriptors are left: clients wait, the loop does not spin and serves those it has; the rests grow.
// When there are descriptors again all are served, and the next rest would be short.
func TestAcceptingRests(t *testing.T) {
	r := serve(t, 1)
	d := r.listen("127.0.0.1:0")
	before := d.dial(t)
	before.say(opens(1))
	before.want("ACK 1")

	for round := range 2 {
		var waiting []int
		for range 3 {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, fd)
		}
		pauses, warned := d.Pauses.Load(), d.warned.Load()
		enough := shortOf(t, 0)
		for _, fd := range waiting {
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: d.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				t.Fatal(err)
			}
		}
		for want := minPause; want <= 4*minPause; want *= 2 {
			until(t, "a rest of "+want.String(), func() bool {
				pause, _, _ := r.state(d)
				return pause >= want
			})
			before.ask("are you still there")
		}
		pause, resting, watched := r.state(d)
		if n := d.Pauses.Load() - pauses; n < 3 || n > 10 || pause > minPause<<(n-1) {
			t.Errorf("round %d: after %d rests the pause is %v", round, n, pause)
		}
		if resting == watched {
			t.Errorf("round %d: resting %v, in the poller %v", round, resting, watched)
		}
		if n := d.warned.Load() - warned; n != 1 {
			t.Errorf("round %d: %d warnings", round, n)
		}
		enough()
		for _, fd := range waiting {
			p := newPeer(t, fd)
			p.say(opens(1))
			p.want("ACK 1")
		}
		if pause, resting, watched := r.state(d); pause != 0 || resting || !watched {
			t.Errorf("round %d: all is well; pause %v, resting %v, in the poller %v", round, pause, resting, watched)
		}
	}
	if n := d.Failed.Load() + d.Skipped.Load(); n != 0 {
		t.Errorf("%d connections failed or skipped", n)
	}
	d.Close()
}

// The rests double from minPause to maxPause and no further.
func TestRestsDouble(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	fd, err := sock.Listen("127.0.0.1:0", sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := &Acceptor{fd: fd, l: l, log: slog.New(slog.DiscardHandler)}
	if err := l.watch(fd, a.accept); err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000} {
		a.rest(unix.EMFILE)
		a.resume.Stop()
		if a.pause != want*time.Millisecond {
			t.Errorf("rest %d takes %v, want %v", i, a.pause, want*time.Millisecond)
		}
	}
	if ready(t, l, fd) != 0 || l.handle[fd] != nil {
		t.Error("a listener that rests is in the poller")
	}
	unix.Close(fd)
}

// Errors that accept(2) does not name, again and again: the listener rests, the loop lives.
func TestAListenerThatCanNotAccept(t *testing.T) {
	for name, fd := range map[string]func() int{
		"not listening": func() int {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			return fd
		},
		"no socket": func() int {
			fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			return fd
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, 1)
			d := r.accept(fd())
			until(t, "three rests", func() bool { return d.Pauses.Load() >= 3 })
			_, p := r.join(r.loops[0])
			p.say(opens(1))
			p.want("ACK 1")
			if pause, _, _ := r.state(d); pause < 4*minPause {
				t.Errorf("after three rests the pause is %v", pause)
			}
			until(t, "a rest", func() bool {
				_, resting, _ := r.state(d)
				return resting
			})
			d.Close()
			until(t, "the descriptor to be closed", func() bool { return !alive(d.fd) })
			if n := d.warned.Load(); n != 1 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// Closing a listener that rests closes its socket, and it does not come back.
func TestCloseWhileResting(t *testing.T) {
	r := serve(t, 1)
	d := r.listen("127.0.0.1:0")
	r.inside(d.l, func() { d.rest(unix.EMFILE) })
	d.Close()
	until(t, "the descriptor to be closed", func() bool { return !alive(d.fd) })
	time.Sleep(2 * minPause) // decides nothing: if the rest went on after all, the rig sees a descriptor
	if nc, err := net.Dial("tcp", d.addr); err == nil {
		nc.Close()
		t.Error("a closed listener takes connections")
	}
}

// The end of a loop is the end of its listeners, also of one that rests just then.
func TestStopWhileResting(t *testing.T) {
	r := serve(t, 1)
	d := r.listen("127.0.0.1:0")
	r.inside(d.l, func() { d.rest(unix.EMFILE) })
	r.loops[0].Stop()
	d.Close()
	if alive(d.fd) {
		t.Error("the listening socket is open after the end of its loop")
	}
}

// A listener that comes just when its loop ends, ends with it.
func TestAcceptWhenTheLoopEnds(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	fd, err := sock.Listen("127.0.0.1:0", sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		if a, err := l.Accept(fd, false, r.cfg.Logger, r.idlest, nil); err == nil {
			a.Close()
		}
	}()
	until(t, "a listener", func() bool { return r.wakes[0].Load() == 1 })
	l.end(core.End{Code: codec.ClosedError})
	r.wait("Accept", returned)
	if l.handle[fd] != nil || len(l.acceptors) != 0 || !slices.Equal(l.closing, []int{fd}) {
		t.Errorf("still watched: %v, listeners: %d, to be closed: %v", l.handle[fd] != nil, len(l.acceptors), l.closing)
	}
}

// A loop that has ended takes no listener, and closes the socket it was given.
func TestAcceptOnALoopThatHasEnded(t *testing.T) {
	r := serve(t, 1)
	d := r.listen("127.0.0.1:0")
	r.loops[0].Stop()
	if alive(d.fd) {
		t.Error("the listening socket is open after the end of its loop")
	}
	d.Close() // late, and harmless
	fd, err := sock.Listen("127.0.0.1:0", sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.loops[0].Accept(fd, false, r.cfg.Logger, r.idlest, nil); err == nil {
		t.Error("no error")
	}
	if alive(fd) {
		t.Error("the socket is open")
	}
}

// Connections that come together are spread over the loops although none of those has seen its own yet.
func TestConnectionsAreSpread(t *testing.T) {
	r := serve(t, 4)
	d := r.listen("127.0.0.1:0")
	var releases []func()
	for _, l := range r.loops {
		release := r.hold(l)
		defer release()
		releases = append(releases, release)
	}
	var peers []*peer
	for range 12 {
		peers = append(peers, d.dial(t))
	}
	releases[0]() // it accepts
	until(t, "all to be accepted", func() bool { return r.conns() == 12 })
	for _, release := range releases {
		release()
	}
	for _, p := range peers {
		p.say(opens(1))
		p.want("ACK 1")
	}
	for i, l := range r.loops {
		if n := l.Loop.Stats.Conns.Load(); n != 3 {
			t.Errorf("loop %d has %d of 12 connections", i, n)
		}
	}
	// Those that end make room.
	for _, p := range peers {
		p.close()
	}
	until(t, "the connections to end", func() bool { return r.conns() == 0 })
	d.Close()
}

// conns is how many connections are counted, those on their way included.
func (r *rig) conns() (n int64) {
	for _, l := range r.loops {
		n += l.Load()
	}
	return n
}

// From its acceptance on a connection is counted by its loop, without a moment in which it is not: it is
// then that the next one is given to the wrong loop.
func TestTheCountDoesNotDip(t *testing.T) {
	r := serve(t, 2)
	fd, err := sock.Listen("127.0.0.1:0", sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	counted := make(chan int64, 1)
	a, err := r.loops[0].Accept(fd, false, r.cfg.Logger, func() *Loop { return r.loops[1] }, func() (*loop.Conn, loop.Events) {
		counted <- r.loops[1].Load()
		m := r.newMember()
		return &m.lc, m
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	(&door{Acceptor: a, addr: a.Addr().String()}).dial(t)
	if n := <-counted; n != 1 {
		t.Errorf("%d connections counted when the first one is about to be attached", n)
	}
}

// A connection that was picked for a loop that ends just then is closed.
func TestThePickedLoopHasEnded(t *testing.T) {
	r := serve(t, 2)
	d := r.listen("127.0.0.1:0")
	r.loops[1].Stop()
	r.inside(d.l, func() { d.pick = func() *Loop { return r.loops[1] } })
	d.dial(t).wantEnd()
	d.Close()
}

// However many clients wait, at most acceptBatch are taken before sockets are looked at.
func TestAcceptTakesTurns(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	fd, err := sock.Listen("127.0.0.1:0", sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := sock.Addrs(fd)
	a := &Acceptor{
		fd: fd, l: l, log: r.cfg.Logger, pick: r.idlest, addr: addr,
		make: func() (*loop.Conn, loop.Events) { m := r.newMember(); return &m.lc, m },
	}
	if err := l.watch(fd, a.accept); err != nil {
		t.Fatal(err)
	}
	d := &door{Acceptor: a, addr: addr.String()}
	for range acceptBatch + 10 {
		d.dial(t)
	}
	for _, want := range []int64{acceptBatch, acceptBatch + 10, acceptBatch + 10} {
		l.event(fd, unix.EPOLLIN, 0)
		if n := l.Loop.Stats.Conns.Load(); n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
	}
	l.forget(fd)
}

// A socket that can't be served, by the loop that accepted it or by another, is closed, and counted as that
// and nothing else.
func TestAcceptFails(t *testing.T) {
	r := newRig(t, 2)
	for i, l := range r.loops {
		file, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0) // epoll takes no files
		if err != nil {
			t.Fatal(err)
		}
		m := r.newMember()
		a := &Acceptor{
			l: r.loops[0], log: r.cfg.Logger, pick: func() *Loop { return l },
			make: func() (*loop.Conn, loop.Events) { return &m.lc, m },
		}
		a.place(file)
		if n := l.Load(); n != int64(i) {
			t.Errorf("loop %d: %d connections on their way", i, n)
		}
		l.endOfBatch(nil)
		if alive(file) {
			t.Errorf("loop %d: the descriptor is open", i)
		}
		if n := a.Failed.Load(); n != 1 {
			t.Errorf("loop %d: %d failures counted", i, n)
		}
		if n := l.Load(); n != 0 {
			t.Errorf("loop %d: %d connections counted", i, n)
		}
	}
}

// A Unix socket can be listened on again once its listener is closed, as with package net.
func TestAUnixSocketCanBeListenedOnAgain(t *testing.T) {
	r := serve(t, 1)
	path := filepath.Join(t.TempDir(), "socket")
	r.listen(path).Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a closed listener: %v", err)
	}
	d := r.listen(path)
	r.loops[0].Stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a listener whose loop has ended: %v", err)
	}
	d.Close()
	fd, err := sock.Listen(path, sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.loops[0].Accept(fd, false, r.cfg.Logger, r.idlest, nil); err == nil {
		t.Error("a loop that has ended takes a listener")
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a listener that was not taken: %v", err)
	}
}
