//go:build linux

package epollio

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

const (
	// arenaShift makes a loop's arena grow by 512 channels.
	arenaShift = 9

	// readBytes is how much one read takes, and so how much of a connection is handled before others
	// have their turn.
	readBytes = 64 << 10

	// maxPieces is how many pieces writev takes (IOV_MAX).
	maxPieces = 1024
)

// Loop is one goroutine that serves sockets with epoll.
type Loop struct {
	Loop *loop.Loop

	poller  *netpoll.Poller
	handle  map[int]func() // descriptors that are not connections: timer, listeners
	conns   []*conn        // by descriptor
	timer   int            // timerfd
	buf     []byte
	iov     [maxPieces]unix.Iovec
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
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		poller.Close()
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	l := &Loop{
		poller: poller, timer: timer, handle: make(map[int]func()), buf: make([]byte, readBytes),
		done: make(chan struct{}),
	}
	l.Loop = loop.New(cfg, l, arenaShift, false)
	l.task = l.endOfBatch
	l.handle[timer] = l.expire
	if err := poller.AddRead(&netpoll.PollAttachment{FD: timer}, false); err != nil {
		poller.Close()
		unix.Close(timer)
		return nil, err
	}
	return l, nil
}

// Discard gives back what New took, if Serve is not to be called.
func (l *Loop) Discard() {
	l.poller.Close()
	unix.Close(l.timer)
}

// Serve serves sockets until Stop.
func (l *Loop) Serve() error {
	defer close(l.done)
	err := l.poller.Polling(l.event)
	l.mu.Lock()
	l.quit = true
	l.mu.Unlock()
	closeErr := l.poller.Close()
	unix.Close(l.timer)
	for _, fd := range l.closing {
		unix.Close(fd)
	}
	if !errors.Is(err, gneterrors.ErrEngineShutdown) {
		return fmt.Errorf("epoll loop: %w", err)
	}
	return closeErr
}

// Stop ends all connections, listeners and the loop, and waits for that.
func (l *Loop) Stop() {
	l.trigger(func(any) error {
		for fd := range l.handle {
			if fd != l.timer {
				l.forget(fd)
			}
		}
		l.Loop.Shutdown(core.End{Code: codec.ClosedError, Reason: "engine closed"})
		return gneterrors.ErrEngineShutdown
	})
	<-l.done
}

// event is called by the poller for each descriptor that is ready.
func (l *Loop) event(fd int, ev netpoll.IOEvent, _ netpoll.IOFlags) error {
	if fd < len(l.conns) && l.conns[fd] != nil {
		l.conns[fd].ready(ev)
	} else if f := l.handle[fd]; f != nil {
		f()
	}
	l.report()
	return nil
}

// endOfBatch is the task that Wake asks for. The poller runs tasks when it is through with a batch of
// events, so descriptors closed during it can be given back now.
func (l *Loop) endOfBatch(any) error {
	l.Loop.Run()
	l.report()
	for _, fd := range l.closing {
		unix.Close(fd)
	}
	l.closing = l.closing[:0]
	return nil
}

// expire is called when the timer has.
func (l *Loop) expire() {
	var count [8]byte
	unix.Read(l.timer, count[:])
	l.Loop.Expire()
}

// report tells the connections over which a write failed. It can't be told where it happens, in the
// middle of what they do.
func (l *Loop) report() {
	for len(l.broken) > 0 {
		c := l.broken[0]
		l.broken = l.broken[1:]
		l.Loop.Enter()
		c.lc.Closed(c.err)
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

// forget ends watch and has fd closed.
func (l *Loop) forget(fd int) {
	l.poller.Delete(fd)
	delete(l.handle, fd)
	l.closeLater(fd)
}

// closeLater closes fd when the batch of events is over.
func (l *Loop) closeLater(fd int) {
	l.closing = append(l.closing, fd)
	l.Wake()
}

// Wake implements loop.Backend.
func (l *Loop) Wake() { l.trigger(l.task) }

// trigger has the poller run f.
func (l *Loop) trigger(f queue.Func) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quit {
		l.poller.Trigger(queue.HighPriority, f, nil)
	}
}

// Alarm implements loop.Backend.
func (l *Loop) Alarm(at time.Duration) {
	var spec unix.ItimerSpec
	if left := at - l.Loop.Since(); at < 1<<62 {
		spec.Value = unix.NsecToTimespec(int64(max(left, 1)))
	}
	unix.TimerfdSettime(l.timer, 0, &spec, nil)
}
