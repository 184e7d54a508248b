package bench

import (
	"context"
	"os"
	"testing"
	"time"
)

// A line that loses packets carries all bytes all the same, and none early.
func TestLoss(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	cfg := LossConfig{
		Line: Line{RTT: 4 * time.Millisecond, Rate: 2e6}, Loss: 0.01, MTU: 1500, Channels: 3, Frame: 4096,
		Duration: 100 * time.Millisecond,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := MeasureLoss(ctx, cfg, Program(os.Args[0]), func(string, float64, int64) {})
	if err != nil {
		t.Skip("no TUN device in a namespace of its own here: ", err)
	}
	if r.RTT < cfg.Line.RTT || len(r.Rates) == 0 || r.Packets < 100 || r.Lost > r.Packets/10 || r.Dropped > r.Packets/2 {
		t.Errorf("%+v", r)
	}
	for _, one := range r.Rates {
		if one.Rate <= 0 || one.Rate > 2*cfg.Line.Rate { // what waited in the line when the time began comes as well
			t.Errorf("%+v", one)
		}
	}
	if r.Messages < 4 || r.Late < 0 || r.Late > 1 {
		t.Errorf("%+v", r)
	}
}

func TestLatenciesAbove(t *testing.T) {
	l := NewLatencies()
	if l.Above(0) != 0 {
		t.Error("there are none")
	}
	for i := range 10 {
		l.Record(time.Duration(i+1) * time.Millisecond)
	}
	if part := l.Above(8500 * time.Microsecond); part != 0.2 {
		t.Errorf("%v", part)
	}
}
