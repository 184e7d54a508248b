package core

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/pool"
)

// An application that has not heard of the end yet goes on using its channel. That does nothing, whatever it is, and
// costs nothing: the slot may be another channel's by then.
func TestNothingHappensToAChannelThatHasEnded(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	c, handles := greeted(t, cfg, codec.FeatureFin|codec.FeaturePriority, ByHand, 1)
	a, h := c.arena, handles[0]
	if c.Reserve(h, 5000, 0) != SendOK || c.Reserve(h, 10, 0) != SendOK || !a.Sends(h) || !a.Live(h) {
		t.Fatal("a channel that is open does not send")
	}
	end := func(frame codec.Type) {
		var ev Event
		c.Feed(0, codec.Header{Type: frame, Channel: 1}.Append(nil, nil))
		if !c.Step(0, &ev) || ev.Kind != Closed {
			t.Fatalf("event %d", ev.Kind)
		}
	}
	end(codec.Close)
	c.Send(0, h, cfg.Pool.Get(5000)) // what was reserved arrives too late
	c.SendCopy(0, h, make([]byte, 10))
	if c.Memory().Used() != 0 || a.Sends(h) || c.Reserve(h, 1, 0) != SendClosed {
		t.Error("a channel that has ended sends")
	}
	written(c)
	c.Release(h)
	again := a.Open() // in its slot
	if again.Slot != h.Slot || a.Live(h) || !a.Live(again) || a.Live(Handle{}) {
		t.Fatalf("channel %v behind %v", again, h)
	}
	for _, gone := range []Handle{h, {}} {
		c.Close(0, gone)
		c.CloseWrite(0, gone)
		c.Reset(gone, codec.Internal)
		c.Collect(0, gone)
		c.Starve(0, gone)
		c.SetPriority(gone, 7)
		c.Release(gone)
		c.Keep(gone)
		if c.Priority(gone) != DefaultPriority {
			t.Error("a priority of nothing")
		}
	}
	if a.Consume(h, 100) || a.Consume(again, 0) || a.Finish(h) || a.Shut(h) || c.Reserve(h, 1, 0) != SendClosed {
		t.Error("a channel that is gone can be used")
	}
	if !a.Live(again) || a.Used() != 1 || len(written(c)) != 0 {
		t.Error("its successor was hit")
	}
	c.Cancel(again)
	if a.Live(again) || a.Used() != 0 {
		t.Error("a channel that was cancelled lives on")
	}
	c.Abort(&End{Code: codec.Cancelled})
	if leaks := cfg.Pool.Leaks(); len(leaks) > 0 {
		t.Error(leaks)
	}
}

// What has to be answered before the next Step can't be forgotten, or be answered unasked.
func TestAnswersThatWereNotAskedFor(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool), WantCredentials: true}
	cfg.Prepare()
	c := new(Conn)
	c.Init(0, cfg, NewArena(3, cfg), false)
	mustPanic := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s goes through", what)
			}
		}()
		f()
	}
	var ev Event
	mustPanic("Admit before Greeted", func() { c.Admit(0, true) })
	c.Feed(0, append(codec.Header{Type: codec.Ping}.Append(nil, helloAsk), codec.Header{Type: codec.Open, Channel: 1}.Append(nil, nil)...))
	if !c.Step(0, &ev) || ev.Kind != Greeted || ev.Data != nil {
		t.Fatalf("event %d", ev.Kind)
	}
	mustPanic("Greeted without an answer", func() { c.Step(0, &ev) })
	c.Admit(0, true)
	mustPanic("Admit twice", func() { c.Admit(0, false) })
	if !c.Step(0, &ev) || ev.Kind != Opened {
		t.Fatalf("event %d", ev.Kind)
	}
	mustPanic("Opened without an answer", func() { c.Step(0, &ev) })
	mustPanic("Accept of another channel", func() { c.Accept(Handle{Slot: ev.Channel.Slot, Gen: 99}, 0) })
	c.Refuse(0, ev.Channel, codec.Refused)
	mustPanic("Accept of a refused channel", func() { c.Accept(ev.Channel, 0) })
}

// A loop asks whether there is something to do. It must not be told no when there is.
func TestWhatALoopAsks(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	server, client := new(Conn), new(Conn)
	server.Init(0, cfg, NewArena(3, cfg), false)
	client.Init(0, cfg, NewArena(3, cfg), true)
	server.Ping()
	if server.HasOutput() || !client.HasOutput() || !server.WantsInput() || server.HasEvents() {
		t.Error("a client speaks first, with HELLO")
	}
	if known, _, _ := client.Peer(); known {
		t.Error("a peer is known before it said a word")
	}
	pass := func(now time.Duration, from, to *Conn) {
		var ev Event
		to.Feed(now, written(from))
		for to.Step(now, &ev) {
		}
	}
	pass(0, client, server)
	if client.HasOutput() || !server.HasOutput() {
		t.Error("then the server does, with its answer")
	}
	pass(20*time.Millisecond, server, client)
	known, extended, features := client.Peer()
	if !known || !extended || features != codec.FeatureFin|codec.FeatureHeaderCRC|codec.FeaturePriority {
		t.Errorf("the peer is known: %v, extended: %v, features %x", known, extended, features)
	}
	if smooth, _, smallest := client.RTT(); smooth != 20*time.Millisecond || smallest != smooth {
		t.Errorf("round trip %v, smallest %v, want 20ms", smooth, smallest)
	}
	server.GoAway(0)
	if !server.HasOutput() || !server.WantsInput() {
		t.Error("GOAWAY is to be sent, and answered")
	}
	client.PeerClosed(0, nil)
	if !client.HasOutput() || client.WantsInput() {
		t.Error("behind the end of the stream nothing comes, and the connection is to end")
	}
	written(client)
	if !client.Over() || client.HasOutput() || !client.HasEvents() {
		t.Error("it has ended, and that is to be reported")
	}
}

// More OPENs are refused than a batch has room to say; the others are in the next one.
func TestRefusalsBeyondABatch(t *testing.T) {
	const opens = 5000
	cfg := &Config{Pool: new(pool.Pool), MaxChannels: 1}
	cfg.Prepare()
	c, _ := greeted(t, cfg, 0, 0, 1)
	var in []byte
	for i := range opens {
		in = codec.Header{Type: codec.Open, Channel: uint32(3 + 2*i)}.Append(in, nil)
	}
	var ev Event
	c.Feed(0, in)
	if c.Step(0, &ev) {
		t.Fatalf("event %d", ev.Kind)
	}
	frames, rest, err := codectest.Decode(written(c), codectest.Limits{})
	if len(frames) != opens || rest != 0 || err != nil {
		t.Fatalf("%d frames, %d bytes behind them, %v", len(frames), rest, err)
	}
	for i, f := range frames {
		if f.Type != byte(codec.Error) || f.Channel != uint32(3+2*i) || !bytes.Equal(f.Payload, []byte{0, 0, 0, byte(codec.Refused)}) {
			t.Fatalf("frame %d is %v", i, f)
		}
	}
	counted := make(map[codec.Code]uint64)
	c.arena.ErrorsSent.Each(func(code codec.Code, n uint64) { counted[code] = n })
	if len(counted) != 1 || counted[codec.Refused] != opens || c.arena.Refused.Load() != opens {
		t.Errorf("counted %v, and %d refusals", counted, c.arena.Refused.Load())
	}
}

// All codes of applications are counted in one.
func TestErrorsAreCountedByCode(t *testing.T) {
	var e ErrorCounts
	for _, code := range []codec.Code{codec.Timeout, codec.Timeout, 14, 255, 256, 1 << 31} {
		e.add(code)
	}
	var got []string
	e.Each(func(code codec.Code, n uint64) { got = append(got, code.String(), string(rune('0'+n))) })
	if s := strings.Join(got, " "); s != "INTERNAL 2 TIMEOUT 2 code 256 2" {
		t.Errorf("counted %s", s)
	}
}

// A channel whose CLOSE waits for the next batch still ends some time, whatever the peer does.
func TestCloseBehindAFullBatchHasADeadline(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	c, a := new(Conn), NewArena(3, cfg)
	c.Init(0, cfg, a, true)
	written(c)
	h := a.Open()
	c.Open(0, h, nil, 0)
	const n = batchBytes - controlBytes/2 // beside it and OPEN no control frames have room
	if c.Reserve(h, n, 0) != SendOK {
		t.Fatal("no room")
	}
	c.Send(0, h, cfg.Pool.Get(n))
	a.Shut(h)
	c.Close(0, h)
	var b Batch
	c.Next(0, &b)
	if r := a.get(h); r.first != 0 || r.state != opening || r.timer != closeWaitTimer {
		t.Errorf("%v, waits for %d, data left: %v", r.state, r.timer, r.first != 0)
	}
	b.Release()
	b.Free()
	c.Abort(&End{Code: codec.Cancelled})
}

// A channel that squeezes a small window and is through with its turn meanwhile waits for window, with an end.
func TestSqueezeAtTheEndOfATurn(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool), SendQueue: 1 << 20}
	cfg.Prepare()
	c, handles := greeted(t, cfg, 0, 0, 1)
	h := handles[0]
	r := c.arena.get(h)
	frames := (codec.HeaderSize+cfg.FrameSize)/(codec.HeaderSize+1) + 1
	r.out = outflow(frames) + 36
	for range frames {
		c.Reserve(h, 1, 0)
		c.SendCopy(0, h, []byte{1})
	}
	c.Reserve(h, 500, 0)
	c.SendCopy(0, h, make([]byte, 500))
	r.flags |= squeeze
	var b Batch
	c.Next(0, &b)
	if r.out != 36 || c.queue.HasData(c.arena.flows, h.Slot) || r.timer != noWindowTimer || r.flags&dribbling == 0 {
		t.Errorf("window %d, waits for %d, flags %x", r.out, r.timer, r.flags)
	}
	b.Release()
	b.Free()
	c.Abort(&End{Code: codec.Cancelled})
}
