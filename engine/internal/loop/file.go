package loop

import "github.com/sscd-io/sscd/engine/internal/core"

// SendFile has n bytes of f from off on sent on a channel, soon. One byte must be reserved, and f's reference is passed
// on. It returns false if the loop has ended; then f stays the caller's. It may be called from any goroutine.
func (l *Loop) SendFile(c *Conn, ch core.Handle, f core.File, off, n int64) bool {
	return l.Post(Op{Kind: Call, Func: func() {
		c.core.SendFile(l.now, ch, f, off, n)
		l.Touch(c)
	}})
}

// Fetched tells that what a file on a channel waited for is there. It may be called from any goroutine.
func (l *Loop) Fetched(c *Conn, ch core.Handle) {
	l.Post(Op{Kind: Call, Func: func() {
		c.core.Fetched(l.now, ch)
		l.Touch(c)
	}})
}

// Sendfile tells that the transport takes batches that end with a part of a file. Within a turn.
func (c *Conn) Sendfile() { c.core.Sendfile() }

// Shrunk tells that the file of the batch is shorter than its part. The transport sends zeros instead. Within a turn.
func (c *Conn) Shrunk(ch core.Handle) { c.core.Shrunk(ch) }
