package core

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sscd-io/sscd/codec"
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
	if most := cfg.BatchBytes / (codec.HeaderSize + len(p)); b.frames != most || done != most+2 {
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

// It goes no further than windows and one priority let it. Who was turned away meanwhile hears of the room.
func TestNextSharedKeepsTheRules(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool), SendQueue: 1}
	cfg.Prepare()
	p := []byte("payload")
	for _, rule := range []struct {
		name    string
		prepare func(c *Conn, to []Handle)
		leave   int // of 4 at once
		stay    int // for good
	}{
		{"nothing in the way", func(*Conn, []Handle) {}, 4, 0},
		{"a window for two", func(c *Conn, _ []Handle) { c.out.window = int64(2 * len(p)) }, 2, 2},
		{"one is urgent", func(c *Conn, to []Handle) { c.arena.get(to[2]).prio = 7 }, 3, 0},
		{"one is compressed", func(c *Conn, to []Handle) { c.arena.get(to[1]).flags |= compressing }, 3, 0},
		{"a control frame waits", func(c *Conn, to []Handle) { c.Ping() }, 0, 0},
	} {
		c, to := greeted(t, cfg, 0, 0, 4)
		rule.prepare(c, to)
		m := NewMessage(cfg.Pool.Copy(p))
		for _, h := range to {
			if c.Reserve(h, len(p), 0) != SendOK || c.Reserve(h, 1, 0) != SendFull {
				t.Fatal("there is room for more or less than one message")
			}
		}
		s := m.Retain(len(to))
		m.Release()
		var b Batch
		for _, h := range to[c.NextShared(0, &b, to, s):] {
			c.SendShared(0, h, s)
		}
		if b.frames != rule.leave {
			t.Errorf("%s: %d leave at once, want %d", rule.name, b.frames, rule.leave)
		}
		if b.Len() > 0 {
			c.Sent(0, b.Len())
		}
		b.Free()
		told := 0
		for ev := (Event{}); c.Step(0, &ev); {
			if ev.Kind == Writable {
				told++
			}
		}
		if told != rule.leave {
			t.Errorf("%s: %d hear that there is room, want %d", rule.name, told, rule.leave)
		}
		if n := len(payloads(t, written(c))); n != len(to)-rule.leave-rule.stay {
			t.Errorf("%s: %d leave later, want %d", rule.name, n, len(to)-rule.leave-rule.stay)
		}
	}
}
