//go:build linux

package engine_test

import (
	"errors"
	"net"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
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
					if row.name == "OnClose" { // which may not have returned
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
		_, client := e.Client(p)
		_, server := e.Server(q)
		_, opened := c.Open(engine.OpenOptions{})
		_, pinged := c.Ping(soon(t))
		for what, err := range map[string]error{
			"Listen": listened, "Dial": dialled, "Client": client, "Server": server, "Conn.Open": opened,
			"Conn.Ping": pinged, "Conn.Close": c.Close(), "Conn.GoAway": c.GoAway(),
		} {
			if !errors.Is(err, engine.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
