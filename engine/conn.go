package engine

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Conn is a connection to a peer.
type Conn struct {
	engine  *Engine
	lc      loop.Conn
	context atomic.Pointer[any]
	ended   atomic.Bool
	pinger  *pinger // inside the loop; nil until Ping is called
}

// Open opens a channel and returns at once; the channel may be sent on at once too. OnWritable tells that
// the peer accepted it, OnClose that it did not, and why. The error is ErrClosed, or about o.
func (c *Conn) Open(o OpenOptions) (Channel, error) {
	if len(o.Target) > codec.MaxTarget || !utf8.ValidString(o.Target) {
		return Channel{}, fmt.Errorf("engine: target is longer than %d bytes or not UTF-8", codec.MaxTarget)
	}
	p := core.OpenParams{Priority: DefaultPriority, Target: []byte(o.Target), Metadata: o.Metadata}
	if o.Priority != nil {
		p.Priority = *o.Priority
	}
	if p.Priority > maxPriority {
		return Channel{}, fmt.Errorf("engine: priority is %d, not 0 to %d", p.Priority, maxPriority)
	}
	if o.Window < 0 || o.Window > maxWindow {
		return Channel{}, fmt.Errorf("engine: window is %d, not 0 to %d", o.Window, maxWindow)
	}
	p.HasWindow, p.Window = o.Window > 0, uint32(o.Window)
	var short [64]byte
	params := p.Append(short[:0])
	if len(params) > codec.MaxParams {
		return Channel{}, fmt.Errorf("engine: target and metadata take more than %d bytes", codec.MaxParams)
	}
	if c.ended.Load() {
		return Channel{}, ErrClosed
	}
	l := c.lc.Loop()
	ch := Channel{c, l.Arena.Open()}
	if o.Context != nil {
		l.Contexts.Set(ch.handle, o.Context)
	}
	op := loop.Op{Kind: loop.Open, Traits: traits(o.ManualCredit, o.Compress)}
	if len(params) > 0 {
		op.Buf = c.engine.pool.Copy(params)
	}
	if err := ch.post(op); err != nil {
		if op.Buf != nil {
			op.Buf.Release()
		}
		l.Contexts.Set(ch.handle, nil)
		c.lc.Cancel(ch.handle)
		return Channel{}, err
	}
	return ch, nil
}

// traits are what the core is told of a channel.
func traits(byHand, compress bool) (t core.Traits) {
	if byHand {
		t |= core.ByHand
	}
	if compress {
		t |= core.Compress
	}
	return t
}

// Extended returns whether the peer speaks the extended profile (SPEC section 3); known is false as long as
// its first frame has not come.
func (c *Conn) Extended() (extended, known bool) {
	known, extended, _ = c.lc.Peer()
	return extended, known
}

// RTT returns the smoothed round trip time of SPEC section 5, its variation, and the smallest of late; all
// are 0 before anything was measured. It waits for the loop, so it must not be called in callbacks.
func (c *Conn) RTT() (smoothed, variation, smallest time.Duration) {
	<-c.lc.Loop().Call(func() { smoothed, variation, smallest = c.lc.RTT() })
	return smoothed, variation, smallest
}

// Close ends the connection. Its channels take no more to send; what waits gets a second to leave, then
// those that are not closed end with a *ConnError that is ErrClosed, and the peer is told. It returns
// before that is done; OnDisconnect follows.
func (c *Conn) Close() error {
	return c.call(func() {
		c.lc.Quit(core.End{Code: codec.Cancelled, Reason: "closed", Err: net.ErrClosed})
	})
}

// GoAway tells the peer that this connection takes no new channels. It ends with the last channel, or at
// the drain deadline.
func (c *Conn) GoAway() error { return c.call(c.lc.GoAway) }

// call has f called inside the loop.
func (c *Conn) call(f func()) error {
	if c.lc.Loop().Post(loop.Op{Kind: loop.Call, Conn: &c.lc, Func: f}) {
		return nil
	}
	return ErrClosed
}

// SetContext attaches a value to the connection.
func (c *Conn) SetContext(v any) { c.context.Store(&v) }

// Context returns what SetContext attached, or nil.
func (c *Conn) Context() any {
	if v := c.context.Load(); v != nil {
		return *v
	}
	return nil
}

// LocalAddr returns the local address of the transport.
func (c *Conn) LocalAddr() net.Addr { return c.lc.Transport().LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.lc.Transport().RemoteAddr() }

// Socket returns what the kernel made of the socket's options; it doubles the sizes of buffers. The
// error says if the transport is no TCP socket.
func (c *Conn) Socket() (SocketConfig, error) { return effective(c.lc.Transport()) }

// connEvents is what the loop calls: a connection's application, seen from inside.
type connEvents Conn

func (e *connEvents) conn() *Conn { return (*Conn)(e) }

func (e *connEvents) Up() {
	if h, ok := e.engine.handler.(ConnHandler); ok {
		h.OnConnect(e.conn())
	}
}

func (e *connEvents) Greeted(credentials []byte) bool {
	if !e.engine.cfg.Authorize(e.conn(), credentials) {
		return false
	}
	if s, ok := e.engine.handler.(streams); ok {
		s.admit(e.conn().Context().(*Session))
	}
	return true
}

func (e *connEvents) Opened(ch core.Handle, p core.OpenParams) (Code, core.Traits) {
	a := e.engine.handler.OnOpen(Channel{e.conn(), ch}, OpenRequest{p.Target, p.Metadata, p.Priority})
	return a.Code, traits(a.ManualCredit, a.Compress)
}

func (e *connEvents) Accepted(ch core.Handle) { e.engine.handler.OnWritable(Channel{e.conn(), ch}) }

func (e *connEvents) Data(ch core.Handle, p []byte) {
	e.engine.handler.OnData(Channel{e.conn(), ch}, p)
}

func (e *connEvents) Ended(ch core.Handle) {
	c := Channel{e.conn(), ch}
	if h, ok := e.engine.handler.(HalfCloser); ok {
		h.OnEnd(c)
	} else {
		c.Close()
	}
}

func (e *connEvents) Pressed(on bool) {
	if h, ok := e.engine.handler.(PressureHandler); ok {
		h.OnPressure(e.conn(), on)
	}
}

func (e *connEvents) Writable(ch core.Handle) { e.engine.handler.OnWritable(Channel{e.conn(), ch}) }

func (e *connEvents) Closed(ch core.Handle, end *core.End) loop.Fate {
	if end.Conn {
		e.ended.Store(true)
	}
	c := Channel{e.conn(), ch}
	err := errorOf(end)
	e.engine.handler.OnClose(c, err)
	if s, ok := e.engine.handler.(streams); ok {
		return s.fate(c, err)
	}
	return loop.Release
}

func (e *connEvents) Ponged(seq uint32, took time.Duration) {
	if e.pinger != nil {
		e.pinger.ponged(&e.lc, seq, took)
	}
}

func (e *connEvents) GoneAway() {}

func (e *connEvents) Down(end *core.End) {
	e.ended.Store(true)
	if e.pinger != nil {
		e.pinger.fail()
	}
	if h, ok := e.engine.handler.(ConnHandler); ok {
		h.OnDisconnect(e.conn(), errorOf(end))
	}
}

func (e *connEvents) Gone() {
	if s, ok := e.engine.handler.(streams); ok {
		s.gone(e.conn())
	}
}
