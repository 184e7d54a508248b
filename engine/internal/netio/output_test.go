package netio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// What a transport says when it breaks is what the application hears, and nothing is left, at whatever
// write it breaks and however much of it was taken.
func TestBrokenWrites(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		n    func(p []byte) int
	}{
		{"nothing", func([]byte) int { return 0 }},
		{"a byte", func([]byte) int { return 1 }},
		{"half", func(p []byte) int { return len(p) / 2 }},
		{"all", func(p []byte) int { return len(p) }},
	} {
		for broken := range 3 {
			t.Run(fmt.Sprintf("%s of write %d", c.name, broken+1), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ours, theirs := net.Pipe()
					var writes atomic.Int64
					s := start(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
						if writes.Add(1) > int64(broken) {
							return c.n(p), boom
						}
						return len(p), nil
					}}, false)
					p := newPeer(t, theirs)
					p.say(frame(codec.Open, 1, nil))
					written := uint64(codec.HeaderSize)
					for i := range broken { // what is echoed leaves in writes of their own
						s.waitWritten(written)
						p.say(frame(codec.Data, 1, pattern(2000, i)))
						written += codec.HeaderSize + 2000
					}
					s.wantOver()
					if end := s.end(); !errors.Is(end.Err, boom) {
						t.Errorf("the end: %+v", end)
					}
					if n := writes.Load(); n != int64(broken)+1 {
						t.Errorf("%d writes, of which number %d broke", n, broken+1)
					}
				})
			})
		}
	}
}

// Some transports say io.EOF when they are written to after their end (SSH channels do). That is no end of
// the peer's direction, after which this side would go on sending, but of the connection.
func TestAWriteThatSaysEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var writes atomic.Int64
		s := start(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
			if writes.Add(1) < 10 {
				return 0, io.EOF
			}
			return 0, errors.New("enough")
		}}, false)
		p := newPeer(t, theirs)
		p.say(frame(codec.Open, 1, nil))
		s.wantOver()
		if n := writes.Load(); n != 1 {
			t.Errorf("%d writes after the first had failed", n-1)
		}
	})
}

// A transport that takes a part and says nothing (io.Writer forbids it) gets nothing twice: the
// connection ends with io.ErrShortWrite.
func TestAShortWriteWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var wire []byte
		var short atomic.Bool
		s := start(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
			n := len(p)
			if short.CompareAndSwap(true, false) {
				n /= 2
			}
			wire = append(wire, p[:n]...)
			return n, nil
		}}, false)
		p := newPeer(t, theirs)
		p.say(frame(codec.Open, 1, nil))
		until(t, "the channel", func() bool { return len(s.opened()) == 1 })
		want := frame(codec.Ack, 1, nil)
		s.waitWritten(uint64(len(want)))
		short.Store(true)
		s.send(s.channels[0], pattern(2000, 0))
		want = append(want, frame(codec.Data, 1, pattern(2000, 0))...)
		until(t, "the end, or all of it", func() bool { return s.end() != nil || s.wrote(uint64(len(want))) })
		if end := s.end(); end == nil || !errors.Is(end.Err, io.ErrShortWrite) {
			t.Errorf("the end: %+v, want a short write", end)
		}
		s.conn.Abort(core.End{Code: codec.Cancelled})
		s.wantOver()
		if !bytes.HasPrefix(want, wire) {
			t.Errorf("%d bytes were written, not the first ones of the %d that were sent", len(wire), len(want))
		}
	})
}

// What a transport claims to have written counts only if it can be true.
func TestImpossibleCounts(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		n    func(p []byte) int
		err  error
		want error
	}{
		{func([]byte) int { return -1 }, nil, errInvalidWrite},
		{func(p []byte) int { return len(p) + 1 }, nil, errInvalidWrite},
		{func([]byte) int { return -1 }, boom, boom},
		{func(p []byte) int { return len(p) + 1 }, boom, boom},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			var writes atomic.Int64
			s := start(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
				writes.Add(1)
				return c.n(p), c.err
			}}, false)
			newPeer(t, theirs).say(frame(codec.Open, 1, nil))
			s.wantOver()
			if end := s.end(); !errors.Is(end.Err, c.want) {
				t.Errorf("the end: %+v, want %v", end, c.want)
			}
			if n := writes.Load(); n != 1 {
				t.Errorf("%d writes", n)
			}
			if n := s.conn.Loop.Stats.BytesOut.Load(); n != 0 {
				t.Errorf("%d bytes count as written", n)
			}
		})
	}
}

// A peer that takes little, but takes it, is not given up: each part of a batch that is out counts.
func TestASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := serve(t, ours, false)
		p := newPeer(t, &shim{Conn: theirs, read: func(p []byte) (int, error) {
			time.Sleep(time.Second)
			return theirs.Read(p[:min(len(p), 1024)])
		}})
		theirs.SetDeadline(time.Time{})
		p.say(frame(codec.Open, 1, nil))
		p.want("ACK 1")
		begin := time.Now()
		msg := pattern(60_000, 0)
		s.send(s.channels[0], msg)
		if got := p.wantData(len(msg)); !bytes.Equal(got, msg) {
			t.Error("other bytes come")
		}
		if took := time.Since(begin); took < 58*time.Second {
			t.Errorf("the peer was not slow: %v", took)
		}
	})
}

// A batch leaves in writes as large as they may be.
func TestAnyTransportGetsLargePieces(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	var sizes []int
	var wire []byte
	s := serve(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
		sizes = append(sizes, len(p))
		wire = append(wire, p...)
		return len(p), nil
	}}, false)
	p := newPeer(t, theirs)
	p.say(frame(codec.Open, 1, nil))
	want := frame(codec.Ack, 1, nil)
	s.waitWritten(uint64(len(want)))
	s.inside(func() {}) // the write of the ACK has ended
	sizes, wire = nil, nil
	msg := pattern(60_000, 0)
	s.send(s.channels[0], msg)
	const n = 60_000 + 4*codec.HeaderSize
	s.waitWritten(uint64(len(want) + n))
	s.inside(func() {
		if fmt.Sprint(sizes) != fmt.Sprint([]int{maxWrite, maxWrite, maxWrite, n - 3*maxWrite}) {
			t.Errorf("writes of %d bytes", sizes)
		}
		for left := msg; len(left) > 0; { // frame by frame
			size := min(len(left), 16384)
			if !bytes.Equal(wire[codec.HeaderSize:][:size], left[:size]) {
				t.Fatalf("other bytes are written than were sent, from %d on", len(msg)-len(left))
			}
			wire, left = wire[codec.HeaderSize+size:], left[size:]
		}
	})
}

// What a socket takes of a batch is known when it takes it, and what it did not take follows.
func TestASocketTakesParts(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			const channels, size = 8, 60_000
			ours, theirs := socketPair(t, network)
			ours.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4096)
			s := serve(t, ours, false)
			p := newPeer(t, theirs)
			for i := range channels {
				id := uint32(2*i + 1)
				p.say(frame(codec.Open, id, nil))
				p.want(fmt.Sprintf("ACK %d", id))
			}
			before := s.conn.Loop.Stats.Writes.Load()
			msg := pattern(size, 0)
			for _, ch := range s.opened() {
				s.send(ch, msg)
			}
			got := make(map[string][]byte)
			for n := 0; n < channels*size; {
				kind, payload, err := p.read()
				if err != nil {
					t.Fatal(err)
				}
				got[kind] = append(got[kind], payload...)
				n += len(payload)
			}
			for kind, data := range got {
				if !bytes.Equal(data, msg) {
					t.Errorf("other bytes come as %s", kind)
				}
			}
			// TCP may take far more than its buffer is to hold; a Unix socket does not.
			n := s.conn.Loop.Stats.Writes.Load() - before
			if network == "unix" && n < 2*channels {
				t.Errorf("%d writes of %d bytes through a buffer of 4,096", n, channels*size)
			}
		})
	}
}

// What is left is right wherever a write ends, and the batch is not touched.
func TestAfter(t *testing.T) {
	all := "abcdefghij"
	for first := range len(all) + 1 {
		for second := range len(all) - first + 1 {
			pieces := [][]byte{[]byte("ab"), []byte("c"), []byte("defg"), []byte("hij")}
			c := new(Conn)
			rest := c.after(c.after(pieces, first), second)
			if got := string(bytes.Join(rest, nil)); got != all[first+second:] {
				t.Errorf("after %d and %d bytes: %q", first, second, got)
			}
			if got := string(bytes.Join(pieces, nil)); got != all {
				t.Errorf("after %d and %d bytes the batch is %q", first, second, got)
			}
		}
	}
}
