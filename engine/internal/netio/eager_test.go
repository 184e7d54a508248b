package netio

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// paper is an output that keeps what is written.
type paper struct {
	takes func(n int) int // how many of n bytes it takes at once

	mu          sync.Mutex
	text        []byte
	tries, asks int // how often the reader and the writer wrote
}

func (p *paper) try(pieces [][]byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	all := slices.Concat(pieces...)
	n := p.takes(len(all))
	p.text = append(p.text, all[:n]...)
	return n
}

func (p *paper) write(pieces [][]byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asks++
	p.text = append(p.text, pieces[0]...)
	return len(pieces[0]), nil
}

// What comes of bytes is written by who has read them, and what the transport does not take at once by the writer,
// behind it.
func TestTheReaderAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes func(n int) int
		asks  int // in three turns
	}{
		{"all", func(n int) int { return n }, 0},
		{"but the last byte", func(n int) int { return n - 1 }, 3},
		{"a byte", func(int) int { return 1 }, 3},
		{"nothing", func(int) int { return 0 }, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				s := newSide(t, ours)
				out := &paper{takes: c.takes}
				s.conn.out, s.conn.eager = out, out
				s.start(false)
				p := newPeer(t, theirs)
				want := frame(codec.Ack, 1, nil)
				p.say(frame(codec.Open, 1, nil))
				synctest.Wait()
				for i := range 2 {
					msg := frame(codec.Data, 1, pattern(400, i))
					p.say(msg)
					want = append(want, msg...)
					synctest.Wait()
				}
				if !bytes.Equal(out.text, want) {
					t.Errorf("%d bytes are written, which are not the %d that were to be", len(out.text), len(want))
				}
				if out.tries != 3 || out.asks != c.asks {
					t.Errorf("%d writes of the reader and %d of the writer, want 3 and %d", out.tries, out.asks, c.asks)
				}
				s.conn.Abort(core.End{Code: codec.Cancelled})
				s.wantOver()
			})
		})
	}
}

// A reader that answers does not wait for a socket that is full: it goes on reading.
func TestTheReaderDoesNotWait(t *testing.T) {
	const channels, size = 8, 60_000
	ours, theirs := tcpPair(t)
	ours.(*net.TCPConn).SetWriteBuffer(4096)
	serve(t, ours, false)
	p := newPeer(t, theirs)
	msg := pattern(size, 0)
	for i := range channels {
		p.say(frame(codec.Open, uint32(2*i+1), nil))
	}
	for i := range channels {
		p.say(frame(codec.Data, uint32(2*i+1), msg)) // and nothing is read before all is said
	}
	got := make(map[string][]byte)
	for n := 0; n < channels*size; {
		kind, payload, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		if kind[:4] == "DATA" {
			got[kind] = append(got[kind], payload...)
			n += len(payload)
		}
	}
	for i := range channels {
		if kind := fmt.Sprintf("DATA %d", 2*i+1); !bytes.Equal(got[kind], msg) {
			t.Errorf("other bytes come as %s", kind)
		}
	}
}

// Where callbacks wake goroutines the reader leaves all to the writer, who waits for those.
func TestTheReaderLeavesHopsAlone(t *testing.T) {
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	defer ours.Close()
	for _, hops := range []bool{false, true} {
		cfg := &loop.Config{Core: new(core.Config), Logger: slog.New(slog.DiscardHandler), Hops: hops}
		cfg.Core.Prepare()
		c := New(cfg, ours, new(loop.Conn))
		if _, can := c.out.(eager); can && (c.eager == nil) != hops {
			t.Errorf("hops %v: the reader writes with %v", hops, c.eager)
		}
	}
}
