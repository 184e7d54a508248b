package core

import (
	"sync"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
	"github.com/sscd-io/sscd/sched"
)

// Arena holds the channels of all connections of one loop. Slots are numbers from 1 on; a Handle is a
// slot with the generation it had, so that one kept too long finds another generation and nothing
// else's channel.
//
// Open, Finish, Shut and Consume, and Reserve and Cancel of Conn, may be called from any goroutine: they are what
// an application needs at once. The rest belongs to the loop.
type Arena struct {
	records table[record]
	asides  table[aside]
	flows   *sched.Flows // the scheduler's part of each record
	segs    segments
	files   fileTable
	stock   pool.Stock // for short messages; the loop's own
	collect uint32     // from how many consumed bytes on a connection must know
	shared  []*Shared  // messages for many channels; slot 0 is none

	freeShared []int32
	inflated   *pool.Buf // the payload of the compressed frame being handled, or nil
	packed     []byte    // for payloads to compress

	Fetches  []Fetch // what channels wait for, for who calls Next to take
	Sendfile bool    // transports take a Range

	Counters

	mu   sync.Mutex // for free and the growth of records: once per channel, never per frame
	free []uint32   // slots
}

// Handle names a channel of an arena. The zero Handle names none.
type Handle struct{ Slot, Gen uint32 }

// NewArena returns an arena that grows by 1<<shift channels at a time, for connections of cfg, which must be
// prepared.
func NewArena(shift uint, cfg *Config) *Arena {
	a := &Arena{
		flows: sched.NewFlows(shift, codec.HeaderSize+cfg.FrameSize), stock: pool.NewStock(cfg.Pool),
		collect: uint32(max(1, min(cfg.Window, cfg.StartWindow)/2)), shared: make([]*Shared, 1),
	}
	a.flows.Strict = cfg.StrictPriority
	a.records.shift, a.asides.shift = shift, shift
	return a
}

// Open takes a slot for a channel to be opened with Conn.Open, or to be given back with Conn.Cancel. Bytes
// can be reserved on it at once.
func (a *Arena) Open() Handle {
	a.mu.Lock()
	if len(a.free) == 0 {
		first := a.records.len()
		a.asides.grow()
		a.records.grow()
		for slot := a.records.len() - 1; slot >= max(first, 1); slot-- {
			a.free = append(a.free, uint32(slot))
		}
	}
	slot := a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	a.mu.Unlock()
	r := a.records.at(slot)
	g := r.gate.generation() + 1
	r.gate.reset(g)
	return Handle{slot, g}
}

// Cancel gives back a slot that Arena.Open took for a channel of c that was not opened, with what was reserved
// for it. It may be called from any goroutine.
func (c *Conn) Cancel(h Handle) {
	g := &c.arena.records.at(h.Slot).gate
	g.close(&c.memory)
	c.arena.put(h.Slot)
}

// SendResult says what became of a reservation.
type SendResult uint8

// What Reserve returns.
const (
	SendOK      SendResult = iota // the bytes are booked
	SendFull                      // no room: Writable will be reported once there is
	SendStarved                   // no memory, and nothing of its own waits that will give some: Starve must follow
	SendClosed                    // the channel takes no more
)

// Reserve books a message of n bytes for the queue of channel h, which may hold so many more bytes than SendQueue, as
// far as memory is plentiful. After SendOK the message must reach Send, after SendStarved the channel Starve. It may
// be called from any goroutine.
func (c *Conn) Reserve(h Handle, n, more int) SendResult {
	g := &c.arena.records.at(h.Slot).gate
	n = cost(n)
	w := g.word.Load()
	short := uint32(w>>32) == h.Gen && w&gateShut == 0 && int(w&gateQueued)+n <= min(c.cfg.SendQueue, Allowance)
	if short && g.word.CompareAndSwap(w, w+uint64(n)) { // as most are
		return SendOK
	}
	limit := c.cfg.SendQueue
	if more > 0 {
		limit += int(min(int64(more), c.memory.Spare()))
	}
	return g.reserve(h.Gen, n, limit, &c.memory)
}

// cost is what a message of n bytes counts in a queue.
func cost(n int) int { return max(n, minCost) }

// Finish ends sending on channel h and returns whether it was possible until now. Conn.CloseWrite must
// follow.
func (a *Arena) Finish(h Handle) bool { return a.records.at(h.Slot).gate.set(h.Gen, gateShut) }

// Shut ends sending and receiving on channel h and returns whether the application had not done so. Close or
// reset of the channel by its connection must follow.
func (a *Arena) Shut(h Handle) bool { return a.records.at(h.Slot).gate.set(h.Gen, gateShut|gateClosed) }

// Sends returns whether h names a channel that takes bytes, when there is room.
func (a *Arena) Sends(h Handle) bool {
	r := a.records.at(h.Slot)
	return r.gate.generation() == h.Gen && !r.gate.isShut()
}

// Used is how many slots channels hold now.
func (a *Arena) Used() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.records.len()-1-len(a.free)) // slot 0 is none
}

// Live returns whether h still names a channel.
func (a *Arena) Live(h Handle) bool {
	return h.Slot != 0 && a.records.at(h.Slot).gate.generation() == h.Gen
}

// Consume counts n bytes as read by the application on a channel of manual credit, and returns whether
// the connection must be told, with Conn.Collect, because it knew of none or because they are many.
// A call for a channel that is gone may count on its successor's, which the collection corrects.
func (a *Arena) Consume(h Handle, n int) bool {
	r := a.records.at(h.Slot)
	if r.gate.generation() != h.Gen || n <= 0 {
		return false
	}
	n = min(n, maxWindow)
	after := r.consumed.Add(uint32(n))
	before := after - uint32(n)
	return before == 0 || before < a.collect && after >= a.collect
}

// get returns the record h names, or nil if that channel is gone.
func (a *Arena) get(h Handle) *record {
	if h.Slot == 0 {
		return nil
	}
	if r := a.records.at(h.Slot); r.gate.generation() == h.Gen {
		return r
	}
	return nil
}

// attach makes h a channel of a connection.
func (a *Arena) attach(now time.Duration, h Handle) *record {
	a.flows.Grow(int(h.Slot) + 1)
	a.asides.at(h.Slot).meter.mark = microseconds(now)
	return a.records.at(h.Slot)
}

// release clears a slot for its next channel.
func (a *Arena) release(slot uint32) {
	a.flows.Forget(slot)
	a.records.at(slot).channel = channel{}
	*a.asides.at(slot) = aside{}
	a.put(slot)
}

// put ends the generation of a slot and makes it free.
func (a *Arena) put(slot uint32) {
	r := a.records.at(slot)
	r.gate.end()
	if r.consumed.Load() != 0 {
		r.consumed.Store(0)
	}
	a.mu.Lock()
	a.free = append(a.free, slot)
	a.mu.Unlock()
}

// segment is a run of bytes waiting to be sent on a channel.
type segment struct {
	buf      *pool.Buf
	off, end uint32 // of buf.B
	next     uint32

	// If positive, place is in Arena.shared, which has the reference to buf, or without buf in Arena.files. If
	// negative, buf is a copy of ours, in which the message begins at ^place.
	place int32
}

// size is how long the message is of which off is a part.
func (s *segment) size() int { return int(s.end) - max(0, int(^s.place)) }

// isFile returns whether the bytes are those of a file.
func (s *segment) isFile() bool { return s.buf == nil && s.place != 0 }

// slab is how many segments the store grows by.
const slab = 64

// segments is the arena's store of segments, with a free list through next. Index 0 is none. It grows by slabs: to
// copy a long queue to a larger place would hold the loop up.
type segments struct {
	slabs []*[slab]segment
	free  uint32
}

// at returns segment i.
func (s *segments) at(i uint32) *segment { return &s.slabs[i/slab][i%slab] }

// len is how many there are, the free ones and 0 among them.
func (s *segments) len() int { return len(s.slabs) * slab }

// take returns a free segment and its number.
func (s *segments) take() (uint32, *segment) {
	if s.free == 0 {
		first := max(s.len(), 1)
		s.slabs = append(s.slabs, new([slab]segment))
		for i := s.len() - 1; i >= first; i-- {
			s.at(uint32(i)).next = s.free
			s.free = uint32(i)
		}
	}
	i := s.free
	g := s.at(i)
	s.free, g.next = g.next, 0
	return i, g
}

// give puts a segment back and returns the one behind it. Its buffer is the caller's.
func (s *segments) give(i uint32) (next uint32) {
	g := s.at(i)
	next = g.next
	*g = segment{next: s.free}
	s.free = i
	return next
}
