package sim

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// epoch is when worlds begin. It is not 0, which the core takes for never.
const epoch = time.Second

// World is two sides, two links and a clock. It can be used for one run after another; one goroutine uses
// it.
type World struct {
	Stats Stats
	Trace func(string) // if not nil, hears what happens

	// Unfinished leaves out the liveness phase.
	Unfinished bool

	setup   Setup
	pool    *pool.Pool
	now     time.Duration
	sides   [2]side
	links   [2]link       // to each side
	chans   [2][]*channel // by who opened them, in order
	spare   []*channel    // to be used again
	all     []*channel    // of this world
	model   model         // of the core whose peer is a script
	batch   [1 << 20]byte // scratch
	zeros   [8192]byte    // of what it does not care about
	noise   uint64        // state of what the hostile peer makes up
	hash    uint64        // of all that happened
	step    int           // the operation that runs
	alive   bool          // the liveness phase
	since   time.Duration // it began
	patient time.Duration // how long things may take in it
	sound   bool          // both connections run, and nothing was changed on the way
	split   uint64        // not 0: deliveries come in pieces, as this number says
	turn    int           // of the round of checks
	touched []*channel    // scratch
	fail    *Failure      // the first
	peer    hostile       // the script
	ev      core.Event    // scratch
	view    [2]core.ChannelView
}

// Failure is what an oracle found.
type Failure struct {
	Seed   uint64
	Step   int    // the operation; the number of them in the liveness phase
	Oracle string // which one
	Text   string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d, step %d: %s: %s", f.Seed, f.Step, f.Oracle, f.Text)
}

// NewWorld returns a world in which nothing has happened.
func NewWorld() *World { return &World{pool: new(pool.Pool)} }

// Run plays a script, and returns what the oracle found.
func (w *World) Run(s *Script) (f *Failure) {
	defer func() {
		if r := recover(); r != nil {
			f = &Failure{s.Setup.Seed, w.step, "panic", fmt.Sprintf("%v\n%s", r, debug.Stack())}
			*w = World{pool: new(pool.Pool), Stats: w.Stats, Trace: w.Trace} // nothing of it can be trusted
		}
	}()
	w.begin(s.Setup)
	for i := range s.Ops {
		w.step = i
		w.do(&s.Ops[i])
		w.Stats.Steps++
		if w.fail != nil || w.over() {
			break
		}
	}
	if w.Unfinished {
		return w.fail
	}
	if w.fail == nil {
		w.step = len(s.Ops)
		w.live()
	}
	w.finish()
	w.Stats.Worlds++
	return w.fail
}

// Hash is a hash of all that happened in the last run.
func (w *World) Hash() uint64 { return w.hash }

// begin makes the world new.
func (w *World) begin(s Setup) {
	w.setup = s.sane()
	w.now, w.hash, w.step, w.alive, w.fail, w.sound, w.turn = epoch, s.Seed, 0, false, nil, true, 0
	w.noise = mix(s.Seed)
	w.spare = append(w.spare, w.all...)
	w.all = w.all[:0]
	for i := range w.sides {
		w.chans[i] = w.chans[i][:0]
		w.links[i].init()
		w.sides[i].init(w, i == Client)
	}
	if w.setup.Hostile {
		w.peer.begin(w)
	}
}

// newChannel returns a channel that side opens.
func (w *World) newChannel(opener int) *channel {
	var c *channel
	if n := len(w.spare); n > 0 {
		c, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		c = new(channel)
	}
	c.init(opener)
	w.all = append(w.all, c)
	return c
}

// channel returns the channel called id, or nil if no core opened it.
func (w *World) channel(id uint32) *channel {
	if id == 0 {
		return nil
	}
	if w.setup.Hostile && int(1-id&1) != w.setup.Core {
		return w.peer.opens[id]
	}
	list := w.chans[1-id&1]
	if i := int(id-1) / 2; i < len(list) {
		return list[i]
	}
	return nil
}

// do does an operation, and lets the oracle look.
func (w *World) do(op *Op) {
	s := int(op.Side & 1)
	kind := op.Kind % NumKinds
	if w.Trace != nil {
		w.tracef("%d  at %v  %v", w.step, w.now-epoch, op)
	}
	w.Stats.Ops[kind]++
	switch {
	case kind >= Frame && kind < SendFile:
		if w.setup.Hostile {
			w.peer.do(w, kind, op)
		}
		return
	case kind >= Open:
		if !w.sides[s].script && !w.sides[s].down {
			w.application(s, kind, op)
		}
	case kind >= Tick:
		w.clock(s, kind, op.N)
	default:
		w.transport(s, kind, op)
	}
	w.settle(s)
}

// settle reports what an operation led to, and lets the oracle look.
func (w *World) settle(s int) {
	sd := &w.sides[s]
	if !sd.script && (sd.conn.HasEvents() || sd.conn.Over() && !sd.closed) {
		w.events(s)
	}
	w.look(s)
}

// failf notes what an oracle found. The first one counts.
func (w *World) failf(oracle, format string, args ...any) {
	if w.fail != nil {
		return
	}
	w.fail = &Failure{w.setup.Seed, w.step, oracle, fmt.Sprintf(format, args...)}
	if w.Trace != nil {
		w.tracef("FAILED: %s: %s", oracle, w.fail.Text)
	}
}

func (w *World) tracef(format string, args ...any) { w.Trace(fmt.Sprintf(format, args...)) }

// mark mixes what happened into the hash.
func (w *World) mark(what, a, b uint64) {
	w.hash = (w.hash^what^a<<8^b<<40)*0x9e3779b97f4a7c15 + w.hash>>29
}
