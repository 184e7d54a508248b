//go:build linux

package engine_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// TestStatsAddUp: after a conversation of which every frame is known, the counters are what was said, and
// stay when the connections have ended.
func TestStatsAddUp(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		s := serveRaw(t, engine.Config{Backend: b, MaxChannels: 3})
		p := s.dial(t)
		p.play(`
			> OPEN 1
			< ACK 1
			> OPEN 3 target=source:3
			< ACK 3
			< DATA 3 "\x00\x01\x02"
			< CLOSE 3
			> OPEN 5 target=nobody
			< ERROR 5 REFUSED
			> OPEN 7 "\x03"
			< ERROR 7 PROTOCOL
			> OPEN 9
			< ACK 9
			> OPEN 11
			< ERROR 11 REFUSED
			> DATA 1 "hello"
			< DATA 1 "hello"
			> PING 0 "p"
			< PONG 0 "p"
			> type200 0 "skipped"
			> DATA 5 "late"; CLOSE 7
			> ACK 3
			> ERROR 9 CANCELLED
			alive`)
		want := engine.Stats{
			Conns: 2, ConnsServed: 2,
			Channels: 2, ChannelsAccepted: 4, ChannelsRefused: 3, // with the witness's
			LateFrames:     2,
			ErrorsSent:     map[engine.Code]uint64{codec.Refused: 2, codec.ProtocolError: 1},
			ErrorsReceived: map[engine.Code]uint64{codec.Cancelled: 1},
		}
		eventually(t, func() (bool, string) {
			p.readWaiting()
			return p.granted[1] == 5, "hello is not granted back" // so no grant comes while the client closes
		})
		checkStats(t, s, want, p, s.witness)
		if n := p.framesOut; n != 15 { // counted by hand, two PINGs of the last line included
			t.Fatalf("the test has sent %d frames", n)
		}

		// A second connection is lost by a fault of the peer's, and says so in codes of its own.
		q := s.dial(t)
		q.play(`
			> OPEN 1; OPEN 3
			< ACK 1
			< ACK 3
			> ERROR 1 300; ERROR 3 99
			alive
			> CLOSE 5
			! PROTOCOL`)
		q.conn.Close()
		want.ConnsServed, want.ChannelsAccepted = 3, 6
		want.ErrorsSent[codec.ProtocolError] = 2
		want.ErrorsReceived[codec.FirstApplicationCode] = 1 // 300
		want.ErrorsReceived[codec.Internal] = 1             // 99
		checkStats(t, s, want, p, q, s.witness)

		// The first one ends too.
		p.conn.Close()
		want.Conns, want.Channels = 1, 1
		checkStats(t, s, want, p, q, s.witness)

		// And the engine.
		s.engine.Close()
		want.Conns, want.Channels = 0, 0
		checkStats(t, s, want, p, q, s.witness)
	})
}

// checkStats compares an engine's counters with what is wanted, and with what its peers have counted.
func checkStats(t *testing.T, s *rawServer, want engine.Stats, peers ...*rawPeer) {
	t.Helper()
	for _, p := range peers {
		want.FramesIn += uint64(p.framesOut)
		want.BytesIn += uint64(p.bytesOut)
	}
	// Grants come when they come, so wait until all is read that was sent.
	eventually(t, func() (bool, string) {
		for _, p := range peers {
			p.readWaiting()
		}
		want.FramesOut, want.BytesOut = 0, 0
		for _, p := range peers {
			want.FramesOut += uint64(p.framesIn)
			want.BytesOut += uint64(p.bytesIn)
		}
		got := s.engine.Stats()
		if got.Reads == 0 || got.Writes == 0 || got.LongestTurn <= 0 || got.LongestTurn > patience {
			return false, fmt.Sprintf("%d reads, %d writes, longest turn %v", got.Reads, got.Writes, got.LongestTurn)
		}
		got.Reads, got.Writes, got.LongestTurn = 0, 0, 0
		return sameStats(got, want), fmt.Sprintf("stats\n%+v, want\n%+v", got, want)
	})
}

// readWaiting reads what has come, which is nothing but grants.
func (p *rawPeer) readWaiting() {
	if f, err := p.next(time.Millisecond); err == nil {
		p.fatalf("%s came", show(f))
	}
}

func sameStats(a, b engine.Stats) bool {
	same := maps.Equal(a.ErrorsSent, b.ErrorsSent) && maps.Equal(a.ErrorsReceived, b.ErrorsReceived)
	a.ErrorsSent, a.ErrorsReceived, b.ErrorsSent, b.ErrorsReceived = nil, nil, nil, nil
	return same && fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}

// TestStatsOfBothEnds: what one engine has sent another has received.
func TestStatsOfBothEnds(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		server := startEngine(t, engine.Config{Backend: b, Handler: builtin.New()})
		addr, err := server.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg := engine.Config{Backend: b}
		session, err := engine.Dial(context.Background(), addr.String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		const size = 300_000
		st, err := session.Open(context.Background(), engine.OpenOptions{Target: "echo"})
		if err != nil {
			t.Fatal(err)
		}
		go st.Write(make([]byte, size))
		buf := make([]byte, 64<<10)
		for got := 0; got < size; {
			n, err := st.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if _, err := session.Open(context.Background(), engine.OpenOptions{Target: "nobody"}); err == nil {
			t.Error("nobody answers")
		}
		if _, err := session.Ping(context.Background()); err != nil {
			t.Error(err)
		}
		st.Close()
		eventually(t, func() (bool, string) {
			c, s := session.Stats(), server.Stats()
			ok := c.Conns == 1 && s.Conns == 1 && c.Channels == 0 && s.Channels == 0 &&
				c.ChannelsOpened == 2 && s.ChannelsAccepted == 1 && s.ChannelsRefused == 1 &&
				c.FramesOut == s.FramesIn && c.BytesOut == s.BytesIn && s.FramesOut == c.FramesIn && s.BytesOut == c.BytesIn &&
				c.BytesOut > size && s.BytesOut > size &&
				c.ErrorsReceived[engine.Refused] == 1 && s.ErrorsSent[engine.Refused] == 1
			return ok, fmt.Sprintf("client\n%+v\nserver\n%+v", c, s)
		})
	})
}

// meeting is a Handler that hands over connections.
type meeting struct {
	*builtin.Handler
	conns chan *engine.Conn
}

func (m meeting) OnConnect(c *engine.Conn)         { m.conns <- c }
func (m meeting) OnDisconnect(*engine.Conn, error) {}

// TestSocketOptions: what SocketConfig asks for is what the kernel says of accepted and of dialled sockets.
func TestSocketOptions(t *testing.T) {
	for _, c := range []struct {
		name  string
		asked engine.SocketConfig
		want  func(got, asked engine.SocketConfig) error
	}{
		{"sizes and times", engine.SocketConfig{
			ReadBuffer: 96 << 10, WriteBuffer: 48 << 10, NotSentLowat: 20_000, UserTimeout: 7 * time.Second,
		}, func(got, asked engine.SocketConfig) error {
			asked.ReadBuffer *= 2 // the kernel doubles them for its own bookkeeping
			asked.WriteBuffer *= 2
			if got.QuickAck = false; got != asked { // the kernel sets and takes QUICKACK as it likes
				return fmt.Errorf("%+v, want %+v", got, asked)
			}
			return nil
		}},
		{"defaults", engine.SocketConfig{}, func(got, _ engine.SocketConfig) error {
			if got.Nagle || got.UserTimeout != 0 || got.ReadBuffer == 0 || got.WriteBuffer == 0 {
				return fmt.Errorf("%+v", got)
			}
			return nil
		}},
		// Package net turns it off on every TCP connection it makes.
		{"Nagle", engine.SocketConfig{Nagle: true}, func(got, _ engine.SocketConfig) error {
			if !got.Nagle {
				return fmt.Errorf("TCP_NODELAY is set")
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				m := meeting{builtin.New(), make(chan *engine.Conn, 2)}
				cfg := engine.Config{Backend: b, Handler: m, Socket: c.asked}
				e := startEngine(t, cfg)
				addr, err := e.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				dialled, err := e.Dial(context.Background(), addr.String())
				if err != nil {
					t.Fatal(err)
				}
				// One engine is both ends, and told of both.
				for range 2 {
					conn, end := <-m.conns, "accepted"
					if conn == dialled {
						end = "dialled"
					}
					got, err := conn.Socket()
					if err == nil {
						err = c.want(got, c.asked)
					}
					if err != nil {
						t.Errorf("%s: %v", end, err)
					}
				}
				// What has ended has no socket.
				dialled.Close()
				eventually(t, func() (bool, string) {
					_, err := dialled.Socket()
					return err != nil, "Socket succeeds on a connection that has ended"
				})
			})
		})
	}
}
