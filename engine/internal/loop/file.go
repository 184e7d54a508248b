package loop

import "github.com/sscd-io/sscd/engine/internal/core"

// ReserveFile books a range of a file for channel ch. It may be called from any goroutine.
func (c *Conn) ReserveFile(ch core.Handle) core.SendResult { return c.core.ReserveFile(ch) }

// SendFile queues n bytes of f from off on, as core.Conn.SendFile. Within a turn only.
func (c *Conn) SendFile(ch core.Handle, f core.File, off, n int64) {
	c.core.SendFile(c.loop.now, ch, f, off, n)
}

// fetch has those parts of files fetched for which channels wait.
func (c *Conn) fetch() {
	l := c.loop
	for i, f := range l.Arena.Fetches {
		l.Stats.ReadAheads.Add(1)
		f.File.Fetch(f.Off, f.Len, func() {
			f.File.Release()
			l.Post(Op{Kind: Call, Conn: c, Func: func() { c.core.Fetched(l.now, f.Channel) }})
		})
		l.Arena.Fetches[i] = core.Fetch{}
	}
	l.Arena.Fetches = l.Arena.Fetches[:0]
}

// SentFile tells that n bytes of a batch's range left the file for the socket. Sent counts them too.
func (c *Conn) SentFile(n int) { c.loop.Stats.BytesSendfile.Add(uint64(n)) }

// Truncated tells that the file of the batch's range ended early, and that the rest is zeros.
func (c *Conn) Truncated() {
	c.core.Truncated(c.batch.Range.Channel)
	c.loop.Touch(c)
}
