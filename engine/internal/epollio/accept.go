//go:build linux

package epollio

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

const (
	// acceptBatch is how many connections are accepted before sockets are served again.
	acceptBatch = 64

	// minPause and maxPause bound for how long a listener rests when the process or the system has
	// run out of something. The pause doubles while that lasts.
	minPause = 10 * time.Millisecond
	maxPause = time.Second
)

// Acceptor is a listening socket.
type Acceptor struct {
	// Pauses is how often accepting had to rest, Skipped how many connections were lost before they
	// were accepted, Failed how many could not be served.
	Pauses, Skipped, Failed atomic.Uint64

	fd       int
	l        *Loop
	pick     func() *Loop
	make     func() (*loop.Conn, loop.Events)
	quickAck bool
	log      *slog.Logger
	addr     net.Addr
	pause    time.Duration
	resume   *time.Timer // while resting
	closed   bool
}

// Accept has l accept from the listening socket fd. Each connection goes to the loop that pick chooses, or is
// closed if that is nil, with what make makes for it, there. quickAck says whether to keep TCP_QUICKACK set.
func (l *Loop) Accept(
	fd int, quickAck bool, log *slog.Logger, pick func() *Loop, make func() (*loop.Conn, loop.Events),
) (*Acceptor, error) {
	a := &Acceptor{fd: fd, l: l, pick: pick, make: make, quickAck: quickAck, log: log}
	a.addr, _ = sock.Addrs(fd)
	result := errors.New("epoll loop has ended")
	<-l.Loop.Call(func() {
		if result = l.watch(fd, a.accept); result == nil {
			l.acceptors[a] = struct{}{}
		}
	})
	if result != nil {
		sock.Unlink(a.addr)
		unix.Close(fd)
		return nil, result
	}
	return a, nil
}

// Addr is the address listened on.
func (a *Acceptor) Addr() net.Addr { return a.addr }

// Close ends accepting, and waits for that.
func (a *Acceptor) Close() { <-a.l.Loop.Call(a.end) }

// end closes the socket, inside the loop.
func (a *Acceptor) end() {
	if a.closed {
		return
	}
	a.closed = true
	delete(a.l.acceptors, a)
	sock.Unlink(a.addr)
	if a.resume != nil {
		a.resume.Stop()
		a.l.closeLater(a.fd)
	} else {
		a.l.forget(a.fd)
	}
}

// accept takes what waits, up to acceptBatch.
func (a *Acceptor) accept() {
	a.l.Loop.Enter()
	defer a.l.Loop.Leave()
	for range acceptBatch {
		fd, _, err := socket.Accept(a.fd)
		if err == nil {
			a.pause = 0
			a.place(fd)
			continue
		}
		switch {
		case err == unix.EAGAIN:
		case lost(err):
			a.Skipped.Add(1)
			continue
		default:
			// Something has run out: EMFILE, ENFILE, ENOBUFS, ENOMEM. Or it is nothing that accept(2) names;
			// resting keeps the engine alive whatever it is.
			a.rest(err)
		}
		return
	}
}

// lost returns whether err is about a connection that was gone before it was accepted (accept(2)).
func lost(err error) bool {
	switch err {
	case unix.EINTR, unix.ECONNABORTED, unix.ECONNRESET, unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT,
		unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.ETIMEDOUT, unix.EPERM:
		return true
	}
	return false
}

// rest takes the listener out of the poller for a while: it would stay ready.
func (a *Acceptor) rest(err error) {
	a.Pauses.Add(1)
	if a.pause == 0 {
		a.log.Warn("accepting pauses", "addr", a.addr, "err", os.NewSyscallError("accept", err))
	}
	a.pause = min(max(2*a.pause, minPause), maxPause)
	a.l.poller.Delete(a.fd)
	delete(a.l.handle, a.fd)
	a.resume = time.AfterFunc(a.pause, func() {
		a.l.Loop.Call(func() {
			if a.closed {
				return
			}
			a.resume = nil
			if err := a.l.watch(a.fd, a.accept); err != nil {
				a.rest(err)
			}
		})
	})
}

// place gives an accepted socket to a loop.
func (a *Acceptor) place(fd int) {
	to := a.pick()
	switch to {
	case nil:
		unix.Close(fd)
		return
	case a.l:
		a.attach(to, fd)
		return
	}
	to.placed.Add(1) // so that the next pick knows
	posted := to.Loop.Post(loop.Op{Kind: loop.Call, Func: func() {
		attached := a.attach(to, fd)
		if to.placed.Add(-1); !attached {
			to.removed()
		}
	}})
	if !posted {
		to.placed.Add(-1)
		to.removed()
		unix.Close(fd)
	}
}

// attach has a loop serve a socket, and returns whether it can.
func (a *Acceptor) attach(to *Loop, fd int) bool {
	lc, events := a.make()
	err := to.Attach(fd, lc, events, false, a.quickAck)
	if err != nil {
		a.Failed.Add(1)
		a.log.Warn("connection can't be served", "err", err)
	}
	return err == nil
}
