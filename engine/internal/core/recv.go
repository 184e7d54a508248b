package core

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// Feed gives bytes that arrived. They are borrowed until Step has returned NoEvent, and Feed must not
// be called again before.
func (c *Conn) Feed(now time.Duration, p []byte) {
	if c.phase != running {
		return
	}
	c.received = now
	c.pings.alive()
	c.splitter.Feed(p)
}

// Step goes on to the next event, which it puts into ev, and returns false when there is none until more
// is fed: all that was is used up, and all is reported.
func (c *Conn) Step(now time.Duration, ev *Event) bool {
	if c.pending != (Handle{}) || c.admitting {
		panic("core: Opened or Greeted was not answered")
	}
	c.check()
	c.arena.dropInflated()
	ev.Kind = NoEvent
	for {
		if c.HasEvents() {
			if c.nextEvent(ev); ev.Kind != NoEvent {
				return true
			}
		}
		if c.phase != running {
			return false
		}
		var f codec.Frame
		ok, err := c.splitter.Next(&f, (*carrier)(c))
		if err != nil {
			fe := err.(*codec.FrameError)
			c.fail(now, fe.Code, fe.Error())
			continue
		}
		if !ok {
			c.watchPartial(now)
			return false
		}
		c.begun = 0
		c.arena.FramesIn++
		if c.peer.greeted || c.greet(now, &f, ev) {
			c.receive(now, &f, ev)
		}
		if ev.Kind != NoEvent {
			return true
		}
	}
}

// nextEvent takes an event that is waiting to be reported.
func (c *Conn) nextEvent(ev *Event) {
	for slot := c.events.pop(c.arena); slot != 0; slot = c.events.pop(c.arena) {
		r := c.arena.records.at(slot)
		switch {
		case r.flags&tellClosed != 0:
			r.flags &^= tellClosed
			ev.channel(Closed, r.handle(slot), nil, c.endOf(slot, r))
			return
		case r.flags&tellWritable != 0:
			r.flags &^= tellWritable
			ev.channel(Writable, r.handle(slot), nil, nil)
			return
		}
		c.releaseUnused(slot)
	}
	switch {
	case c.news&newsPong != 0:
		c.news &^= newsPong
		*ev = Event{Kind: Ponged, Seq: c.pings.answered, Duration: ofMicroseconds(c.pings.took)}
	case c.news&newsAway != 0:
		c.news &^= newsAway
		*ev = Event{Kind: GoneAway}
	case c.news&newsDown != 0:
		c.news &^= newsDown
		*ev = Event{Kind: Down, End: c.end}
	}
}

// endOf is how a channel ended that no frame just ended.
func (c *Conn) endOf(slot uint32, r *record) *End {
	code := c.arena.asides.at(slot).code
	switch {
	case c.end != nil && (code == codec.NoError || !c.end.Clean):
		return c.end
	case code == codec.NoError:
		return cleanEnd
	case r.flags&withConn != 0 && c.phase == halfEnd:
		return &End{Code: codec.Internal, Conn: true, Err: io.ErrUnexpectedEOF}
	}
	return &End{Code: code, Remote: r.flags&byPeer != 0, Conn: r.flags&withConn != 0}
}

// watchPartial notes when the frame began that is not whole yet.
func (c *Conn) watchPartial(now time.Duration) {
	if begun, _ := c.splitter.Partial(); begun && c.begun == 0 {
		c.begun = max(now, 1)
	}
}

// receive acts on a frame whose CRC is right: step 3 of SPEC section 1 and all that follows.
func (c *Conn) receive(now time.Duration, f *codec.Frame, ev *Event) {
	switch {
	case f.Type >= codec.FirstExtension:
		c.token(now)
		return
	case f.Flags != 0 && !c.mayFlag(f):
		c.fault(now, codec.Unsupported, f, "has flags that were not offered")
		return
	}
	switch f.Type {
	case codec.Ping, codec.Pong:
		if f.Channel != 0 {
			c.fault(now, codec.ProtocolError, f, "belongs on channel 0")
		} else if f.Type == codec.Ping {
			c.recvPing(now, f.Payload)
		} else {
			c.recvPong(now, f.Payload)
		}
	default:
		switch {
		case f.Type == codec.Priority && !c.peer.extended:
			c.fault(now, codec.Unsupported, f, "was not offered")
		case f.Channel != 0:
			c.receiveOn(now, f, ev)
		case f.Type == codec.Error:
			c.recvConnError(now, f)
		case f.Type == codec.FlowControl:
			c.recvConnCredit(now, f)
		default:
			c.fault(now, codec.ProtocolError, f, "does not belong on channel 0")
		}
	}
}

// mayFlag returns whether the flags of a frame were offered to the peer, and go together.
func (c *Conn) mayFlag(f *codec.Frame) bool {
	ok := codec.Flags(0)
	if f.Type == codec.Data && c.peer.extended {
		ok = codec.Fin | codec.HeaderCRC
		if c.cfg.Compression {
			ok |= codec.Compressed
		}
	}
	const both = codec.Compressed | codec.HeaderCRC
	return f.Flags&^ok == 0 && f.Flags&both != both
}

// receiveOn acts on a frame of a channel.
func (c *Conn) receiveOn(now time.Duration, f *codec.Frame, ev *Event) {
	st, slot, r := c.lookup(f.Channel)
	v := verdicts[st][f.Type]
	if f.Type == codec.Data && v != violation {
		if f.Flags&codec.Compressed != 0 && !c.unpack(now, f, r, v) || !c.arrived(now, f) {
			return
		}
	}
	switch v {
	case data:
		c.recvData(now, f, slot, r, ev)
	case credit:
		c.recvCredit(now, f, slot, r)
	case accept:
		c.recvOpen(now, f, ev)
	case opened:
		if r.state == abandoned {
			r.state = closing
			return
		}
		r.state = open
		if r.timer == openingTimer {
			c.stopTimer(slot)
		}
		c.ready(now, slot, r)
		ev.channel(Accepted, r.handle(slot), nil, nil)
	case ended:
		c.close(slot)
		c.control(slot, sendCloseAck)
		ev.channel(Closed, r.handle(slot), nil, cleanEnd)
	case cross:
		c.late.closed(int64(r.in.window)) // what it sends now is late
		r.state = crossed
		r.in.window = 0
		c.control(slot, sendCloseAck)
	case acked:
		c.close(slot)
		ev.channel(Closed, r.handle(slot), nil, cleanEnd)
	case discard:
		c.recvDiscarded(now, f, slot, r, ev)
	case urgency:
		c.recvPriority(now, f, slot, r)
	case reset:
		if r.state != opening && r.state != abandoned {
			c.token(now)
		}
		if c.phase != running {
			return // the token was the last, and the channel is closed
		}
		c.close(slot)
		ev.channel(Closed, r.handle(slot), nil, c.remoteEnd(f.Payload))
	case late:
		c.recvLate(now, f)
	case stray:
		c.token(now)
	default:
		c.fault(now, codec.ProtocolError, f, "is not allowed in state "+st.String())
	}
}

// lookup finds the state of the channel called id, and its slot and record unless it is idle or closed.
func (c *Conn) lookup(id uint32) (state, uint32, *record) {
	slot, ok := c.lastSlot, id == c.lastID && id != 0
	if !ok {
		slot, ok = c.channels.get(id)
	}
	if ok {
		c.lastID, c.lastSlot = id, slot
		r := c.arena.records.at(slot)
		if r.flags&sendOpen != 0 {
			return idle, 0, nil // the peer can't know of it
		}
		return r.state, slot, r
	}
	highest := c.peerID
	if c.ours(id) {
		highest = c.sentID
	}
	if id > highest {
		return idle, 0, nil
	}
	return closed, 0, nil
}

// fault ends the connection for a frame.
func (c *Conn) fault(now time.Duration, code codec.Code, f *codec.Frame, reason string) {
	c.fail(now, code, fmt.Sprintf("%v on channel %d %s", f.Type, f.Channel, reason))
}

// recvOpen takes a channel that the peer opens.
func (c *Conn) recvOpen(now time.Duration, f *codec.Frame, ev *Event) {
	if c.ours(f.Channel) {
		c.fault(now, codec.ProtocolError, f, "is of the wrong parity")
		return
	}
	c.peerID = f.Channel
	o, err := ParseOpen(f.Payload)
	code := codec.NoError
	switch {
	case err != nil:
		code = codec.ProtocolError
	case int(c.accepted) >= c.cfg.MaxChannels, c.draining():
		code = codec.Refused
	case c.memory.Scarce():
		code = codec.Refused
		c.arena.Scarce.Add(1)
	}
	if code != codec.NoError {
		c.arena.Refused.Add(1)
		c.late.closed(int64(c.cfg.StartWindow))
		c.refused = append(c.refused, refusal{f.Channel, code})
		c.token(now)
		return
	}
	h := c.arena.Open()
	r := c.arena.attach(now, h)
	r.id, r.state, r.flags, r.prio = f.Channel, open, held, o.Priority
	r.in.open(c.cfg.StartWindow)
	r.out = outflow(c.peer.window)
	if o.HasWindow && c.peer.extended {
		r.out = outflow(o.Window)
	}
	if c.channels == nil {
		c.channels = newIDTable(c.cfg.idFactor)
	}
	c.channels.put(f.Channel, h.Slot)
	c.accepted++
	c.empty = 0
	c.pending = h
	ev.channel(Opened, h, f.Payload, nil)
}

// recvData takes data on an open channel.
func (c *Conn) recvData(now time.Duration, f *codec.Frame, slot uint32, r *record, ev *Event) {
	n, fin := len(f.Payload), f.Flags&codec.Fin != 0
	switch {
	case r.flags&finCame != 0:
		c.fault(now, codec.ClosedError, f, "comes behind the end of its direction")
		return
	case !r.in.take(n):
		c.fault(now, codec.FlowControlError, f, "exceeds the window")
		return
	case n == 0 && !fin:
		c.token(now)
		return
	}
	r.flags |= cameSinceGrant
	deaf := r.gate.isClosed() // the application waits for nothing more
	if deaf || r.flags&byHand == 0 {
		r.in.consume(uint32(n))
	}
	if fin {
		c.recvFin(slot, r)
	}
	// Most are owed soon already, and not much.
	if (deaf || r.flags&byHand == 0) && (r.flags&(owing|fixedWindow) != owing || r.in.owed >= c.arena.collect) {
		c.settle(now, slot, r)
	}
	if !deaf {
		ev.data(r.handle(slot), f.Payload, fin)
	}
}

// recvDiscarded takes data that nobody waits for any more: our CLOSE is out.
func (c *Conn) recvDiscarded(now time.Duration, f *codec.Frame, slot uint32, r *record, ev *Event) {
	fin := f.Flags&codec.Fin != 0
	switch {
	case r.flags&finCame != 0:
		c.fault(now, codec.ClosedError, f, "comes behind the end of its direction")
	case !r.in.take(len(f.Payload)):
		c.fault(now, codec.FlowControlError, f, "exceeds the window")
	case fin:
		c.recvFin(slot, r)
	case len(f.Payload) == 0:
		c.token(now)
	}
}

// recvCredit enlarges a send window.
func (c *Conn) recvCredit(now time.Duration, f *codec.Frame, slot uint32, r *record) {
	n := binary.BigEndian.Uint32(f.Payload)
	switch {
	case n == 0:
		c.fault(now, codec.ProtocolError, f, "grants nothing")
		return
	case !r.out.add(n):
		c.fault(now, codec.FlowControlError, f, "makes the window too large")
		return
	case n < smallGrant && r.flags&sentSinceGrant == 0:
		c.token(now)
	}
	r.flags &^= sentSinceGrant
	if c.phase == running && (r.state == open || r.state == opening) {
		c.ready(now, slot, r)
	}
}

// recvConnError takes ERROR on channel 0: GOAWAY, or the end.
func (c *Conn) recvConnError(now time.Duration, f *codec.Frame) {
	if !isAway(f) {
		c.die(c.remoteEnd(f.Payload))
		return
	}
	if len(f.Payload) < 8 {
		c.fault(now, codec.FrameSizeError, f, "is a GOAWAY without an id")
		return
	}
	c.recvGoAway(now, binary.BigEndian.Uint32(f.Payload[4:]))
}

// isAway returns whether an ERROR on channel 0 is GOAWAY.
func isAway(f *codec.Frame) bool {
	return len(f.Payload) >= 4 && binary.BigEndian.Uint32(f.Payload) == uint32(codec.NoError)
}

// remoteEnd reads an ERROR's payload.
func (c *Conn) remoteEnd(p []byte) *End {
	end := &End{Code: codec.Internal, Remote: true}
	if len(p) >= 4 {
		if end.Code = codec.Code(binary.BigEndian.Uint32(p)).Known(); end.Code == codec.NoError {
			end.Code = codec.Cancelled
		}
		end.Reason = string(p[4:min(len(p), 4+maxReason)])
	}
	c.arena.ErrorsReceived.add(end.Code)
	return end
}
