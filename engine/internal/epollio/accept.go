//go:build linux

package epollio

import (
	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/evloop"
)

// acceptBatch is how many connections are accepted before sockets are served again.
const acceptBatch = 64

// Listen implements evloop.Server.
func (l *Loop) Listen(a *evloop.Acceptor) error {
	return l.watch(a.FD, func() {
		l.Loop.Enter()
		accept(a)
		l.Loop.Leave()
	})
}

// Unlisten implements evloop.Server. While a listener rests its socket is not in the poller: it would stay ready.
func (l *Loop) Unlisten(a *evloop.Acceptor, close bool) {
	if _, watched := l.handle[a.FD]; watched {
		l.poller.Delete(a.FD)
		delete(l.handle, a.FD)
	}
	if close {
		l.closeLater(a.FD)
	}
}

// accept takes what waits, up to acceptBatch.
func accept(a *evloop.Acceptor) {
	for range acceptBatch {
		fd, _, err := socket.Accept(a.FD)
		switch {
		case err == nil:
			a.Take(fd)
		case err == unix.EAGAIN || !a.Fail(err):
			return
		}
	}
}
