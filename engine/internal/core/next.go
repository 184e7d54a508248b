package core

import (
	"encoding/binary"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/sched"
)

// What control frames take: those of one channel at most (OPEN, two ACKs, a grant, PRIORITY, FIN and CLOSE),
// and the refusal of an OPEN.
const (
	controlBytes = 7*codec.HeaderSize + codec.MaxParams + 4 + 1
	refusalBytes = codec.HeaderSize + 4
)

// Next builds the frames to write next. b must be empty; it stays so if there is nothing to send. The
// transport tells with Sent what it took, and Next must not be called before it took all.
func (c *Conn) Next(now time.Duration, b *Batch) {
	c.check()
	b.most = c.cfg.BatchBytes
	switch c.phase {
	case failing:
		c.phase = lingering
		c.appendError(b, 0, c.end.Code, c.end.Reason)
	case running, halfEnd:
		if c.mayTalk() {
			c.appendOwn(now, b)
			c.appendChannels(now, b)
		}
		if b.Len() == 0 {
			c.finishIdle(now)
		}
	}
	c.built(now, b)
}

// built takes note of a batch that is to be written.
func (c *Conn) built(now time.Duration, b *Batch) {
	if b.Len() > 0 {
		c.unsent = b.Len()
		c.progress = now
		c.arena.FramesOut += uint64(b.frames)
	}
}

// appendOwn appends the connection's own control frames.
func (c *Conn) appendOwn(now time.Duration, b *Batch) {
	if c.sendHello {
		c.sendHello = false
		c.pings.helloSent(now)
		b.frame(c.cfg.Pool, codec.Header{Type: codec.Ping}, c.cfg.ask, nil)
	}
	c.pongs.append(c, b)
	c.pings.append(now, c, b)
	if c.grantConn && c.phase == running {
		c.grantConn = false
		c.appendGrant(b, 0, &c.in, &c.meter)
	}
	for i, r := range c.refused {
		if !b.fits(refusalBytes, refusalBytes) {
			c.refused = append(c.refused[:0], c.refused[i:]...)
			return
		}
		c.appendError(b, r.id, r.code, "")
	}
	c.refused = nil
}

// appendChannels appends frames of channels in the scheduler's order, as many as fit.
func (c *Conn) appendChannels(now time.Duration, b *Batch) {
	for b.fits(controlBytes, controlBytes) {
		slot, kind, budget := c.queue.Next(c.arena.flows, !c.out.stalled)
		switch {
		case kind == sched.Control:
			c.appendControl(now, b, slot)
		case c.sendAway:
			c.appendAway(b)
		case kind == sched.Nothing:
			return
		default:
			if !c.appendData(now, b, slot, budget) {
				return
			}
		}
	}
}

// appendControl appends the control frames of a channel, in the order in which they must arrive.
func (c *Conn) appendControl(now time.Duration, b *Batch, slot uint32) {
	r := c.arena.records.at(slot)
	send := r.flags & sendAny
	r.flags &^= sendAny
	h := codec.Header{Channel: r.id}
	if send&sendOpen != 0 {
		h.Type = codec.Open
		var params []byte
		buf := c.pop(r)
		if buf != nil {
			params = buf.B
		}
		b.frame(c.cfg.Pool, h, params, nil)
		if buf != nil {
			buf.Release()
		}
		c.sentID = r.id
		c.ready(now, slot, r)
	}
	if send&sendAck != 0 {
		h.Type = codec.Ack
		b.frame(c.cfg.Pool, h, nil, nil)
	}
	if send&sendGrant != 0 && r.in.owed > 0 && c.phase == running {
		r.flags &^= cameSinceGrant
		c.appendGrant(b, r.id, &r.in, &c.arena.asides.at(slot).meter)
	}
	if send&sendPriority != 0 {
		h.Type = codec.Priority
		b.frame(c.cfg.Pool, h, []byte{r.prio}, nil)
	}
	if send&sendCloseAck != 0 {
		h.Type = codec.Ack
		b.frame(c.cfg.Pool, h, nil, nil)
	}
	if send&sendError != 0 {
		c.appendError(b, r.id, c.arena.asides.at(slot).code, "")
	}
	if send&sendFin != 0 && r.state != closed {
		b.frame(c.cfg.Pool, codec.Header{Channel: r.id, Type: codec.Data, Flags: codec.Fin}, nil, nil)
		c.sentFin(slot, r)
	}
	if send&sendClose != 0 && r.state != closed {
		h.Type = codec.Close
		b.frame(c.cfg.Pool, h, nil, nil)
		c.sentClose(now, slot)
	}
	c.releaseUnused(slot)
}

// appendGrant appends FLOW_CONTROL of what is owed of a window.
func (c *Conn) appendGrant(b *Batch, channel uint32, f *inflow, m *meter) {
	var p [4]byte
	binary.BigEndian.PutUint32(p[:], f.grant(m))
	b.frame(c.cfg.Pool, codec.Header{Channel: channel, Type: codec.FlowControl}, p[:], nil)
}

// sentClose moves a channel on whose CLOSE has left.
func (c *Conn) sentClose(now time.Duration, slot uint32) {
	r := c.arena.records.at(slot)
	if c.phase == halfEnd { // no ACK can come
		c.close(slot)
		c.report(slot, tellClosed)
		return
	}
	if r.state == opening {
		r.state = abandoned
	} else {
		r.state = closing
	}
	c.startTimer(now, slot, closingTimer)
}

// appendAway appends GOAWAY.
func (c *Conn) appendAway(b *Batch) {
	c.sendAway = false
	p := binary.BigEndian.AppendUint32(make([]byte, 4, 8), c.servedID)
	b.frame(c.cfg.Pool, codec.Header{Type: codec.Error}, p, nil)
}

// appendData appends DATA frames of a channel, of budget bytes in all or until its last frame is beyond
// that, and returns false if they do not fit.
func (c *Conn) appendData(now time.Duration, b *Batch, slot uint32, budget int) (fit bool) {
	r := c.arena.records.at(slot)
	freed, bytes := 0, 0 // of the queue, of the wire
	file, lost := false, false
	n := c.sendable(r)
	for fit = true; n > 0 && bytes < budget; {
		if int64(n) > c.out.window {
			if n = c.holds(now); n == 0 {
				break
			}
		}
		before := b.Len()
		s := c.arena.segs.at(r.first)
		if file = s.isFile(); file {
			var done int
			if done, fit, lost = c.nextOfFile(now, b, slot, r, n); b.Len() == before {
				break
			}
			freed += done
		} else {
			done := c.appendFrame(b, r, s, n)
			if fit = done > 0; !fit {
				break
			}
			freed += done
		}
		bytes += b.Len() - before
		c.out.window -= int64(n)
		c.late.sent(n)
		if n = 0; r.first != 0 {
			n = c.sendable(r)
		}
	}
	if bytes > 0 {
		r.flags = r.flags&^squeeze | sentSinceGrant
	}
	more := r.first != 0 && !lost && c.sendable(r) > 0
	c.queue.Sent(c.arena.flows, slot, bytes, more)
	if lost {
		c.abort(slot, codec.Internal)
		return fit
	}
	if bytes == 0 {
		return fit
	}
	c.spoke = now
	c.out.sent, c.out.squeeze = true, false
	if r.gate.free(freed, c.cfg.SendLow, &c.memory) {
		c.report(slot, tellWritable)
	}
	switch {
	case r.first == 0 && r.flags&appClosed != 0:
		c.control(slot, sendClose)
	case r.first == 0 && r.flags&finWanted != 0 && file:
		c.control(slot, sendFin)
	case r.first == 0 && r.flags&finWanted != 0:
		c.sentFin(slot, r)
	case r.first != 0 && !more:
		c.ready(now, slot, r) // it waits for window
	}
	return fit
}

// appendFrame appends the next n bytes of a channel, which are of its first segment, as a DATA frame, with FIN if they
// are the last, and returns how much of its queue is free by that: nothing if the frame does not fit.
func (c *Conn) appendFrame(b *Batch, r *record, s *segment, n int) (freed int) {
	copied := codec.HeaderSize
	if n <= copyLimit || r.flags&compressing != 0 {
		copied += min(n, copyLimit)
	}
	if !b.fits(codec.HeaderSize+n, copied) {
		return 0
	}
	h, sum := codec.Header{Channel: r.id, Type: codec.Data}, c.arena.sumOf(s, n)
	if r.flags&(finWanted|appClosed) == finWanted && s.next == 0 && int(s.off)+n == int(s.end) {
		h.Flags, sum = codec.Fin, nil
	}
	payload := s.buf.B[s.off : int(s.off)+n]
	switch {
	case r.flags&compressing != 0 && c.appendZipped(b, h, payload):
	case n <= copyLimit:
		b.frame(c.cfg.Pool, h, payload, sum)
	default:
		b.frameOf(c.cfg.Pool, h, payload, sum, s.buf)
	}
	r.out.take(n)
	freed = n
	if s.off += uint32(n); s.off == s.end {
		freed += cost(s.size()) - s.size()
		c.drop(r)
	}
	return freed
}

// appendError appends an ERROR frame.
func (c *Conn) appendError(b *Batch, channel uint32, code codec.Code, reason string) {
	p := binary.BigEndian.AppendUint32(make([]byte, 0, 64), uint32(code))
	p = append(p, reason[:min(len(reason), maxReason)]...)
	b.frame(c.cfg.Pool, codec.Header{Channel: channel, Type: codec.Error}, p, nil)
	c.arena.ErrorsSent.add(code)
}

// finishIdle ends a connection that was to end and has nothing left to do or to send.
func (c *Conn) finishIdle(now time.Duration) {
	switch {
	case c.unsent > 0 || c.HasEvents():
	case c.phase == halfEnd && now < c.patience():
	case c.phase == halfEnd:
		c.die(c.endOfStream())
	case c.draining() && c.channels.len() == 0:
		c.bow(now)
	case c.quit != nil:
		c.part(now)
	}
}
