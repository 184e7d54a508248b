//go:build linux

package engine_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/pool"
	"github.com/sscd-io/sscd/sched"
)

// filler is a server that has much to send on each channel at the same time: from when all are open.
type filler struct {
	minimal
	channels []engine.Channel
	want     int
	message  *pool.Buf
	filled   chan struct{} // closed when all of it waits
}

func (f *filler) OnOpen(ch engine.Channel, _ engine.OpenRequest) engine.Answer {
	if f.channels = append(f.channels, ch); len(f.channels) == f.want {
		for _, ch := range f.channels {
			f.message.Retain()
			if err := ch.SendBuf(f.message); err != nil {
				panic(err)
			}
		}
		close(f.filled)
	}
	return engine.Answer{}
}

// taster counts the first bytes that come on each channel, but for those that left before all could.
type taster struct {
	minimal
	filled      <-chan struct{}
	skip, total int
	seen        int
	got         []int
	done        chan []int
}

func (f *filler) OnWritable(engine.Channel)     {}
func (f *filler) OnClose(engine.Channel, error) {}
func (t *taster) OnWritable(engine.Channel)     {}
func (t *taster) OnClose(engine.Channel, error) {}

func (t *taster) OnData(ch engine.Channel, p []byte) {
	<-t.filled
	before := t.seen
	if t.seen += len(p); before < t.skip || before >= t.skip+t.total {
		return
	}
	t.got[ch.Context().(int)] += len(p)
	if t.seen >= t.skip+t.total {
		t.done <- slices.Clone(t.got)
	}
}

// share has a server send a backlog on channels of each of these priorities, and returns what of so many bytes
// came on each. Windows hold all of it, so that nothing but the server's scheduler decides.
func share(t *testing.T, b engine.Backend, cfg engine.Config, backlog, total int, priorities ...uint8) []float64 {
	t.Helper()
	const roomy, small = 256 << 20, 64 << 10
	f := &filler{want: len(priorities), message: new(pool.Pool).Get(backlog), filled: make(chan struct{})}
	cfg.Handler, cfg.ConnMemory, cfg.Memory = f, 1<<40, 1<<40
	cfg.Socket = engine.SocketConfig{ReadBuffer: small, WriteBuffer: small}
	own := &taster{
		filled: f.filled, skip: 1 << 20, total: total, got: make([]int, len(priorities)), done: make(chan []int, 1),
	}
	c := enginePair(t, b, engine.Config{
		Handler: own, Window: roomy, MaxWindow: roomy, ConnWindow: roomy, Socket: cfg.Socket,
	}, cfg)
	for i, p := range priorities {
		if _, err := c.Open(engine.OpenOptions{Priority: &p, Context: i}); err != nil {
			t.Fatal(err)
		}
	}
	parts := make([]float64, len(priorities))
	for i, n := range took(t, "the bytes", own.done) {
		if parts[i] = float64(n) / float64(total); n >= backlog {
			t.Fatalf("%d bytes on channel %d were all there were", n, i)
		}
	}
	return parts
}

// Shares of a connection, over real sockets, are what package sched says.
func TestShares(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		t.Run("two equal channels", func(t *testing.T) {
			if got := share(t, b, engine.Config{}, 8<<20, 8<<20, 3, 3); slices.Max(got) > 0.52 || slices.Min(got) < 0.48 {
				t.Error(got)
			}
		})
		t.Run("256 equal channels", func(t *testing.T) {
			got := share(t, b, engine.Config{}, 1<<20, 80<<20, bytes.Repeat([]byte{3}, 256)...)
			if low, high := slices.Min(got), slices.Max(got); low < 0.9*high {
				t.Errorf("%.5f to %.5f", low, high)
			}
		})
		t.Run("all priorities", func(t *testing.T) {
			got := share(t, b, engine.Config{FrameSize: 4096}, 8<<20, 16<<20, 0, 1, 2, 3, 4, 5, 6, 7)
			for prio, part := range got {
				want := float64(sched.Weight(uint8(prio))) / 52
				if part < 0.95*want || part > 1.05*want || part < 1./64 {
					t.Errorf("priority %d gets %.4f, its weight is %.4f", prio, part, want)
				}
			}
		})
		t.Run("strict", func(t *testing.T) {
			got := share(t, b, engine.Config{StrictPriority: true}, 8<<20, 2<<20, 2, 6)
			if got[0] > 0 { // whatever left before is skipped
				t.Error(got)
			}
		})
	})
}
