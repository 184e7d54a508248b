//go:build linux

package uringio

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
	"github.com/sscd-io/sscd/pool"
)

const (
	// arenaShift makes a loop's arena grow by 512 channels.
	arenaShift = 9

	// turnCompletions is how many completions are handled before new ones are asked for.
	turnCompletions = 64

	// watchPeriod is how often a busy loop looks for connections for which nothing is under way.
	watchPeriod = time.Second

	// lastWait is how long a loop that ends waits for what is under way, which was cancelled.
	lastWait = time.Second

	// hiccup is how long the loop rests when the kernel can't take requests for the moment.
	hiccup = time.Millisecond
)

// Counters count what should be rare. They may be read from any goroutine.
type Counters struct {
	NoBuffers atomic.Uint64 // times that a connection found no buffer to receive into
	Overflows atomic.Uint64 // turns in which completions had to wait in the kernel for room
	Busy      atomic.Uint64 // times that the kernel took no requests: EAGAIN, EBUSY, ENOMEM
	Unarmed   atomic.Uint64 // connections for which nothing was under way, found by the watch
}

// Loop is one locked goroutine that serves sockets with an io_uring.
type Loop struct {
	evloop.Base
	Counters Counters

	ring    *ring.Ring
	pool    *pool.Pool
	cqes    [turnCompletions]ring.CQE
	behind  bool          // requests found no room in the queue
	more    bool          // there may be more completions than were reaped
	others  int           // completions of the last turn
	woke    time.Duration // when the last wait was over
	took    time.Duration // the last turn, or half of what the one before did if that is more
	spins   bool          // there are processors enough
	spinner spinner
	crowd   crowd
	flying  []*conn // the next Enter sends a batch of theirs
	ready   []*conn // theirs is out, and they have more
	pieces  evloop.Pieces

	conns     []*conn // by slot
	free      []slot
	unsettled []*conn // to be settled when the turn is over
	broken    []*conn // a write failed
	hungry    []*conn // found no buffer to receive into
	buffers   int     // of the ring

	listeners []*listener // by their number

	event    int // eventfd that wakes the loop
	timer    evloop.Timer
	armed    time.Duration // when the timer goes off
	watching [2]bool       // requests for event and timer are under way
	wanted   atomic.Bool   // Run is
	asleep   atomic.Bool   // in Enter, or about to be: the eventfd has to wake it
	stopped  atomic.Bool   // Stop was called
	ending   bool          // nothing is waited for but what is under way
	alarm    time.Duration // when to call Expire
	watch    time.Duration // when to look for unarmed connections; never if nothing happened since
	done     chan struct{}

	mu   sync.Mutex // for quit against the end of event
	quit bool
}

const never = time.Duration(1<<63 - 1)

// New returns a loop whose Serve is still to be called.
func New(cfg *loop.Config) (*Loop, error) {
	return newSized(cfg, ring.Config{
		Entries: 256, Completions: 4096, Buffers: 16, BufferSize: 64 << 10, SendBytes: 256 << 10,
	})
}

// newSized is New with a ring of that size.
func newSized(cfg *loop.Config, size ring.Config) (*Loop, error) {
	r, err := ring.New(size)
	if err != nil {
		return nil, err
	}
	l := &Loop{ring: r, pool: cfg.Core.Pool, alarm: never, watch: never, armed: never, done: make(chan struct{}),
		buffers: size.Buffers}
	l.spins = ring.CanSpin && runtime.GOMAXPROCS(0) > 1
	l.Removed = cfg.Removed
	if l.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		r.Close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	if l.timer, err = evloop.NewTimer(); err != nil {
		r.Close()
		unix.Close(l.event)
		return nil, err
	}
	l.Loop = loop.New(cfg, l, arenaShift, false)
	l.Loop.Arena.Sendfile = true
	return l, nil
}

// Discard implements evloop.Server. What is left if the kernel has failed, or if the loop was never served, ends here.
func (l *Loop) Discard() error {
	l.ring.Close()
	for _, c := range l.conns {
		if c != nil {
			unix.Close(c.fd)
			c.forget()
		}
	}
	for _, a := range l.listeners {
		if a.Acceptor != nil {
			unix.Close(a.FD)
		}
	}
	l.conns, l.listeners = nil, nil
	l.timer.Close()
	return os.NewSyscallError("close", unix.Close(l.event))
}

// Serve implements evloop.Server.
func (l *Loop) Serve() error {
	defer close(l.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := l.ring.Enable()
	if err == nil {
		err = l.serve()
	}
	end := core.End{Code: codec.ClosedError, Reason: "engine closed", Err: net.ErrClosed}
	if err != nil {
		err = fmt.Errorf("io_uring loop: %w", err)
		end = core.End{Code: codec.Internal, Reason: "event loop failed", Err: err}
	}
	l.end(end)
	l.mu.Lock()
	l.quit = true
	l.mu.Unlock()
	if closeErr := l.Discard(); err == nil {
		err = closeErr
	}
	return err
}

// serve takes turns until Stop.
func (l *Loop) serve() error {
	for l.settle(); !l.stopped.Load(); {
		if err := l.await(); err != nil {
			return err
		}
		l.turn()
	}
	return nil
}

// turn handles what has completed, and what else there is to do.
func (l *Loop) turn() {
	n := l.ring.Reap(l.cqes[:])
	l.more, l.others = n == len(l.cqes), n
	if n > 0 || len(l.ready) > 0 {
		l.Loop.Enter()
		l.goOn()
		for i := range n {
			l.complete(i, n)
		}
		l.Loop.Leave()
		l.active()
	}
	if l.wanted.Swap(false) {
		l.Loop.Run()
	}
	if l.alarm != never && l.Loop.Since() >= l.alarm {
		l.alarm = never
		l.Loop.Expire()
	}
	l.report()
	l.settle()
}

// goOn has the connections go on whose batch is out.
func (l *Loop) goOn() {
	for i, c := range l.ready {
		if !c.closed && c.err == nil && c.rest != nil {
			c.write()
		}
		l.ready[i] = nil
	}
	l.ready = l.ready[:0]
}

// enter submits and waits. It fails if the ring is of no use any more.
func (l *Loop) enter(wait uint32, timeout time.Duration) error {
	err := l.ring.Enter(wait, timeout)
	l.asleep.Store(false)
	l.land()
	if waiting, _ := l.ring.Overflowed(); waiting {
		l.Counters.Overflows.Add(1)
		l.more = true
	}
	switch err {
	case nil:
	case unix.EBUSY, unix.EAGAIN, unix.ENOMEM:
		l.Counters.Busy.Add(1)
		if !l.more {
			time.Sleep(hiccup)
		}
	default:
		return os.NewSyscallError("io_uring_enter", err)
	}
	return nil
}

// land takes note of what came of the batches that the last Enter sent.
func (l *Loop) land() {
	fails, sure := l.ring.Failed()
	for _, e := range fails {
		if c := l.conn(e.Request()); c != nil {
			c.cameBack(int(e.Res))
		}
	}
	if !sure {
		return
	}
	for i, c := range l.flying {
		c.flight = nil
		if c.rest != nil && c.left == nil {
			l.ready = append(l.ready, c)
		}
		c.unsettle()
		l.flying[i] = nil
	}
	l.flying = l.flying[:0]
}

// end ends all connections and listeners, and waits for what is under way for them.
func (l *Loop) end(end core.End) {
	l.Loop.Shutdown(end)
	l.EndAccepting() // after Shutdown, which does what was posted: it may have brought some
	l.ending = true
	for _, c := range l.conns {
		if c != nil {
			c.forget()
		}
	}
	deadline := l.Loop.Since() + lastWait
	for l.settle(); len(l.free) < len(l.conns) || l.listening(); l.settle() {
		left := deadline - l.Loop.Since()
		if left <= 0 || l.enter(1, left) != nil {
			return
		}
		n := l.ring.Reap(l.cqes[:])
		for i := range n {
			l.complete(i, n)
		}
	}
}

// Stop implements evloop.Server.
func (l *Loop) Stop() {
	l.stopped.Store(true)
	l.Wake()
	<-l.done
}

// report tells the connections over which a write failed. It can't be told where it happens, in the
// middle of what they do.
func (l *Loop) report() {
	for len(l.broken) > 0 {
		c := l.broken[0]
		l.broken = l.broken[1:]
		l.Loop.Enter()
		c.fallSilent()
		l.Loop.Leave()
	}
}

// settle has the requests queued that connections and listeners need. Those that find the queue full, even after it
// was submitted, are for the next turn, which comes at once.
func (l *Loop) settle() {
	l.behind = false
	l.feed()
	for len(l.unsettled) > 0 {
		c := l.unsettled[len(l.unsettled)-1]
		c.isUnsettled = false
		l.unsettled = l.unsettled[:len(l.unsettled)-1] // before Enter, which may have more to settle
		if !c.settle() && (l.enter(0, 0) != nil || !c.settle()) {
			c.unsettle()
			l.behind = true
			break
		}
	}
	for _, a := range l.listeners {
		if !a.settle() {
			l.behind = true
		}
	}
	for n, fd := range [...]int{onEvent: l.event, onTimer: l.timer.FD} {
		if !l.watching[n] {
			l.watching[n] = l.ring.Watch(fd, unix.POLLIN, wake.data(uint32(n), 0))
			l.behind = l.behind || !l.watching[n]
		}
	}
}

// feed has so many connections receive again as there are buffers, of those that found none. If all tried again, nearly
// all would find none once more.
func (l *Loop) feed() {
	n := min(l.buffers, len(l.hungry))
	for i, c := range l.hungry[:n] {
		c.isHungry = false
		c.unsettle()
		l.hungry[i] = nil
	}
	l.hungry = l.hungry[n:]
}

// active has connections looked at in a while.
func (l *Loop) active() {
	if l.watch == never {
		l.watch = l.Loop.Since() + watchPeriod
	}
}

// look looks at all connections. Some have ended but for what their peer does not take: they have waited for long
// enough. For none should nothing be under way although something should; if there is one, requests are lost.
func (l *Loop) look() {
	l.watch = never
	for _, c := range l.conns {
		switch {
		case c == nil || c.isUnsettled:
		case c.closed && c.left != nil && c.patient:
			c.patient = false
			l.active()
		case c.closed && c.left != nil:
			c.forget()
		case c.needs() != 0:
			l.Counters.Unarmed.Add(1)
			c.unsettle()
		}
	}
	l.settle()
}
