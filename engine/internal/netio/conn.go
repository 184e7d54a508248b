package netio

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

const (
	// arenaShift makes the arena of a connection grow by 16 channels.
	arenaShift = 4

	// minRead and maxRead are the sizes of the read buffer, in bytes: it doubles whenever a read fills
	// it, so that an idle connection holds little.
	minRead = 4 << 10
	maxRead = 64 << 10

	// overdueAfter is how long what was posted waits for a Write to return. Then it is done meanwhile:
	// it may be what ends the Write.
	overdueAfter = 20 * time.Millisecond

	// lastWords is how long the reader may go on after a write has failed.
	lastWords = time.Second
)

// Conn is a connection over a net.Conn.
type Conn struct {
	Loop *loop.Loop

	nc    net.Conn
	out   output
	eager eager // out, if it can and the reader is to use it
	lc    *loop.Conn
	pool  *pool.Pool

	wake  chan struct{} // holds a token if the writer has something to look at
	heard chan struct{} // closed when the reader has ended
	done  chan struct{} // closed when all is over

	writing atomic.Bool // the writer is in a Write, or about to be, or waits since it has failed
	watched atomic.Bool // overdue is going to be called

	others sync.WaitGroup // goroutines besides the writer

	mu      sync.Mutex // who holds it is inside Loop
	batch   *core.Batch
	rest    [][]byte // what is left of batch, which is the writer's alone
	cut     [][]byte // memory of rest, once a piece was written in part
	silent  bool     // CloseWrite was called, and the writer is to do it
	closing bool
	shut    bool // with closing: the transport is being closed
	deaf    bool
	answers bool       // the reader is inside, and writes itself
	listen  *sync.Cond // on mu: deaf or closing has changed
	timer   *time.Timer
}

// New returns a connection that is to serve nc as lc, and does nothing before Start.
func New(cfg *loop.Config, nc net.Conn, lc *loop.Conn) *Conn {
	c := &Conn{
		nc: nc, lc: lc, pool: cfg.Core.Pool,
		wake: make(chan struct{}, 1), heard: make(chan struct{}), done: make(chan struct{}),
	}
	c.out = newOutput(nc, c.pool)
	if !cfg.Hops {
		c.eager, _ = c.out.(eager)
	}
	c.listen = sync.NewCond(&c.mu)
	c.Loop = loop.New(cfg, c, arenaShift, true)
	return c
}

// Start serves the connection. client says whether this side dialled. over is called last, on a
// goroutine of the connection's.
func (c *Conn) Start(events loop.Events, client bool, over func()) {
	c.mu.Lock()
	c.timer = time.AfterFunc(time.Hour, c.expire)
	c.Loop.Enter()
	c.Loop.Attach(c.lc, c, events, client)
	c.Loop.Leave()
	c.mu.Unlock()
	go func() {
		c.others.Go(c.read) // here, so that the writer is there when the reader answers
		c.write()
		c.others.Wait()
		over()
		close(c.done)
	}()
}

// Abort ends the connection without a word.
func (c *Conn) Abort(end core.End) {
	c.Loop.Post(loop.Op{Kind: loop.Call, Conn: c.lc, Func: func() { c.lc.Abort(end) }})
}

// NetConn is the transport.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Done is closed when the connection has ended and its goroutines are about to.
func (c *Conn) Done() <-chan struct{} { return c.done }

// read is the reader: it ends with the transport.
func (c *Conn) read() {
	defer close(c.heard)
	buf := c.pool.Get(minRead)
	defer func() { buf.Release() }()
	for c.wantRead() {
		n, err := c.nc.Read(buf.B)
		c.mu.Lock()
		c.Loop.Enter()
		if n > 0 {
			c.lc.Bytes(buf.B[:n])
		}
		if err != nil && !c.closing {
			c.lc.Closed(err)
		}
		c.answer()
		c.mu.Unlock()
		if err != nil {
			return
		}
		if n == len(buf.B) && n < maxRead {
			buf.Release()
			buf = c.pool.Get(2 * n)
		}
	}
}

// answer ends a turn of the reader's, and writes what has come of it, if the transport takes that at once: to wake the
// writer for it takes longer than the turn.
func (c *Conn) answer() {
	if c.eager == nil || c.batch != nil || c.closing {
		c.Loop.Leave()
		return
	}
	c.answers = true
	c.Loop.Run()
	c.answers = false
}

// wantRead waits until bytes are wanted, and returns false if none will be.
func (c *Conn) wantRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.deaf && !c.closing {
		c.listen.Wait()
	}
	return !c.closing
}

// write is the writer: it ends with the connection, and ends the transport and the loop.
func (c *Conn) write() {
	for range c.wake {
		runtime.Gosched() // whoever else is about to send joins in
		c.mu.Lock()
		c.Loop.Run()
		for c.batch != nil && !c.closing {
			c.writeSome()
		}
		over, silent := c.closing, c.silent
		c.silent = false
		c.mu.Unlock()
		if over {
			break
		}
		if silent {
			c.nc.(halfCloser).CloseWrite()
		}
	}
	if !c.shut {
		c.nc.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch, c.rest, c.cut = nil, nil, nil
	c.lc.Gone()
	c.timer.Stop()
	c.Loop.Shutdown(core.End{Code: codec.ClosedError})
}

// writeSome writes some of the batch. Who calls it holds mu, which it lets go of while it writes.
func (c *Conn) writeSome() {
	rest := c.rest
	c.mu.Unlock()
	n, err := c.out.write(rest)
	if err != nil {
		c.lastRead()
	}
	c.mu.Lock()
	c.Loop.Enter()
	if c.rest = c.after(rest, n); err != nil || len(c.rest) == 0 {
		c.batch, c.rest = nil, nil
		c.writing.Store(false)
		clear(c.cut[:cap(c.cut)]) // it must keep nothing alive
	}
	if n > 0 {
		c.lc.Sent(n)
	}
	switch {
	case c.closing:
	case err != nil:
		c.lc.Closed(err)
	case c.batch == nil:
		c.lc.Writable()
	}
	c.Loop.Leave()
}

// lastRead lets the reader go on, after a write has failed, until it has read all there is. What the peer
// sent before it closed its end often says why it did: ERROR on channel 0.
func (c *Conn) lastRead() {
	c.mu.Lock()
	reads := !c.deaf && !c.closing
	c.mu.Unlock()
	if !reads {
		return
	}
	select {
	case <-c.heard:
	case <-time.After(lastWords):
	}
}

// after returns what follows the first n bytes of pieces. Those are left as they are, unless they lie in cut.
func (c *Conn) after(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n == 0 {
		return pieces
	}
	c.cut = append(c.cut[:0], pieces...)
	c.cut[0] = c.cut[0][n:]
	return c.cut
}

// expire is the timer's goroutine.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.Loop.Expire()
	}
}

// Wake implements loop.Backend. The writer does not look while it is in a Write, so somebody else does if
// that takes long.
func (c *Conn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
	if c.writing.Load() {
		c.watch()
	}
}

// watch has overdue called, unless it will be.
func (c *Conn) watch() {
	if c.watched.CompareAndSwap(false, true) {
		time.AfterFunc(overdueAfter, c.overdue)
	}
}

// overdue does what was posted if the writer is still in a Write. It has nothing written: the transport has
// its batch.
func (c *Conn) overdue() {
	c.watched.Store(false) // before looking, so that who posts afterwards is looked at again
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.batch != nil && !c.closing {
		c.Loop.Run()
	}
}

// Alarm implements loop.Backend.
func (c *Conn) Alarm(at time.Duration) {
	c.timer.Reset(max(0, at-c.Loop.Since()))
}

// Submit implements loop.Transport: the writer takes the batch when this turn is over, or what the reader leaves of it.
func (c *Conn) Submit(b *core.Batch) {
	c.batch, c.rest = b, b.Slices
	if c.answers {
		if c.try(); c.batch == nil {
			return
		}
		c.Wake()
	}
	c.writing.Store(true) // before the turn ends: from then on, who posts has to see it
	if len(c.wake) > 0 {  // who posted before did not
		c.watch()
	}
}

// try writes as much of the batch as the transport takes at once.
func (c *Conn) try() {
	n := c.eager.try(c.rest)
	if c.rest = c.after(c.rest, n); len(c.rest) == 0 {
		c.batch, c.rest = nil, nil
	}
	if n > 0 {
		c.lc.Sent(n)
	}
}

// WantRead implements loop.Transport.
func (c *Conn) WantRead(on bool) {
	c.deaf = !on
	c.listen.Signal()
}

// halfCloser is a net.Conn whose directions end one by one.
type halfCloser interface{ CloseWrite() error }

// CloseWrite implements loop.Transport. It may block, so it is left to the writer.
func (c *Conn) CloseWrite() bool {
	_, c.silent = c.nc.(halfCloser)
	c.Wake()
	return c.silent
}

// Close implements loop.Transport. Closing a net.Conn may block, so that is left to the writer; here its
// reads and writes are only made to return. A transport without deadlines is closed at once for that.
func (c *Conn) Close() {
	c.closing = true
	if c.nc.SetDeadline(time.Unix(1, 0)) != nil {
		c.shut = true
		c.others.Go(func() { c.nc.Close() })
	}
	c.listen.Signal()
	c.Wake()
}

// LocalAddr implements loop.Transport.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr implements loop.Transport.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }
