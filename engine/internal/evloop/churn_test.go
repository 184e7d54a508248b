//go:build linux

package evloop_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
)

// churnTime is for how long each backend is churned. For more: go test -run Churn -churn 10m -timeout 30m.
var churnTime = flag.Duration("churn", time.Second, "for how long TestChurn has connections come and go, each backend")

// churner is a goroutine whose connections come and go.
type churner struct {
	d   *evlooptest.Door
	rnd *rand.Rand
}

// Connections come, open channels, check what is echoed, and go in every way, from several goroutines. In the end the
// rig looks for what is left.
func TestChurn(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := evlooptest.Serve(t, maker, 2, func(c *core.Config) { c.SendQueue = 1 << 20 })
		d := r.Listen("127.0.0.1:0")
		var wg sync.WaitGroup
		var n atomic.Int64
		end := time.Now().Add(*churnTime)
		for i := range 64 { // most of them wait for an end
			c := &churner{d, rand.New(rand.NewPCG(seed, uint64(i)))}
			wg.Go(func() {
				for time.Now().Before(end) && !t.Failed() {
					if err := c.connection(); err != nil {
						t.Errorf("goroutine %d: %v", i, err)
					}
					n.Add(1)
				}
			})
		}
		wg.Wait()
		t.Logf("%d connections", n.Load())
		evlooptest.Until(t, "the end of all connections", func() bool { return r.Conns() == 0 })
		d.Close()
	})
}

// connection is the life of one.
func (c *churner) connection() error {
	nc, err := net.Dial("tcp", c.d.Where)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(evlooptest.Patience))
	channels := 1 + c.rnd.IntN(3)
	if _, err := nc.Write(append(evlooptest.Opens(channels), evlooptest.Grants(channels, 1<<30)...)); err != nil {
		return err
	}
	credit := 60_000 // of each channel
	for range c.rnd.IntN(5) {
		n := c.rnd.IntN(min(credit, 1+c.rnd.IntN(20_000)) + 1)
		if credit -= n; n == 0 {
			continue
		}
		if err := c.echo(nc, channels, n); err != nil {
			return err
		}
	}
	c.leave(nc, credit)
	return nil
}

// echo sends a message on each channel, in pieces, and checks what comes back.
func (c *churner) echo(nc net.Conn, channels, n int) error {
	var all []byte
	want := make(map[string][]byte)
	for i := range channels {
		msg := evlooptest.Pattern(n, c.rnd.IntN(1<<20))
		want[fmt.Sprint("DATA ", 2*i+1)] = msg
		for rest := msg; len(rest) > 0; {
			k := min(len(rest), 16384)
			all = append(all, evlooptest.Frame(codec.Data, uint32(2*i+1), rest[:k])...)
			rest = rest[k:]
		}
	}
	for len(all) > 0 {
		k := 1 + c.rnd.IntN(len(all))
		if _, err := nc.Write(all[:k]); err != nil {
			return err
		}
		all = all[k:]
	}
	got := make(map[string][]byte)
	for left := channels * n; left > 0; {
		kind, payload, err := evlooptest.ReadFrame(nc)
		if err != nil {
			return fmt.Errorf("%d bytes are missing: %w", left, err)
		}
		if want[kind] != nil {
			got[kind] = append(got[kind], payload...)
			left -= len(payload)
		}
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			return fmt.Errorf("%s: other bytes came back", name)
		}
	}
	return nil
}

// leave ends a connection, in one of several ways.
func (c *churner) leave(nc net.Conn, credit int) {
	frame := evlooptest.Frame(codec.Data, 1, make([]byte, credit))
	switch c.rnd.IntN(6) {
	case 0: // without a word
	case 1: // in the middle of a frame
		nc.Write(frame[:c.rnd.IntN(len(frame))])
	case 2: // with a reset
		nc.(*net.TCPConn).SetLinger(0)
	case 3: // with a reset, and an answer on its way
		nc.Write(frame)
		nc.(*net.TCPConn).SetLinger(0)
	case 4: // with nonsense
		nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		io.Copy(io.Discard, nc)
	case 5: // politely
		nc.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, nc)
	}
}
