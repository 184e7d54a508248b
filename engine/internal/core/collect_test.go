package core

import (
	"bytes"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// Half of a small window that is read by and by is granted at once, as half of any other.
func TestGrantOfASmallWindow(t *testing.T) {
	const window, now = 8000, time.Second
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	a, c := NewArena(3, cfg), new(Conn)
	c.Init(now, cfg, a, true)
	h := a.Open()
	c.Open(now, h, cfg.Pool.Copy(OpenParams{Priority: DefaultPriority, HasWindow: true, Window: window}.Append(nil)), ByHand)
	c.output(t, now)

	in := codec.Header{Type: codec.Pong}.Append(nil, helloAnswer)
	in = codec.Header{Type: codec.Ack, Channel: 1}.Append(in, nil)
	in = codec.Header{Type: codec.Data, Channel: 1}.Append(in, make([]byte, window/2))
	c.Feed(now, in)
	for ev := (Event{}); c.Step(now, &ev); {
	}
	for _, read := range []int{1000, window/2 - 1000} {
		if a.Consume(h, read) {
			c.Collect(now, h)
		}
	}
	want := codec.Header{Type: codec.FlowControl, Channel: 1}.Append(nil, []byte{0, 0, window / 2 >> 8, window / 2 & 0xff})
	if got := c.output(t, now); !bytes.Contains(got, want) {
		t.Errorf("what leaves is %x, without a grant of %d bytes", got, window/2)
	}
	c.Abort(&End{Code: codec.Cancelled})
}

// output is all that leaves now.
func (c *Conn) output(t *testing.T, now time.Duration) (out []byte) {
	t.Helper()
	var b Batch
	for c.Next(now, &b); b.Len() > 0; c.Next(now, &b) {
		out = append(out, bytes.Join(b.Slices, nil)...)
		c.Sent(now, b.Len())
		b.Release()
	}
	b.Free()
	return out
}
