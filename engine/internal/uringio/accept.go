//go:build linux

package uringio

import (
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
)

// listener is a listening socket of a loop.
type listener struct {
	*evloop.Acceptor
	l      *Loop
	n      uint32 // its number
	wanted bool   // connections are
	under  bool   // way: accepting
	cancel bool   // that is to be, or is being, cancelled
	close  bool   // the socket is to be closed
}

// Listen implements evloop.Server.
func (l *Loop) Listen(a *evloop.Acceptor) error {
	fresh := &listener{Acceptor: a, l: l, n: uint32(len(l.listeners)), wanted: true}
	for i, known := range l.listeners {
		switch known.Acceptor {
		case a:
			known.wanted = true
			return nil
		case nil:
			fresh.n = uint32(i)
		}
	}
	if int(fresh.n) == len(l.listeners) {
		l.listeners = append(l.listeners, nil)
	}
	l.listeners[fresh.n] = fresh
	return nil
}

// Unlisten implements evloop.Server.
func (l *Loop) Unlisten(a *evloop.Acceptor, close bool) {
	for _, known := range l.listeners {
		if known.Acceptor == a {
			known.wanted, known.close = false, close
		}
	}
}

// listening returns whether some listener is not closed yet.
func (l *Loop) listening() bool {
	for _, a := range l.listeners {
		if a.Acceptor != nil {
			return true
		}
	}
	return false
}

// settle queues the request that is missing, or closes the socket. It returns false if the queue is full.
func (a *listener) settle() bool {
	switch {
	case a.Acceptor == nil:
	case a.wanted && !a.under:
		a.under = a.l.ring.Accept(a.FD, accept.data(a.n, 0))
		return a.under
	case !a.wanted && a.under && !a.cancel:
		a.cancel = a.l.ring.Cancel(a.FD, none.data(0, 0))
		return a.cancel
	case a.close && !a.under:
		unix.Close(a.FD)
		a.Acceptor = nil
	}
	return true
}

// complete handles a connection, or why there are none.
func (a *listener) complete(e ring.CQE) {
	if !e.More() {
		a.under, a.cancel = false, false
	}
	switch err := e.Err(); {
	case err == nil && a.wanted:
		a.Take(int(e.Res))
	case err == nil:
		unix.Close(int(e.Res))
	case err != unix.ECANCELED && a.wanted:
		a.Fail(err)
	}
}
