//go:build linux

package evloop

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/disk"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// Socket is a connected socket of an event loop. Its methods are called inside the loop, unless they say otherwise.
type Socket struct {
	Conn *loop.Conn

	quickAck      bool
	local, remote netip.AddrPort // of TCP

	mu sync.Mutex // for fd against its end
	fd int        // -1 once let go
}

// Init makes s the socket fd, which serves lc. quickAck says whether to keep TCP_QUICKACK set.
func (s *Socket) Init(fd int, lc *loop.Conn, quickAck bool) {
	s.Conn, s.fd, s.quickAck = lc, fd, quickAck
	s.local, s.remote = sock.AddrPorts(fd)
}

// FD is the descriptor, or -1.
func (s *Socket) FD() int { return s.fd }

// LetGo returns the descriptor, which is the caller's to close: s has none any more.
func (s *Socket) LetGo() (fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd = s.fd
	s.fd = -1
	return fd
}

// Read reads once, as much as p holds at most.
func (s *Socket) Read(p []byte) (int, error) { return sock.Read(s.fd, p) }

// HasRead tells the socket that it was read from.
func (s *Socket) HasRead() {
	if s.quickAck {
		sock.QuickAck(s.fd)
	}
}

// maxPieces is how many pieces writev takes (IOV_MAX).
const maxPieces = 1024

// Pieces is room for what Write hands to the kernel. A loop has one.
type Pieces [maxPieces]unix.Iovec

// Write writes what the socket takes of b from byte skip on, in one system call, and one for each piece of a range. A
// full socket takes 0 bytes and is no error.
func (s *Socket) Write(b *core.Batch, skip int, room *Pieces) (n int, err error) {
	pieces := b.Slices
	for len(pieces) > 0 && skip >= len(pieces[0]) {
		skip -= len(pieces[0])
		pieces = pieces[1:]
	}
	if len(pieces) > 0 {
		n, err = s.writev(pieces, skip, b.Range.File != nil, room)
		if err != nil || b.Range.File == nil || n < b.Len()-b.Range.Len {
			return n, err
		}
		skip = 0
	}
	sent, err := s.sendfile(&b.Range, skip)
	return n + sent, err
}

// writev writes the pieces, the first one from skip on.
func (s *Socket) writev(pieces [][]byte, skip int, more bool, room *Pieces) (n int, err error) {
	if skip > 0 {
		whole := pieces[0]
		pieces[0] = whole[skip:]
		defer func() { pieces[0] = whole }()
	}
	if more {
		n, err = sock.SendMore(s.fd, pieces, room[:])
	} else {
		n, err = sock.Writev(s.fd, pieces, room[:])
	}
	return took(n, err)
}

// took makes of what a system call said what it means.
func took(n int, err error) (int, error) {
	switch err {
	case nil:
		return n, nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, err
}

// zeros fill a frame whose file became shorter when its header was out.
var zeros [16 << 10]byte

// sendfile writes what the socket takes of a range from byte skip on.
func (s *Socket) sendfile(r *core.Range, skip int) (n int, err error) {
	for full := false; n < r.Len-skip && !full && err == nil; {
		want, got := min(r.Len-skip-n, core.SendfileBytes), 0
		got, err = s.sendPiece(r, skip+n, want)
		n += got
		full = got < want
	}
	return n, err
}

// sendPiece writes what the socket takes of the n bytes of a range from byte skip on.
func (s *Socket) sendPiece(r *core.Range, skip, n int) (int, error) {
	from := r.Off + int64(skip)
	got, err := unix.Sendfile(s.fd, r.File.(*disk.File).FD(), &from, n)
	switch {
	case err == unix.EIO || err == nil && got == 0:
		return s.fill(r.Len - skip)
	case err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOVERFLOW: // not of this file
		return s.fill(r.Len - skip)
	}
	got, err = took(got, err)
	if got > 0 {
		s.Conn.SentFile(got)
	}
	return got, err
}

// fill writes zeros instead of the last n bytes of a range that its file does not have any more. The channel
// ends, the connection does not.
func (s *Socket) fill(n int) (int, error) {
	s.Conn.Truncated()
	return took(unix.Write(s.fd, zeros[:min(n, len(zeros))]))
}

// Options returns what the kernel made of the socket's options. It may be called from any goroutine.
func (s *Socket) Options() (sock.Options, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return sock.Options{}, net.ErrClosed
	}
	return sock.Effective(s.fd)
}

// LocalAddr implements loop.Transport.
func (s *Socket) LocalAddr() net.Addr { return netAddr(s.local) }

// RemoteAddr implements loop.Transport.
func (s *Socket) RemoteAddr() net.Addr { return netAddr(s.remote) }

func netAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a)
}
