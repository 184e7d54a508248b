package core

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
	"github.com/sscd-io/sscd/sched"
)

// sender is a server on whose channels 1, 3, 5 ... always something waits.
type sender struct {
	tb      testing.TB
	conn    *Conn
	handles []Handle
	split   codec.Splitter
	batch   Batch
	frames  []codec.Header // of DATA, that left and were not looked at
}

const (
	plenty     = 8 << 20
	fourFrames = 4 * (codec.HeaderSize + 16384) // that a batch is of
)

// newSender opens a channel of each priority, over a connection with such a window; 0 is a base connection.
func newSender(tb testing.TB, cfg *Config, window uint32, priorities ...uint8) *sender {
	cfg.Pool, cfg.BatchBytes = new(pool.Pool), fourFrames
	cfg.ConnMemory = 1 << 40
	cfg.Prepare()
	s := &sender{tb: tb, conn: new(Conn)}
	s.conn.Init(0, cfg, NewArena(3, cfg), false)
	hello := Hello{
		Frame: codec.MaxData, Window: 1 << 30, ConnWindow: window, Channels: 65536, Features: codec.FeaturePriority,
	}
	var in []byte
	if window > 0 {
		in = codec.Header{Type: codec.Ping}.Append(nil, hello.Append(bytes.Clone(helloAsk)))
	}
	for i, p := range priorities {
		o := OpenParams{Priority: p}
		in = codec.Header{Type: codec.Open, Channel: uint32(2*i + 1)}.Append(in, o.Append(nil))
	}
	s.conn.Feed(0, in)
	for ev := (Event{}); s.conn.Step(0, &ev); {
		s.conn.Accept(ev.Channel, 0)
		s.handles = append(s.handles, ev.Channel)
	}
	s.next() // the ACKs, so that batches are of four full frames from now on
	return s
}

// fill has something wait on the channels.
func (s *sender) fill(handles ...Handle) {
	buf := s.conn.cfg.Pool.Get(plenty)
	for _, h := range handles {
		if r := s.conn.Reserve(h, plenty, 0); r != SendOK {
			s.tb.Fatal(r)
		}
		buf.Retain()
		s.conn.Send(0, h, buf)
	}
	buf.Release()
}

// next is the next frame of DATA that leaves.
func (s *sender) next() codec.Header {
	for len(s.frames) == 0 {
		if s.conn.Next(0, &s.batch); s.batch.Len() == 0 {
			return codec.Header{}
		}
		s.conn.Sent(0, s.batch.Len())
		s.split.Feed(bytes.Join(s.batch.Slices, nil))
		var f codec.Frame
		for ok, err := s.split.Next(&f, nil); ok; ok, err = s.split.Next(&f, nil) {
			if err != nil {
				s.tb.Fatal(err)
			}
			if f.Type == codec.Data {
				s.frames = append(s.frames, f.Header)
			}
		}
		s.batch.Release()
	}
	h := s.frames[0]
	s.frames = s.frames[1:]
	return h
}

// order is the channels of the next n frames.
func (s *sender) order(n int) string {
	var order []string
	for range n {
		h := s.next()
		if h.Channel == 0 {
			break
		}
		order = append(order, fmt.Sprint(h.Channel))
	}
	return strings.Join(order, " ")
}

func (s *sender) want(n int, want string) {
	s.tb.Helper()
	if got := s.order(n); got != want {
		s.tb.Errorf("served %s\n  want %s", got, want)
	}
}

// feed gives the connection a frame.
func (s *sender) feed(h codec.Header, payload ...byte) {
	s.conn.Feed(0, h.Append(nil, payload))
	for ev := (Event{}); s.conn.Step(0, &ev); {
	}
}

// shares is what part of so many bytes each channel gets.
func (s *sender) shares(total int) []float64 {
	got := make([]float64, len(s.handles))
	for sent := 0; sent < total; {
		h := s.next()
		n := codec.HeaderSize + int(h.Length)
		got[h.Channel/2] += float64(n) / float64(total)
		sent += n
	}
	return got
}

const noLimit = maxWindow // of the connection

func TestSharesOfEquals(t *testing.T) {
	for _, n := range []int{2, 256} {
		s := newSender(t, new(Config), noLimit, bytes.Repeat([]byte{5}, n)...)
		s.fill(s.handles...)
		got := s.shares(n * 20 * sched.Quantum)
		low, high := slices.Min(got), slices.Max(got)
		if low < 0.9*high || n == 2 && high > 0.52 {
			t.Errorf("%d channels get from %.4f to %.4f", n, low, high)
		}
	}
}

func TestSharesOfPriorities(t *testing.T) {
	for _, frame := range []int{1000, 4096, 16384} {
		s := newSender(t, &Config{FrameSize: frame}, noLimit, 0, 1, 2, 3, 4, 5, 6, 7)
		s.fill(s.handles...)
		for prio, got := range s.shares(20 << 20) {
			want := float64(sched.Weight(uint8(prio))) / 52
			if got < 0.95*want || got > 1.05*want || got < 1./64 {
				t.Errorf("frames of %d: priority %d gets %.4f, its weight is %.4f", frame, prio, got, want)
			}
		}
	}
}

func TestStrictPriority(t *testing.T) {
	s := newSender(t, &Config{StrictPriority: true}, noLimit, 0, 6, 7)
	s.fill(s.handles[:2]...)
	s.want(8, "3 3 3 3 3 3 3 3")
	s.fill(s.handles[2])
	s.want(8, "5 5 5 5 5 5 5 5")
	s.feed(codec.Header{Type: codec.Close, Channel: 3})
	s.feed(codec.Header{Type: codec.Close, Channel: 5})
	s.want(2, "1 1")
}

// What becomes ready in a higher class is in the next batch, in front.
func TestUrgentIsNext(t *testing.T) {
	s := newSender(t, new(Config), noLimit, 0, 0, 7)
	s.fill(s.handles[:2]...)
	s.want(4, "1 3 1 3")
	send(t, s.conn, s.handles[2], []byte("now"))
	s.want(4, "5 1 3 1")
}

// PRIORITY is heeded at once, by what waits already.
func TestPriorityMoves(t *testing.T) {
	s := newSender(t, &Config{StrictPriority: true}, noLimit, 3, 3, 3)
	s.fill(s.handles...)
	s.want(4, "1 3 5 1")
	s.feed(codec.Header{Type: codec.Priority, Channel: 5}, 7)
	s.want(4, "5 5 5 5")
	s.feed(codec.Header{Type: codec.Priority, Channel: 5}, 0)
	s.want(4, "3 1 3 1")
}

// On a base connection there is no PRIORITY, but OPEN says one, and each side heeds it in what it sends. What
// SetPriority says stays here.
func TestPriorityOnABaseConnection(t *testing.T) {
	s := newSender(t, &Config{StrictPriority: true}, 0, 1, 2, 3)
	s.fill(s.handles...)
	s.want(99, "5 5 5 5 3 3 3 3 1 1 1 1") // all that the windows hold

	cfg := &Config{Profile: BaseOnly, StrictPriority: true, BatchBytes: fourFrames, Pool: new(pool.Pool)}
	cfg.Prepare()
	c := &sender{tb: t, conn: new(Conn)}
	c.conn.Init(0, cfg, NewArena(3, cfg), true)
	for p := range uint8(3) {
		h := c.conn.arena.Open()
		c.conn.Open(0, h, cfg.Pool.Copy(OpenParams{Priority: p}.Append(nil)), 0)
		c.handles = append(c.handles, h)
	}
	c.next() // the OPENs
	c.fill(c.handles...)
	c.want(4, "5 5 5 5")
	c.conn.SetPriority(c.handles[0], 7)
	c.want(99, "1 1 1 1 3 3 3 3")
	c.conn.Abort(&End{Code: codec.Cancelled})
}

// While the connection has no window nobody is served, and when it has who is most urgent is first.
func TestUrgentWhileStalled(t *testing.T) {
	s := newSender(t, new(Config), startWindow, 0, 7)
	s.fill(s.handles[0])
	s.want(99, "1 1 1 1")
	send(t, s.conn, s.handles[1], []byte("now"))
	s.want(1, "")
	s.feed(codec.Header{Type: codec.FlowControl}, 0, 0, 0x80, 0)
	s.want(99, "3 1 1")
}
