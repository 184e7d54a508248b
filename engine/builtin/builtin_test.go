package builtin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// patience is how long a test waits for what must come. It decides nothing but when to give up.
const patience = 20 * time.Second

// watched is the built-in application, and tells of what happens to channels.
type watched struct {
	*builtin.Handler
	opens chan engine.Channel
	ends  chan struct{}
}

func (w watched) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	w.opens <- ch
	return w.Handler.OnOpen(ch, r)
}

func (w watched) OnEnd(ch engine.Channel) {
	w.Handler.OnEnd(ch)
	w.ends <- struct{}{}
}

// onBackends runs a test with a client of the application on each backend.
func onBackends(t *testing.T, test func(t *testing.T, app watched, client *engine.Session)) {
	for _, b := range []engine.Backend{engine.Auto, engine.Net} {
		t.Run(fmt.Sprintf("backend %q", b), func(t *testing.T) {
			app := watched{builtin.New(), make(chan engine.Channel, 100), make(chan struct{}, 100)}
			quiet := slog.New(slog.DiscardHandler)
			e, err := engine.Start(engine.Config{Handler: app, Backend: b, SendQueue: 4 << 10, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			addr, err := e.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			client, err := engine.Dial(within(t), addr.String(), engine.Config{Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			test(t, app, client)
		})
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, client *engine.Session, o engine.OpenOptions) *engine.Stream {
	t.Helper()
	st, err := client.Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	st.SetDeadline(time.Now().Add(patience))
	return st
}

// An echo gives back all it got, then ends as well, also if its peer takes nothing until it has said all: what
// waits leaves before the end.
func TestEchoEndsBehindTheLastByte(t *testing.T) {
	for _, size := range []int{0, 1, 60_000, 1 << 20} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			onBackends(t, func(t *testing.T, app watched, client *engine.Session) {
				sent := bytes.Repeat([]byte("echo"), size/4+1)[:size]
				st := open(t, client, engine.OpenOptions{Target: "echo", Window: 8000})
				wrote := make(chan error, 1)
				go func() {
					_, err := st.Write(sent)
					wrote <- errors.Join(err, st.CloseWrite())
				}()
				if size <= 60_000 { // the window holds it
					<-app.ends
				}
				got, err := io.ReadAll(st)
				if err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d bytes of %d came back, then %v", len(got), size, err)
				}
				if err := <-wrote; err != nil {
					t.Errorf("writing: %v", err)
				}
				wantNothingLeft(t, client)
			})
		})
	}
}

// A channel that only echoes has no context, nor one that has caught up with its peer.
func TestIdleEchoHasNoContext(t *testing.T) {
	onBackends(t, func(t *testing.T, app watched, client *engine.Session) {
		st := open(t, client, engine.OpenOptions{Window: 8000})
		ch := <-app.opens
		for _, size := range []int{1, 30_000} {
			if c := ch.Context(); c != nil {
				t.Fatalf("before %d bytes the context is %v", size, c)
			}
			if _, err := st.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(st, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
		for start := time.Now(); ch.Context() != nil; time.Sleep(time.Millisecond) {
			if time.Since(start) > patience {
				t.Fatal("an echo that has nothing to send has a context")
			}
		}
	})
}

// Discard has nothing to say: it closes when its peer has said all.
func TestDiscardCloses(t *testing.T) {
	onBackends(t, func(t *testing.T, app watched, client *engine.Session) {
		st := open(t, client, engine.OpenOptions{Target: "discard"})
		if _, err := st.Write(make([]byte, 300_000)); err != nil {
			t.Fatal(err)
		}
		if err := st.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := st.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			t.Errorf("%d bytes come, then %v", n, err)
		}
		wantNothingLeft(t, client)
	})
}

// A source listens to nobody, so it does not care whether anybody speaks.
func TestSourceGoesOn(t *testing.T) {
	onBackends(t, func(t *testing.T, app watched, client *engine.Session) {
		const size = 300_000
		st := open(t, client, engine.OpenOptions{Target: fmt.Sprint("source:", size)})
		if err := st.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(st); len(got) != size || err != nil {
			t.Errorf("%d bytes of %d come, then %v", len(got), size, err)
		}
		wantNothingLeft(t, client)
	})
}

// wantNothingLeft is that all channels end, though nobody closes them.
func wantNothingLeft(t *testing.T, client *engine.Session) {
	t.Helper()
	for start := time.Now(); client.Stats().Channels > 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("a channel is left")
		}
	}
}
