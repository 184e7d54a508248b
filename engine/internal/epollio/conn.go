//go:build linux

package epollio

import (
	"io"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// conn is a connected socket of a loop.
type conn struct {
	evloop.Socket
	l    *Loop
	rest *core.Batch // the batch, or what is left of it, while the socket is full
	sent int         // bytes of rest that are written
	err  error       // why a write failed

	interest interest // what the poller, or the lane, knows
	deaf     bool     // bytes are not wanted
	heavy    bool     // it is in Loop.lane
	long     uint32   // when it last had much to do, in the loop's time, in ms
}

// interest is the events a descriptor is registered for.
type interest uint8

const (
	readable interest = 1 << iota
	writable
)

// Attach implements evloop.Server.
func (l *Loop) Attach(fd int, lc *loop.Conn, events loop.Events, client, quickAck bool) error {
	c := &conn{l: l, interest: readable}
	if err := l.poller.AddRead(&netpoll.PollAttachment{FD: fd}, false); err != nil {
		unix.Close(fd)
		return err
	}
	c.Init(fd, lc, quickAck)
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
	in, out := 0, c.l.Loop.Stats.BytesOut.Load()
	if c.FD() >= 0 && c.interest&writable != 0 && ev&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.write()
	}
	if c.FD() >= 0 && !c.deaf && ev&(unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		in = c.read()
	}
	if c.FD() >= 0 {
		c.weigh(in, int(c.l.Loop.Stats.BytesOut.Load()-out))
	}
	c.l.Loop.Leave()
}

// read reads once: what is left makes the socket ready again. It returns how many bytes that were,
// or not more than 0.
func (c *conn) read() int {
	gulp := c.Conn.Gulp()
	if c.l.lane.brief {
		gulp = max(gulp/2, heavyRead)
	}
	n, err := c.Read(c.l.buf[:gulp])
	switch {
	case n > 0:
		c.HasRead()
		c.Conn.Bytes(c.l.buf[:n])
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		c.Conn.Closed(err)
	default:
		c.Conn.Closed(io.EOF)
	}
	return n
}

// write goes on with the rest of a batch, and with the connection when it is out.
func (c *conn) write() {
	if c.rest != nil && !c.push() {
		return
	}
	c.Conn.Writable()
	c.register()
}

// push writes more of rest and returns whether all of it is out.
func (c *conn) push() bool {
	n, err := c.Write(c.rest, c.sent, &c.l.pieces)
	if err != nil {
		c.fail(err)
		return false
	}
	done := c.sent+n == c.rest.Len()
	if c.sent += n; done {
		c.rest = nil
	}
	c.Conn.Sent(n)
	return done
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
	for got := 0; got < lastBytes && c.FD() >= 0 && !c.deaf; {
		n, err := c.Read(c.l.buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			break
		}
		got += n
		c.Conn.Bytes(c.l.buf[:n])
	}
	if c.FD() >= 0 {
		c.Conn.Closed(c.err)
	}
}

// register works out what the socket waits for, and has that watched.
func (c *conn) register() {
	var want interest
	if !c.deaf {
		want |= readable
	}
	if c.rest != nil {
		want |= writable
	}
	c.watch(want)
}

// watch has the poller, or the lane, report what the socket is waiting for.
func (c *conn) watch(want interest) {
	have := c.interest
	if want == have || c.FD() < 0 {
		return
	}
	c.interest = want
	if c.heavy {
		if err := c.l.lane.watch(c.FD(), have, want); err != nil {
			c.fail(err)
		}
		return
	}
	p, pa := c.l.poller, &netpoll.PollAttachment{FD: c.FD()}
	var err error
	switch {
	case want == 0:
		err = p.Delete(c.FD())
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
		if err = p.Delete(c.FD()); err == nil {
			err = p.AddWrite(pa, false)
		}
	}
	if err != nil {
		c.fail(err)
	}
}

// Submit implements loop.Transport.
func (c *conn) Submit(b *core.Batch) {
	n, err := c.Write(b, 0, &c.l.pieces)
	switch {
	case err != nil:
		c.fail(err)
	case n == b.Len():
		c.Conn.Sent(n)
	default:
		if n > 0 {
			c.Conn.Sent(n)
		}
		c.rest, c.sent = c.Conn.Rest(n), 0
		c.register()
	}
}

// WantRead implements loop.Transport.
func (c *conn) WantRead(on bool) {
	c.deaf = !on
	c.register()
}

// CloseWrite implements loop.Transport.
func (c *conn) CloseWrite() bool { return unix.Shutdown(c.FD(), unix.SHUT_WR) == nil }

// Close implements loop.Transport.
func (c *conn) Close() {
	c.watch(0)
	if c.heavy {
		c.l.lane.n--
	}
	fd := c.LetGo()
	c.l.conns[fd] = nil
	c.l.closeLater(fd)
	c.rest = nil
	c.Conn.Gone()
}
