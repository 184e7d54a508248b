//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// reachable is a probe whose connections, but for the witness's, can be had.
func reachable() (*probe, <-chan *engine.Conn) {
	conns := make(chan *engine.Conn, 10)
	return &probe{connected: func(c *engine.Conn) { conns <- c }}, conns
}

// asks is an OpenRequest as it came.
type asks struct {
	minimal
	requests chan engine.OpenRequest
}

func (a asks) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	a.requests <- engine.OpenRequest{
		Target: bytes.Clone(r.Target), Metadata: bytes.Clone(r.Metadata), Priority: r.Priority,
	}
	return a.minimal.OnOpen(ch, r)
}

// What is asked for with an open arrives, in both profiles.
func TestOpenOptionsArrive(t *testing.T) {
	for name, profile := range map[string]engine.Profile{"extended": engine.Negotiate, "base": engine.BaseOnly} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				app := asks{newMinimal(), make(chan engine.OpenRequest, 1)}
				own := engine.Config{Handler: newMinimal(), Profile: profile}
				c := enginePair(t, b, own, engine.Config{Handler: app})
				for _, priority := range []uint8{0, 1, engine.DefaultPriority, 7} {
					o := engine.OpenOptions{Target: "somewhere", Metadata: []byte{0, 1}, Priority: &priority, Window: 100_000}
					if _, err := c.Open(o); err != nil {
						t.Fatal(err)
					}
					r := took(t, "the open", app.requests)
					if r.Priority != priority || string(r.Target) != "somewhere" || string(r.Metadata) != "\x00\x01" {
						t.Errorf("priority %d: it came as %+v", priority, r)
					}
				}
				if _, err := c.Open(engine.OpenOptions{}); err != nil {
					t.Fatal(err)
				}
				if r := took(t, "the open", app.requests); r.Priority != engine.DefaultPriority {
					t.Errorf("no priority: it came as %d", r.Priority)
				}
				for _, o := range []engine.OpenOptions{{Priority: new(uint8(8))}, {Window: -1}, {Window: 512 << 20}} {
					if _, err := c.Open(o); err == nil {
						t.Errorf("%+v can be opened", o)
					}
				}
			})
		})
	}
}

// A priority that changes is told to a peer that wants to know, by the opener.
func TestSetPriority(t *testing.T) {
	for _, c := range []struct{ name, hello, told string }{
		{"who heeds it", greeting, "< PRIORITY 2 \"\\a\"\n"},
		{"who does not", "> HELLO features=1\n< PONG 0 HELLO\n", ""},
		{"base", "> PING 0\n< PONG 0\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				app, conns := reachable()
				s := serveRaw(t, engine.Config{Backend: b, Handler: app})
				p := s.dial(t)
				p.play(c.hello)
				conn := took(t, "the connection", conns)
				ch, err := conn.Open(engine.OpenOptions{Priority: new(uint8(1))})
				if err != nil {
					t.Fatal(err)
				}
				p.play("< OPEN 2 \"\\x01\\x00\\x01\\x01\"\n> ACK 2\nalive")
				if err := errors.Join(ch.SetPriority(7), ch.SetPriority(7)); err != nil {
					t.Error(err)
				}
				p.play(c.told + "alive")
				if err := ch.SetPriority(8); err == nil || errors.Is(err, engine.ErrClosed) {
					t.Error("priority 8:", err)
				}
				p.play("> CLOSE 2\n< ACK 2\nalive")
				eventually(t, func() (bool, string) {
					return errors.Is(ch.SetPriority(1), engine.ErrClosed), "a channel that has ended has a priority"
				})
			})
		})
	}
}

// A window that an open asks for is the channel's for good; a base peer does not know of it.
func TestWindowOfAChannel(t *testing.T) {
	for _, c := range []struct{ name, hello, within, beyond string }{
		{"extended", greeting, "DATA 2 *1000", "DATA 2 *1"},
		{"base", "> PING 0\n< PONG 0\n", "DATA 2 *65536", "DATA 2 *1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				app, conns := reachable()
				s := serveRaw(t, engine.Config{Backend: b, Handler: app})
				p := s.dial(t)
				p.play(c.hello)
				conn := took(t, "the connection", conns)
				o := engine.OpenOptions{Window: 1000, ManualCredit: true, Context: keeper{}}
				if _, err := conn.Open(o); err != nil {
					t.Fatal(err)
				}
				p.play("< OPEN 2 \"\\x02\\x00\\x04\\x00\\x00\\x03\\xe8\"\n> ACK 2; " + c.within + "\nalive\n> " + c.beyond + "\n! FLOW_CONTROL")
			})
		})
	}
}

// A stream whose reader keeps up gets a window that grows, so nothing is lost of a fast path; one with a window of
// its own does not.
func TestDataThroughWindowsOfAllSizes(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	onSessions(t, engine.Config{Window: 200_000, FrameSize: 1 << 20, MaxFrame: 1 << 20}, func(t *testing.T, client, server *engine.Session) {
		for window, size := range map[int]int{0: len(text), 1: 4, 4096: 200_000, 1 << 20: len(text)} {
			ours, theirs := streamPair(t, client, server, engine.OpenOptions{Window: window})
			sent := text[:size]
			go func() {
				theirs.Write(sent)
				theirs.Close()
			}()
			start := time.Now()
			if got, err := io.ReadAll(ours); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("window %d: %d bytes of %d after %v, then %v", window, len(got), len(sent), time.Since(start), err)
			}
		}
	})
}
