//go:build linux

package engine_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
	"github.com/sscd-io/sscd/pool"
)

// The table of channels in the documentation of the package, row by row.
func TestErrorsOfChannels(t *testing.T) {
	gone, full, half := engine.ErrClosed, engine.ErrWouldBlock, engine.ErrHalfClose
	base := engine.Config{Profile: engine.BaseOnly}
	for _, row := range []struct {
		name                                         string
		cfg                                          engine.Config
		end                                          func(ch engine.Channel, ended <-chan error)
		send, closeWrite, setPriority, closes, reset error
	}{
		{"nothing", engine.Config{}, func(engine.Channel, <-chan error) {}, nil, nil, nil, nil, nil},
		{"queue full", engine.Config{SendQueue: 1000}, func(ch engine.Channel, _ <-chan error) {
			for ch.Send(make([]byte, 1000)) == nil {
			}
		}, full, nil, nil, nil, nil},
		{"no half close", base, func(engine.Channel, <-chan error) {}, nil, half, nil, nil, nil},
		{"CloseWrite", engine.Config{}, func(ch engine.Channel, _ <-chan error) { ch.CloseWrite() }, gone, gone, nil, nil, nil},
		{"Close", engine.Config{}, func(ch engine.Channel, _ <-chan error) {
			ch.Send(make([]byte, 200_000)) // so that it takes long
			ch.Close()
		}, gone, gone, nil, gone, nil},
		{"OnClose", engine.Config{}, func(ch engine.Channel, ended <-chan error) {
			ch.Reset(engine.Calm)
			<-ended
		}, gone, gone, gone, gone, gone},
		{"Close, no half close", base, func(ch engine.Channel, _ <-chan error) {
			ch.Send(make([]byte, 200_000))
			ch.Close()
		}, gone, gone, nil, gone, nil},
		{"OnClose, no half close", base, func(ch engine.Channel, ended <-chan error) {
			ch.Reset(engine.Calm)
			<-ended
		}, gone, gone, gone, gone, gone},
	} {
		for _, call := range []struct {
			name string
			do   func(ch engine.Channel) error
			want error
		}{
			{"Send", func(ch engine.Channel) error { return ch.Send(make([]byte, 1000)) }, row.send},
			{"CloseWrite", engine.Channel.CloseWrite, row.closeWrite},
			{"SetPriority", func(ch engine.Channel) error { return ch.SetPriority(5) }, row.setPriority},
			{"Close", engine.Channel.Close, row.closes},
			{"Reset", func(ch engine.Channel) error { return ch.Reset(engine.Calm) }, row.reset},
		} {
			t.Run(call.name+" after "+row.name, func(t *testing.T) {
				onBackends(t, func(t *testing.T, b engine.Backend) {
					own := newMinimal()
					cfg := row.cfg
					cfg.Handler = own
					peer := ender{newMinimal(), make(chan engine.Channel, 1)} // which keeps the channel at FIN
					c := enginePair(t, b, cfg, engine.Config{Handler: peer})
					ch, err := c.Open(engine.OpenOptions{})
					if err != nil {
						t.Fatal(err)
					}
					took(t, "the acceptance", own.opens)
					row.end(ch, own.closes)
					err = call.do(ch)
					if strings.HasPrefix(row.name, "OnClose") { // which may not have returned
						eventually(t, func() (bool, string) { err = call.do(ch); return errors.Is(err, gone), "it goes on" })
					}
					if !errors.Is(err, call.want) || err != nil && call.want == nil {
						t.Errorf("%v, want %v", err, call.want)
					}
				})
			})
		}
	}
}

// A channel that has ended, and none, return ErrClosed for whatever is asked of them, also if the peer never said a
// word.
func TestErrorsOfNoChannel(t *testing.T) {
	own := newMinimal()
	e := startEngine(t, engine.Config{Handler: own})
	a, b := net.Pipe()
	c, err := e.Client(a)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := c.Open(engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	closing, err := c.Open(engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	closing.Close()
	if err := closing.CloseWrite(); err != engine.ErrClosed {
		t.Errorf("CloseWrite after Close: %v", err)
	}
	b.Close()
	for range 2 {
		took(t, "an end", own.closes)
	}
	eventually(t, func() (bool, string) { return ended.Reset(engine.Calm) != nil, "the channel goes on" })
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	large := make([]byte, engine.MaxMessage+1)
	for name, ch := range map[string]engine.Channel{"ended": ended, "none": {}} {
		for what, err := range map[string]error{
			"Send of nothing": ch.Send(nil), "Send": ch.Send(large[:1]), "Send of too much": ch.Send(large),
			"SendBuf": ch.SendBuf(&pool.Buf{B: large[:1]}), "SendBuf of too much": ch.SendBuf(&pool.Buf{B: large}),
			"SendFile": ch.SendFile(dir, 0, 1), "CloseWrite": ch.CloseWrite(), "Close": ch.Close(),
			"Reset": ch.Reset(engine.Calm), "SetPriority": ch.SetPriority(1), "SetPriority of too much": ch.SetPriority(9),
		} {
			if err != engine.ErrClosed {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		e.Broadcast(large, []engine.Channel{ch}, func(_ engine.Channel, err error) {
			if err != engine.ErrClosed {
				t.Errorf("%s: Broadcast of too much: %v", name, err)
			}
		})
	}
}

// What an engine makes ends with it.
func TestErrorsOfEngines(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		other := startEngine(t, engine.Config{Handler: builtin.New()})
		addr, err := other.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		e := startEngine(t, engine.Config{Backend: b, Handler: builtin.New()})
		c, err := e.Dial(soon(t), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(e.Close(), e.Close()); err != nil {
			t.Error(err)
		}
		p, _ := net.Pipe()
		q, _ := net.Pipe()
		_, listened := e.Listen("127.0.0.1:0")
		_, dialled := e.Dial(soon(t), addr.String())
		_, dialledNobody := e.Dial(soon(t), "unix:"+filepath.Join(t.TempDir(), "nobody"))
		_, client := e.Client(p)
		_, server := e.Server(q)
		_, opened := c.Open(engine.OpenOptions{})
		_, pinged := c.Ping(soon(t))
		for what, err := range map[string]error{
			"Listen": listened, "Dial": dialled, "Dial of nobody": dialledNobody, "Client": client, "Server": server,
			"Conn.Open": opened, "Conn.Ping": pinged, "Conn.Close": c.Close(), "Conn.GoAway": c.GoAway(),
		} {
			if !errors.Is(err, engine.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
