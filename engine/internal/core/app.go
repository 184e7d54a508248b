package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// The methods here are what the application does. For a channel that has ended meanwhile they do
// nothing, so nobody has to ask before.

// Traits are what is particular about a channel.
type Traits uint8

// The traits.
const (
	ByHand   Traits = 1 << iota // the application returns credit with Consume
	Compress                    // payloads are compressed, if the peer takes that and it shrinks them
)

// flags are the traits in a record.
func (t Traits) flags() (f flags) {
	if t&ByHand != 0 {
		f |= byHand
	}
	if t&Compress != 0 {
		f |= compressing
	}
	return f
}

// Open opens a channel in the slot that Arena.Open gave. params is OPEN's payload, which must be correct,
// passed on; nil means none. If no channel can be opened, Closed follows.
func (c *Conn) Open(now time.Duration, h Handle, params *pool.Buf, t Traits) {
	r := c.arena.attach(now, h)
	r.id, r.state, r.flags = uint32(c.nextID), opening, held|sendOpen|t.flags()
	o := OpenParams{Priority: DefaultPriority}
	if params != nil {
		o, _ = ParseOpen(params.B)
	}
	r.prio = o.Priority
	// The peer sends nothing before its ACK, so by then it is known whether it looks at OPEN and HELLO.
	switch {
	case c.peer.greeted && !c.peer.extended:
		r.in.open(c.cfg.StartWindow)
	case o.HasWindow:
		r.in.open(int(o.Window))
		r.flags |= fixedWindow
	default:
		r.in.open(c.cfg.Window)
	}
	r.out = outflow(c.cfg.StartWindow)
	c.push(r, params)
	if code := c.cannotOpen(); code != codec.NoError {
		c.dropSegments(r)
		r.state, c.arena.asides.at(h.Slot).code = closed, code
		if code == codec.ClosedError {
			r.flags |= withConn
		}
		r.gate.close(&c.memory)
		c.report(h.Slot, tellClosed)
		return
	}
	c.nextID += 2
	c.opened++
	c.empty = 0
	c.arena.Opened.Add(1)
	if c.channels == nil {
		c.channels = newIDTable(c.cfg.idFactor)
	}
	c.channels.put(r.id, h.Slot)
	c.control(h.Slot, sendOpen)
	c.startTimer(now, h.Slot, openingTimer)
}

// cannotOpen returns why no channel can be opened on this connection, or NoError.
func (c *Conn) cannotOpen() codec.Code {
	switch {
	case c.phase != running:
		return codec.ClosedError
	case c.goingAway, c.goneAway, c.nextID > 1<<32-1, c.opened >= c.peer.channels:
		return codec.Refused
	}
	return codec.NoError
}

// Accept takes the channel that Opened reported.
func (c *Conn) Accept(h Handle, t Traits) {
	r := c.answer(h)
	r.flags |= t.flags()
	c.arena.Accepted.Add(1)
	c.control(h.Slot, sendAck)
}

// Refuse refuses the channel that Opened reported. Nothing more is reported of it.
func (c *Conn) Refuse(now time.Duration, h Handle, code codec.Code) {
	r := c.answer(h)
	c.arena.Refused.Add(1)
	c.close(h.Slot)
	r.flags &^= held
	c.arena.asides.at(h.Slot).code = code
	c.control(h.Slot, sendError)
	c.token(now)
}

// answer checks that h is the channel that Opened reported.
func (c *Conn) answer(h Handle) *record {
	if h != c.pending {
		panic("core: answer to an open that was not reported")
	}
	c.pending = Handle{}
	return c.arena.records.at(h.Slot)
}

// Send queues the bytes of buf, which were reserved, on channel h. buf is passed on.
func (c *Conn) Send(now time.Duration, h Handle, buf *pool.Buf) {
	if r := c.sending(h); r != nil {
		c.push(r, buf)
		c.ready(now, h.Slot, r)
		return
	}
	buf.Release()
}

// SendCopy is Send of a copy of p, which should be short.
func (c *Conn) SendCopy(now time.Duration, h Handle, p []byte) {
	if r := c.sending(h); r != nil {
		if r.last == 0 || !c.appendCopy(r, c.arena.segs.at(r.last), p) {
			c.push(r, c.arena.stock.Copy(p)).place = ^0
		}
		c.ready(now, h.Slot, r)
	}
}

// appendCopy queues a copy of p in the buffer of the last segment of a channel, if that has room. So short messages
// that have to wait take little more memory than they are long.
func (c *Conn) appendCopy(r *record, last *segment, p []byte) bool {
	start := int(last.end)
	if last.place >= 0 || last.buf.Cap()-start < len(p) {
		return false
	}
	buf := last.buf
	buf.Retain()
	buf.B = append(buf.B, p...)
	s := c.push(r, buf)
	s.off, s.place = uint32(start), ^int32(start)
	return true
}

// sending returns the record of channel h if it can still send.
func (c *Conn) sending(h Handle) *record {
	r := c.arena.get(h)
	if r == nil || r.state != open && r.state != opening || r.flags&(appClosed|finWanted) != 0 {
		return nil
	}
	return r
}

// Starve has Writable reported of channel h when others may have given memory back.
func (c *Conn) Starve(now time.Duration, h Handle) {
	if r := c.arena.get(h); r != nil && r.state != closed && c.phase < failing {
		c.arena.Starved.Add(1)
		c.wait(now, h.Slot, r, starving)
	}
}

// Collect takes in what the application consumed of channel h, as Arena.Consume counted it.
func (c *Conn) Collect(now time.Duration, h Handle) {
	r := c.arena.get(h)
	if r == nil || r.flags&byHand == 0 {
		return
	}
	// Half of a window that is smaller than others the arena would not tell: then each call does. Of a larger
	// one it tells each part, once.
	n, half := r.consumed.Load(), c.startOf(r)/2
	if half < c.arena.collect || n >= c.arena.collect || r.in.owed+n >= half {
		r.in.consume(r.consumed.Swap(0))
	}
	c.settle(now, h.Slot, r)
}

// Close ends channel h once what is queued has left. Arena.Shut must have been called; what still
// comes is dropped, and Closed follows.
func (c *Conn) Close(now time.Duration, h Handle) {
	r := c.arena.get(h)
	if r == nil || r.state != open && r.state != opening || r.flags&appClosed != 0 {
		return
	}
	r.flags |= appClosed
	r.in.consume(r.in.unconsumed())
	if r.in.owed > 0 {
		c.settle(now, h.Slot, r)
	}
	if c.backlog(r) == 0 {
		c.control(h.Slot, sendClose)
	} else {
		c.startTimer(now, h.Slot, closeWaitTimer)
	}
}

// Reset ends channel h at once, with ERROR. Closed follows, also with that code.
func (c *Conn) Reset(h Handle, code codec.Code) {
	r := c.arena.get(h)
	if r == nil || r.state == idle || r.state == closed {
		return
	}
	if code == codec.NoError {
		code = codec.Cancelled
	}
	c.abort(h.Slot, code)
}

// abort ends the channel in slot with an ERROR of ours.
func (c *Conn) abort(slot uint32, code codec.Code) {
	r := c.arena.records.at(slot)
	unknown := r.flags&sendOpen != 0 // the peer never hears of it
	c.close(slot)
	r.flags &^= sendAck | sendCloseAck // ERROR is the answer
	c.arena.asides.at(slot).code = code
	if !unknown {
		c.control(slot, sendError)
	}
	c.report(slot, tellClosed)
}

// Release gives back the slot of a channel whose Closed was reported. h names nothing from then on.
func (c *Conn) Release(h Handle) {
	if r := c.arena.get(h); r != nil && r.state == closed {
		if r.timer == keptList {
			c.stopTimer(h.Slot)
		}
		r.flags &^= held
		c.releaseUnused(h.Slot)
	}
}

// Keep defers Release of a channel whose Closed was reported, until the connection ends at the latest: the
// application is not through with it, and it goes on to count for MaxChannels.
func (c *Conn) Keep(h Handle) {
	if c.phase >= failing {
		c.Release(h)
	} else if c.arena.get(h) != nil {
		c.enlist(h.Slot, keptList)
	}
}

// push appends buf, if it holds anything, to what waits on a channel, and returns its segment. OPEN's payload is
// pushed even if there is none.
func (c *Conn) push(r *record, buf *pool.Buf) *segment {
	i, s := c.arena.segs.take()
	if buf != nil {
		s.buf, s.end = buf, uint32(len(buf.B))
	}
	if r.last == 0 {
		r.first = i
	} else {
		c.arena.segs.at(r.last).next = i
	}
	r.last = i
	return s
}

// drop removes the first segment of a channel with what it holds.
func (c *Conn) drop(r *record) {
	place := c.arena.segs.at(r.first).place
	buf := c.pop(r)
	switch {
	case place <= 0 && buf != nil:
		c.arena.stock.Release(buf)
	case buf != nil:
		c.arena.Drop(c.arena.shared[place], 1)
	case place != 0:
		c.arena.files.drop(place)
	}
}

// pop removes the first segment of a channel and returns its buffer, which is the caller's.
func (c *Conn) pop(r *record) *pool.Buf {
	buf := c.arena.segs.at(r.first).buf
	if r.first = c.arena.segs.give(r.first); r.first == 0 {
		r.last = 0
	}
	return buf
}

// dropSegments drops what waits on a channel.
func (c *Conn) dropSegments(r *record) {
	r.flags &^= sendOpen // its payload goes too
	for r.first != 0 {
		c.drop(r)
	}
}

// backlog is the first segment of data that waits on a channel, 0 if there is none.
func (c *Conn) backlog(r *record) uint32 {
	if r.flags&sendOpen != 0 {
		return c.arena.segs.at(r.first).next
	}
	return r.first
}

// ready puts a channel with data where it belongs: with the scheduler if the window allows, else with
// those that wait for window, or for a file. Before OPEN has left, neither.
func (c *Conn) ready(now time.Duration, slot uint32, r *record) {
	switch {
	case r.first == 0 || r.flags&sendOpen != 0:
	case c.sendable(r) > 0:
		if r.timer == noWindowTimer {
			c.stopTimer(slot)
		}
		c.queue.Push(c.arena.flows, slot, r.prio)
	default:
		if r.timer == noTimer {
			c.startTimer(now, slot, noWindowTimer)
		}
		if r.out > 0 && r.flags&fetching == 0 {
			c.wait(now, slot, r, dribbling)
		}
	}
}

// sendable is how many bytes of data a channel may send in one frame now, 0 if there are none or there is
// no window for them.
func (c *Conn) sendable(r *record) int {
	if r.first == 0 {
		return 0
	}
	s := c.arena.segs.at(r.first)
	if n := s.end - s.off; n-1 < min(c.peer.frame, uint32(r.out)) { // all of it, and not of a file
		return int(n)
	}
	return c.sendablePart(r, s)
}

// sendablePart is sendable where more waits than one frame or the window takes, or a file.
func (c *Conn) sendablePart(r *record, s *segment) int {
	n := min(int(s.end-s.off), int(c.peer.frame))
	if s.isFile() {
		if r.flags&fetching != 0 {
			return 0
		}
		n = int(min(c.arena.files.all[s.place].left, c.fileFrame()))
	}
	if window := int(r.out); n > window {
		if window < minSplit && r.flags&squeeze == 0 && c.phase == running {
			return 0
		}
		if n = window; s.isFile() {
			n = c.wholePieces(n)
		}
	}
	return n
}
