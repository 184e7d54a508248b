//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// Whatever the profiles of two ends are, all that works in the base profile works between them: streams from either
// side, much more than a window, refusals, resets and pings.
func TestProfilesMeet(t *testing.T) {
	text := bytes.Repeat([]byte("hello "), 50_000)
	for name, profiles := range map[string][2]engine.Profile{
		"both extended":              {engine.Negotiate, engine.Negotiate},
		"base client":                {engine.BaseOnly, engine.Negotiate},
		"base server":                {engine.Negotiate, engine.BaseOnly},
		"both base":                  {engine.BaseOnly, engine.BaseOnly},
		"client that must have it":   {engine.ExtendedOnly, engine.Negotiate},
		"server that must have it":   {engine.Negotiate, engine.ExtendedOnly},
		"both of which must have it": {engine.ExtendedOnly, engine.ExtendedOnly},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := engine.Config{Profile: profiles[0], MaxChannels: 3}, engine.Config{Profile: profiles[1], MaxChannels: 3}
			onSessionsOf(t, ours, theirs, func(t *testing.T, client, server *engine.Session) {
				for _, ends := range [][2]*engine.Session{{client, server}, {server, client}} {
					for range 3 {
						if got, _ := transfer(t, ends[0], ends[1], engine.OpenOptions{Target: "t"}, text); !bytes.Equal(got, text) {
							t.Error("what came is something else")
						}
					}
					settles(t, "channels", func() int { return client.Stats().Channels + server.Stats().Channels }, 0)
					openAndRefuse(t, ends[0], ends[1])
					if _, err := ends[0].Ping(soon(t)); err != nil {
						t.Error("ping:", err)
					}
				}
			})
		})
	}
}

// openAndRefuse opens as many streams as may be, and one more, and resets them.
func openAndRefuse(t *testing.T, opener, acceptor *engine.Session) {
	t.Helper()
	var open []*engine.Stream
	for range 3 {
		st := openStream(t, opener, engine.OpenOptions{})
		open = append(open, st, acceptStream(t, acceptor))
	}
	var refused *engine.ChannelError
	if st, err := opener.Open(soon(t), engine.OpenOptions{}); !errors.As(err, &refused) || refused.Code != engine.Refused {
		t.Errorf("a fourth stream: %v, %v", st, err)
	}
	for i := 0; i < len(open); i += 2 {
		open[i].Reset(engine.Cancelled)
		var reset *engine.ChannelError
		if _, err := open[i+1].Read(make([]byte, 1)); !errors.As(err, &reset) || reset.Code != engine.Cancelled {
			t.Errorf("a stream that was reset: %v", err)
		}
		open[i+1].Close()
	}
	settles(t, "channels", func() int { return opener.Stats().Channels + acceptor.Stats().Channels }, 0)
}

// Who must have the extended profile leaves a base peer, and both learn why.
func TestExtendedOnlyLeavesBase(t *testing.T) {
	extended, base := engine.Config{Profile: engine.ExtendedOnly}, engine.Config{Profile: engine.BaseOnly}
	for name, c := range map[string]struct {
		ours, theirs engine.Config
		remote       bool // the peer has left
	}{
		"base server": {extended, base, false},
		"base client": {base, extended, true},
	} {
		t.Run(name, func(t *testing.T) {
			onSessionsOf(t, c.ours, c.theirs, func(t *testing.T, client, server *engine.Session) {
				var lost *engine.ConnError
				if st, err := client.Open(soon(t), engine.OpenOptions{}); err == nil {
					t.Errorf("a stream can be opened: %v", st)
				}
				for end, s := range map[bool]*engine.Session{c.remote: client, !c.remote: server} {
					<-s.Done()
					if err := s.Err(); !errors.As(err, &lost) || lost.Code != codec.Unsupported || lost.Remote != end {
						t.Errorf("the session ended with %v", err)
					}
				}
			})
		})
	}
}

// A stream opened, written and ended before the peer has said a word works in both profiles.
func TestEarlyData(t *testing.T) {
	for name, profile := range map[string]engine.Profile{"extended": engine.Negotiate, "base": engine.BaseOnly} {
		t.Run(name, func(t *testing.T) {
			onSessionsOf(t, engine.Config{Window: 1 << 20}, engine.Config{Profile: profile}, func(t *testing.T, client, server *engine.Session) {
				text := make([]byte, 200_000)
				ours := openStream(t, client, engine.OpenOptions{NoWait: true})
				go func() {
					ours.Write(text)
					ours.Close()
				}()
				if n, err := io.Copy(io.Discard, acceptStream(t, server)); n != int64(len(text)) || err != nil {
					t.Errorf("%d bytes of %d, then %v", n, len(text), err)
				}
			})
		})
	}
}
