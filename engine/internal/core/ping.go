package core

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// pings are our PINGs: the application's and those of the keep-alive. The payload of a PING is its
// number, which is never 0 (that is HELLO), followed by four zero bytes.
type pings struct {
	open     [maxPings]ping // oldest first
	n        uint8
	unsent   uint8 // how many of the newest have not left
	beats    uint8 // of the keep-alive since a byte came
	beatAt   time.Duration
	seq      uint32
	answered uint32 // the last one answered, and how long that took
	took     time.Duration

	rtt, rttvar time.Duration // RFC 6298; 0 before the first sample
	sampled     time.Duration // when the last sample was taken

	// The smallest samples of this epoch and of the one before, and when this one began.
	least, before, epoch time.Duration
}

// ping is a PING without an answer.
type ping struct {
	seq uint32
	at  uint32 // it left, in microseconds
}

// pingBytes is the payload of our PINGs.
const pingBytes = 8

// Ping sends a PING and returns its number, or false if too many are unanswered or the connection does
// not allow it. Ponged follows if the peer answers.
func (c *Conn) Ping() (seq uint32, ok bool) {
	if c.pings.n == maxPings || c.phase != running {
		return 0, false
	}
	return c.pings.add(), true
}

// RTT returns the smoothed round trip time, its variation and its minimum, all 0 before the first PONG.
func (c *Conn) RTT() (smoothed, variation, smallest time.Duration) {
	return c.pings.rtt, c.pings.rttvar, c.pings.smallest()
}

// probe has the round trip time measured, if that was not done lately.
func (c *Conn) probe(now time.Duration) {
	p := &c.pings
	if p.n == 0 && (p.rtt == 0 || now-p.sampled >= probeAgain) {
		p.add()
	}
}

// add books a PING to send. If there are too many, the oldest is forgotten.
func (p *pings) add() uint32 {
	if p.n == maxPings {
		copy(p.open[:], p.open[1:])
		p.n--
		p.unsent = min(p.unsent, p.n)
	}
	if p.seq++; p.seq == 0 {
		p.seq = 1
	}
	p.open[p.n] = ping{seq: p.seq}
	p.n++
	p.unsent++
	return p.seq
}

// alive tells that a byte came.
func (p *pings) alive() { p.beats = 0 }

// append appends the PINGs that have not left.
func (p *pings) append(now time.Duration, c *Conn, b *Batch) {
	for ; p.unsent > 0 && b.fits(codec.HeaderSize+pingBytes, codec.HeaderSize+pingBytes); p.unsent-- {
		next := &p.open[p.n-p.unsent]
		next.at = microseconds(now)
		var payload [pingBytes]byte
		binary.BigEndian.PutUint32(payload[:], next.seq)
		b.frame(c.cfg.Pool, codec.Header{Type: codec.Ping}, payload[:])
	}
}

// answer takes a PONG and returns whether it answers one of our PINGs.
func (p *pings) answer(now time.Duration, payload []byte) bool {
	if len(payload) != pingBytes || binary.BigEndian.Uint32(payload[4:]) != 0 {
		return false
	}
	seq := binary.BigEndian.Uint32(payload)
	for i, open := range p.open[:p.n-p.unsent] {
		if open.seq != seq {
			continue
		}
		// TCP keeps the order: what was sent before it will not be answered any more.
		n := copy(p.open[:], p.open[i+1:p.n])
		p.n = uint8(n)
		p.answered, p.took = seq, time.Duration(microseconds(now)-open.at)*time.Microsecond
		p.sample(now, p.took)
		return true
	}
	return false
}

// sample updates the estimates by RFC 6298 section 2.
func (p *pings) sample(now, r time.Duration) {
	r = max(r, time.Microsecond)
	p.sampled = now
	if p.rtt == 0 {
		p.rtt, p.rttvar = r, r/2
		p.least, p.before, p.epoch = r, r, now
		return
	}
	d := p.rtt - r
	p.rttvar += (max(d, -d) - p.rttvar) / 4
	p.rtt += (r - p.rtt) / 8
	if now-p.epoch >= rttEpoch {
		p.before, p.least, p.epoch = p.least, r, now
	}
	p.least = min(p.least, r)
}

// smallest is the smallest sample of late, 0 if there is none.
func (p *pings) smallest() time.Duration { return min(p.least, p.before) }

// recvPong takes a PONG.
func (c *Conn) recvPong(now time.Duration, payload []byte) {
	switch {
	case c.pings.answer(now, payload):
		c.news |= newsPong
	case c.helloAt != 0 && bytes.HasPrefix(payload, helloAsk): // a base peer's echo
		c.pings.sample(now, now-c.helloAt)
		c.helloAt = 0
	default:
		c.token(now)
	}
}

// pongs are the answers we owe, oldest first: segments of the arena, so that none costs nothing.
type pongs struct {
	first, last uint32
	n           uint8
	greeting    bool // the first one answers the peer's first frame, and is never dropped
}

// recvPing takes a PING.
func (c *Conn) recvPing(now time.Duration, payload []byte) {
	if c.pongs.n == maxPongs {
		c.pongs.forget(c.arena)
		c.token(now)
		if c.phase != running {
			return
		}
	}
	c.pongs.push(c.arena, c.cfg.Pool.Copy(payload))
}

// forget drops the oldest PONG that may be dropped.
func (p *pongs) forget(a *Arena) {
	if !p.greeting {
		p.pop(a).Release()
		return
	}
	second := a.segs.at(p.first).next
	a.segs.at(second).buf.Release()
	next := a.segs.give(second)
	if a.segs.at(p.first).next = next; next == 0 {
		p.last = p.first
	}
	p.n--
}

func (p *pongs) push(a *Arena, buf *pool.Buf) {
	i := a.segs.take()
	s := a.segs.at(i)
	s.buf, s.next = buf, 0
	if p.last == 0 {
		p.first = i
	} else {
		a.segs.at(p.last).next = i
	}
	p.last = i
	p.n++
}

func (p *pongs) pop(a *Arena) *pool.Buf {
	buf := a.segs.at(p.first).buf
	if p.first = a.segs.give(p.first); p.first == 0 {
		p.last = 0
	}
	p.n--
	return buf
}

// append appends all PONGs.
func (p *pongs) append(c *Conn, b *Batch) {
	p.greeting = false
	for p.first != 0 {
		buf := p.pop(c.arena)
		b.frame(c.cfg.Pool, codec.Header{Type: codec.Pong}, buf.B)
		buf.Release()
	}
}

// drop forgets all PONGs.
func (p *pongs) drop(a *Arena) {
	for p.first != 0 {
		p.pop(a).Release()
	}
}
