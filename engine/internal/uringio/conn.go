//go:build linux

package uringio

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
	"github.com/sscd-io/sscd/pool"
)

// shortBatch is how many bytes a batch has at most that is copied and sent by the ring. A longer one is written at
// once: its own system call is a small part of what it costs.
const shortBatch = 16 << 10

// conn is a connected socket of a loop.
type conn struct {
	evloop.Socket
	l    *Loop
	slot slot
	fd   int // open until nothing is under way

	under       request // way: what has not completed
	isUnsettled bool    // among Loop.unsettled
	deaf        bool    // bytes are not wanted
	heardAll    bool    // no more bytes can come
	isHungry    bool    // among Loop.hungry
	heard       uint32  // Loop.crowd's window of the last receipt
	halfOpen    bool    // the peer has ended its direction: see poll
	silent      bool    // CloseWrite was called
	closed      bool    // Close was called
	patient     bool    // with closed and left: the peer has some time to take that
	err         error   // why a write failed

	// What is to be sent, in this order. A batch in flight is counted as sent: it is for the ring, as the socket's
	// own buffer is for the kernel.
	flight []byte      // memory of the ring: what the next Enter sends
	left   *pool.Buf   // what the socket did not take of that
	wrote  int         // bytes of left that are written
	rest   *core.Batch // the batch, or what is left of it
	sent   int         // bytes of rest that are written
}

// Attach implements evloop.Server.
func (l *Loop) Attach(fd int, lc *loop.Conn, events loop.Events, client, quickAck bool) error {
	c := &conn{l: l, fd: fd}
	c.Init(fd, lc, quickAck)
	if n := len(l.free); n > 0 {
		c.slot = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		c.slot.n = uint32(len(l.conns))
		l.conns = append(l.conns, nil)
	}
	l.conns[c.slot.n] = c
	l.Loop.Attach(lc, c, events, client)
	c.unsettle()
	return nil
}

// unsettle has what c needs requested when the turn is over.
func (c *conn) unsettle() {
	if !c.isUnsettled {
		c.isUnsettled = true
		c.l.unsettled = append(c.l.unsettled, c)
	}
}

// needs returns the request that is missing: there is one at a time.
func (c *conn) needs() request {
	full := c.err == nil && c.flight == nil && (c.left != nil || c.rest != nil)
	switch {
	case full && c.under&poll == 0:
		return poll
	case c.closed:
		if !full && c.under&(receive|poll) != 0 && c.under&cancel == 0 {
			return cancel
		}
	case !c.deaf && !c.heardAll && !c.isHungry && c.under&receive == 0:
		return receive
	case c.under&cancel == 0 && c.toCancel() != 0:
		return cancel
	}
	return 0
}

// toCancel returns a request of a connection that goes on, but has no use for it.
func (c *conn) toCancel() request {
	switch {
	case c.deaf && c.under&receive != 0:
		return receive
	case c.rest == nil && c.left == nil && c.halfOpen && c.under&poll != 0:
		return poll
	}
	return 0
}

// settle queues the requests that are missing, or lets go of a connection that has ended. It returns false if the queue
// is full.
func (c *conn) settle() bool {
	for r := c.needs(); r != 0; r = c.needs() {
		if !c.queue(r) {
			return false
		}
		c.under |= r
	}
	if c.silent && !c.closed && c.flight == nil && c.left == nil {
		c.silent = false
		unix.Shutdown(c.fd, unix.SHUT_WR)
	}
	if c.closed && c.under == 0 && c.flight == nil && c.left == nil && c.fd >= 0 {
		c.end()
	}
	return true
}

// queue queues a request.
func (c *conn) queue(r request) bool {
	data := r.data(c.slot.n, c.slot.gen)
	switch {
	case r == receive:
		return c.l.ring.Recv(c.fd, data)
	case r == poll:
		return c.poll(data)
	case c.closed:
		return c.l.ring.Cancel(c.fd, data)
	default:
		return c.l.ring.CancelOne(c.toCancel().data(c.slot.n, c.slot.gen), data)
	}
}

// poll queues the request that waits for room in the socket. Whatever it asks for, it completes when the peer has ended
// its direction (POLLRDHUP). That lasts, so one that completes again and again is used then: at once, and each time
// when there is room after the socket was full.
func (c *conn) poll(data uint64) bool {
	if c.halfOpen {
		return c.l.ring.Watch(c.fd, unix.POLLOUT, data)
	}
	return c.l.ring.Poll(c.fd, unix.POLLOUT, data)
}

// end closes the descriptor: nothing is under way.
func (c *conn) end() {
	unix.Close(c.fd)
	c.fd = -1
	c.l.conns[c.slot.n] = nil
	c.slot.gen = (c.slot.gen + 1) & genMask
	c.l.free = append(c.l.free, c.slot)
}

// complete handles a completion. more says whether the next one brings bytes by the same request: if it is the end that
// comes, what there is to say has to be said before.
func (c *conn) complete(r request, e ring.CQE, more bool) {
	if !e.More() {
		c.under &^= r
		c.unsettle()
	}
	switch r {
	case receive:
		c.received(e, more)
	case poll:
		if e.Res&unix.POLLOUT == 0 {
			c.halfOpen = true
		}
		if c.err == nil {
			c.write()
		}
	}
}

// received handles what came, or why nothing does any more.
func (c *conn) received(e ring.CQE, more bool) {
	if p, ok := c.l.ring.Buffer(e); ok {
		if len(p) > 0 && !c.closed {
			c.HasRead()
			c.heard = c.l.crowd.hears(c.heard)
			c.hear(p, more)
		}
		c.l.ring.Done(e)
	}
	if e.More() || c.closed {
		return
	}
	switch err := e.Err(); {
	case err == nil && e.Res > 0:
	case err == unix.ENOBUFS:
		c.l.Counters.NoBuffers.Add(1)
		c.isHungry = true
		c.l.hungry = append(c.l.hungry, c)
	case err == unix.ECANCELED && c.err != nil && c.deaf: // nothing will be heard any more
		c.l.broken = append(c.l.broken, c)
	case err == unix.ECANCELED || err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOMEM:
	default:
		if c.heardAll = true; c.err != nil {
			err = c.err
		} else if err == nil {
			err = io.EOF
		}
		c.Conn.Closed(err)
	}
}

// hear hands on what came, in portions that a turn of an epoll loop might have.
func (c *conn) hear(p []byte, more bool) {
	for len(p) > 0 && !c.closed {
		n := min(len(p), c.Conn.Gulp())
		if more || n < len(p) {
			c.Conn.SomeBytes(p[:n])
		} else {
			c.Conn.Bytes(p[:n])
		}
		p = p[n:]
	}
}

// Submit implements loop.Transport.
func (c *conn) Submit(b *core.Batch) {
	switch {
	case c.flight != nil || c.left != nil:
		c.rest, c.sent = c.Conn.Rest(0), 0
	case b.Len() <= shortBatch && b.Range.File == nil && c.fly(b):
		c.Conn.Sent(b.Len())
	default:
		n, err := c.Write(b, 0, &c.l.pieces)
		if err != nil {
			c.fail(err)
			return
		}
		whole := n == b.Len()
		if n > 0 {
			c.Conn.Sent(n)
		}
		if !whole {
			c.rest, c.sent = c.Conn.Rest(n), 0
			c.unsettle()
		}
	}
}

// fly has the ring send a copy of a batch, if it has room.
func (c *conn) fly(b *core.Batch) bool {
	p := c.l.ring.Send(c.fd, b.Len(), send.data(c.slot.n, c.slot.gen))
	if p == nil {
		return false
	}
	c.flight = p
	for _, s := range b.Slices {
		p = p[copy(p, s):]
	}
	c.l.flying = append(c.l.flying, c)
	return true
}

// cameBack takes what the socket did not take of a flight: res is how much it took, or the error.
func (c *conn) cameBack(res int) {
	switch err := unix.Errno(max(-res, 0)); err {
	case 0, unix.EAGAIN, unix.EINTR:
		if !c.l.ending {
			c.left, c.wrote = c.l.pool.Copy(c.flight[max(res, 0):]), 0
		}
	default:
		c.fail(err)
	}
}

// write goes on where the socket was full.
func (c *conn) write() {
	if c.left != nil && !c.writeLeft() || c.closed || c.rest == nil {
		return
	}
	for done := false; !done; {
		n, err := c.Write(c.rest, c.sent, &c.l.pieces)
		if err != nil {
			c.fail(err)
			return
		}
		done = c.sent+n == c.rest.Len()
		if c.sent += n; done {
			c.rest = nil
			c.unsettle()
		}
		if c.Conn.Sent(n); !done && (n == 0 || !c.halfOpen) {
			return
		}
	}
	c.Conn.Writable()
}

// writeLeft writes what is left of a flight, and returns whether all of it is out.
func (c *conn) writeLeft() bool {
	for c.wrote < len(c.left.B) {
		n, err := unix.Write(c.fd, c.left.B[c.wrote:])
		if err == unix.EINTR {
			continue
		}
		if err == nil {
			c.wrote += n
			continue
		}
		if c.unsettle(); err != unix.EAGAIN {
			c.fail(err)
		}
		return false
	}
	c.forget()
	return true
}

// forget gives back what is left of a flight.
func (c *conn) forget() {
	if c.left != nil {
		c.left.Release()
		c.left = nil
		c.unsettle()
	}
}

// fail notes that the socket is of no use any more. The connection is told when the turn is over.
func (c *conn) fail(err error) {
	c.forget()
	if c.err == nil {
		c.err = err
		c.l.broken = append(c.l.broken, c)
	}
}

// fallSilent ends the connection after a write has failed. What the peer said before it closed its end often says why
// it did, so the connection is told when all that was received, if it has not ended over that.
func (c *conn) fallSilent() {
	switch {
	case c.closed:
	case !c.heardAll && !c.deaf:
		unix.Shutdown(c.fd, unix.SHUT_RDWR)
	default:
		c.Conn.Closed(c.err)
	}
}

// WantRead implements loop.Transport.
func (c *conn) WantRead(on bool) {
	c.deaf = !on
	c.unsettle()
}

// CloseWrite implements loop.Transport.
func (c *conn) CloseWrite() bool {
	c.silent = true
	c.unsettle()
	return true
}

// Close implements loop.Transport.
func (c *conn) Close() {
	c.closed, c.patient = true, true
	c.LetGo()
	c.rest = nil
	if c.err != nil {
		c.forget()
	}
	c.unsettle()
	c.Conn.Gone()
}
