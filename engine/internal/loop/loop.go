package loop

import (
	"log/slog"
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// Config is what the loops of an engine share.
type Config struct {
	Core   *core.Config
	Logger *slog.Logger

	// CrashOnPanic lets a panic of the application end the process, instead of the channel it was
	// about.
	CrashOnPanic bool

	// Hops tells that callbacks only wake goroutines of the application, which do what there is to do: what a turn
	// sends is little of what will be sent soon.
	Hops bool

	// Removed is called inside the loop when a connection has left it.
	Removed func()

	targets freeTargets
}

// Backend is what a Loop needs of the backend it runs on.
type Backend interface {
	// Wake has Run called soon. It may be called from any goroutine.
	Wake()
	// Alarm has Expire called at that time, since the loop's epoch. It replaces the last Alarm.
	Alarm(at time.Duration)
}

// Loop is the connections that one goroutine at a time serves, and their arena.
type Loop struct {
	Arena    *core.Arena
	Contexts Contexts
	Stats    Stats

	cfg     *Config
	backend Backend
	lazy    bool
	epoch   time.Time
	now     time.Duration // when the turn began
	mail    mailbox
	left    mail  // what was taken out of it and is not done yet
	did     int   // of it, in this turn
	asked   bool  // Wake was called at the end of a turn, and Run has not come
	dirty   *Conn // connections with something to do, through Conn.nextDirty
	last    *Conn // of them
	current *Conn // the one being served
	budget  int   // bytes it may still send in this turn
	resting int   // connections
	timers  timers
	alarm   time.Duration
	batches []*core.Batch // free ones
}

// New returns a loop whose arena grows by 1<<shift channels at a time. A lazy loop sends what comes of a connection's
// events only in Run, for which it asks with Wake, and in Conn.Writable; others send at the end of each turn.
func New(cfg *Config, backend Backend, shift uint, lazy bool) *Loop {
	return &Loop{
		Arena: core.NewArena(shift, cfg.Core), cfg: cfg, backend: backend, lazy: lazy,
		epoch: time.Now(), alarm: never,
	}
}

// Since is the time since the loop's epoch.
func (l *Loop) Since() time.Duration { return time.Since(l.epoch) }

// Now is when the last turn began, since the loop's epoch.
func (l *Loop) Now() time.Duration { return l.now }

// Post has op done inside the loop, soon. It returns false, and op is not done, if the loop has ended.
// It may be called from any goroutine.
func (l *Loop) Post(op Op) bool {
	return l.post(&op, nil)
}

func (l *Loop) post(op *Op, p []byte) bool {
	wake, ok := l.mail.post(op, p)
	if wake {
		l.backend.Wake()
	}
	return ok
}

// Send has a copy of p, for which room was reserved, sent on a channel, soon. It returns false if the
// loop has ended. It may be called from any goroutine.
func (l *Loop) Send(c *Conn, ch core.Handle, p []byte) bool {
	if len(p) <= copyLimit {
		return l.post(&Op{Kind: sendCopy, Conn: c, Channel: ch, size: uint32(len(p))}, p)
	}
	buf := l.cfg.Core.Pool.Copy(p)
	if l.Post(Op{Kind: Send, Conn: c, Channel: ch, Buf: buf}) {
		return true
	}
	buf.Release()
	return false
}

// Enter begins a turn.
func (l *Loop) Enter() {
	l.now = l.Since()
	l.did = 0
	l.mail.enter()
}

// Leave ends a turn. What was posted meanwhile is done, if it is not too much; the rest, and what has to be
// sent for it, will be in Run.
func (l *Loop) Leave() {
	idle := false
	for l.did < turnOps && !idle {
		idle = !l.work(l.dirty == nil)
	}
	if (!idle || l.dirty != nil) && !l.asked {
		l.asked = true
		l.backend.Wake()
	}
	if first := l.timers.first(); first != l.alarm {
		l.alarm = first
		l.backend.Alarm(first)
	}
	l.Stats.turn(l.Since()-l.now, &l.Arena.Counters)
}

// Run is the turn that Wake asks for: it serves the connections that have something to do.
func (l *Loop) Run() {
	l.Enter()
	l.asked = false
	l.work(false)
	// Those that get something to do now are for the next Run, after others had their turn; so is the rest when much
	// was sent.
	last, sent := l.last, 0
	for c := l.unmark(); c != nil; c = l.unmark() {
		c.serve(true)
		if sent += turnBytes - l.budget; c == last || sent >= turnBytes {
			break
		}
	}
	l.Leave()
}

// Expire is the turn that Alarm asks for: it serves the connections whose deadline has come.
func (l *Loop) Expire() {
	l.Enter()
	l.alarm = never
	for c := l.timers.expired(l.now); c != nil; c = l.timers.expired(l.now) {
		c.wake()
		c.core.Tick(l.now)
		c.serve(!l.lazy)
	}
	l.Leave()
}

// Shutdown ends all connections with end, without a word, and the loop. It is the last turn.
func (l *Loop) Shutdown(end core.End) {
	l.Enter()
	l.doAll(l.left)
	l.left = mail{}
	l.doAll(l.mail.close())
	for len(l.timers) > 0 {
		c := l.timers[0]
		reason := end
		c.core.Abort(&reason)
		c.serve(false)
	}
	for c := l.unmark(); c != nil; c = l.unmark() {
		c.serve(false)
	}
	for _, b := range l.batches {
		b.Free()
	}
	l.batches = nil
	l.Stats.turn(l.Since()-l.now, &l.Arena.Counters)
}

// Conns calls f with each connection.
func (l *Loop) Conns(f func(*Conn)) {
	for _, c := range l.timers {
		f(c)
	}
}

// work does some of what was posted, and returns whether there was anything. If not and leave is set,
// posting wakes the backend from now on.
func (l *Loop) work(leave bool) bool {
	if len(l.left.ops) == 0 {
		l.left = l.mail.take(leave)
	}
	some := len(l.left.ops) > 0
	l.left = l.do(l.left)
	return some
}

// doAll does all that was posted.
func (l *Loop) doAll(m mail) {
	for len(m.ops) > 0 {
		l.did = 0
		m = l.do(m)
	}
}

// do does some of what was posted, and returns the rest.
func (l *Loop) do(m mail) mail {
	n, most := 0, l.did+turnOps
	for n < len(m.ops) && l.did < most {
		op := &m.ops[n]
		if op.Kind == cast && (l.did >= turnOps || l.current != nil) { // not amid what somebody else does
			break
		}
		c := op.Conn
		n++
		l.did++
		switch op.Kind {
		case sendCopy:
			c.core.SendCopy(l.now, op.Channel, m.bytes[:op.size])
			m.bytes = m.bytes[op.size:]
		case Open:
			c.core.Open(l.now, op.Channel, op.Buf, op.Traits)
		case Send:
			c.core.Send(l.now, op.Channel, op.Buf)
		case Collect:
			c.core.Collect(l.now, op.Channel)
		case Starve:
			c.core.Starve(l.now, op.Channel)
		case SetPriority:
			c.core.SetPriority(op.Channel, op.Priority)
		case CloseWrite:
			c.core.CloseWrite(l.now, op.Channel)
		case Close:
			c.core.Close(l.now, op.Channel)
		case Reset:
			c.core.Reset(op.Channel, op.Code)
		case Let:
			c.core.Release(op.Channel)
		case Call, cast:
			op.Func()
		}
		if c != nil {
			l.Touch(c)
		}
	}
	clear(m.ops[:n]) // they must keep nothing alive
	m.ops = m.ops[n:]
	return m
}

// Touch has c, which has something to do, served in the next Run, unless it is being served. Within a
// turn only.
func (l *Loop) Touch(c *Conn) {
	if c != l.current {
		l.mark(c)
	}
}

// mark has c served in the next Run.
func (l *Loop) mark(c *Conn) {
	if c.isDirty {
		return
	}
	c.isDirty = true
	if l.last == nil {
		l.dirty = c
	} else {
		l.last.nextDirty = c
	}
	l.last = c
}

// unmark takes the first connection that is to be served.
func (l *Loop) unmark() *Conn {
	c := l.dirty
	if c == nil {
		return nil
	}
	if l.dirty = c.nextDirty; l.dirty == nil {
		l.last = nil
	}
	c.nextDirty, c.isDirty = nil, false
	return c
}

// takeBatch returns an empty batch.
func (l *Loop) takeBatch() *core.Batch {
	if n := len(l.batches); n > 0 {
		b := l.batches[n-1]
		l.batches = l.batches[:n-1]
		return b
	}
	return new(core.Batch)
}

// giveBatch takes an empty batch back.
func (l *Loop) giveBatch(b *core.Batch) {
	const keep = 2
	if l.lazy {
		b.Free() // the loop is one connection, and may be idle for long
	}
	if len(l.batches) < keep && b.Whole() {
		l.batches = append(l.batches, b)
	} else {
		b.Free()
	}
}

// Call runs f inside the loop, soon. The channel it returns is closed when f has returned, or when the
// loop ended before it could be called. It may be called from any goroutine, but must not be waited for
// inside the loop.
func (l *Loop) Call(f func()) <-chan struct{} {
	done := make(chan struct{})
	if !l.Post(Op{Kind: Call, Func: func() { defer close(done); f() }}) {
		close(done)
	}
	return done
}
