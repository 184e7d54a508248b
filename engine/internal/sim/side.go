package sim

import (
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// side is one end of the connection: a core, its transport and its application.
type side struct {
	script bool // no core, but a hostile peer

	conn  core.Conn
	arena *core.Arena
	cfg   core.Config

	// The transport.
	batch  core.Batch
	rest   *core.Batch // instead of batch, what is left of it
	taken  int         // bytes of it that left
	busy   bool        // it is not through with it
	wire   []byte      // what Next built, in one piece
	stream uint64      // bytes that Next built since the beginning
	opened uint32      // the highest id it sent an OPEN of
	spoken bool        // it sent a frame

	// The application.
	live    []*channel     // not over
	kept    []*channel     // over, and not released
	bySlot  []*channel     // of the arena
	letters []letter       // posted
	gone    [8]core.Handle // of channels that are no more
	ngone   int            //
	files   []*file        // in use
	fetches []fetch        // of them
	nfiles  uint64         // since the beginning
	seen    uint32         // the highest id the peer opened
	refuse  uint32         // code; 0 accepts
	keep    bool           //
	reader  bool           // reads everything at once
	react   Kind           // what the next handler does
	pinged  int            // PINGs without an answer, at most

	// Its fate.
	down     bool // reported
	closed   bool // the transport is
	quit     bool
	aborted  bool
	away     bool // GOAWAY was reported
	cause    cause
	endAt    time.Duration // Down was reported
	endCode  codec.Code
	clean    bool          // its end
	lastIn   time.Duration // a byte came
	lastOut  time.Duration // the transport took one, or was given the first
	draining time.Duration // since; 0 if not
	begun    time.Duration // a frame that is not whole; 0 if there is none
	dry      time.Duration // the connection's window was used up, or nearly; 0 if it is not
	asleep   time.Duration // until
	awake    time.Duration // since; it ticked in time from then on
	fair     fairness
}

// cause is why a connection may end.
type cause struct {
	eof    bool // its peer's stream ended
	broken bool
	halfAt time.Duration
}

// letter is what an application posted.
type letter struct {
	kind Kind
	ch   *channel
	h    core.Handle
	n    uint32
	file *file // of SendFile
}

// init makes sd the side of a new connection.
func (sd *side) init(w *World, client bool) {
	wire, live, kept, bySlot, letters, fair := sd.wire, sd.live, sd.kept, sd.bySlot, sd.letters, sd.fair
	batch, files, fetches := sd.batch, sd.files, sd.fetches
	clear(bySlot)
	*sd = side{
		wire: wire[:0], live: live[:0], kept: kept[:0], bySlot: bySlot[:0], letters: letters[:0],
		batch: batch, files: files[:0], fetches: fetches[:0], fair: fair,
		react: NumKinds, awake: w.now, lastIn: w.now, lastOut: w.now,
	}
	sd.fair.init()
	s := &w.setup
	sd.cfg = core.Config{
		Profile: core.BaseOnly, FrameSize: s.FrameSize, SendQueue: s.SendQueue, MaxChannels: s.MaxChannels,
		StartWindow: s.Window, MaxWindow: s.MaxWindow, ConnWindow: s.ConnWindow, ConnMemory: int64(s.Memory),
		MaxFrame: s.MaxFrame, BatchBytes: s.Batch, Compression: s.Zip > 0, StrictPriority: s.Strict, Pool: w.pool,
	}
	if s.Extended {
		sd.cfg.Profile = core.Negotiate
	}
	if s.FrameSize == usualFrame { // what files leave in is another matter
		sd.cfg.FrameSize = 0
	}
	sd.cfg.Prepare()
	sd.arena = core.NewArena(4, &sd.cfg)
	sd.arena.Sendfile = s.Ranges
	sd.conn.Init(w.now, &sd.cfg, sd.arena, client)
}

// place puts ch where its events find it, and among the live ones.
func (sd *side) place(s int, ch *channel) {
	slot := int(ch.ends[s].h.Slot)
	for len(sd.bySlot) <= slot {
		sd.bySlot = append(sd.bySlot, nil)
	}
	sd.bySlot[slot] = ch
	ch.ends[s].place = len(sd.live)
	ch.ends[s].has = true
	sd.live = append(sd.live, ch)
}

// remove takes ch from the live ones.
func (sd *side) remove(s int, ch *channel) {
	last := len(sd.live) - 1
	at := ch.ends[s].place
	sd.live[at] = sd.live[last]
	sd.live[at].ends[s].place = at
	sd.live = sd.live[:last]
}

// forget notes the handle of a channel that is no more.
func (sd *side) forget(h core.Handle) {
	sd.gone[sd.ngone%len(sd.gone)] = h
	sd.ngone++
}

// at returns the channel h names, or nil.
func (sd *side) at(s int, h core.Handle) *channel {
	if int(h.Slot) >= len(sd.bySlot) {
		return nil
	}
	if ch := sd.bySlot[h.Slot]; ch != nil && ch.ends[s].h == h {
		return ch
	}
	return nil
}
