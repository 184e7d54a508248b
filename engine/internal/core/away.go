package core

import (
	"math"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// GoAway announces that no more channels are accepted or opened (GOAWAY). The connection ends when the
// last channel has, or at the drain deadline.
func (c *Conn) GoAway(now time.Duration) {
	if c.phase != running || c.goingAway {
		return
	}
	c.goingAway, c.sendAway = true, true // behind the OPENs that wait
	c.servedID = c.peerID
	c.until = now + c.cfg.Timeouts.Drain
	if !c.mayTalk() { // what waits to be opened would wait for the peer, which may never say a word
		c.refuseOwn(math.MaxUint32, 0)
	}
}

// recvGoAway takes the peer's GOAWAY: it serves our channels up to id, and no new ones. It may come again
// with a lower id; since that is rare, and finding the channels above is not cheap, it costs.
func (c *Conn) recvGoAway(now time.Duration, id uint32) {
	if c.goneAway {
		c.charge(now, repeatedAway)
		if c.phase != running || id >= c.awayID {
			return
		}
	} else {
		c.goneAway = true
		c.news |= newsAway
		if !c.goingAway {
			c.until = now + c.cfg.Timeouts.Drain
		}
	}
	c.awayID = id
	c.refuseOwn(id, byPeer)
}

// refuseOwn ends our channels above id, and those whose OPEN has not left.
func (c *Conn) refuseOwn(id uint32, by flags) {
	refused := func(ours, slot uint32) bool {
		return c.ours(ours) && (ours > id || c.arena.records.at(slot).flags&sendOpen != 0)
	}
	for _, slot := range c.slots(refused) {
		c.close(slot)
		c.arena.records.at(slot).flags |= by
		c.arena.asides.at(slot).code = codec.Refused
		c.report(slot, tellClosed)
	}
}

// Quit ends the connection at the application's wish: it takes no more to send, and what waits gets a
// second to leave. Then ERROR on channel 0 says end, unless the application has closed all channels
// itself.
func (c *Conn) Quit(now time.Duration, end *End) {
	if c.phase >= failing || c.quit != nil {
		return
	}
	c.GoAway(now)
	c.quit, c.grace = end, 0
	if linger := now + c.cfg.Timeouts.linger; c.phase == running || linger < c.until {
		c.until = linger
	}
	for _, slot := range c.channels.all {
		r := c.arena.records.at(slot)
		r.gate.set(r.gate.generation(), gateShut|gateClosed)
	}
}

// part goes on with Quit when there is nothing to send at the moment.
func (c *Conn) part(now time.Duration) {
	if c.parted || c.timers[openingTimer].first != 0 || c.timers[closeWaitTimer].first != 0 ||
		c.timers[noWindowTimer].first != 0 || c.out.stalled {
		return // the peer owes an ACK or a grant
	}
	c.parted = true
	for _, slot := range c.channels.all {
		if c.arena.records.at(slot).flags&appClosed == 0 {
			c.failWith(now, c.quit)
			return
		}
	}
}
