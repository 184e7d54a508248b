//go:build linux

package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// A connection without channels is told to go after a while, and ends in order; one with a channel stays.
func TestIdle(t *testing.T) {
	const idle = 100 * time.Millisecond
	for name, hello := range map[string]string{"extended": greeting, "base": "> PING 0\n< PONG 0\n"} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				app := &probe{Handler: builtin.New()}
				e := startEngine(t, engine.Config{Backend: b, Handler: app, Timeouts: engine.Timeouts{Idle: idle}})
				addr, err := e.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				busy, never, once := dialRaw(t, addr.String()), dialRaw(t, addr.String()), dialRaw(t, addr.String())
				busy.play(hello + "> OPEN 1\n< ACK 1")
				start := time.Now()
				never.play(hello + "< ERROR 0 NO_ERROR\nclosed")
				if took := time.Since(start); took < idle {
					t.Errorf("it had to go after %v, not %v", took, idle)
				}
				once.play(hello + "> OPEN 1\n< ACK 1")
				busy.play("alive")
				start = time.Now()
				once.play("> CLOSE 1\n< ACK 1\n< ERROR 0 NO_ERROR\nclosed")
				if took := time.Since(start); took < idle {
					t.Errorf("without its last channel it had to go after %v, not %v", took, idle)
				}
				busy.play("alive\n> DATA 1 \"x\"\n< DATA 1 \"x\"")
				never.conn.Close()
				once.conn.Close()
				settles(t, "connections", func() int { return e.Stats().Conns }, 1)
				if ends, _ := app.ended(); len(ends) != 2 || ends[0] != nil || ends[1] != nil {
					t.Errorf("connections ended with %v", ends)
				}
			})
		})
	}
}

// A session that is idle is refused new streams, and ends with ErrClosed on both sides.
func TestIdleSession(t *testing.T) {
	cfg := engine.Config{Timeouts: engine.Timeouts{Idle: 50 * time.Millisecond}}
	onSessionsOf(t, cfg, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		for _, s := range []*engine.Session{client, server} {
			took(t, "the end", s.Done())
			if err := s.Err(); !errors.Is(err, engine.ErrClosed) {
				t.Errorf("it ended with %v", err)
			}
		}
	})
}

// What comes beyond MaxConns is closed at once, and counted; when others have left there is room again.
func TestMaxConns(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		e := startEngine(t, engine.Config{Backend: b, Handler: builtin.New(), MaxConns: 3})
		addr, err := e.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var open []*rawPeer
		for range 3 {
			p := dialRaw(t, addr.String())
			p.play("> OPEN 1\n< ACK 1")
			open = append(open, p)
		}
		for n := uint64(1); n <= 5; n++ {
			dialRaw(t, addr.String()).wantClosed()
			settles(t, "connections that were too many", func() uint64 { return e.Stats().ConnsCrowded }, n)
		}
		open[0].conn.Close()
		settles(t, "connections", func() int { return e.Stats().Conns }, 2)
		dialRaw(t, addr.String()).play("> OPEN 1\n< ACK 1\nalive")
		open[1].play("alive")
		if s := e.Stats(); s.ConnsServed != 4 || s.AcceptFailed != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// From three quarters of MaxConns on who says nothing has less time; who has spoken has as much as ever. The
// ten seconds of the hurry are too long for a test, so it is seen that they end what 40 s would not.
func TestHurry(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	t.Parallel()
	for _, b := range backends {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			app := &probe{Handler: builtin.New()}
			e := startEngine(t, engine.Config{Backend: b, Handler: app, MaxConns: 4})
			addr, err := e.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				dialRaw(t, addr.String()).play("> OPEN 1\n< ACK 1")
			}
			silent := dialRaw(t, addr.String())
			if f, err := silent.next(20 * time.Second); err == nil || !closes(err) {
				t.Errorf("instead of the end: %s", came(f, err))
			}
			ends, _ := app.ended()
			var lost *engine.ConnError
			if len(ends) != 1 || !errors.As(ends[0], &lost) || lost.Code != codec.Timeout {
				t.Errorf("connections ended with %v", ends)
			}
		})
	}
}
