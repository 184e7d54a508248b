package tune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sscd-io/sscd/bench"
)

const (
	// firstPairs is after how many pairs of rounds a value is given up whose median is no better.
	firstPairs = 3

	// secondPairs is after how many one is given up that may well be chance: p is doubtful or more.
	secondPairs = 6
	doubtful    = 0.1

	// allPairs is how many decide, and finalPairs how many the result has for itself: it was chosen for its luck as
	// well, and is measured anew.
	allPairs   = 10
	finalPairs = 10

	// usualPairs is about how many a value takes.
	usualPairs = 5

	// chance is what p must be below. Some twenty values are tried, and one in 20 would be found better by chance
	// below 0.05.
	chance = 0.005
)

// search is one under way.
type search struct {
	goal       Goal
	knobs      []knob
	candidates int // values of all knobs
	measure    func(ctx context.Context, set settings) (float64, error)
	end        time.Time
	budget     time.Duration
	now        func() time.Time
	progress   bench.Progress

	tried  int           // values so far
	rounds int           // measured so far
	took   time.Duration // all of them
	base   []float64     // figures of the defaults, all there are
}

// run goes through the knobs until nothing gets better or the time is over.
func (s *search) run(ctx context.Context) (*Report, error) {
	res := &Report{}
	var best settings
	for again, pass := true, 0; again; pass++ {
		again = false
		for _, k := range s.knobs {
			for _, v := range k.values {
				if best[k.flag] == v || pass > 0 && res.tried(best, k.flag, v) {
					continue
				}
				t, err := s.try(ctx, best, k.flag, v)
				if err != nil {
					return nil, err
				}
				res.Trials = append(res.Trials, t)
				if t.Verdict == Kept {
					best, again = best.with(k.flag, v), true
				}
			}
		}
		again = again && s.left() > 0
	}
	res.Base, res.Rounds = spreadOr(s.base), s.rounds
	if best == nil {
		return res, nil
	}
	return res, s.final(ctx, res, best)
}

// left is how much time there is for trials: the rest is for the final.
func (s *search) left() time.Duration {
	left := s.end.Sub(s.now())
	if s.rounds > 0 {
		left -= 2 * finalPairs * s.took / time.Duration(s.rounds)
	}
	return left
}

// try measures a value of a knob beside the best settings so far.
func (s *search) try(ctx context.Context, best settings, flag, value string) (t Trial, err error) {
	s.tried++
	t = Trial{Flag: flag, Value: value, Beside: best.String()}
	stage := fmt.Sprintf("--%s=%s, %d of %d", flag, value, s.tried, max(s.candidates, s.tried))
	set := best.with(flag, value)
	var a, b []float64
	for pairs := range allPairs {
		if s.left() <= 0 {
			t.Verdict = NoTime
			break
		}
		x, y, err := s.pair(ctx, best, set, pairs, stage)
		if err != nil {
			var bad *failure
			if !errors.As(err, &bad) || !bad.new {
				return t, err
			}
			t.Verdict, t.Note = Failed, bad.Error()
			break
		}
		a, b = append(a, x), append(b, y)
		if t.judge(s.goal, a, b); t.Verdict != "" {
			break
		}
	}
	if best == nil {
		s.base = append(s.base, a...)
	}
	return t, nil
}

// pair measures two settings one after the other, and who goes first is who went second before.
func (s *search) pair(ctx context.Context, old, new settings, n int, stage string) (a, b float64, err error) {
	figures := [2]*float64{&a, &b}
	for i := range 2 {
		which := (i + n) % 2
		set := old
		if which == 1 {
			set = new
		}
		began := s.now()
		if s.progress != nil {
			left := max(s.end.Sub(began), 0)
			s.progress(fmt.Sprintf("%s, %v left", stage, left.Round(time.Second)),
				min(1, 1-left.Seconds()/s.budget.Seconds()), int64(s.rounds))
		}
		v, err := s.measure(ctx, set)
		if err != nil {
			if ctx.Err() != nil {
				return 0, 0, ctx.Err()
			}
			return 0, 0, &failure{err, which == 1}
		}
		s.rounds++
		s.took += s.now().Sub(began)
		*figures[which] = v
	}
	return a, b, nil
}

// failure is that of a round.
type failure struct {
	error
	new bool // with the settings that were tried
}

// Unwrap returns what failed.
func (f *failure) Unwrap() error { return f.error }

// final measures the best settings beside the defaults once more.
func (s *search) final(ctx context.Context, res *Report, best settings) error {
	var a, b, gains []float64
	for n := range finalPairs {
		x, y, err := s.pair(ctx, nil, best, n, "final")
		if err != nil {
			return err
		}
		a, b, gains = append(a, x), append(b, y), append(gains, s.goal.gain(x, y))
	}
	f := &Final{Flags: best.String(), Base: bench.SpreadOf(a), Best: bench.SpreadOf(b), Gains: bench.SpreadOf(gains)}
	f.Gain = s.goal.gain(f.Base.Median, f.Best.Median)
	f.P = s.goal.better(a, b)
	f.Holds = f.Gain > 0 && f.P < chance
	res.Final, res.Rounds = f, s.rounds
	return nil
}

// judge fills in what can be said after some pairs; the verdict is empty while more are needed.
func (t *Trial) judge(g Goal, a, b []float64) {
	t.Pairs = len(a)
	t.Base, t.New = bench.SpreadOf(a), bench.SpreadOf(b)
	t.Gain, t.P = g.gain(t.Base.Median, t.New.Median), g.better(a, b)
	switch n := t.Pairs; {
	case n >= firstPairs && t.Gain <= 0:
		t.Verdict = NoBetter
	case n >= secondPairs && t.P > doubtful, n >= allPairs && t.P >= chance:
		t.Verdict = Noise
	case n >= allPairs:
		t.Verdict = Kept
	}
}
