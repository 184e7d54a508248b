package engine_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// A channel of which the window is larger than a base peer's ends before the peer has said a word, so before
// it is known what the window is.
func TestEndBeforeThePeerSpeaks(t *testing.T) {
	for name, o := range map[string]engine.OpenOptions{"a window of its own": {Window: 1 << 20}, "Config.Window": {}} {
		t.Run(name, func(t *testing.T) {
			closes := make(chan error, 1)
			e := startEngine(t, engine.Config{Handler: closeTeller{builtin.New(), closes}, Window: 1 << 20, CrashOnPanic: true})
			a, b := net.Pipe()
			go io.Copy(io.Discard, b)
			defer b.Close()
			c, err := e.Client(a)
			if err != nil {
				t.Fatal(err)
			}
			ch, err := c.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := ch.Reset(engine.Calm); err != nil {
				t.Fatal(err)
			}
			var ended *engine.ChannelError
			if err := <-closes; !errors.As(err, &ended) || ended.Code != engine.Calm || ended.Remote {
				t.Errorf("the channel ended with %v", err)
			}
		})
	}
}

// closeTeller is the built-in application, and tells how channels end.
type closeTeller struct {
	*builtin.Handler
	closes chan error
}

func (h closeTeller) OnClose(_ engine.Channel, err error) { h.closes <- err }

// A PING that is asked for before HELLO has left goes out behind it.
func TestPingBeforeHello(t *testing.T) {
	for range 200 {
		client, server, _ := overPipe(t)
		if _, err := client.Ping(soon(t)); err != nil {
			t.Fatal(err)
		}
		client.Close()
		server.Close()
	}
}
