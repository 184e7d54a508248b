package core

import (
	"bytes"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// A peer is wasteful from when it has spent half of its tokens until some have come back; not any more when it is
// thrown out.
func TestWasteful(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	c, _ := greeted(t, cfg, 0, 0, 0)
	for _, step := range []struct {
		at    time.Duration
		waste int
		want  bool
	}{
		{0, bucketSize / 2, false},
		{0, 1, true},
		{4 * time.Millisecond, 0, false}, // one has come back
		{4 * time.Millisecond, 100, true},
		{4*time.Millisecond + 101*time.Second/bucketRate, 0, false},
		{5 * time.Second, 1700, true},
		{5 * time.Second, bucketSize, false},
	} {
		var ev Event
		c.Feed(step.at, bytes.Repeat(codec.Header{Type: 200}.Append(nil, nil), step.waste))
		for c.Step(step.at, &ev) && ev.Kind != Down {
			t.Fatalf("event %d", ev.Kind)
		}
		if got := c.Wasteful(step.at); got != step.want {
			t.Errorf("at %v, after %d more: %v, with %d tokens", step.at, step.waste, got, c.bucket.tokens)
		}
	}
	if c.phase != failing {
		t.Error("it is not thrown out")
	}
}
