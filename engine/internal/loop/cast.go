package loop

import "github.com/sscd-io/sscd/engine/internal/core"

// Target is a channel of a connection.
type Target struct {
	Conn    *Conn
	Channel core.Handle
}

// castSize is how many channels of a Cast are one operation of a turn.
const castSize = turnOps / 4

// Cast has m, for which room was reserved on each of to, sent there, soon. All are of connections of l. If the loop
// has ended nothing happens. It may be called from any goroutine.
func (l *Loop) Cast(m *core.Message, to []Target) {
	s := m.Retain(len(to))
	var ops []Op
	for left := to; len(left) > 0; {
		some := left[:min(len(left), castSize)]
		ops = append(ops, Op{Kind: Call, Func: func() { l.cast(s, some) }})
		left = left[len(some):]
	}
	wake, ok := l.mail.postAll(ops)
	if !ok {
		l.Arena.Drop(s, len(to))
	}
	if wake {
		l.backend.Wake()
	}
}

// cast does a part of Cast.
func (l *Loop) cast(s *core.Shared, to []Target) {
	l.did += len(to)
	for _, t := range to {
		t.Conn.core.SendShared(l.now, t.Channel, s)
		l.Touch(t.Conn)
	}
}
