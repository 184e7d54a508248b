package core

import "time"

// What is here is made for the simulator (package sim), which checks the core's books against its own. It
// looks and changes nothing; nobody else needs it.

// State is where a channel is in its life; see state.go.
type State = state

// The states by which the simulator tells channels apart.
const (
	StateIdle      = idle
	StateOpening   = opening
	StateOpen      = open
	StateAbandoned = abandoned
	StateClosing   = closing
	StateCrossed   = crossed
	StateClosed    = closed
	NumStates      = numStates
)

// ChannelView is what a connection knows of a channel.
type ChannelView struct {
	ID        uint32
	State     State
	Out       int64         // what we may send
	Window    int64         // what the peer may send
	Owed      int64         // consumed, and not granted yet
	Size      int64         // of the receive window
	Start     int64         // what that was at its start
	Uncounted int64         // consumed with Arena.Consume, and not collected yet
	Queued    int           // bytes booked for sending
	Priority  uint8         //
	Ready     bool          // with the scheduler: has data, and window for it
	Flags     uint32        // what there is to send and to report, as a number
	Deadline  time.Duration // of what it waits for; 0 if nothing
}

// View shows the channel h names, and returns false if it is gone.
func (c *Conn) View(h Handle, v *ChannelView) bool {
	r := c.arena.get(h)
	if r == nil || r.state == idle {
		return false
	}
	*v = ChannelView{
		ID: r.id, State: r.state, Flags: uint32(r.flags),
		Out: int64(r.out), Window: int64(r.in.window), Owed: int64(r.in.owed), Size: int64(r.in.size),
		Start: int64(r.in.size) - int64(c.grown(r)), Uncounted: int64(r.consumed.Load()),
		Queued: int(r.gate.word.Load() & gateQueued), Ready: c.queue.HasData(c.arena.flows, h.Slot),
		Priority: r.prio,
	}
	if r.timer != noTimer && r.timer < numTimers {
		v.Deadline = time.Duration(r.deadline) * time.Millisecond
	}
	return true
}

// ConnView is what a connection knows of itself.
type ConnView struct {
	Phase    uint8 // 0 running, 1 half ended, then failing, lingering, over
	Late     int64 // bytes that may still come late, and frames without data
	Lates    int64
	Tokens   int32
	Accepted int    // slots held by channels the peer opened
	NextID   uint64 // of the channel we open next
	Pongs    int    // waiting to be sent
	Pings    int    // unanswered
	Refusals int    // waiting to be sent
	Carried  int    // bytes of memory that hold a frame that is cut

	Greeting bool  // HELLO waits for its answer
	Extended bool  // the peer is known, and is so
	Out      int64 // what we may send in all, if Extended
	In       int64 // what the peer may send in all, if Extended
	Lost     int64 // of that window: neither to be sent nor owed

	Soon  time.Duration // when what waits for a while is sent
	Due   time.Duration // when something may end
	Grace time.Duration // nothing ends before
}

// Look shows the connection.
func (c *Conn) Look(now time.Duration) ConnView {
	v := ConnView{
		Phase: uint8(c.phase), Late: int64(c.late.bytes), Lates: int64(c.late.frames),
		Tokens: c.bucket.tokens, Accepted: int(c.accepted), NextID: c.nextID,
		Pongs: int(c.pongs.n), Pings: int(c.pings.n), Refusals: len(c.refused), Soon: c.soonest(),
		Due: max(c.firstEnd(now), c.grace), Grace: c.grace,
	}
	if v.Extended = c.peer.extended; v.Extended {
		v.Out, v.In, v.Lost = c.out.window, int64(c.in.window), int64(c.in.unconsumed())
	}
	v.Greeting = c.pings.n > c.pings.unsent && c.pings.open[0].seq == 0
	if c.carry != nil {
		v.Carried = c.carry.Cap()
	}
	return v
}

// Segments is how many messages wait to be sent on the channels of the arena.
func (a *Arena) Segments() int {
	n := max(a.segs.len()-1, 0)
	for i := a.segs.free; i != 0; i = a.segs.at(i).next {
		n--
	}
	return n
}
