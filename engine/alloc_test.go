// The race detector makes sync.Pool forget at random, and the poison build keeps a ledger.
//go:build !race && !poison

package engine_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// echoClient is a client that allocates nothing itself: it writes the same bursts of frames over and over
// and reads what comes into the same buffer. Each burst is some messages on each of its channels.
type echoClient struct {
	nc       net.Conn
	channels int
	burst    []byte // DATA on all channels
	grants   []byte // FLOW_CONTROL of grantBytes on all channels
	echoes   int    // bytes of data in a burst
	owed     int    // bytes received on each channel, and not granted
	buf      []byte
	head     [codec.HeaderSize]byte // of the frame that is being read
	have     int                    // bytes of head
	body     int                    // bytes of payload still to come
}

// grantBytes is how much window a channel is granted at a time: half of it.
const grantBytes = 32 << 10

// newEchoClient dials and opens its channels, on each of which a burst sends so many messages of size
// bytes.
func newEchoClient(t testing.TB, addr string, channels, messages, size int) *echoClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(5 * time.Minute))
	c := &echoClient{nc: nc, channels: channels, echoes: channels * messages * size, buf: make([]byte, 64<<10)}
	var opens []byte
	payload := make([]byte, size)
	for i := range channels {
		id := uint32(2*i + 1)
		opens = codec.Header{Type: codec.Open, Channel: id}.Append(opens, nil)
		c.grants = codec.Header{Type: codec.FlowControl, Channel: id}.Append(c.grants,
			binary.BigEndian.AppendUint32(nil, grantBytes))
		for range messages {
			c.burst = codec.Header{Type: codec.Data, Channel: id}.Append(c.burst, payload)
		}
	}
	if _, err := nc.Write(opens); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, channels*codec.HeaderSize)); err != nil { // ACKs
		t.Fatal(err)
	}
	return c
}

// play sends a burst and waits for all its echoes; by then the server has consumed it, and granted it if
// it had to.
func (c *echoClient) play(t testing.TB) {
	if c.owed += c.echoes / c.channels; c.owed >= grantBytes {
		c.owed -= grantBytes
		if _, err := c.nc.Write(c.grants); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.nc.Write(c.burst); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < c.echoes; {
		n, err := c.nc.Read(c.buf)
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", got, c.echoes, err)
		}
		got += c.count(t, c.buf[:n])
	}
}

// count returns how many bytes of data begin in p.
func (c *echoClient) count(t testing.TB, p []byte) (data int) {
	for len(p) > 0 {
		if c.body > 0 {
			n := min(c.body, len(p))
			c.body -= n
			p = p[n:]
			continue
		}
		n := copy(c.head[c.have:], p)
		c.have += n
		p = p[n:]
		if c.have < codec.HeaderSize {
			return data
		}
		c.have, c.body = 0, int(binary.BigEndian.Uint32(c.head[8:]))
		switch codec.Type(c.head[6]) {
		case codec.Data:
			data += c.body
		case codec.FlowControl:
		default:
			t.Fatalf("%v on channel %d comes back", codec.Type(c.head[6]), binary.BigEndian.Uint32(c.head[2:]))
		}
	}
	return data
}

// echoServer is an engine that echoes, on one loop where there are any.
func echoServer(t testing.TB) (e *engine.Engine, addr string) {
	t.Helper()
	e, err := engine.Start(engine.Config{Handler: builtin.New(), Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	a, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return e, a.String()
}

// A server in steady state allocates nothing for a message that comes and is sent back: not to read, to
// call the handler, to queue, to build frames, to write, to grant.
func TestNoAllocationPerMessage(t *testing.T) {
	const channels, perBurst, messages = 100, 4, 200_000
	for _, size := range []int{64, 600} { // copied beside its header, and referenced
		_, addr := echoServer(t)
		c := newEchoClient(t, addr, channels, perBurst, size)
		play := func(n int) {
			for range n / (channels * perBurst) {
				c.play(t)
			}
		}
		// A collection would empty the pools.
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		play(messages / 10)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		play(messages)
		runtime.ReadMemStats(&after)
		per := float64(after.Mallocs-before.Mallocs) / messages
		t.Logf("%d B: %.6f allocations a message", size, per)
		if per >= 0.01 {
			t.Errorf("%d B: %.4f allocations a message", size, per)
		}
	}
}

// BenchmarkServerEcho is a message of 64 bytes that comes and is sent back, on each of 100 channels in
// turn, and the client's work for it, which is little.
func BenchmarkServerEcho(b *testing.B) {
	const channels, perBurst = 100, 4
	e, addr := echoServer(b)
	c := newEchoClient(b, addr, channels, perBurst, 64)
	c.play(b)
	before := e.Stats()
	b.SetBytes(64)
	b.ReportAllocs()
	b.ResetTimer()
	for range (b.N + channels*perBurst - 1) / (channels * perBurst) {
		c.play(b)
	}
	b.StopTimer()
	after := e.Stats()
	b.ReportMetric(float64(after.FramesOut-before.FramesOut)/float64(after.Writes-before.Writes), "frames/write")
}
