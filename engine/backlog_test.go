package engine

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A stream whose bytes leave quickly may have more of them wait, up to a bound; one whose bytes don't goes back to the
// usual.
func TestBacklog(t *testing.T) {
	const queue = 64 << 10
	var b backlog
	for _, c := range []struct {
		waits int
		each  time.Duration
		all   int
	}{
		{1, time.Second, queue},
		{1, 100 * time.Microsecond, 2 * queue},
		{1, 100 * time.Microsecond, 4 * queue},
		{1, 2 * time.Millisecond, 2 * queue},
		{10, 0, 16 * queue},
		{1, shortWait, 8 * queue},
		{10, time.Hour, queue},
	} {
		for range c.waits {
			b.waited(c.each, queue)
		}
		if all := queue + int(b); all != c.all {
			t.Errorf("%d bytes may wait after %d waits of %v, want %d", all, c.waits, c.each, c.all)
		}
	}
}

// The largest queue that can be configured is counted right, also with the largest backlog.
func TestLargestBacklog(t *testing.T) {
	cfg := Config{SendQueue: 1 << 30, Memory: 1 << 40, ConnMemory: 1 << 40}
	for cfg.check() != nil {
		cfg.SendQueue /= 2
	}
	a, b := net.Pipe()
	s, err := Client(a, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer b.Close()
	ch, err := s.conn.Open(OpenOptions{Context: newStream(s)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for err = nil; err == nil; n++ { // it is only booked, and takes no memory
		err = ch.reserve(MaxMessage, backlog((mostBacklog-1)*cfg.SendQueue))
	}
	if most := mostBacklog * cfg.SendQueue / MaxMessage; err != ErrWouldBlock || n != most+1 {
		t.Errorf("%d messages were taken, not %d: %v", n-1, most, err)
	}
	ch.Reset(Cancelled)
}

// A Write takes as much as the backlog says beyond the peer's window and SendQueue, and then knows that it waited for
// long. (Without one it may have learned meanwhile that some left quickly.)
func TestWriteFillsTheBacklog(t *testing.T) {
	const queue = 64 << 10
	ctx := context.Background()
	l, err := Listen("127.0.0.1:0", Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := Dial(ctx, l.Addr().String(), Config{SendQueue: queue})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for more, most := range map[backlog]int{0: 6 * queue, 15 * queue: 18 * queue} {
		st, err := s.Open(ctx, OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		st.backlog = more
		st.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := st.Write(make([]byte, 64*queue)) // which nobody reads
		if !errors.Is(err, os.ErrDeadlineExceeded) || n < queue+int(more) || n > most {
			t.Errorf("with %d more, %d bytes were taken, at most %d expected: %v", more, n, most, err)
		}
		if st.backlog > 7*queue {
			t.Errorf("after a long wait %d bytes more are to wait, before it %d", st.backlog, more)
		}
		st.Close()
	}
}
