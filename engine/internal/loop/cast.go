package loop

import (
	"sync"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// castSize is about how many channels of a Cast are one operation, if they are of connections that have few each.
const castSize = turnOps / 4

// Cast is a message on its way to many channels of connections of one loop.
type Cast struct {
	loop *Loop
	to   *targets
}

// NewCast returns a Cast to no channel yet. It may be called, as its methods, from any goroutine, one at a time.
func (l *Loop) NewCast() *Cast { return &Cast{l, l.cfg.targets.get()} }

// Add adds a channel of c, on which room for the message was reserved.
func (k *Cast) Add(c *Conn, ch core.Handle) { k.to.add(c, ch) }

// Send has m sent, soon. If the loop has ended nothing happens. It is the last call.
func (k *Cast) Send(m *core.Message) {
	l, t := k.loop, k.to
	n := len(t.channels)
	if n > castSize {
		t.group()
	}
	s := m.Retain(n)
	t.many = m.Many(l.cfg.Core)
	op := Op{Kind: Call, Func: func() { l.cast(s, t) }}
	var ops []Op
	for first := 0; first < len(t.runs); first = t.part(first) {
		if op.Kind = Call; t.runs[first].n >= t.many {
			op.Kind = cast
		}
		ops = append(ops, op)
	}
	wake, ok := l.mail.postAll(ops)
	if !ok {
		l.Arena.Drop(s, n)
		l.cfg.targets.put(t)
	}
	if wake {
		l.backend.Wake()
	}
}

// cast does the next part of a Cast.
func (l *Loop) cast(s *core.Shared, t *targets) {
	last := t.part(t.done)
	for _, r := range t.runs[t.done:last] {
		to := t.channels[r.first : r.first+r.n]
		if r.n >= t.many {
			l.did += r.n
			to = r.conn.sendNow(to, t.many, s)
		}
		for _, ch := range to {
			r.conn.core.SendShared(l.now, ch, s)
		}
		l.Touch(r.conn)
	}
	if t.done = last; last == len(t.runs) {
		l.cfg.targets.put(t)
	}
}

// sendNow has a message leave on channels while they are many, and returns those on which it did not: all if something
// else is to be sent.
func (c *Conn) sendNow(to []core.Handle, many int, s *core.Shared) []core.Handle {
	l := c.loop
	for sent := 0; c.batch == nil && sent < turnBytes && len(to) >= many; {
		b := l.takeBatch()
		to = to[c.core.NextShared(l.now, b, to, s):]
		if b.Len() == 0 {
			l.giveBatch(b)
			break
		}
		sent += b.Len()
		c.batch = b
		c.transport.Submit(b)
	}
	return to
}

// targets is the channels of a Cast. They are used again and again.
type targets struct {
	channels []core.Handle
	runs     []run
	done     int // of runs
	many     int // channels of a connection: the message leaves on them at once, if it can

	spare     []core.Handle // for group
	spareRuns []run
}

// run is channels of a connection, at most turnOps, that lie together.
type run struct {
	conn     *Conn
	first, n int // of targets.channels
}

// add adds a channel.
func (t *targets) add(c *Conn, ch core.Handle) {
	if last := len(t.runs) - 1; last >= 0 && t.runs[last].conn == c && t.runs[last].n < turnOps {
		t.runs[last].n++
	} else {
		t.runs = append(t.runs, run{c, len(t.channels), 1})
	}
	t.channels = append(t.channels, ch)
}

// group brings channels of the same connection together, or at least of few: then they are done at once, while what
// belongs to it is in the processor's cache, and leave in few writes. It takes the same time for each, in whatever
// order they are.
func (t *targets) group() {
	const kinds = 1024
	var begin [kinds + 1]int // where the runs of each kind of connection go
	for i := range t.runs {
		begin[t.runs[i].conn.number%kinds+1]++
	}
	for i := range kinds {
		begin[i+1] += begin[i]
	}
	sorted := append(t.spareRuns[:0], t.runs...)
	for _, r := range t.runs {
		kind := r.conn.number % kinds
		sorted[begin[kind]] = r
		begin[kind]++
	}
	channels := t.channels
	t.channels, t.runs = t.spare[:0], t.runs[:0]
	for _, r := range sorted {
		first := len(t.channels)
		t.channels = append(t.channels, channels[r.first:r.first+r.n]...)
		if last := len(t.runs) - 1; last >= 0 && t.runs[last].conn == r.conn && t.runs[last].n+r.n <= turnOps {
			t.runs[last].n += r.n
		} else {
			t.runs = append(t.runs, run{r.conn, first, r.n})
		}
	}
	clear(t.runs[len(t.runs):len(sorted)]) // what nobody will look at keeps nothing alive
	clear(sorted)
	t.spare, t.spareRuns = channels, sorted
}

// part returns where the part that begins with run first ends: behind it if it has many channels, else before one that
// has.
func (t *targets) part(first int) int {
	n := t.runs[first].n
	for first++; n < castSize && n < t.many && first < len(t.runs) && t.runs[first].n < t.many; first++ {
		n += t.runs[first].n
	}
	return first
}

// freeTargets are those of an engine that nobody uses.
type freeTargets struct{ sync.Pool }

func (p *freeTargets) get() *targets {
	if t, ok := p.Get().(*targets); ok {
		return t
	}
	return new(targets)
}

// put takes back targets, which keep nothing alive.
func (p *freeTargets) put(t *targets) {
	clear(t.runs)
	t.channels, t.runs, t.done = t.channels[:0], t.runs[:0], 0
	p.Put(t)
}
