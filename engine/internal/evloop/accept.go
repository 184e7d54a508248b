//go:build linux

package evloop

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// minPause and maxPause bound for how long a listener rests when the process or the system has run out of
// something. The pause doubles while that lasts.
const (
	minPause = 10 * time.Millisecond
	maxPause = time.Second
)

// Server is an event loop that accepts and serves sockets. It embeds a Base.
type Server interface {
	// Serve serves sockets until Stop, or until the kernel fails; then everything the loop had has ended, too.
	Serve() error
	// Stop ends all connections, listeners and the loop, and waits for that.
	Stop()
	// Discard gives back what the loop took, if Serve is not to be called.
	Discard() error

	// Attach serves the socket fd, within a turn of the loop. On failure fd is closed.
	Attach(fd int, lc *loop.Conn, events loop.Events, client, quickAck bool) error
	// Listen has a's socket watched, inside the loop: Take and Fail tell a what comes of it.
	Listen(a *Acceptor) error
	// Unlisten ends that. It closes the socket if close is set, now or soon.
	Unlisten(a *Acceptor, close bool)

	base() *Base
}

// Base is what Servers have in common.
type Base struct {
	Loop    *loop.Loop
	Removed func() // tells that there is one connection less

	placed    atomic.Int64 // connections on their way to this loop
	acceptors map[*Acceptor]struct{}
	yielded   time.Duration // when other goroutines could have Go's processor last
}

func (b *Base) base() *Base { return b }

// Load is how many connections the loop of s has, with those on their way to it. It may be called from any goroutine.
func Load(s Server) int64 {
	b := s.base()
	placed := b.placed.Load() // first: who arrives in between is counted twice then, and not left out
	return placed + b.Loop.Stats.Conns.Load()
}

// Of is the loop of s.
func Of(s Server) *loop.Loop { return s.base().Loop }

// EndAccepting ends all listeners, inside the loop.
func (b *Base) EndAccepting() {
	for a := range b.acceptors {
		a.end()
	}
}

// Acceptor is a listening socket.
type Acceptor struct {
	// Pauses is how often accepting had to rest, Skipped how many connections were lost before they
	// were accepted, Failed how many could not be served.
	Pauses, Skipped, Failed atomic.Uint64

	// FD is the socket.
	FD int

	s        Server
	pick     func() Server
	make     func() (*loop.Conn, loop.Events)
	quickAck bool
	log      *slog.Logger
	addr     net.Addr
	pause    time.Duration
	resume   *time.Timer // while resting
	closed   bool
}

// Accept has s accept from the listening socket fd. Each connection goes to the loop that pick chooses, or is
// closed if that is nil, with what make makes for it, there. quickAck says whether to keep TCP_QUICKACK set.
func Accept(
	s Server, fd int, quickAck bool, log *slog.Logger, pick func() Server, make func() (*loop.Conn, loop.Events),
) (*Acceptor, error) {
	a := &Acceptor{FD: fd, s: s, pick: pick, make: make, quickAck: quickAck, log: log}
	a.addr, _ = sock.Addrs(fd)
	result := errors.New("event loop has ended")
	<-Of(s).Call(func() {
		if result = s.Listen(a); result == nil {
			s.base().add(a)
		}
	})
	if result != nil {
		sock.Unlink(a.addr)
		unix.Close(fd)
		return nil, result
	}
	return a, nil
}

func (b *Base) add(a *Acceptor) {
	if b.acceptors == nil {
		b.acceptors = make(map[*Acceptor]struct{})
	}
	b.acceptors[a] = struct{}{}
}

// Addr is the address listened on.
func (a *Acceptor) Addr() net.Addr { return a.addr }

// Close ends accepting, and waits for that.
func (a *Acceptor) Close() { <-Of(a.s).Call(a.end) }

// end closes the socket, inside the loop.
func (a *Acceptor) end() {
	if a.closed {
		return
	}
	a.closed = true
	delete(a.s.base().acceptors, a)
	sock.Unlink(a.addr)
	if a.resume != nil {
		a.resume.Stop()
	}
	a.s.Unlisten(a, true)
}

// Fail tells that accepting failed, and returns whether to go on at once. Else a rests and listens again.
func (a *Acceptor) Fail(err error) (goOn bool) {
	if lost(err) {
		a.Skipped.Add(1)
		return true
	}
	// Something has run out: EMFILE, ENFILE, ENOBUFS, ENOMEM. Or it is nothing that accept(2) names;
	// resting keeps the engine alive whatever it is.
	a.rest(err)
	return false
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

// rest has the socket not watched for a while: it would stay ready.
func (a *Acceptor) rest(err error) {
	if a.closed || a.resume != nil {
		return
	}
	a.Pauses.Add(1)
	if a.pause == 0 {
		a.log.Warn("accepting pauses", "addr", a.addr, "err", os.NewSyscallError("accept", err))
	}
	a.pause = min(max(2*a.pause, minPause), maxPause)
	a.s.Unlisten(a, false)
	a.resume = time.AfterFunc(a.pause, func() {
		Of(a.s).Call(func() {
			if a.closed {
				return
			}
			a.resume = nil
			if err := a.s.Listen(a); err != nil {
				a.rest(err)
			}
		})
	})
}

// Take gives an accepted socket to a loop.
func (a *Acceptor) Take(fd int) {
	a.pause = 0
	to := a.pick()
	switch to {
	case nil:
		unix.Close(fd)
		return
	case a.s:
		a.attach(to, fd)
		return
	}
	b := to.base()
	b.placed.Add(1) // so that the next pick knows
	posted := b.Loop.Post(loop.Op{Kind: loop.Call, Func: func() {
		attached := a.attach(to, fd)
		if b.placed.Add(-1); !attached {
			b.Removed()
		}
	}})
	if !posted {
		b.placed.Add(-1)
		b.Removed()
		unix.Close(fd)
	}
}

// attach has a loop serve a socket, and returns whether it can.
func (a *Acceptor) attach(to Server, fd int) bool {
	lc, events := a.make()
	err := to.Attach(fd, lc, events, false, a.quickAck)
	if err != nil {
		a.Failed.Add(1)
		a.log.Warn("connection can't be served", "err", err)
	}
	return err == nil
}
