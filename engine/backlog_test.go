package engine

import (
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
