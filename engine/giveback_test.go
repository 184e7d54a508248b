//go:build linux

package engine_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// hoard has a connection hold as much as it can: each end has channels with messages that nobody takes, and bytes
// that nobody has read.
func hoard(t *testing.T, client, server *engine.Session) (streams []*engine.Stream) {
	t.Helper()
	for range 8 {
		ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
		for _, st := range []*engine.Stream{ours, theirs} {
			if _, err := st.Write(make([]byte, startWindow+40_000)); err != nil {
				t.Fatal(err)
			}
			streams = append(streams, st)
		}
	}
	for _, s := range []*engine.Session{client, server} {
		settlesAbove(t, "memory", func() uint64 { return uint64(s.Stats().Memory) }, 8*(20_000+40_000))
	}
	return streams
}

// Whatever ends channels and connections, all their memory comes back, though nobody reads what came.
func TestMemoryComesBack(t *testing.T) {
	closeAll := func(streams []*engine.Stream) {
		for _, st := range streams {
			st.Close()
		}
	}
	for name, end := range map[string]func(t *testing.T, client, server *engine.Session, streams []*engine.Stream){
		"both close": func(_ *testing.T, _, _ *engine.Session, streams []*engine.Stream) { closeAll(streams) },
		"one resets": func(_ *testing.T, _, _ *engine.Session, streams []*engine.Stream) {
			for i, st := range streams {
				if i%2 == 0 {
					st.Reset(engine.Cancelled)
				}
			}
			closeAll(streams)
		},
		"both half close": func(_ *testing.T, _, _ *engine.Session, streams []*engine.Stream) {
			for _, st := range streams {
				st.CloseWrite()
				st.CloseRead()
			}
			closeAll(streams)
		},
		"the client's session closes": func(t *testing.T, client, server *engine.Session, streams []*engine.Stream) {
			client.Close()
			took(t, "the end", server.Done())
			closeAll(streams)
		},
		"the server's session closes": func(t *testing.T, client, server *engine.Session, streams []*engine.Stream) {
			server.Close()
			took(t, "the end", client.Done())
			closeAll(streams)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
				end(t, client, server, hoard(t, client, server))
				for _, s := range []*engine.Session{client, server} {
					settles(t, "channels", func() int { return s.Stats().Channels }, 0)
					settles(t, "memory", func() int64 { return s.Stats().Memory }, 0)
				}
			})
		})
	}
}

// A session that is lost, or closed, keeps nothing of the streams that nobody accepted.
func TestMemoryOfTheBacklog(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		for range 10 {
			st := openStream(t, client, engine.OpenOptions{})
			st.Write(make([]byte, 60_000))
			st.CloseWrite()
		}
		settlesAbove(t, "memory", func() uint64 { return uint64(server.Stats().Memory) }, 10*40_000)
		client.Close()
		took(t, "the end", server.Done())
		// What came can still be had,
		st := acceptStream(t, server)
		if n, err := st.Read(make([]byte, 10)); n != 10 {
			t.Errorf("%d bytes, %v", n, err)
		}
		st.Close()
		// until the session is closed.
		server.Close()
		if used := server.Stats().Memory; used != 0 {
			t.Errorf("%d bytes are in use", used)
		}
	})
}

// Sends race with all that can end a channel, in particular the booking of what they send.
func TestSendsRaceWithEnds(t *testing.T) {
	for name, end := range map[string]func(ch engine.Channel){
		"Close":      func(ch engine.Channel) { ch.Close() },
		"CloseWrite": func(ch engine.Channel) { ch.CloseWrite(); ch.Reset(engine.Cancelled) },
		"Reset":      func(ch engine.Channel) { ch.Reset(engine.Cancelled) },
		"Conn.Close": func(ch engine.Channel) { ch.Conn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				server := startEngine(t, engine.Config{Backend: b, Handler: deaf{}})
				addr, err := server.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				client := startEngine(t, engine.Config{Backend: b, Handler: deaf{}})
				for i := range 30 {
					c, err := client.Dial(soon(t), addr.String())
					if err != nil {
						t.Fatal(err)
					}
					ch, err := c.Open(engine.OpenOptions{})
					if err != nil {
						t.Fatal(err)
					}
					var sending sync.WaitGroup
					for range 4 {
						sending.Go(func() {
							for msg := make([]byte, 3000+i); ; {
								if err := ch.Send(msg); errors.Is(err, engine.ErrClosed) {
									return
								}
							}
						})
					}
					end(ch)
					sending.Wait()
					c.Close()
				}
				settles(t, "connections", func() int { return client.Stats().Conns }, 0)
				settles(t, "memory", func() int64 { return client.Stats().Memory }, 0)
			})
		})
	}
}

// deaf is a Handler that takes nothing and gives no window back.
type deaf struct{}

func (deaf) OnOpen(engine.Channel, engine.OpenRequest) engine.Answer {
	return engine.Answer{ManualCredit: true}
}
func (deaf) OnData(engine.Channel, []byte) {}
func (deaf) OnWritable(engine.Channel)     {}
func (deaf) OnClose(engine.Channel, error) {}

// A connection that is lost in the middle of everything, and an engine that closes then, hold nothing.
func TestMemoryOfLostConnections(t *testing.T) {
	for _, lost := range []bool{true, false} {
		t.Run(fmt.Sprintf("lost %v", lost), func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				app := newMinimal()
				e := startEngine(t, engine.Config{Backend: b, Handler: app})
				addr, err := e.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				var peers []*rawPeer
				for range 5 {
					p := dialRaw(t, addr.String())
					p.play("> OPEN 1\n< ACK 1\n> OPEN 3 \"x\"\n< ERROR 3 PROTOCOL")
					ch := took(t, "the open", app.opens)
					if err := ch.Send(make([]byte, 300_000)); err != nil {
						t.Fatal(err)
					}
					peers = append(peers, p)
				}
				settlesAbove(t, "memory", func() uint64 { return uint64(e.Stats().Memory) }, 5*200_000)
				if lost {
					for i, p := range peers {
						if i%2 == 0 {
							p.reset()
						} else {
							p.conn.Close()
						}
					}
				} else if err := e.Close(); err != nil {
					t.Error(err)
				}
				settles(t, "connections", func() int { return e.Stats().Conns }, 0)
				settles(t, "memory", func() int64 { return e.Stats().Memory }, 0)
			})
		})
	}
}

// PONGs come while all channels of a connection are saturated, before the bulk is through.
func TestPongWhileSaturated(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		const channels, size = 64, 4 << 20
		var bulk sync.WaitGroup
		var left sync.WaitGroup
		left.Add(1)
		for range channels {
			ours, theirs := openStream(t, client, engine.OpenOptions{}), acceptStream(t, server)
			bulk.Go(func() {
				buf := make([]byte, 64<<10)
				for {
					if _, err := theirs.Read(buf); err != nil {
						theirs.Close()
						return
					}
				}
			})
			bulk.Go(func() {
				ours.Write(make([]byte, size))
				left.Wait() // more comes until the PONGs have come
				ours.Close()
			})
		}
		var longest time.Duration
		for range 20 {
			d, err := client.Ping(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, d)
		}
		t.Logf("20 PONGs came within %v each", longest)
		left.Done()
		bulk.Wait()
	})
}
