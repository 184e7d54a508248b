//go:build linux

package engine_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// saboteur panics in the callback that a channel's target names, as in panic:OnData.
type saboteur struct {
	*probe
	closes         atomic.Int64 // OnClose of such channels
	onConnect      atomic.Bool  // panic there
	onDisconnect   atomic.Bool
	seesDisconnect atomic.Int64
}

// plan is the context of a channel on which a callback will panic.
type plan string

// reached panics if it is time.
func (h *saboteur) reached(ch engine.Channel, callback string) {
	if p, ok := ch.Context().(plan); ok && string(p) == callback {
		panic("sabotage of " + callback)
	}
}

func (h *saboteur) OnConnect(c *engine.Conn) {
	h.probe.OnConnect(c)
	if h.onConnect.Load() {
		panic("sabotage of OnConnect")
	}
}

func (h *saboteur) OnDisconnect(c *engine.Conn, err error) {
	h.probe.OnDisconnect(c, err)
	h.seesDisconnect.Add(1)
	if h.onDisconnect.Load() {
		panic("sabotage of OnDisconnect")
	}
}

func (h *saboteur) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	callback, ok := strings.CutPrefix(string(r.Target), "panic:")
	if !ok {
		return h.probe.OnOpen(ch, r)
	}
	ch.SetContext(plan(callback))
	switch callback {
	case "OnOpen, having sent":
		ch.Send([]byte("this must not arrive"))
		panic("sabotage of OnOpen")
	case "OnOpen, having closed":
		ch.Close()
		panic("sabotage of OnOpen")
	case "OnWritable":
		for ch.Send(make([]byte, 1000)) == nil {
		}
	}
	h.reached(ch, "OnOpen")
	return engine.Answer{}
}

func (h *saboteur) OnData(ch engine.Channel, p []byte) {
	h.reached(ch, "OnData")
	h.probe.OnData(ch, p)
}

func (h *saboteur) OnWritable(ch engine.Channel) {
	h.reached(ch, "OnWritable")
	h.probe.OnWritable(ch)
}

func (h *saboteur) OnClose(ch engine.Channel, err error) {
	if _, ok := ch.Context().(plan); ok {
		h.closes.Add(1)
	}
	h.reached(ch, "OnClose")
	h.probe.OnClose(ch, err)
}

// TestPanicLosesOneChannel: a panic over a channel ends that channel with INTERNAL. The connection, its other
// channels and other connections do not notice.
func TestPanicLosesOneChannel(t *testing.T) {
	var trials []trial
	for _, c := range []struct {
		name   string
		script string
		data   bool // DATA may come before the last step
		closes int  // calls of OnClose
	}{
		{"OnOpen", `
			> OPEN 3 target=panic:OnOpen
			< ERROR 3 INTERNAL`, false, 0},
		{"OnOpen, with data right behind", `
			> OPEN 3 target=panic:OnOpen; DATA 3 "x"; CLOSE 3
			< ERROR 3 INTERNAL`, false, 0},
		{"OnOpen, having sent", `
			> OPEN 3 "\x03\x00\x19panic:OnOpen, having sent"
			< ERROR 3 INTERNAL`, false, 0},
		{"OnOpen, having closed", `
			> OPEN 3 "\x03\x00\x1bpanic:OnOpen, having closed"
			< ERROR 3 INTERNAL`, false, 0},
		{"OnData", `
			> OPEN 3 target=panic:OnData
			< ACK 3
			> DATA 3 "x"
			< ERROR 3 INTERNAL`, false, 1},
		{"OnData, with more behind", `
			> OPEN 3 target=panic:OnData
			< ACK 3
			> DATA 3 "x"; DATA 3 "y"; FLOW_CONTROL 3 4096; CLOSE 3
			< ERROR 3 INTERNAL`, false, 1},
		{"OnWritable", `
			> OPEN 3 target=panic:OnWritable
			< ACK 3`, true, 1},
		{"OnClose by CLOSE", `
			> OPEN 3 target=panic:OnClose
			< ACK 3
			> CLOSE 3
			< ACK 3`, false, 1},
		{"OnClose by ERROR", `
			> OPEN 3 target=panic:OnClose
			< ACK 3
			> ERROR 3 CANCELLED`, false, 1},
	} {
		for _, b := range backends {
			h := &saboteur{probe: new(probe)}
			cfg := engine.Config{Backend: b, Handler: h, MaxChannels: 2}
			trials = append(trials, trial{c.name + "/" + string(b), cfg, func(t *testing.T, s *rawServer) {
				p := s.dial(t)
				p.play(`
					> OPEN 1
					< ACK 1
					> DATA 1 "before"
					< DATA 1 "before"`)
				p.play(c.script)
				if c.data {
					wantErrorBehindData(p, 3, codec.Internal)
				}
				p.wantAlive()
				p.echo(1, "after")
				s.witnessed(t)
				settles(t, "panics", func() uint64 { return s.engine.Stats().Panics }, 1)
				settles(t, "channels", func() int { return s.engine.Stats().Channels }, 2) // 1, and the witness's
				if n := int(h.closes.Load()); n != c.closes {
					t.Errorf("OnClose was called %d times, want %d", n, c.closes)
				}
				// Its place is free again.
				p.play(`
					> DATA 3 "late"
					> OPEN 5; DATA 5 "next"
					< ACK 5
					< DATA 5 "next"
					alive`)
				p.conn.Close()
				s.survives(t)
			}})
		}
	}
	tryAtOnce(t, trials)
}

// wantErrorBehindData is that a channel ends with ERROR, after whatever data.
func wantErrorBehindData(p *rawPeer, channel uint32, code codec.Code) {
	p.t.Helper()
	want := fmt.Sprintf("ERROR %d %v", channel, code)
	for {
		f, err := p.next(patience)
		if err != nil {
			p.fatalf("instead of %s: %v", want, err)
		}
		if f.Type == codec.Data && f.Channel == channel {
			continue
		}
		if got := show(f); got != want {
			p.fatalf("%s came instead of %s", got, want)
		}
		return
	}
}

// TestPanicInEveryOnClose: when a connection with many channels is lost, each OnClose is called though all of
// them panic, and OnDisconnect after them.
func TestPanicInEveryOnClose(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const channels = 20
		h := &saboteur{probe: new(probe)}
		s := serveRaw(t, engine.Config{Backend: b, Handler: h})
		p := s.dial(t)
		for id := 1; id < 2*channels; id += 2 {
			p.send(fmt.Sprintf("OPEN %d target=panic:OnClose", id))
			p.want(fmt.Sprintf("ACK %d", id))
		}
		h.onDisconnect.Store(true)
		p.reset()
		settles(t, "panics", func() uint64 { return s.engine.Stats().Panics }, channels+1)
		s.survives(t)
		h.onDisconnect.Store(false) // the witness goes when the test is over
		if n := h.closes.Load(); n != channels {
			t.Errorf("OnClose was called %d times, want %d", n, channels)
		}
		if n := h.seesDisconnect.Load(); n != 1 {
			t.Errorf("OnDisconnect was called %d times", n)
		}
	})
}

// TestPanicInOnConnect: the connection is lost, and no other.
func TestPanicInOnConnect(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		h := &saboteur{probe: new(probe)}
		s := serveRaw(t, engine.Config{Backend: b, Handler: h})
		h.onConnect.Store(true)
		for i := range 3 {
			p := s.dial(t)
			p.wantClosed()
			p.conn.Close()
			s.survives(t)
			if n := s.engine.Stats().Panics; n != uint64(i+1) {
				t.Errorf("%d panics after %d connections", n, i+1)
			}
		}
		h.onConnect.Store(false)
		p := s.dial(t)
		p.play(`
			> OPEN 1
			< ACK 1
			> DATA 1 "welcome"
			< DATA 1 "welcome"`)
		p.conn.Close()
		s.survives(t)
	})
}

// TestPanicOnManyChannels: panics are no way to bring a server down, nor to make it keep something.
func TestPanicOnManyChannels(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const channels = 500
		s := serveRaw(t, engine.Config{Backend: b, Handler: &saboteur{probe: new(probe)}})
		p := s.dial(t)
		p.sendBytes(p.encode(each(channels, "OPEN %d target=panic:OnData", `DATA %[1]d "x"`)(0)...))
		resets := 0
		for resets < channels {
			f, err := p.next(patience)
			if err != nil {
				t.Fatalf("after %d resets: %v", resets, err)
			}
			if f.Type == codec.Error && f.Channel != 0 {
				resets++
			} else if f.Type != codec.Ack {
				t.Fatalf("%s came", show(f))
			}
		}
		p.wantAlive()
		settles(t, "panics", func() uint64 { return s.engine.Stats().Panics }, channels)
		p.conn.Close()
		s.survives(t)
	})
}

// hoarder attaches a large value to a channel and then does not take it.
type hoarder struct {
	*probe
	freed atomic.Int64 // of those values
}

func (h *hoarder) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	answer := string(r.Target)
	if answer != "refuse" && answer != "panic" {
		return h.probe.OnOpen(ch, r)
	}
	v := new([64 << 10]byte)
	runtime.AddCleanup(v, func(int) { h.freed.Add(1) }, 0)
	ch.SetContext(v)
	if answer == "panic" {
		panic("sabotage of OnOpen")
	}
	return engine.Answer{Code: engine.Refused}
}

// TestChannelNotTakenKeepsNothing: the context of a channel that OnOpen refused, or panicked over, is let go.
func TestChannelNotTakenKeepsNothing(t *testing.T) {
	for _, answer := range []string{"refuse", "panic"} {
		t.Run(answer, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				const channels = 100
				h := &hoarder{probe: new(probe)}
				s := serveRaw(t, engine.Config{Backend: b, Handler: h})
				p := s.dial(t)
				p.sendBytes(p.encode(each(channels, "OPEN %d target="+answer)(0)...))
				for range channels {
					if f, err := p.next(patience); err != nil || f.Type != codec.Error {
						t.Fatal(came(f, err))
					}
				}
				p.wantAlive()
				// The last one may still be in a register or on a stack.
				for try := 0; try < 100 && h.freed.Load() < channels-1; try++ {
					runtime.GC()
					s.witnessed(t) // and let the cleanups run
				}
				if n := h.freed.Load(); n < channels-1 {
					t.Errorf("%d values of %d are kept", channels-n, channels)
				}
			})
		})
	}
}
