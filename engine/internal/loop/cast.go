package loop

import (
	"sync"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// castSize is how many channels of a Cast are one operation of a turn.
const castSize = turnOps / 4

// Cast is a message on its way to many channels of connections of one loop.
type Cast struct {
	loop  *Loop
	n     int
	parts []*castPart
}

// castPart is the channels of one operation. It is used again and again.
type castPart struct {
	n       int
	targets [castSize]target
}

// target is a channel of a connection.
type target struct {
	conn    *Conn
	channel core.Handle
}

// castParts are the free ones of an engine.
type castParts struct{ sync.Pool }

func (p *castParts) get() *castPart {
	if part, ok := p.Get().(*castPart); ok {
		return part
	}
	return new(castPart)
}

// put takes back a part, which keeps nothing alive.
func (p *castParts) put(part *castPart) {
	clear(part.targets[:part.n])
	part.n = 0
	p.Put(part)
}

// NewCast returns a Cast to no channel yet. It may be called, as its methods, from any goroutine, one at a time.
func (l *Loop) NewCast() *Cast { return &Cast{loop: l} }

// Add adds a channel of c, on which room for the message was reserved.
func (k *Cast) Add(c *Conn, ch core.Handle) {
	last := len(k.parts) - 1
	if k.n%castSize == 0 {
		k.parts = append(k.parts, k.loop.cfg.parts.get())
		last++
	}
	part := k.parts[last]
	part.targets[part.n] = target{c, ch}
	part.n++
	k.n++
}

// Send has m sent, soon. If the loop has ended nothing happens. It is the last call.
func (k *Cast) Send(m *core.Message) {
	l, s := k.loop, m.Retain(k.n)
	ops := make([]Op, len(k.parts))
	for i, part := range k.parts {
		ops[i] = Op{Kind: Call, Func: func() { l.cast(s, part) }}
	}
	wake, ok := l.mail.postAll(ops)
	if !ok {
		l.Arena.Drop(s, k.n)
	}
	if wake {
		l.backend.Wake()
	}
}

// cast does a part of a Cast.
func (l *Loop) cast(s *core.Shared, part *castPart) {
	l.did += part.n
	for _, t := range part.targets[:part.n] {
		t.conn.core.SendShared(l.now, t.channel, s)
		l.Touch(t.conn)
	}
	l.cfg.parts.put(part)
}
