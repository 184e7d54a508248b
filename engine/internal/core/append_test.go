package core

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// payloads is those of the DATA frames in p.
func payloads(tb testing.TB, p []byte) (all [][]byte) {
	var split codec.Splitter
	var f codec.Frame
	split.Feed(p)
	for {
		switch ok, err := split.Next(&f, nil); {
		case err != nil:
			tb.Fatal(err)
		case !ok:
			return all
		case f.Type == codec.Data:
			all = append(all, bytes.Clone(f.Payload))
		}
	}
}

// Short messages that wait share buffers. They keep their edges, whatever the window lets pass at a time, and what was
// booked for them is given back.
func TestShortMessagesShareBuffers(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	c, handles := greeted(t, cfg, 0, 0, 1)
	h, r := handles[0], c.arena.get(handles[0])
	var want [][]byte
	total := 0
	queue := func(n int) {
		for i := range n {
			p := bytes.Repeat([]byte{byte(i)}, 1+i%9)
			send(t, c, h, p)
			want, total = append(want, p), total+len(p)
		}
	}
	queue(300)
	bufs := make(map[*pool.Buf]bool)
	for i := r.first; i != 0; i = c.arena.segs.at(i).next {
		bufs[c.arena.segs.at(i).buf] = true
	}
	if most := total/(64-8) + 1; len(bufs) > most {
		t.Errorf("%d buffers for %d bytes, want %d at most", len(bufs), total, most)
	}
	if got := payloads(t, written(c)); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d messages came as %d", len(want), len(got))
	}

	want = nil
	queue(100)
	window := r.out
	var got []byte
	for r.first != 0 {
		r.out, r.flags = min(window, 5), r.flags|squeeze // as if a grant had come, and the rest were waited for in vain
		window -= r.out
		c.ready(0, h.Slot, r)
		for _, p := range payloads(t, written(c)) {
			got = append(got, p...)
		}
	}
	if !bytes.Equal(got, bytes.Join(want, nil)) {
		t.Errorf("in pieces came\n%x, want\n%x", got, want)
	}
	if n := r.gate.word.Load() & gateQueued; n != 0 || c.Memory().Used() != 0 {
		t.Errorf("nothing waits, but %d bytes are booked, %d of memory", n, c.Memory().Used())
	}
}

// To what the application passed on nothing is appended: others may have it, too.
func TestNothingIsAppendedToOthersBuffers(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	c, handles := greeted(t, cfg, 0, 0, 1)
	own := cfg.Pool.Copy([]byte("abc"))
	own.Retain()
	c.Reserve(handles[0], len(own.B), 0)
	c.Send(0, handles[0], own)
	send(t, c, handles[0], []byte("de"))
	got := payloads(t, written(c))
	if string(own.B) != "abc" || len(got) != 2 || string(got[0]) != "abc" || string(got[1]) != "de" {
		t.Errorf("%q, and sent was %q", own.B, got)
	}
	own.Release()
}
