package core

import (
	"sync/atomic"

	"github.com/sscd-io/sscd/codec"
)

// record is a channel: 64 bytes without pointers, so that millions of them cost the garbage collector
// nothing. Only its gate and consumed may be touched by other goroutines than the loop's.
type record struct {
	gate     gate
	consumed atomic.Uint32 // by the application on a channel of manual credit, not yet collected
	channel
}

// handle names the channel, whose slot is given.
func (r *record) handle(slot uint32) Handle { return Handle{slot, r.gate.generation()} }

// channel is the part of a record that belongs to the loop.
type channel struct {
	id    uint32
	state state
	timer timerKind
	flags flags

	out outflow
	in  inflow

	first, last uint32 // segments waiting to be sent

	nextEvent uint32 // in the connection's list of events to report; the last one names itself

	nextTimer, prevTimer uint32 // in the connection's list of this timer
	deadline             uint32 // of the timer, in milliseconds

	code codec.Code // once closed: of the ERROR to send, and to report
}

// flags of a record.
type flags uint32

const (
	sendOpen       flags = 1 << iota // control frames to send: OPEN; its payload is the first segment
	sendAck                          // ACK, the answer to OPEN
	sendGrant                        // FLOW_CONTROL of what is owed
	sendCloseAck                     // ACK, the answer to CLOSE
	sendError                        // ERROR with code
	sendClose                        // CLOSE
	byHand                           // the application returns credit with Consume
	appClosed                        // the application called Close
	sentSinceGrant                   // DATA went out since the last FLOW_CONTROL came
	cameSinceGrant                   // DATA came since the last FLOW_CONTROL went out
	owing                            // among soon.waits, to grant
	dribbling                        // among soon.waits, to send
	squeeze                          // send even what is less than minSplit
	tellWritable                     // to report: Writable
	tellClosed                       // to report: Closed, for code
	byPeer                           // code is the peer's
	withConn                         // closed because the connection is about to end
	held                             // the application has not released the slot

	sendAny = sendOpen | sendAck | sendGrant | sendCloseAck | sendError | sendClose
)

// gate is what other goroutines need to know of a channel, in one word: the generation of its slot, how
// many bytes wait to be sent, and two bits. It is how Send can answer at once from anywhere.
//
//	63           32 31     30      29                   0
//	+--------------+------+-------+---------------------+
//	|  generation  | shut | await |    bytes queued     |
//	+--------------+------+-------+---------------------+
type gate struct{ word atomic.Uint64 }

const (
	gateShut   = 1 << 31 // the application may send no more
	gateAwait  = 1 << 30 // a sender was turned away and wants Writable
	gateQueued = gateAwait - 1
)

// generation is that of the slot's current channel.
func (g *gate) generation() uint32 { return uint32(g.word.Load() >> 32) }

// reset begins a new generation, open for sending.
func (g *gate) reset(generation uint32) { g.word.Store(uint64(generation) << 32) }

// reserve books n bytes for a channel whose queue should hold at most limit.
func (g *gate) reserve(generation uint32, n, limit int) SendResult {
	for {
		w := g.word.Load()
		if uint32(w>>32) != generation || w&gateShut != 0 {
			return SendClosed
		}
		queued, to, result := int(w&gateQueued), w+uint64(n), SendOK
		if queued > 0 && queued+n > limit {
			to, result = w|gateAwait, SendFull
		}
		if g.word.CompareAndSwap(w, to) {
			return result
		}
	}
}

// free gives n booked bytes back and returns whether a sender awaits that and the queue is at most low
// by now; then it awaits no more.
func (g *gate) free(n, low int) bool {
	w := g.word.Add(-uint64(n))
	if w&gateAwait == 0 || int(w&gateQueued) > low {
		return false
	}
	g.word.And(^uint64(gateAwait))
	return true
}

// shut ends sending, if generation is still the current one, and returns whether it did.
func (g *gate) shut(generation uint32) bool {
	for {
		w := g.word.Load()
		if uint32(w>>32) != generation || w&gateShut != 0 {
			return false
		}
		if g.word.CompareAndSwap(w, w|gateShut) {
			return true
		}
	}
}

// isShut returns whether sending has ended.
func (g *gate) isShut() bool { return g.word.Load()&gateShut != 0 }
