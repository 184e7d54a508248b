package engine

import (
	"context"
	"errors"
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
