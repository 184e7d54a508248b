package bench

import (
	"context"
	"fmt"
)

// Compare makes a measurement of one of Comparisons: several runs side by side, with servers and other
// processes that p starts. server is how servers work where the measurement leaves it open.
func Compare(ctx context.Context, o Options, server ServerConfig, p Program, progress Progress) (Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string, float64, int64) {}
	}
	switch o.Mode {
	case RTT:
		return measureRTTs(ctx, o, server, p, progress)
	case Flood:
		return measureFloods(ctx, o, server, p, progress)
	case Stall:
		return measureStalls(ctx, o, server, p, progress)
	case Urgent:
		return measureUrgent(ctx, o, server, p, progress)
	case Fair:
		return measureShares(ctx, o, server, p, progress)
	case File:
		return measureFile(ctx, o, server, p, progress)
	case Fanout:
		return measureFanout(ctx, o, server, p, progress)
	}
	return nil, fmt.Errorf("mode %s is for Run", o.Mode)
}

// during returns a Progress that says what a run is part of.
func (p Progress) during(format string, args ...any) Progress {
	part := fmt.Sprintf(format, args...)
	return func(stage string, done float64, count int64) { p(part+", "+stage, done, count) }
}
