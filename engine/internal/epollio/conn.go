//go:build linux

package epollio

import (
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// conn is a connected socket of a loop.
type conn struct {
	l    *Loop
	lc   *loop.Conn
	rest *core.Batch // the batch, or what is left of it, while the socket is full
	sent int         // bytes of rest that are written
	err  error       // why a write failed

	quickAck bool
	interest interest // what the poller knows
	deaf     bool     // bytes are not wanted

	local, remote netip.AddrPort // of TCP

	mu sync.Mutex // for fd against its end
	fd int        // -1 once closed
}

// interest is the events a descriptor is registered for.
type interest uint8

const (
	readable interest = 1 << iota
	writable
)

// Attach serves the socket fd, within a turn of the loop. On failure fd is closed.
func (l *Loop) Attach(fd int, lc *loop.Conn, events loop.Events, client, quickAck bool) error {
	c := &conn{l: l, lc: lc, fd: fd, quickAck: quickAck, interest: readable}
	if err := l.poller.AddRead(&netpoll.PollAttachment{FD: fd}, false); err != nil {
		unix.Close(fd)
		return err
	}
	c.local, c.remote = sock.AddrPorts(fd)
	if fd >= len(l.conns) {
		l.conns = append(l.conns, make([]*conn, fd+1-len(l.conns))...)
	}
	l.conns[fd] = c
	l.Loop.Attach(lc, c, events, client)
	return nil
}

// ready is called when the socket can be written or read. EPOLLHUP and EPOLLERR come unasked; a write
// or a read tells what they are about.
func (c *conn) ready(ev netpoll.IOEvent) {
	c.l.Loop.Enter()
	if c.fd >= 0 && c.interest&writable != 0 && ev&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.write()
	}
	if c.fd >= 0 && !c.deaf && ev&(unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.read()
	}
	c.l.Loop.Leave()
}

// read reads once: what is left makes the socket ready again.
func (c *conn) read() {
	n, err := unix.Read(c.fd, c.l.buf[:c.lc.Gulp()])
	switch {
	case n > 0:
		if c.quickAck {
			sock.QuickAck(c.fd)
		}
		c.lc.Bytes(c.l.buf[:n])
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		c.lc.Closed(err)
	default:
		c.lc.Closed(io.EOF)
	}
}

// write goes on with the rest of a batch, and with the connection when it is out.
func (c *conn) write() {
	if c.rest != nil && !c.push() {
		return
	}
	c.lc.Writable()
	c.register()
}

// push writes more of rest and returns whether all of it is out.
func (c *conn) push() bool {
	n, err := c.out(c.rest, c.sent)
	if err != nil {
		return false
	}
	done := c.sent+n == c.rest.Len()
	if c.sent += n; done {
		c.rest = nil
	}
	c.lc.Sent(n)
	return done
}

// out writes what the socket takes of b from byte skip on, in one system call or, with a range, two.
func (c *conn) out(b *core.Batch, skip int) (n int, err error) {
	pieces := b.Slices
	for len(pieces) > 0 && skip >= len(pieces[0]) {
		skip -= len(pieces[0])
		pieces = pieces[1:]
	}
	if len(pieces) > 0 {
		n, err = c.writev(pieces, skip, b.Range.File != nil)
		if err != nil || b.Range.File == nil || n < b.Len()-b.Range.Len {
			return n, err
		}
		skip = 0
	}
	sent, err := c.sendfile(&b.Range, skip)
	return n + sent, err
}

// writev writes the pieces, the first one from skip on. A full socket takes 0 bytes and is no error.
func (c *conn) writev(pieces [][]byte, skip int, more bool) (n int, err error) {
	if skip > 0 {
		whole := pieces[0]
		pieces[0] = whole[skip:]
		defer func() { pieces[0] = whole }()
	}
	if more {
		n, err = sock.SendMore(c.fd, pieces, c.l.iov[:])
	} else {
		n, err = sock.Writev(c.fd, pieces, c.l.iov[:])
	}
	return c.took(n, err)
}

// took makes of what a system call said what it means.
func (c *conn) took(n int, err error) (int, error) {
	switch err {
	case nil:
		return n, nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	c.fail(err)
	return 0, err
}

// fail notes that the socket is of no use any more. The connection is told when the turn is over.
func (c *conn) fail(err error) {
	if c.err == nil {
		c.err = err
		c.l.broken = append(c.l.broken, c)
	}
}

// lastRead reads what lies in the socket after a write has failed: what the peer sent before it closed its
// end often says why it did. Then the connection ends, if it has not over that.
func (c *conn) lastRead() {
	for got := 0; got < lastBytes && c.fd >= 0 && !c.deaf; {
		n, err := unix.Read(c.fd, c.l.buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			break
		}
		got += n
		c.lc.Bytes(c.l.buf[:n])
	}
	if c.fd >= 0 {
		c.lc.Closed(c.err)
	}
}

// register tells the poller for what the socket is waiting, if that has changed.
func (c *conn) register() {
	var want interest
	if !c.deaf {
		want |= readable
	}
	if c.rest != nil {
		want |= writable
	}
	have := c.interest
	if want == have || c.fd < 0 {
		return
	}
	c.interest = want
	p, pa := c.l.poller, &netpoll.PollAttachment{FD: c.fd}
	var err error
	switch {
	case want == 0:
		err = p.Delete(c.fd)
	case have == 0 && want == readable:
		err = p.AddRead(pa, false)
	case have == 0 && want == writable:
		err = p.AddWrite(pa, false)
	case have == 0:
		err = p.AddReadWrite(pa, false)
	case want == readable:
		err = p.ModRead(pa, false)
	case want == readable|writable:
		err = p.ModReadWrite(pa, false)
	default: // the poller has no change to writable only
		if err = p.Delete(c.fd); err == nil {
			err = p.AddWrite(pa, false)
		}
	}
	if err != nil {
		c.fail(err)
	}
}

// Submit implements loop.Transport.
func (c *conn) Submit(b *core.Batch) {
	n, err := c.out(b, 0)
	switch {
	case err != nil:
	case n == b.Len():
		c.lc.Sent(n)
	default:
		if n > 0 {
			c.lc.Sent(n)
		}
		c.rest, c.sent = c.lc.Rest(n), 0
		c.register()
	}
}

// WantRead implements loop.Transport.
func (c *conn) WantRead(on bool) {
	c.deaf = !on
	c.register()
}

// Close implements loop.Transport.
func (c *conn) Close() {
	c.mu.Lock()
	fd := c.fd
	c.fd = -1
	c.mu.Unlock()
	if c.interest != 0 {
		c.l.poller.Delete(fd)
	}
	c.l.conns[fd] = nil
	c.l.closeLater(fd)
	c.rest = nil
	c.lc.Gone()
}

// Options returns what the kernel made of the socket's options. It may be called from any goroutine.
func (c *conn) Options() (sock.Options, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return sock.Options{}, net.ErrClosed
	}
	return sock.Effective(c.fd)
}

// LocalAddr implements loop.Transport.
func (c *conn) LocalAddr() net.Addr { return netAddr(c.local) }

// RemoteAddr implements loop.Transport.
func (c *conn) RemoteAddr() net.Addr { return netAddr(c.remote) }

func netAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a)
}
