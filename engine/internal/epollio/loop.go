//go:build linux

package epollio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

const (
	// arenaShift makes a loop's arena grow by 512 channels.
	arenaShift = 9

	// lastBytes is how much of what the peer said is read after a write has failed.
	lastBytes = 1 << 20
)

// Loop is one goroutine that serves sockets with epoll.
type Loop struct {
	evloop.Base

	poller  *netpoll.Poller
	handle  map[int]func() // descriptors that are not connections: timer, again, lane, listeners
	conns   []*conn        // by descriptor
	timer   evloop.Timer
	again   int         // eventfd: reported, with what else is ready, after it is written to
	running atomic.Bool // the loop's goroutine is in run
	buf     []byte
	pieces  evloop.Pieces
	lane    lane
	broken  []*conn // a write failed
	closing []int   // descriptors to close when the batch of events is over
	task    queue.Func
	done    chan struct{}

	mu   sync.Mutex // for quit against the end of poller
	quit bool
}

// New returns a loop whose Serve is still to be called.
func New(cfg *loop.Config) (*Loop, error) {
	poller, err := netpoll.OpenPoller()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		poller: poller, handle: make(map[int]func()), again: -1, lane: lane{fd: -1}, buf: make([]byte, loop.MaxGulp),
		done: make(chan struct{}),
	}
	l.Removed = cfg.Removed
	l.Loop = loop.New(cfg, l, arenaShift, false)
	l.Loop.Arena.Sendfile = true
	l.task = l.endOfBatch
	if err := l.watchOwn(); err != nil {
		l.Discard()
		return nil, err
	}
	return l, nil
}

// watchOwn makes the loop's own descriptors.
func (l *Loop) watchOwn() (err error) {
	if l.timer, err = evloop.NewTimer(); err != nil {
		return err
	}
	if err := l.watch(l.timer.FD, l.expire); err != nil {
		return err
	}
	if l.again, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := l.openLane(); err != nil {
		return err
	}
	l.handle[l.again] = l.goOn
	return l.poller.AddRead(&netpoll.PollAttachment{FD: l.again}, true) // by edges, so that nobody has to read it
}

// Discard implements evloop.Server.
func (l *Loop) Discard() error {
	err := l.poller.Close()
	l.timer.Close()
	unix.Close(l.again)
	unix.Close(l.lane.fd)
	for _, fd := range l.closing {
		unix.Close(fd)
	}
	return err
}

// Serve implements evloop.Server.
func (l *Loop) Serve() error {
	defer close(l.done)
	err := l.poller.Polling(l.event)
	stopped := errors.Is(err, gneterrors.ErrEngineShutdown)
	if !stopped {
		err = fmt.Errorf("epoll loop: %w", err)
		l.end(core.End{Code: codec.Internal, Reason: "event loop failed", Err: err})
	}
	l.mu.Lock()
	l.quit = true
	l.mu.Unlock()
	if closeErr := l.Discard(); stopped {
		return closeErr
	}
	return err
}

// Stop implements evloop.Server.
func (l *Loop) Stop() {
	l.trigger(func(any) error {
		l.end(core.End{Code: codec.ClosedError, Reason: "engine closed", Err: net.ErrClosed})
		return gneterrors.ErrEngineShutdown
	})
	<-l.done
}

// end ends all connections and listeners. It is the last that happens inside the loop.
func (l *Loop) end(end core.End) {
	l.Loop.Shutdown(end)
	l.EndAccepting() // after Shutdown, which does what was posted: it may have brought some
}

// event is called by the poller for each descriptor that is ready.
func (l *Loop) event(fd int, ev netpoll.IOEvent, _ netpoll.IOFlags) error {
	if fd < len(l.conns) && l.conns[fd] != nil {
		l.conns[fd].ready(ev)
	} else if f := l.handle[fd]; f != nil {
		f()
	}
	l.report()
	l.Yield(l.Loop.Now())
	return nil
}

// run is the turn that Wake asks for.
func (l *Loop) run() {
	l.running.Store(true)
	l.Loop.Run()
	l.report()
	l.running.Store(false)
}

// endOfBatch is the task that Wake triggers. The poller runs tasks when it is through with a batch of
// events, so descriptors closed during it can be given back now.
func (l *Loop) endOfBatch(any) error {
	l.run()
	for _, fd := range l.closing {
		unix.Close(fd)
	}
	l.closing = l.closing[:0]
	return nil
}

// goOn is called when a run asked for another one. It is amid a batch of events.
func (l *Loop) goOn() {
	l.run()
	if len(l.closing) > 0 {
		l.trigger(l.task)
	}
}

// expire is called when the timer has.
func (l *Loop) expire() {
	var count [8]byte
	unix.Read(l.timer.FD, count[:])
	l.Loop.Expire()
}

// report tells the connections over which a write failed. It can't be told where it happens, in the
// middle of what they do.
func (l *Loop) report() {
	for len(l.broken) > 0 {
		c := l.broken[0]
		l.broken = l.broken[1:]
		l.Loop.Enter()
		c.lastRead()
		l.Loop.Leave()
	}
}

// watch has f called whenever fd, which is no connection, can be read.
func (l *Loop) watch(fd int, f func()) error {
	if err := l.poller.AddRead(&netpoll.PollAttachment{FD: fd}, false); err != nil {
		return err
	}
	l.handle[fd] = f
	return nil
}

// closeLater closes fd when the batch of events is over.
func (l *Loop) closeLater(fd int) {
	l.closing = append(l.closing, fd)
	if len(l.closing) == 1 && !l.running.Load() { // who called run looks at closing afterwards
		l.trigger(l.task)
	}
}

// Wake implements loop.Backend. A run that asks for another one must not Trigger it: the poller would run
// tasks until there are none, without looking at sockets. Others who wake the loop during a run go the same
// way, which is as good.
func (l *Loop) Wake() {
	if !l.running.Load() {
		l.trigger(l.task)
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quit {
		unix.Write(l.again, one[:])
	}
}

// trigger has the poller run f.
func (l *Loop) trigger(f queue.Func) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quit {
		l.poller.Trigger(queue.HighPriority, f, nil)
	}
}

// Alarm implements loop.Backend.
func (l *Loop) Alarm(at time.Duration) { l.timer.Set(at - l.Loop.Since()) }
