// The race detector makes sync.Pool forget at random, and the poison build keeps a ledger.
//go:build !race && !poison

package engine_test

import (
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// allocations returns how many allocations each of n opens costs in this process, of which do does some at once.
func allocations(do func(n int), n, some int) float64 {
	// A collection would empty the pools.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	play := func(n int) {
		for range n / some {
			do(some)
		}
	}
	play(n / 10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	play(n)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

// A server allocates nothing for a channel that is opened and closed, whatever OPEN says, unless the application does.
func TestNoAllocationPerOpen(t *testing.T) {
	params := codec.AppendParam(nil, codec.ParamTarget, []byte("echo"))
	params = codec.AppendParam(params, codec.ParamPriority, []byte{5})
	params = codec.AppendParam(params, codec.ParamWindow, []byte{0, 1, 0, 0})
	params = codec.AppendParam(params, codec.ParamMetadata, []byte("more"))
	for _, open := range [][]byte{nil, params} {
		_, addr := echoServer(t)
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(5 * time.Minute))
		id := uint32(1)
		var out, in []byte
		say := func(typ codec.Type, payload []byte, n int) {
			out = out[:0]
			for i := range n {
				out = codec.Header{Type: typ, Channel: id + 2*uint32(i)}.Append(out, payload)
			}
			if _, err := nc.Write(out); err != nil {
				t.Fatal(err)
			}
			if len(in) < n*codec.HeaderSize {
				in = make([]byte, n*codec.HeaderSize)
			}
			if _, err := io.ReadFull(nc, in[:n*codec.HeaderSize]); err != nil { // ACKs
				t.Fatal(err)
			}
		}
		per := allocations(func(n int) {
			say(codec.Open, open, n)
			say(codec.Close, nil, n)
			id += 2 * uint32(n)
		}, 50_000, 100)
		t.Logf("OPEN with %d bytes: %.6f allocations", len(open), per)
		if per >= 0.01 {
			t.Errorf("OPEN with %d bytes: %.4f allocations", len(open), per)
		}
	}
}

// closer is a client that closes its channels when they are accepted, and tells when they have ended.
type closer struct {
	engine.Handler
	ended chan error
}

func (c closer) OnWritable(ch engine.Channel)           { ch.Close() }
func (c closer) OnClose(_ engine.Channel, err error)    { c.ended <- err }
func (c closer) OnData(ch engine.Channel, bytes []byte) {}

// Nor does a client, if target and metadata are short.
func TestNoAllocationPerDialledOpen(t *testing.T) {
	for _, target := range []string{"", "echo"} {
		_, addr := echoServer(t)
		h := closer{ended: make(chan error, 1000)}
		e, err := engine.Start(engine.Config{Handler: h})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		c, err := e.Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		per := allocations(func(n int) {
			for range n {
				if _, err := c.Open(engine.OpenOptions{Target: target}); err != nil {
					t.Fatal(err)
				}
			}
			for range n {
				if err := <-h.ended; err != nil {
					t.Fatal(err)
				}
			}
		}, 50_000, 100)
		t.Logf("target %q: %.6f allocations", target, per)
		if per >= 0.01 {
			t.Errorf("target %q: %.4f allocations", target, per)
		}
	}
}
