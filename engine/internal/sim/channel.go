package sim

import (
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// channel is a channel as the applications see it.
type channel struct {
	id     uint32 // 0: the core would not open it
	opener int
	form   uint32 // of OPEN's payload
	ends   [2]end
}

// end is what one side's application has of a channel.
type end struct {
	h     core.Handle
	out   pattern // of what this side writes
	place int     // in side.live

	has     bool // it has the channel: opened it, or accepted it
	byHand  bool
	heard   bool // OPEN has arrived
	told    bool // the peer's answer: Accepted was reported; or it was us who accepted
	shut    bool // it called Close or Reset
	closing bool // and Close has reached the core
	ending  bool // it called CloseWrite
	finish  bool // and that has reached the core
	finOut  bool // FIN left
	finCame bool // and came
	reset   bool // and it was Reset
	refused bool
	deaf    bool // it was shut when it ended
	over    bool // Closed was reported, or it was refused
	expired bool // this side's core ended it for time
	lost    bool // it was told that a file of the channel cannot be read
	holed   bool // and the transport sent zeros, from byte hole on
	await   bool // it was turned away and waits for Writable
	wire    wire // what it sent

	code      codec.Code    // of Reset, or of the refusal
	openedAt  time.Duration // 0 if the core does not know of it
	closeAt   time.Duration // Close
	closeSent time.Duration // CLOSE left
	movedAt   time.Duration // bytes of a file left

	booked  uint64 // bytes the application wrote
	written uint64 // bytes of them that reached the core
	left    uint64 // bytes of them that left it
	hole    uint64 // see holed
	read    uint64 // bytes that came
	unread  uint64 // bytes of them that were not consumed

	onLink uint64 // bytes of DATA that have left this side and not arrived
	grants uint64 // bytes granted by this side, whose FLOW_CONTROL has not arrived

	served uint64 // bytes of the wire while it had this priority, see fairness
	prio   uint8
}

// traits are what the core is told of it.
func (e *end) traits() (t core.Traits) {
	if e.byHand {
		t |= core.ByHand
	}
	if e.out.soft {
		t |= core.Compress
	}
	return t
}

// init makes c a new channel, opened by side.
func (c *channel) init(opener int) { *c = channel{opener: opener} }

// name gives c its id, and the ends their patterns.
func (c *channel) name(seed uint64, id uint32) {
	c.id = id
	c.ends[Client].out.key = newKey(seed, id, Client)
	c.ends[Server].out.key = newKey(seed, id, Server)
}

// wire is what a side has sent on a channel.
type wire uint8

const (
	wireNothing wire = iota
	wireOpened       // OPEN, or ACK
	wireClosed       // CLOSE or ERROR
)
