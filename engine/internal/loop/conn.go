package loop

import (
	"io"
	"runtime/debug"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// turnBytes is how much a connection may send in one turn, as it is before it is compressed, and what is left of a
// batch, before others have theirs; turnFills how many times its applications are asked for more meanwhile, as many as
// it takes full batches; and turnOps how many of the operations posted are done before sockets are looked at.
const (
	turnBytes = 256 << 10
	turnFills = 4
	turnOps   = 1024
)

// Conn is a connection: a core, its transport and its application.
type Conn struct {
	core      core.Conn
	loop      *Loop
	transport Transport
	events    Events

	batch  *core.Batch // what the transport has, or nil
	deaf   bool        // WantRead(false) was said
	silent bool        // CloseWrite was said
	gone   bool        // the transport is closed

	isPressed bool
	isDirty   bool
	rests     bool   // it is one of Loop.resting
	gulp      uint16 // see Gulp; in units of gulpUnit

	nextDirty *Conn
	due       time.Duration // in Loop.timers
	index     int32
	number    uint32 // what targets.group knows it by
}

// Attach makes c a connection of l, within a turn.
func (l *Loop) Attach(c *Conn, t Transport, e Events, client bool) {
	c.loop, c.transport, c.events = l, t, e
	c.core.Init(l.now, l.cfg.Core, l.Arena, client)
	l.timers.add(c, c.core.Deadline(l.now))
	l.Stats.Conns.Add(1)
	c.number = uint32(l.Stats.Served.Add(1))
	c.up()
	l.mark(c)
}

// up reports that the connection is there; one over which the application panics ends at once.
func (c *Conn) up() {
	if !c.loop.cfg.CrashOnPanic {
		defer func() {
			if r := recover(); r != nil {
				c.logPanic(r)
				c.core.Abort(&core.End{Code: codec.Internal, Reason: "handler panicked"})
			}
		}()
	}
	c.events.Up()
}

// Loop is the loop that serves c.
func (c *Conn) Loop() *Loop { return c.loop }

// Transport is what c was attached with.
func (c *Conn) Transport() Transport { return c.transport }

// Reserve books n bytes for channel ch. It may be called from any goroutine.
func (c *Conn) Reserve(ch core.Handle, n, more int) core.SendResult {
	return c.core.Reserve(ch, n, more)
}

// Cancel gives back the slot of a channel that was not opened. It may be called from any goroutine.
func (c *Conn) Cancel(ch core.Handle) { c.core.Cancel(ch) }

// Memory is the connection's account. It may be used from any goroutine.
func (c *Conn) Memory() *core.Budget { return c.core.Memory() }

// Peer is what is known of the peer, as core.Conn.Peer. It may be called from any goroutine.
func (c *Conn) Peer() (known, extended bool, features codec.Features) { return c.core.Peer() }

// RTT returns the smoothed round trip time, its variation and its minimum. Within a turn only.
func (c *Conn) RTT() (smoothed, variation, smallest time.Duration) { return c.core.RTT() }

// Ping sends a PING and returns its number, or false if none can be sent now. Within a turn only.
func (c *Conn) Ping() (seq uint32, ok bool) { return c.core.Ping() }

// GoAway announces the end: the connection takes no new channels and ends with the last one. Within a
// turn only.
func (c *Conn) GoAway() { c.core.GoAway(c.loop.now) }

// Abort ends the connection without a word. Within a turn only.
func (c *Conn) Abort(end core.End) { c.core.Abort(&end) }

// Quit ends the connection, saying why. Within a turn only.
func (c *Conn) Quit(end core.End) { c.core.Quit(c.loop.now, &end) }

// The methods below are for the connection's backend, within a turn.

// Bytes tells that p arrived, which is borrowed.
func (c *Conn) Bytes(p []byte) { c.bytes(p, !c.loop.lazy) }

// SomeBytes is Bytes of which more follow in the same turn: nothing is sent before.
func (c *Conn) SomeBytes(p []byte) { c.bytes(p, false) }

// Closed tells that the transport has ended: err is io.EOF if the peer ended its direction.
func (c *Conn) Closed(err error) {
	if err == io.EOF {
		err = nil
	}
	c.core.PeerClosed(c.loop.now, err)
	c.serve(!c.loop.lazy)
}

// Sent tells that the transport took n more bytes of its batch.
func (c *Conn) Sent(n int) {
	c.loop.Stats.BytesOut.Add(uint64(n))
	c.loop.Stats.Writes.Add(1)
	c.core.Sent(c.loop.now, n)
	if c.core.Unsent() == 0 {
		c.batch.Release()
		c.loop.giveBatch(c.batch)
		c.batch = nil
	}
}

// Rest returns what is left of the transport's batch after the first n bytes, which Sent has counted,
// in memory that fits it.
func (c *Conn) Rest(n int) *core.Batch {
	b := c.batch
	c.batch = b.Rest(c.loop.cfg.Core.Pool, n)
	c.loop.giveBatch(b)
	return c.batch
}

// Writable tells that the transport takes bytes now. It may Submit more of them.
func (c *Conn) Writable() { c.serve(true) }

// Gone tells that the transport has let go of its batch for good.
func (c *Conn) Gone() {
	if c.batch != nil {
		c.batch.Free()
		c.batch = nil
	}
}

// serve reports events and, if flush is set, sends what may be sent in this turn. What comes of the end of that is
// for the next one.
func (c *Conn) serve(flush bool) {
	l := c.loop
	l.current = c
	c.reportAll()
	if l.work(false) { // what handlers posted
		c.reportAll()
	}
	if flush {
		l.budget = turnBytes
		for fills := 0; c.flush(); {
			// Those whose queues have room again fill them now, or the next batch has what little is left.
			if fills++; fills <= turnFills && l.did < turnOps && c.core.HasEvents() {
				c.reportAll()
				l.work(false)
			}
		}
		if c.core.Silent() && !c.silent {
			c.fallSilent()
		}
		if c.core.Over() {
			c.reportAll()
		}
	}
	l.current = nil
	switch {
	case c.gone:
	case c.core.Over():
		c.remove()
	default:
		if c.core.HasEvents() || !flush && c.core.HasOutput() {
			l.mark(c)
		}
		c.listen()
		l.timers.update(c, c.core.Deadline(l.now), l.now)
	}
}

// fallSilent ends the transport's own direction; or all of it, if it can't do that.
func (c *Conn) fallSilent() {
	if c.silent = true; !c.transport.CloseWrite() {
		c.core.Abort(&core.End{Clean: true})
	}
	c.reportAll()
}

// listen tells the transport whether bytes are wanted.
func (c *Conn) listen() {
	if deaf := c.rests || !c.core.WantsInput(); deaf != c.deaf {
		c.deaf = deaf
		c.transport.WantRead(!deaf)
	}
}

// reportAll reports all events.
func (c *Conn) reportAll() {
	for !c.report() {
	}
	if p := c.core.Pressed(c.isPressed); p != c.isPressed {
		c.isPressed = p
		c.press(p)
	}
}

// press tells the application that the connection's memory runs short, or no more.
func (c *Conn) press(on bool) {
	if !c.loop.cfg.CrashOnPanic {
		defer func() {
			if r := recover(); r != nil {
				c.logPanic(r)
			}
		}()
	}
	c.events.Pressed(on)
}

// flush submits a batch, if there is something to send and the transport is free, and returns whether
// there may be more to send in this turn.
func (c *Conn) flush() bool {
	l := c.loop
	if c.batch != nil || c.gone {
		return false
	}
	if l.budget <= 0 {
		l.mark(c)
		return false
	}
	b := l.takeBatch()
	c.core.Next(l.now, b)
	if len(l.Arena.Fetches) > 0 {
		c.fetch()
	}
	if b.Len() == 0 {
		l.giveBatch(b)
		return false
	}
	c.batch = b
	l.budget -= b.Cost()
	c.transport.Submit(b)
	return true
}

// report reports events until there are none, or until the application panics over one; then it returns
// false.
func (c *Conn) report() (done bool) {
	var ev core.Event
	if !c.loop.cfg.CrashOnPanic {
		defer func() {
			if !done {
				c.panicked(&ev, recover())
			}
		}()
	}
	for c.core.Step(c.loop.now, &ev) {
		switch ev.Kind {
		case core.DataReceived:
			if len(ev.Data) > 0 {
				c.events.Data(ev.Channel, ev.Data)
			}
			if ev.Fin {
				c.events.Ended(ev.Channel)
			}
		case core.Writable:
			c.events.Writable(ev.Channel)
		case core.Opened:
			params, _ := core.ParseOpen(ev.Data) // the core has checked them
			if code, traits := c.events.Opened(ev.Channel, params); code == codec.NoError {
				c.core.Accept(ev.Channel, traits)
			} else {
				c.refuse(ev.Channel, code)
			}
		case core.Greeted:
			c.core.Admit(c.loop.now, c.events.Greeted(ev.Data))
		case core.Accepted:
			c.events.Accepted(ev.Channel)
		case core.Closed:
			c.decide(ev.Channel, c.events.Closed(ev.Channel, ev.End))
		case core.Ponged:
			c.events.Ponged(ev.Seq, ev.Duration)
		case core.GoneAway:
			c.events.GoneAway()
		case core.Down:
			c.events.Down(ev.End)
		}
	}
	return true
}

// panicked ends the channel over whose event the application panicked.
func (c *Conn) panicked(ev *core.Event, value any) {
	c.logPanic(value)
	switch ev.Kind {
	case core.Greeted:
		c.core.Admit(c.loop.now, false)
	case core.Opened:
		c.refuse(ev.Channel, codec.Internal)
	case core.Closed:
		c.decide(ev.Channel, Release)
	default:
		c.core.Reset(ev.Channel, codec.Internal)
	}
}

// decide does what the application has decided on a channel whose end was reported.
func (c *Conn) decide(ch core.Handle, f Fate) {
	c.loop.Contexts.Set(ch, nil)
	switch f {
	case Keep:
		c.core.Keep(ch)
	case Useless:
		c.core.Anomaly(c.loop.now)
		fallthrough
	default:
		c.core.Release(ch)
	}
}

// refuse refuses the channel that was reported, and forgets what its handler attached to it.
func (c *Conn) refuse(ch core.Handle, code codec.Code) {
	c.loop.Contexts.Set(ch, nil)
	c.core.Refuse(c.loop.now, ch, code)
}

func (c *Conn) logPanic(value any) {
	c.loop.Stats.Panics.Add(1)
	c.loop.cfg.Logger.Error("handler panicked", "panic", value, "stack", string(debug.Stack()))
}

// remove takes c out of its loop and closes the transport.
func (c *Conn) remove() {
	c.gone = true
	c.wake()
	c.loop.timers.remove(c)
	c.transport.Close()
	c.loop.Stats.Conns.Add(-1)
	c.events.Gone()
	c.loop.cfg.Removed()
}
