// The race detector makes sync.Pool forget at random, and the poison build keeps a ledger.
//go:build !race && !poison

package core

import (
	"testing"

	"github.com/sscd-io/sscd/pool"
)

// echo is a client and a server core on one link without a kernel.
type echo struct {
	client, server Conn
	arenas         [2]*Arena
	cfg            *Config
	batch          Batch
	channels       []Handle
	wire           []byte
}

func newEcho(tb testing.TB, channels int) *echo {
	e := &echo{cfg: &Config{Pool: new(pool.Pool)}, wire: make([]byte, 0, 128<<10)}
	e.cfg.Prepare()
	e.arenas = [2]*Arena{NewArena(9, e.cfg), NewArena(9, e.cfg)}
	e.client.Init(0, e.cfg, e.arenas[0], true)
	e.server.Init(0, e.cfg, e.arenas[1], false)
	for range channels {
		h := e.arenas[0].Open()
		e.channels = append(e.channels, h)
		e.client.Open(0, h, nil, 0)
	}
	for e.pass(&e.client, &e.server)+e.pass(&e.server, &e.client) > 0 {
	}
	if e.client.Channels() != channels || e.server.Channels() != channels {
		tb.Fatal("channels not open")
	}
	return e
}

// pass carries what from has to send to to, which echoes if it is the server, and returns how much data
// frames came.
func (e *echo) pass(from, to *Conn) (frames int) {
	for {
		from.Next(0, &e.batch)
		n := e.batch.Len()
		if n == 0 {
			return frames
		}
		frames++
		e.wire = e.wire[:0]
		for _, s := range e.batch.Slices {
			e.wire = append(e.wire, s...)
		}
		from.Sent(0, n)
		e.batch.Release()
		to.Feed(0, e.wire)
		var ev Event
		for to.Step(0, &ev) {
			switch ev.Kind {
			case Opened:
				to.Accept(ev.Channel, 0)
			case DataReceived:
				if to == &e.server {
					e.send(to, ev.Channel, ev.Data)
				}
			}
		}
	}
}

func (e *echo) send(c *Conn, h Handle, p []byte) {
	if c.Reserve(h, len(p), 0) == SendOK {
		if len(p) <= copyLimit {
			c.SendCopy(0, h, p)
		} else {
			c.Send(0, h, e.cfg.Pool.Copy(p))
		}
	}
}

// round sends a message on each channel and gets its echo.
func (e *echo) round(msg []byte) {
	for _, h := range e.channels {
		e.send(&e.client, h, msg)
	}
	for e.pass(&e.client, &e.server)+e.pass(&e.server, &e.client) > 0 {
	}
}

func TestNoAllocationPerEcho(t *testing.T) {
	e := newEcho(t, 100)
	for _, size := range []int{1, 64, 512, 513, 4096} {
		msg := make([]byte, size)
		for range 1000 { // until every list has its room
			e.round(msg)
		}
		if n := testing.AllocsPerRun(100, func() { e.round(msg) }); n > 1 {
			t.Errorf("%v allocations for 100 echoes of %d bytes", n, size)
		}
	}
}

// An echo is four frames built, checked and delivered: two messages through two cores.
func BenchmarkEcho(b *testing.B) {
	for _, n := range []struct {
		name           string
		channels, size int
	}{{"100x64", 100, 64}, {"10000x64", 10000, 64}, {"100x4096", 100, 4096}} {
		b.Run(n.name, func(b *testing.B) {
			e := newEcho(b, n.channels)
			msg := make([]byte, n.size)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += n.channels {
				e.round(msg)
			}
		})
	}
}
