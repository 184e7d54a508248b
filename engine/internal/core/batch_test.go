package core

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/pool"
)

// greeted is a server whose client said HELLO with these features, and its channels 1, 3, 5, ...
func greeted(tb testing.TB, cfg *Config, features codec.Features, traits Traits, channels int) (*Conn, []Handle) {
	c := new(Conn)
	c.Init(0, cfg, NewArena(3, cfg), false)
	hello := Hello{Frame: codec.MaxData, Window: startWindow, Channels: 65536, Features: features}
	in := codec.Header{Type: codec.Ping}.Append(nil, hello.Append(bytes.Clone(helloAsk)))
	for i := range channels {
		in = codec.Header{Type: codec.Open, Channel: uint32(2*i + 1)}.Append(in, nil)
	}
	var ev Event
	var handles []Handle
	c.Feed(0, in)
	for c.Step(0, &ev) {
		if ev.Kind != Opened {
			tb.Fatalf("event %d", ev.Kind)
		}
		c.Accept(ev.Channel, traits)
		handles = append(handles, ev.Channel)
	}
	written(c)
	return c, handles
}

// written is what c has to send, taken by the transport.
func written(c *Conn) (out []byte) {
	var b Batch
	for c.Next(0, &b); b.Len() > 0; c.Next(0, &b) {
		c.Sent(0, b.Len())
		out = join(out, &b)
	}
	b.Free()
	return out
}

func send(tb testing.TB, c *Conn, h Handle, p []byte) {
	tb.Helper()
	if got := c.Reserve(h, len(p), 0); got != SendOK {
		tb.Fatalf("reserving %d bytes: %d", len(p), got)
	}
	if len(p) <= copyLimit {
		c.SendCopy(0, h, p)
	} else {
		c.Send(0, h, c.cfg.Pool.Copy(p))
	}
}

// Short frames leave a batch hardly room for another header, but for a frame that is not copied. If that one is
// compressed, to so little that it is, it must find room all the same.
func TestBatchHasRoomForWhatIsCompressed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n, of int) []byte { // which does not shrink, in the first n bytes
		p := make([]byte, of)
		for i := range p[:n] {
			p[i] = byte(r.Uint32())
		}
		return p
	}
	cfg := &Config{Pool: new(pool.Pool), Compression: true, SendQueue: 1 << 20}
	cfg.Prepare()
	packed := 0
	for last := copyLimit + 1; last < 600; last += 4 {
		for percent := 68; percent < 82; percent++ {
			c, handles := greeted(t, cfg, codec.FeatureZlib, Compress, 1)
			for left := batchBytes - codec.HeaderSize - last; left > codec.HeaderSize; {
				n := min(copyLimit, left-codec.HeaderSize)
				send(t, c, handles[0], noise(n, n))
				left -= codec.HeaderSize + n
			}
			send(t, c, handles[0], noise(last*percent/100, last))
			frames, rest, err := codectest.Decode(written(c), codectest.Limits{})
			if len(frames) == 0 || rest != 0 || err != nil {
				t.Fatalf("%d frames, %d bytes behind them, %v", len(frames), rest, err)
			}
			packed += int(frames[len(frames)-1].Flags)
			c.Abort(&End{Code: codec.Cancelled})
		}
	}
	if packed == 0 {
		t.Error("nothing was compressed")
	}
}

// A batch is as full by what was compressed to next to nothing as by what was not: a peer whose channels compress well has
// no longer turns than others.
func TestBatchCountsWhatWasCompressed(t *testing.T) {
	const channels, each = 8, 60_000
	cfg := &Config{Pool: new(pool.Pool), Compression: true, SendQueue: 1 << 20}
	cfg.Prepare()
	c, handles := greeted(t, cfg, codec.FeatureZlib, Compress, channels)
	for _, h := range handles {
		send(t, c, h, make([]byte, each))
	}
	var b Batch
	cost := 0
	for c.Next(0, &b); b.Len() > 0; c.Next(0, &b) {
		if b.Cost() > batchBytes || b.Len() > b.Cost()/10 {
			t.Errorf("a batch of %d bytes was %d before", b.Len(), b.Cost())
		}
		cost += b.Cost()
		c.Sent(0, b.Len())
		b.Release()
	}
	if cost < channels*each {
		t.Errorf("%d bytes of %d left", cost, channels*each)
	}
	b.Free()
	c.Abort(&End{Code: codec.Cancelled})
}

// A transport that took a part of a batch goes on with the rest, in memory of that size.
func TestRestOfABatch(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	for sent := 1; sent < 20000; sent += 997 {
		c, handles := greeted(t, cfg, 0, 0, 3)
		send(t, c, handles[0], []byte("short"))
		send(t, c, handles[1], bytes.Repeat([]byte("long"), 5000))
		send(t, c, handles[2], []byte("short again"))
		b := new(Batch)
		c.Next(0, b)
		var whole []byte
		for _, s := range b.Slices {
			whole = append(whole, s...)
		}
		c.Sent(time.Second, sent)
		rest := b.Rest(cfg.Pool, sent)
		if b.Len() != 0 || !b.Whole() || rest.Whole() || rest.Len() != len(whole)-sent || c.Unsent() != rest.Len() {
			t.Fatalf("%d of %d bytes sent, %d left, of which the connection knows %d", sent, len(whole), rest.Len(), c.Unsent())
		}
		if got := join(nil, rest); !bytes.Equal(got, whole[sent:]) {
			t.Fatalf("the rest after %d bytes is not the rest", sent)
		}
		b.Free()
		rest.Free()
		c.Abort(&End{Code: codec.Cancelled})
		if leaks := cfg.Pool.Leaks(); len(leaks) > 0 {
			t.Fatal(leaks)
		}
	}
}
