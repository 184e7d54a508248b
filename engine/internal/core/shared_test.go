package core

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sscd-io/sscd/pool"
)

// A message for many channels is in a batch at once for those who can have it; one that is gone is left out, and who
// has something waiting, or no window, gets it later.
func TestNextShared(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool), BatchBytes: 1} // as few as possible
	cfg.Prepare()
	c, to := greeted(t, cfg, 0, 0, 100)
	p := bytes.Repeat([]byte{'p'}, 50)
	message := func(to []Handle) *Shared {
		m := NewMessage(cfg.Pool.Copy(p))
		defer m.Release()
		for _, h := range to {
			if c.Reserve(h, len(p), 0) != SendOK {
				t.Fatal("no room")
			}
		}
		return m.Retain(len(to))
	}
	s := message(to)
	c.Reset(to[1], 0)
	written(c)
	c.arena.get(to[2]).out = 49 // no window
	var b Batch
	done := c.NextShared(0, &b, to, s)
	if most := cfg.BatchBytes / s.FrameSize(); b.frames != most || done != most+2 {
		t.Errorf("%d frames for %d channels, want %d for %d", b.frames, done, most, most+2)
	}
	got := payloads(t, join(nil, &b))
	c.Sent(0, b.Len())
	b.Release()
	for _, h := range to[done:] {
		c.SendShared(0, h, s)
	}
	if n := c.NextShared(0, &b, to[:1], s); n != 0 || b.Len() != 0 {
		t.Error("it is sent though something waits")
	}
	r := c.arena.get(to[2])
	r.out = 50
	c.ready(0, to[2].Slot, r)
	got = append(got, payloads(t, written(c))...)
	if len(got) != len(to)-1 || slices.ContainsFunc(got, func(q []byte) bool { return !bytes.Equal(q, p) }) {
		t.Errorf("%d messages came: %q", len(got), got)
	}
	for _, h := range to[2:] {
		if r := c.arena.get(h); r.gate.word.Load()&gateQueued != 0 {
			t.Errorf("%v: bytes are still booked", h)
		}
	}
	b.Free()
	if leaks := cfg.Pool.Leaks(); len(leaks) > 0 {
		t.Errorf("not given back: %q", leaks)
	}
}
