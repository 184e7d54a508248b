//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// streamPair opens a stream and accepts it. Nothing on it takes long.
func streamPair(t *testing.T, client, server *engine.Session, o engine.OpenOptions) (ours, theirs *engine.Stream) {
	t.Helper()
	ours, theirs = openStream(t, client, o), acceptStream(t, server)
	ours.SetDeadline(time.Now().Add(patience))
	theirs.SetDeadline(time.Now().Add(patience))
	return ours, theirs
}

// A question that ends gets its answer over the same stream, whoever asks; both are much more than a window.
func TestQuestionAndAnswer(t *testing.T) {
	question := bytes.Repeat([]byte("why? "), 100_000)
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		for _, c := range []struct{ asks, answers *engine.Session }{{client, server}, {server, client}} {
			asker, answerer := streamPair(t, c.asks, c.answers, engine.OpenOptions{})
			go func() {
				got, err := io.ReadAll(answerer)
				if err != nil {
					t.Error("reading the question:", err)
				}
				answerer.Write(bytes.ToUpper(got))
				answerer.CloseWrite()
			}()
			go func() {
				io.Copy(asker, bytes.NewReader(question))
				asker.CloseWrite()
			}()
			got, err := io.ReadAll(asker)
			if err != nil || !bytes.Equal(got, bytes.ToUpper(question)) {
				t.Errorf("the answer has %d bytes of %d, then %v", len(got), len(question), err)
			}
			// Nobody has closed the channel, and it has ended.
			settles(t, "channels of the asker", func() int { return c.asks.Stats().Channels }, 0)
			answerer.Close()
			settles(t, "channels of the answerer", func() int { return c.answers.Stats().Channels }, 0)
		}
	})
}

// Each end may be the first, or both at once. What was written before leaves before.
func TestBothEndsCloseWrite(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		for range 50 {
			ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
			ended := make(chan error, 2)
			for _, st := range []*engine.Stream{ours, theirs} {
				go func() {
					_, err := st.Write([]byte("last"))
					ended <- errors.Join(err, st.CloseWrite())
				}()
			}
			for _, st := range []*engine.Stream{ours, theirs} {
				if got, err := io.ReadAll(st); err != nil || string(got) != "last" {
					t.Errorf("%q came, then %v", got, err)
				}
				if err := <-ended; err != nil {
					t.Error("ending:", err)
				}
			}
			theirs.Close()
		}
		settles(t, "channels", func() int { return client.Stats().Channels + server.Stats().Channels }, 0)
	})
}

// Who has ended writing can't write, and reads on.
func TestAfterCloseWrite(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
		if err := ours.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error("writing:", err)
		}
		if err := ours.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Error("ending twice:", err)
		}
		if n, err := theirs.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			t.Errorf("the peer reads %d bytes, %v", n, err)
		}
		theirs.Write([]byte("still"))
		theirs.Close()
		if got, err := io.ReadAll(ours); string(got) != "still" || err != nil {
			t.Errorf("%q came, then %v", got, err)
		}
		if _, err := ours.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error("writing when the peer has closed:", err)
		}
		ours.Close()
		if err := ours.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Error("ending after Close:", err)
		}
	})
}

// The end waits for what was written, and for nothing else: not for window, not for the peer's Accept.
func TestCloseWriteBehindQueuedData(t *testing.T) {
	for name, size := range map[string]int{"nothing": 0, "a window": startWindow, "more than a window": startWindow + 30_000} {
		t.Run(name, func(t *testing.T) {
			onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
				for _, closes := range []bool{false, true} {
					ours := openStream(t, client, engine.OpenOptions{NoWait: true})
					if _, err := ours.Write(make([]byte, size)); err != nil {
						t.Fatal(err)
					}
					if err := ours.CloseWrite(); err != nil {
						t.Fatal(err)
					}
					if closes {
						ours.Close()
					}
					theirs := acceptStream(t, server)
					theirs.SetDeadline(time.Now().Add(patience))
					if n, err := io.Copy(io.Discard, theirs); n != int64(size) || err != nil {
						t.Errorf("%d bytes of %d came, then %v", n, size, err)
					}
					theirs.Close()
					if closes {
						continue
					}
					if n, err := ours.Read(make([]byte, 1)); n > 0 || err != io.EOF {
						t.Errorf("then the peer's end: %d bytes, %v", n, err)
					}
				}
			})
		})
	}
}

// The stream that is reset after its end has come, with bytes that nobody has read, did not end cleanly.
func TestResetBehindFin(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
		ours.Write(make([]byte, 1000))
		ours.CloseWrite()
		if _, err := io.ReadFull(theirs, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		ours.Reset(engine.Calm)
		var reset *engine.ChannelError
		eventually(t, func() (bool, string) {
			_, err := theirs.Write([]byte("x"))
			return errors.As(err, &reset), "writes go on"
		})
		if n, err := theirs.Read(make([]byte, 1000)); !errors.As(err, &reset) || reset.Code != engine.Calm || !reset.Remote {
			t.Errorf("990 bytes were dropped, and Read returns %d, %v", n, err)
		}
	})
}

// A base peer has no half close: that is said, and nothing is done.
func TestCloseWriteToBase(t *testing.T) {
	base := engine.Config{Profile: engine.BaseOnly}
	for name, cfgs := range map[string][2]engine.Config{"client": {base, {}}, "server": {{}, base}} {
		t.Run("base "+name, func(t *testing.T) {
			onSessionsOf(t, cfgs[0], cfgs[1], func(t *testing.T, client, server *engine.Session) {
				ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
				for _, st := range []*engine.Stream{ours, theirs} {
					if err := st.CloseWrite(); !errors.Is(err, engine.ErrHalfClose) || !errors.Is(err, errors.ErrUnsupported) {
						t.Error("CloseWrite:", err)
					}
				}
				ours.Write([]byte("on"))
				ours.Close()
				if got, err := io.ReadAll(theirs); string(got) != "on" || err != nil {
					t.Errorf("%q came, then %v", got, err)
				}
			})
		})
	}
}

// minimal is a Handler that is nothing else: it keeps what it gets and gives no window back.
type minimal struct {
	opens  chan engine.Channel
	closes chan error
}

func newMinimal() minimal { return minimal{make(chan engine.Channel, 10), make(chan error, 10)} }

func (m minimal) OnOpen(ch engine.Channel, _ engine.OpenRequest) engine.Answer {
	m.opens <- ch
	return engine.Answer{ManualCredit: true}
}
func (m minimal) OnData(engine.Channel, []byte)       {}
func (m minimal) OnWritable(ch engine.Channel)        { m.opens <- ch }
func (m minimal) OnClose(_ engine.Channel, err error) { m.closes <- err }

// ender is minimal that knows of half close.
type ender struct {
	minimal
	ends chan engine.Channel
}

func (e ender) OnEnd(ch engine.Channel) { e.ends <- ch }

// enginePair is two engines with a connection between them.
func enginePair(t *testing.T, b engine.Backend, client, server engine.Config) *engine.Conn {
	t.Helper()
	server.Backend, client.Backend = b, b
	addr, err := startEngine(t, server).Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := startEngine(t, client).Dial(soon(t), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// took is what comes over a channel of the test's, before patience ends.
func took[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("waited in vain for ", what)
	}
	return v
}

// The application that knows nothing of half close has its channel closed for it.
func TestEndWithoutOnEnd(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		app, own := newMinimal(), ender{newMinimal(), make(chan engine.Channel, 1)}
		c := enginePair(t, b, engine.Config{Handler: own}, engine.Config{Handler: app})
		ch, err := c.Open(engine.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		took(t, "the acceptance", own.opens)
		if err := errors.Join(ch.Send([]byte("all")), ch.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if err := took(t, "the end of the channel", own.closes); err != nil {
			t.Error("it ended with", err)
		}
		if err := took(t, "its end at the peer", app.closes); err != nil {
			t.Error("at the peer it ended with", err)
		}
	})
}

// CloseWrite of a Channel: before the peer is known, at window 0, twice, and after the end.
func TestChannelCloseWrite(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		app, own := ender{newMinimal(), make(chan engine.Channel, 1)}, ender{newMinimal(), make(chan engine.Channel, 1)}
		c := enginePair(t, b, engine.Config{Handler: own}, engine.Config{Handler: app})
		ch, err := c.Open(engine.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		took(t, "the acceptance", own.opens)
		if err := errors.Join(ch.Send(make([]byte, startWindow)), ch.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		theirs := took(t, "the end of the direction", app.ends)
		for what, err := range map[string]error{"CloseWrite": ch.CloseWrite(), "Send": ch.Send([]byte("x"))} {
			if !errors.Is(err, engine.ErrClosed) {
				t.Errorf("%s after CloseWrite: %v", what, err)
			}
		}
		if err := errors.Join(theirs.Send([]byte("x")), theirs.CloseWrite()); err != nil {
			t.Fatal("the other direction:", err)
		}
		if got := took(t, "the end of the other direction", own.ends); got != ch {
			t.Error("it is another channel's")
		}
		for _, closes := range []chan error{own.closes, app.closes} {
			if err := took(t, "the end of the channel", closes); err != nil {
				t.Error("the channel ended with", err)
			}
		}
		if err := ch.CloseWrite(); !errors.Is(err, engine.ErrClosed) {
			t.Error("CloseWrite after the end:", err)
		}
	})
}

// As long as nobody knows what the peer can do, CloseWrite would have to wait.
func TestChannelCloseWriteBeforeThePeerSpeaks(t *testing.T) {
	e := startEngine(t, engine.Config{Handler: builtin.New()})
	a, b := net.Pipe()
	defer b.Close()
	go io.Copy(io.Discard, b)
	c, err := e.Client(a)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := c.Open(engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"CloseWrite": ch.CloseWrite(), "SetPriority": ch.SetPriority(1)} {
		if !errors.Is(err, engine.ErrWouldBlock) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, known := c.Extended(); known {
		t.Error("the peer's profile is known")
	}
	if err := (engine.Channel{}).CloseWrite(); !errors.Is(err, engine.ErrClosed) {
		t.Error("CloseWrite of no channel:", err)
	}
}
