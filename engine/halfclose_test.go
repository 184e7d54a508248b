//go:build linux

package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// The transport's end of stream (TCP FIN) in one direction, SPEC section 6: nothing more comes and no window
// is granted any more, but what the windows hold is still sent.

// TestHalfClose: a client that has said all it wants to say, and granted all it wants to get, ends its
// direction. It gets every byte, in order, then CLOSE, and only then the server's end.
func TestHalfClose(t *testing.T) {
	const size = 8 << 20
	for _, c := range []struct {
		name   string
		script string
		read   func(p *rawPeer) int // bytes of the source, before our direction ends
	}{
		{"all in one write", "> OPEN 1 target=source:8388608; FLOW_CONTROL 1 8388608\nfin\n< ACK 1", nothing},
		{"while the source sends", "> OPEN 1 target=source:8388608; FLOW_CONTROL 1 8388608\n< ACK 1", firstData},
		{"while the source waits for window", "> OPEN 1 target=source:8388608\n< ACK 1", func(p *rawPeer) int {
			n := 0
			for n < startWindow {
				n += firstData(p)
			}
			p.wantAlive()
			p.send("FLOW_CONTROL 1 8388608")
			return n
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				s := serveRaw(t, engine.Config{Backend: b})
				p := s.dial(t)
				p.play(c.script)
				got := c.read(p)
				p.conn.CloseWrite()
				for got < size {
					f, err := p.next(patience)
					if err != nil || f.Type != codec.Data || f.Channel != 1 {
						t.Fatalf("after %d bytes of %d: %s", got, size, came(f, err))
					}
					for i, v := range f.Payload {
						if v != byte(got+i) {
							t.Fatalf("byte %d is %#x", got+i, v)
						}
					}
					got += len(f.Payload)
				}
				p.want("CLOSE 1")
				p.wantClosed()
				p.conn.Close()
				s.survives(t)
			})
		})
	}
}

func nothing(*rawPeer) int { return 0 }

// firstData reads one frame, of DATA, and returns how many bytes that is.
func firstData(p *rawPeer) int {
	p.t.Helper()
	f, err := p.next(patience)
	if err != nil || f.Type != codec.Data {
		p.fatalf("instead of DATA: %s", came(f, err))
	}
	return len(f.Payload)
}

// TestHalfCloseOfManyChannels: what waits on each of them is sent, and each ends with CLOSE.
func TestHalfCloseOfManyChannels(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const channels, size = 32, 200_000
		s := serveRaw(t, engine.Config{Backend: b})
		p := s.dial(t)
		for id := 1; id < 2*channels; id += 2 {
			p.send(fmt.Sprintf("OPEN %d target=source:%d", id, size), fmt.Sprintf("FLOW_CONTROL %d %d", id, size))
		}
		p.conn.CloseWrite()
		got, closed := make(map[uint32]int), 0
		for closed < channels {
			f, err := p.next(patience)
			if err != nil {
				t.Fatalf("after the end of %d channels: %v", closed, err)
			}
			switch f.Type {
			case codec.Ack:
			case codec.Data:
				got[f.Channel] += len(f.Payload)
			case codec.Close:
				if closed++; got[f.Channel] != size {
					t.Fatalf("channel %d is closed after %d bytes", f.Channel, got[f.Channel])
				}
			default:
				t.Fatalf("%s came", show(f))
			}
		}
		p.wantClosed()
		p.conn.Close()
		s.survives(t)
	})
}

// TestHalfCloseWithoutWindow: what the windows do not hold can never be sent: the server ends the connection
// when they are used up, without CLOSE, which would say that this is all.
func TestHalfCloseWithoutWindow(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		s := serveRaw(t, engine.Config{Backend: b})
		p := s.dial(t)
		p.play(`
			> OPEN 1 target=source; FLOW_CONTROL 1 100000
			fin
			< ACK 1`)
		got := 0
		for got < startWindow+100000 {
			got += firstData(p)
		}
		p.wantClosed()
		p.conn.Close()
		s.survives(t)
	})
}

// TestHalfCloseOfStream is TestHalfClose of a server that writes with blocking calls.
func TestHalfCloseOfStream(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const size = 8 << 20
		l, err := engine.Listen("127.0.0.1:0", engine.Config{Backend: b, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		p := dialRaw(t, l.Addr().String())
		p.send("OPEN 1", fmt.Sprintf("FLOW_CONTROL 1 %d", size))
		wrote := make(chan error, 1)
		go func() {
			session, err := l.Accept(context.Background())
			if err != nil {
				wrote <- err
				return
			}
			st, err := session.Accept(context.Background())
			if err == nil {
				_, err = st.Write(make([]byte, size))
				st.Close()
			}
			wrote <- err
		}()
		p.want("ACK 1")
		got := firstData(p)
		p.conn.CloseWrite()
		for got < size {
			f, err := p.next(patience)
			if err != nil || f.Type != codec.Data {
				t.Errorf("after %d bytes of %d: %s", got, size, came(f, err))
				break
			}
			got += len(f.Payload)
		}
		if err := <-wrote; err != nil {
			t.Errorf("writing: %v", err)
		}
	})
}

// TestAnswersBehindFin: what came before the end of the client's direction is answered as ever: an OPEN and a
// CLOSE by one frame each, a PING by its PONG.
func TestAnswersBehindFin(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         []string
	}{
		{"PING", `> PING 0 "last"`, []string{`PONG 0 "last"`}},
		{"refused open", "> OPEN 1 target=nobody", []string{"ERROR 1 REFUSED"}},
		{"open and close", `> OPEN 1; DATA 1 "last"; CLOSE 1`, []string{"ACK 1", "ACK 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				const tries = 50
				s := serveRaw(t, engine.Config{Backend: b})
				for i := range tries {
					p := s.dial(t)
					p.play(c.script)
					p.conn.CloseWrite()
					for _, want := range c.want {
						f, err := p.next(patience)
						if err == nil && f.Type == codec.Data { // the echo may come or be dropped
							f, err = p.next(patience)
						}
						if err != nil || show(f) != want {
							t.Fatalf("try %d of %d: %s instead of %s", i+1, tries, came(f, err), want)
						}
					}
					p.wantClosed()
					p.conn.Close()
					s.survives(t)
				}
			})
		})
	}
}

// TestHalfCloseWithoutReading: a client that ends its direction and does not read what comes is not kept for
// longer than five seconds.
func TestHalfCloseWithoutReading(t *testing.T) {
	var servers []*rawServer
	for _, b := range backends {
		s := serveRaw(t, engine.Config{Backend: b, Socket: engine.SocketConfig{WriteBuffer: 16 << 10}})
		servers = append(servers, s)
		p := s.dialNarrow(t)
		p.play(`
			> OPEN 1 target=source; FLOW_CONTROL 1 2000000000
			< ACK 1
			fin`)
	}
	at := time.Now()
	for _, s := range servers {
		settles(t, "connections", func() int { return s.engine.Stats().Conns }, 1)
		if took := time.Since(at); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("the connection ends after %v, which should be 5 s", took)
		}
		s.witnessed(t)
	}
}

// TestFinReleases: when a client closes and nothing is to be sent, the server has given the descriptor back
// soon, long before what is to be sent would be given up, whatever the client had open, and whether it closes with FIN or RST.
func TestFinReleases(t *testing.T) {
	for _, c := range []struct {
		name, script string
		reset        bool
	}{
		{"nothing was said", "", false},
		{"nothing was said, RST", "", true},
		{"nothing is open", "> PING 0\n< PONG 0", false},
		{"a channel is open", "> OPEN 1\n< ACK 1", false},
		{"a channel is open, RST", "> OPEN 1\n< ACK 1", true},
		{"a source has no window", `
			> OPEN 1 target=source:65537
			< ACK 1
			< DATA 1 (16384 bytes)
			< DATA 1 (16384 bytes)
			< DATA 1 (16384 bytes)
			< DATA 1 (16384 bytes)`, false},
		{"a source sends", "> OPEN 1 target=source; FLOW_CONTROL 1 2000000000\n< ACK 1\n< DATA 1 (16384 bytes)", false},
		{"a close is not acknowledged", "> OPEN 1 target=source:0\n< ACK 1\n< CLOSE 1", false},
		{"a frame has begun", "> OPEN 1\n< ACK 1\nhead DATA 1 65536", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				s := serveRaw(t, engine.Config{Backend: b})
				p := s.dial(t)
				p.play(c.script)
				settles(t, "connections", func() int { return s.engine.Stats().Conns }, 2)
				if open := used(t).fds - s.before.fds; open != 2 {
					t.Fatalf("%d descriptors are open for the connection, want one at each end", open)
				}
				at := time.Now()
				if c.reset {
					p.reset()
				} else {
					p.conn.Close()
				}
				settlesBelow(t, "descriptors", func() int { return used(t).fds }, s.before.fds)
				if took := time.Since(at); took > reaction {
					t.Errorf("the descriptor is released after %v", took)
				}
				s.survives(t)
			})
		})
	}
}
