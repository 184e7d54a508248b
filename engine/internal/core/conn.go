package core

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
	"github.com/sscd-io/sscd/sched"
)

// Conn is one side of one connection. One goroutine at a time may use it.
type Conn struct {
	cfg   *Config
	arena *Arena

	// Input.
	splitter codec.Splitter
	carry    *pool.Buf // what the splitter carries over
	late     lateness  // what may still come late
	bucket   bucket
	in       inflow // the receive window of the connection, if the peer is extended
	meter    meter  // of it

	// Channels.
	channels *idTable // those that are not closed
	lastID   uint32   // the one of them found last, and its slot: frames of a channel often
	lastSlot uint32   // come in a row
	nextID   uint64   // of the channel we open next; beyond 2^32-1 none is left
	sentID   uint32   // the highest id an OPEN was sent for
	peerID   uint32   // the highest id the peer opened
	servedID uint32   // the peer's channels up to this one are served, once goingAway
	awayID   uint32   // the peer serves ours up to this one, once goneAway
	accepted uint32   // slots held by channels the peer opened
	opened   uint32   // channels this side opened that are not closed
	pending  Handle   // Opened was reported for it, and not answered yet
	timers   [numLists]timerList
	soon     *soon // nil until it is needed

	// Output.
	queue   sched.Queue
	refused []refusal // OPENs that found no slot
	pongs   pongs
	fetches uint32 // channels whose file is being fetched
	pings   pings
	out     connOut
	memory  Budget
	unsent  int // bytes of the batch that the transport has not taken yet

	// Life.
	client    bool // this side dialled
	phase     phase
	news      news          // to report, of the connection itself
	profile   atomic.Uint32 // of peer, for other goroutines
	peer      peer
	empty     time.Duration // there are no channels since then; 0 if there are, or if nobody noticed
	sendHello bool
	grantConn bool          // FLOW_CONTROL of the connection is to be sent
	admitting bool          // Greeted was reported, and not answered yet
	goneAway  bool          // GOAWAY came
	goingAway bool          // GOAWAY is sent, or to be sent
	sendAway  bool          // it is to be sent
	parted    bool          // Quit waits for nothing but ACKs of CLOSE
	cut       bool          // the transport ended within a frame
	events    events        // of channels
	quit      *End          // what Quit was called with, if it was
	end       *End          // from phase failing on
	started   time.Duration // of the connection
	received  time.Duration // the last byte came
	progress  time.Duration // the transport last took bytes, or was given the first
	begun     time.Duration // the frame that is not whole yet began; 0 if there is none
	until     time.Duration // the end of the phase, or of the drain while running
	grace     time.Duration // nothing is ended before
	spoke     time.Duration // DATA last left; 0 if none did
}

// phase is the life of a connection.
type phase uint8

const (
	running   phase = iota
	halfEnd         // the transport's end of stream came: what the windows hold is still sent
	failing         // ERROR on channel 0 is to be sent
	lingering       // all is out; what arrives is dropped until the peer closes, or for a while
	over            // the transport can be closed
)

// news is what a connection has to report of itself.
type news uint8

const (
	newsPong news = 1 << iota
	newsAway
	newsDown
)

// refusal is an OPEN for which there was no slot.
type refusal struct {
	id   uint32
	code codec.Code
}

// Init makes c, which must be zero, a new connection. cfg must be prepared.
func (c *Conn) Init(now time.Duration, cfg *Config, arena *Arena, client bool) {
	c.cfg, c.arena, c.client = cfg, arena, client
	c.started, c.received, c.progress = now, now, now
	c.bucket = bucket{bucketSize, now}
	c.memory.bounds = &cfg.connMemory
	c.peer = c.stranger()
	if c.out.window = startWindow; cfg.Profile == BaseOnly {
		c.out.window = unlimited
	}
	c.nextID = 2
	if client {
		c.nextID = 1
		if c.sendHello = cfg.Profile != BaseOnly; c.sendHello {
			c.pings.hello()
		}
		c.splitter.Limits.Pong = codec.MaxHello
	} else {
		c.splitter.Limits.Ping = codec.MaxHello
	}
}

// Over returns whether the connection has ended and its transport can be closed.
func (c *Conn) Over() bool { return c.phase == over }

// Silent returns whether the connection has ended cleanly, and only waits for the peer's end: the transport's own
// direction can be closed.
func (c *Conn) Silent() bool { return c.phase == lingering && c.end.Clean }

// WantsInput returns whether bytes from the transport are still of interest.
func (c *Conn) WantsInput() bool { return c.phase != halfEnd && c.phase != over }

// Channels is how many channels are open, opening or closing.
func (c *Conn) Channels() int { return c.channels.len() }

// HasEvents returns whether Step has something to report that needs no more bytes.
func (c *Conn) HasEvents() bool { return c.events.first != 0 || c.news != 0 }

// HasOutput returns whether Next may have something to send, or to end.
func (c *Conn) HasOutput() bool {
	switch c.phase {
	case failing, halfEnd:
		return true
	case lingering, over:
		return false
	}
	return c.draining() || c.mayTalk() && !c.idle() || c.owes()
}

// owes returns whether the connection itself has something to send, apart from its channels.
func (c *Conn) owes() bool {
	return c.mayTalk() && (c.pongs.n > 0 || c.pings.unsent > 0 || len(c.refused) > 0 || c.sendHello ||
		c.grantConn && c.phase == running)
}

// mayTalk returns whether frames may be sent: a server speaks second.
func (c *Conn) mayTalk() bool { return c.client || c.peer.greeted }

// idle returns whether no channel can send anything now.
func (c *Conn) idle() bool { return c.queue.Empty() || c.out.stalled && c.queue.OnlyData() }

// Memory is the connection's account. It may be used from any goroutine.
func (c *Conn) Memory() *Budget { return &c.memory }

// Pressed returns whether much of the connection's memory is used: it is from three quarters on, until only
// half is. was is what it was before.
func (c *Conn) Pressed(was bool) bool {
	if was {
		return c.memory.above(2, 4)
	}
	return c.memory.above(3, 4)
}

// draining returns whether the connection ends as soon as it has no channels.
func (c *Conn) draining() bool { return c.goingAway || c.goneAway }

// Unsent is how many bytes of the batch the transport has not taken.
func (c *Conn) Unsent() int { return c.unsent }

// Sent tells that the transport took n more bytes of the batch.
func (c *Conn) Sent(now time.Duration, n int) {
	c.unsent -= n
	c.progress = now
}

// Abort ends the connection without a word, for a reason of this side's.
func (c *Conn) Abort(end *End) { c.die(end) }

// fail ends the connection for a fault of the peer.
func (c *Conn) fail(now time.Duration, code codec.Code, reason string) {
	c.failWith(now, &End{Code: code, Reason: reason})
}

// failWith ends the connection with ERROR on channel 0.
func (c *Conn) failWith(now time.Duration, end *End) {
	if c.phase >= failing {
		return
	}
	c.phase, c.grace = failing, 0
	c.until = now + c.cfg.Timeouts.linger
	c.finish(end)
}

// bow ends a connection that was to end, and has sent all. The transport is closed when the peer has, or some time
// later: before, it would lose what is on its way as soon as the peer says another word, as it does for what it reads.
func (c *Conn) bow(now time.Duration) {
	if !c.mayTalk() { // nothing is on its way
		c.die(&End{Clean: true})
		return
	}
	c.phase, c.grace = lingering, 0
	c.until = now + c.cfg.Timeouts.eof
	if c.quit != nil {
		c.until = now + c.cfg.Timeouts.linger
	}
	c.finish(&End{Clean: true})
}

// die ends the connection without a word.
func (c *Conn) die(end *End) {
	before := c.phase
	c.phase = over
	if before < failing {
		c.finish(end)
	}
}

// finish ends what a connection has, all but its transport.
func (c *Conn) finish(end *End) {
	end.Conn = true
	c.end = end
	c.news |= newsDown
	c.splitter.Reset((*carrier)(c))
	c.splitter.Feed(nil)
	for _, slot := range c.slots(func(_, _ uint32) bool { return true }) {
		c.close(slot)
		c.report(slot, tellClosed)
	}
	for slot := c.timers[keptList].first; slot != 0; slot = c.timers[keptList].first {
		c.Release(c.arena.records.at(slot).handle(slot))
	}
	for {
		slot, kind, _ := c.queue.Next(c.arena.flows, false)
		if kind != sched.Control {
			break
		}
		c.arena.records.at(slot).flags &^= sendAny
		c.releaseUnused(slot)
	}
	c.pongs.drop(c.arena)
	c.refused, c.soon, c.begun = nil, nil, 0
	c.sendHello, c.grantConn, c.admitting, c.out.stalled = false, false, false, false
}

// slots lists the channels of which match says so, in order of their ids: the order of a map must not be seen
// from outside.
func (c *Conn) slots(match func(id, slot uint32) bool) []uint32 {
	var out []uint32
	for id, slot := range c.channels.all {
		if match(id, slot) {
			out = append(out, slot)
		}
	}
	slices.SortFunc(out, func(a, b uint32) int {
		return cmp.Compare(c.arena.records.at(a).id, c.arena.records.at(b).id)
	})
	return out
}

// ours returns whether channels of this id are opened by this side.
func (c *Conn) ours(id uint32) bool { return (id&1 == 1) == c.client }

// close moves the channel in slot to state closed: it has nothing to send or to receive any more.
func (c *Conn) close(slot uint32) {
	r := c.arena.records.at(slot)
	c.dropSegments(r)
	c.memory.Give(c.grown(r))
	if c.ours(r.id) {
		c.opened--
	}
	if r.state != crossed { // which was given its late credit
		c.late.closed(c.unused(r))
	}
	if r.flags&fetching != 0 {
		c.fetches--
	}
	r.state = closed
	r.flags &^= fetching | sendGrant | sendPriority | sendFin | sendClose | tellWritable
	r.gate.close(&c.memory)
	c.stopTimer(slot)
	if c.queue.Remove(c.arena.flows, slot); c.queue.OnlyControl() {
		c.out.stalled = false // nothing waits for the connection's window any more
	}
	c.channels.drop(r.id)
	c.lastID, c.lastSlot = 0, 0
}

// unused is how much of the receive window of a channel may still come. A peer that said nothing yet may be a
// base peer, which looks at no parameter of OPEN.
func (c *Conn) unused(r *record) int64 {
	if !c.peer.greeted {
		return int64(max(r.in.window, uint32(c.cfg.StartWindow)))
	}
	return int64(r.in.window)
}

// report puts the channel in slot on the list of those with an event.
func (c *Conn) report(slot uint32, what flags) {
	c.arena.records.at(slot).flags |= what
	c.events.push(c.arena, slot)
}

// control puts the channel in slot on the list of those with control frames to send.
func (c *Conn) control(slot uint32, what flags) {
	c.arena.records.at(slot).flags |= what
	c.queue.PushControl(c.arena.flows, slot)
}

// releaseUnused frees the slot of a closed channel once nothing refers to it any more.
func (c *Conn) releaseUnused(slot uint32) {
	r := c.arena.records.at(slot)
	if r.state != closed || r.flags&held != 0 || r.nextEvent != 0 || c.queue.HasControl(c.arena.flows, slot) {
		return
	}
	if !c.ours(r.id) {
		c.accepted--
	}
	c.arena.release(slot)
}

// Anomaly charges the peer for what is legal but no progress, as only the application can tell.
func (c *Conn) Anomaly(now time.Duration) { c.token(now) }

// token charges one anomaly (SPEC section 6).
func (c *Conn) token(now time.Duration) { c.charge(now, 1) }

// charge charges an anomaly that costs n tokens.
func (c *Conn) charge(now time.Duration, n int32) {
	if !c.bucket.take(now, n) {
		c.fail(now, codec.Calm, "too many anomalies")
	}
}

// Wasteful returns whether the peer has spent more than half of the tokens that it may.
func (c *Conn) Wasteful(now time.Duration) bool {
	if c.bucket.tokens >= bucketSize/2 || c.phase != running {
		return false
	}
	c.bucket.fill(now)
	return c.bucket.tokens < bucketSize/2
}

// carrier is the memory of a connection's splitter, from the pool.
type carrier Conn

// Grow implements codec.Buffers.
func (c *carrier) Grow(b []byte, n int) []byte {
	next := c.cfg.Pool.Get(n)
	copy(next.B, b)
	if c.carry != nil {
		c.carry.Release()
	}
	c.carry = next
	return next.B[:len(b)]
}

// Free implements codec.Buffers.
func (c *carrier) Free([]byte) {
	c.carry.Release()
	c.carry = nil
}
