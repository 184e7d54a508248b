package core

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// pings are our PINGs: the application's, those of the keep-alive, and HELLO, which has number 0. The payload
// of the others is their number, followed by four zero bytes.
type pings struct {
	open     [maxPings]ping // oldest first
	n        uint8
	unsent   uint8 // how many of the newest have not left
	beats    uint8 // of the keep-alive since a byte came
	samples  uint8 // of the round trip time, up to probes
	again    bool  // they are taken anew: the connection's window is small meanwhile
	beatAt   time.Duration
	seq      uint32
	answered uint32 // the last one answered
	took     uint32 // by it, in microseconds like all of these

	rtt, rttvar   uint32 // RFC 6298; 0 before the first sample
	least, before uint32 // the smallest samples of this epoch and of the one before
	sampled       uint32 // when the last sample was taken, in milliseconds
	epoch         uint32 // when this one began, in milliseconds
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
	p := &c.pings
	return ofMicroseconds(p.rtt), ofMicroseconds(p.rttvar), p.smallest()
}

// probe has the round trip time measured, if that was not done lately, and a few times in a row at first: the
// smallest sample counts, and a connection that is busy for ever after gives no better ones.
func (c *Conn) probe(now time.Duration) {
	p := &c.pings
	if p.n == 0 && (p.samples < probes || since(now, p.sampled) >= probeAgain) {
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
		b.frame(c.cfg.Pool, codec.Header{Type: codec.Ping}, payload[:], nil)
	}
}

// answer takes a PONG and returns whether it answers one of our PINGs.
func (p *pings) answer(now time.Duration, payload []byte) bool {
	if len(payload) != pingBytes || binary.BigEndian.Uint32(payload[4:]) != 0 {
		return false
	}
	seq := binary.BigEndian.Uint32(payload)
	for i, open := range p.open[:p.n-p.unsent] {
		if open.seq != seq || seq == 0 {
			continue
		}
		// TCP keeps the order: what was sent before it will not be answered any more.
		n := copy(p.open[:], p.open[i+1:p.n])
		p.n = uint8(n)
		p.answered, p.took = seq, microseconds(now)-open.at
		p.sample(now, p.took)
		return true
	}
	return false
}

// hello books HELLO, before any other PING, and helloSent notes that it leaves.
func (p *pings) hello() { p.open[0], p.n = ping{}, 1 }

func (p *pings) helloSent(now time.Duration) {
	if p.n > p.unsent && p.open[0].seq == 0 {
		p.open[0].at = microseconds(now)
	}
}

// helloAnswered takes the answer to HELLO, and returns whether it was missing.
func (p *pings) helloAnswered(now time.Duration) bool {
	if p.n == p.unsent || p.open[0].seq != 0 {
		return false
	}
	p.sample(now, microseconds(now)-p.open[0].at)
	copy(p.open[:], p.open[1:p.n])
	p.n--
	return true
}

// sample updates the estimates by RFC 6298 section 2.
func (p *pings) sample(now time.Duration, r uint32) {
	r = max(r, 1)
	p.sampled = milliseconds(now)
	if p.rtt == 0 {
		p.rtt, p.rttvar = r, r/2
		p.least, p.before, p.epoch, p.samples = r, r, p.sampled, 1
		return
	}
	d := max(p.rtt, r) - min(p.rtt, r)
	p.rttvar = (3*p.rttvar + d) / 4
	p.rtt = uint32((7*uint64(p.rtt) + uint64(r)) / 8)
	if since(now, p.epoch) >= rttEpoch {
		p.before, p.least, p.epoch = p.least, r, p.sampled
		p.samples, p.again = probes-reprobes, true
	}
	p.least = min(p.least, r)
	if p.samples = min(p.samples+1, probes); p.samples == probes {
		p.again = false
	}
}

// smallest is the smallest sample of late, 0 if there is none.
func (p *pings) smallest() time.Duration { return ofMicroseconds(min(p.least, p.before)) }

// recvPong takes a PONG.
func (c *Conn) recvPong(now time.Duration, payload []byte) {
	switch {
	case c.pings.answer(now, payload):
		c.news |= newsPong
	case bytes.HasPrefix(payload, helloAsk) && c.pings.helloAnswered(now): // a base peer's echo
		c.splitter.Limits.Pong = 0
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
	a.segs.at(p.first).next = next // there is one: maxPongs are more than two
	p.n--
}

func (p *pongs) push(a *Arena, buf *pool.Buf) {
	i, s := a.segs.take()
	s.buf = buf
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
		b.frame(c.cfg.Pool, codec.Header{Type: codec.Pong}, buf.B, nil)
		buf.Release()
	}
}

// drop forgets all PONGs.
func (p *pongs) drop(a *Arena) {
	for p.first != 0 {
		p.pop(a).Release()
	}
}
