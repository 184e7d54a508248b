package bench

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"github.com/sscd-io/sscd/codec"
)

const (
	// reconnectPause is how long an attacker rests that was thrown out, so that a flood is one of frames and
	// not of connections.
	reconnectPause = 100 * time.Millisecond

	// writeBytes is about what an attacker writes at once, if it has no rate.
	writeBytes = 4 << 10

	// paceTime is how often an attacker with a rate writes, at most, and how soon one looks again that has
	// nothing to send.
	paceTime = 10 * time.Millisecond

	// slowBytes is what a slow reader reads each slowTime.
	slowBytes = 1 << 10
	slowTime  = 200 * time.Millisecond

	// whyTime is how long one that reads nothing looks for the reason why it was thrown out.
	whyTime = 2 * time.Second
)

// attacker is one connection that attacks, until it is thrown out.
type attacker struct {
	*attack
	conn   *net.TCPConn
	script *script
	sent   int64 // frames of the script that were written
	split  codec.Splitter
	buf    []byte
	why    string // the connection ended; by the reader
}

// attackOnce makes a connection, attacks until it ends, and returns why that was.
func (a *attack) attackOnce() string {
	nc, err := net.DialTimeout("tcp", a.cfg.Addr, whyTime)
	if err != nil {
		return "not accepted"
	}
	t := &attacker{
		attack: a, conn: nc.(*net.TCPConn), script: newScript(a.cfg.Limit), buf: make([]byte, 64<<10), why: "lost",
	}
	t.split.Limits.Pong = codec.MaxHello
	defer t.conn.Close()
	if !a.enter(t.conn) {
		return ""
	}
	defer a.leave(t.conn)
	var reader sync.WaitGroup
	if a.flood.reads != readsNone {
		reader.Go(t.read)
	}
	t.write()
	if a.flood.reads == readsNone {
		t.conn.SetReadDeadline(time.Now().Add(whyTime))
		t.read()
	}
	reader.Wait()
	return t.why
}

// write sends frames until the connection takes none any more, at its share of the rate.
func (t *attacker) write() {
	s, f := t.script, t.flood
	if f.setup != nil {
		f.setup(s)
	}
	each := t.cfg.Rate / float64(t.cfg.Conns)
	began, free := time.Now(), s.made // the setup goes beyond the rate
	for t.send() && f.round != nil {
		most := int64(math.MaxInt64)
		if each > 0 {
			most = free + int64(time.Since(began).Seconds()*each)
		}
		for s.made < most && len(s.b) < writeBytes {
			before := s.made
			if f.round(s); s.made == before {
				break
			}
		}
		if s.made == t.sent {
			t.rest(max(paceTime, f.pause))
		}
	}
}

// send writes what the script has made, and returns false if the connection has ended, or the attack.
func (t *attacker) send() bool {
	s := t.script
	if t.isOver() { // who would have to close it waits for a processor behind all that attack
		return false
	}
	_, err := t.conn.Write(s.b)
	if err != nil {
		return false
	}
	t.frames.Add(s.made - t.sent)
	t.sent, s.b = s.made, s.b[:0]
	return true
}

// read reads until the connection ends, or the server says that it does, and notes why. An attacker that
// knows comes back with a new connection, which is worth more than to go on with this one.
func (t *attacker) read() {
	defer t.conn.Close() // ends write, if that rests
	size := len(t.buf)
	if t.flood.reads == readsSlow {
		size = slowBytes
	}
	for {
		n, err := t.conn.Read(t.buf[:size])
		if t.heard(t.buf[:n]) {
			return
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				t.why = "closed"
			}
			return
		}
		if t.flood.reads == readsSlow {
			t.rest(slowTime)
		}
	}
}

// heard takes note of what the server said, and returns whether that was the last.
func (t *attacker) heard(p []byte) bool {
	t.split.Feed(p)
	for {
		var f codec.Frame
		ok, err := t.split.Next(&f, heap{})
		switch {
		case err != nil:
			t.why = "no SSC"
			return true
		case !ok:
			return false
		case f.Type == codec.Data:
			t.script.owed.Add(int64(len(f.Payload)))
		case f.Type == codec.FlowControl:
			t.script.credit.Add(int64(binary.BigEndian.Uint32(f.Payload)))
		case f.Type == codec.Error && f.Channel == 0 && len(f.Payload) >= 4:
			t.why = codec.Code(binary.BigEndian.Uint32(f.Payload)).String()
			return true
		}
	}
}

// heap is the Buffers of an attacker.
type heap struct{}

func (heap) Grow(b []byte, n int) []byte { return append(make([]byte, 0, 2*n), b...) }
func (heap) Free([]byte)                 {}
