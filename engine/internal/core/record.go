package core

import (
	"sync/atomic"

	"github.com/sscd-io/sscd/codec"
)

// record is a channel: 64 bytes without pointers, a line of the cache, so that millions of them cost the garbage
// collector nothing. Only its gate and consumed may be touched by other goroutines than the loop's.
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
	prio  uint8 // 0 (bulk) to 7 (urgent), as the opener wants it
	flags flags

	out outflow
	in  inflow

	first, last uint32 // segments waiting to be sent

	nextEvent uint32 // in the connection's list of events to report; the last one names itself

	nextTimer, prevTimer uint32 // in the connection's list of this timer
	deadline             uint32 // of the timer, in milliseconds
}

// aside is what of a channel is not needed for each frame. It lies beside the record.
type aside struct {
	code  codec.Code // once closed: of the ERROR to send, and to report
	meter meter      // of the receive window
}

// flags of a record.
type flags uint32

const (
	sendOpen       flags = 1 << iota // control frames to send: OPEN; its payload is the first segment
	sendAck                          // ACK, the answer to OPEN
	sendGrant                        // FLOW_CONTROL of what is owed
	sendCloseAck                     // ACK, the answer to CLOSE
	sendError                        // ERROR with code
	sendPriority                     // PRIORITY
	sendFin                          // FIN on an empty DATA
	sendClose                        // CLOSE
	byHand                           // the application returns credit with Consume
	compressing                      // payloads are compressed if that shrinks them
	fixedWindow                      // the receive window is what OPEN said, and stays so
	finWanted                        // the application ended its direction: FIN follows the data
	finSent                          // and it has left
	finCame                          // the peer ended its direction
	appClosed                        // the application called Close
	sentSinceGrant                   // DATA went out since the last FLOW_CONTROL came
	cameSinceGrant                   // DATA came since the last FLOW_CONTROL went out
	owing                            // among soon.waits, to grant
	dribbling                        // among soon.waits, to send
	starving                         // among soon.waits, for memory
	squeeze                          // send even what is less than minSplit
	fetching                         // the file to send from is being fetched
	tellWritable                     // to report: Writable
	tellClosed                       // to report: Closed, for code
	byPeer                           // code is the peer's
	withConn                         // closed because the connection is about to end
	held                             // the application has not released the slot

	sendAny = sendOpen | sendAck | sendGrant | sendCloseAck | sendError | sendPriority | sendFin | sendClose
	waiting = owing | dribbling | starving
)

// gate is what other goroutines need to know of a channel, in one word: the generation of its slot, how
// many bytes wait to be sent, and three bits. It is how Send can answer at once from anywhere.
//
//	63           32 31     30      29       28                   0
//	+--------------+------+-------+--------+---------------------+
//	|  generation  | shut | await | closed |    bytes queued     |
//	+--------------+------+-------+--------+---------------------+
type gate struct{ word atomic.Uint64 }

const (
	gateShut   = 1 << 31 // the application may send no more
	gateAwait  = 1 << 30 // a sender was turned away and wants Writable
	gateClosed = 1 << 29 // the application has closed the channel
	gateQueued = gateClosed - 1
)

// Allowance is how many bytes a channel may have queued that count for no Budget: then short messages cost
// nothing there, and nobody is kept from sending some by channels whose peer does not take theirs.
const Allowance = 4 << 10

// counted is how much of n queued bytes counts for a Budget.
func counted(n int) int { return max(0, n-Allowance) }

// generation is that of the slot's current channel.
func (g *gate) generation() uint32 { return uint32(g.word.Load() >> 32) }

// reset begins a new generation, open for sending.
func (g *gate) reset(generation uint32) { g.word.Store(uint64(generation) << 32) }

// end makes the gate one of no channel, in a new generation.
func (g *gate) end() { g.word.Store(uint64(g.generation()+1)<<32 | gateShut | gateClosed) }

// reserve books n bytes for a channel whose queue should hold at most limit.
func (g *gate) reserve(generation uint32, n, limit int, m *Budget) SendResult {
	for {
		w := g.word.Load()
		if uint32(w>>32) != generation || w&gateShut != 0 {
			return SendClosed
		}
		queued := int(w & gateQueued)
		before, after := counted(queued), counted(queued+n)
		to, result := w+uint64(n), SendOK
		switch {
		case queued > 0 && (queued+n > limit || after > 0 && int64(after) > m.Room()):
			to, result = w|gateAwait, SendFull
		case after > before && !m.Take(after-before):
			if to, result = w|gateAwait, SendFull; queued == 0 {
				result = SendStarved
			}
		}
		if g.word.CompareAndSwap(w, to) {
			return result
		}
		if result == SendOK {
			m.Give(after - before)
		}
	}
}

// free gives n booked bytes back and returns whether a sender awaits that and the queue is at most low
// by now; then it awaits no more.
func (g *gate) free(n, low int, m *Budget) bool {
	w := g.word.Add(-uint64(n))
	left := int(w & gateQueued)
	if left+n > Allowance {
		m.Give(counted(left+n) - counted(left))
	}
	return left <= low && w&gateAwait != 0 && g.heed()
}

// heed returns whether a sender awaits room; then it awaits no more.
func (g *gate) heed() bool {
	return g.word.Load()&gateAwait != 0 && g.word.And(^uint64(gateAwait))&gateAwait != 0
}

// close ends sending and receiving, and gives all booked bytes back.
func (g *gate) close(m *Budget) {
	for {
		w := g.word.Load()
		to := w&^gateQueued | gateShut | gateClosed
		if w == to {
			return
		}
		if g.word.CompareAndSwap(w, to) {
			m.Give(counted(int(w & gateQueued)))
			return
		}
	}
}

// set sets bits, if generation is still the current one and one of them was not set, and returns whether it did.
func (g *gate) set(generation uint32, bits uint64) bool {
	for {
		w := g.word.Load()
		if uint32(w>>32) != generation || w&bits == bits {
			return false
		}
		if g.word.CompareAndSwap(w, w|bits) {
			return true
		}
	}
}

// isShut returns whether sending has ended, isClosed whether the application has closed the channel.
func (g *gate) isShut() bool   { return g.word.Load()&gateShut != 0 }
func (g *gate) isClosed() bool { return g.word.Load()&gateClosed != 0 }
