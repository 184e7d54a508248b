package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// Options are how the matrix is measured.
type Options struct {
	Rounds   int           // of everything, in turn
	Duration time.Duration // of what is measured in a round
	Warmup   time.Duration // before it
	Only     []string      // names or modes; empty means all
	Quick    bool          // leaves out what takes long
	Most     int           // connections, and channels on each, at most; 0 means as many as the matrix says
}

// Defaults are the options of the standard run, or of a quick one.
func Defaults(quick bool) Options {
	if quick {
		return Options{Rounds: 2, Duration: 300 * time.Millisecond, Warmup: 100 * time.Millisecond, Quick: true}
	}
	return Options{Rounds: 5, Duration: 2 * time.Second, Warmup: 500 * time.Millisecond}
}

// maxRounds bounds Rounds: results of more are too long to be read.
const maxRounds = 1000

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	switch {
	case o.Rounds < 1 || o.Rounds > maxRounds:
		return fmt.Errorf("rounds is %d, not 1 to %d", o.Rounds, maxRounds)
	case o.Duration <= 0:
		return fmt.Errorf("duration is %v, not more than 0", o.Duration)
	case o.Warmup < 0:
		return fmt.Errorf("warmup is %v, less than 0", o.Warmup)
	}
	_, err := o.chosen()
	return err
}

// Progress is told some times a second what is measured, how much of all is done (1: all), and about how long
// the rest takes.
type Progress func(stage string, part float64, left time.Duration)

// suite is a run of the matrix under way.
type suite struct {
	o        Options
	program  bench.Program
	results  *bench.Results
	progress Progress

	began      time.Time
	all, done  time.Duration   // by cost
	failed     map[string]bool // once, and not tried again
	saveRounds func() error
}

// Run measures the matrix and adds what it finds to results. After each round it calls save, so that what is
// stopped leaves something. What fails is noted in the results and not measured again; the error then says so
// when all the rest is measured.
func Run(
	ctx context.Context, o Options, p bench.Program, results *bench.Results, progress Progress, save func() error,
) error {
	if err := o.Check(); err != nil {
		return err
	}
	entries, err := o.chosen()
	if err != nil {
		return err
	}
	s := &suite{
		o: o, program: p, results: results, progress: progress, began: time.Now(), failed: make(map[string]bool),
		saveRounds: save,
	}
	for _, e := range entries {
		s.all += e.cost() * time.Duration(len(e.backends)*o.Rounds)
	}
	for round := range o.Rounds {
		if err := s.round(ctx, round, entries); err != nil {
			return err
		}
	}
	if n := len(s.failed); n > 0 {
		return fmt.Errorf("%d measurements failed: %w", n, errors.New(s.results.Notes[len(s.results.Notes)-1]))
	}
	return nil
}

// round measures everything once.
func (s *suite) round(ctx context.Context, round int, entries []entry) error {
	for _, e := range entries {
		for _, b := range e.backends {
			name := e.name()
			if b != engine.Auto {
				name += ", " + string(b)
			}
			if !s.failed[name] {
				stage := fmt.Sprintf("round %d of %d: %s", round+1, s.o.Rounds, name)
				rows, err := s.measure(ctx, e, b, stage)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					s.failed[name] = true
					s.results.Notes = append(s.results.Notes, fmt.Sprintf("%s, round %d: %v", name, round+1, err))
				}
				s.results.Join(rows...)
			}
			s.done += e.cost()
		}
	}
	return s.saveRounds()
}

// measure measures an entry once.
func (s *suite) measure(ctx context.Context, e entry, b engine.Backend, stage string) ([]bench.Row, error) {
	began := time.Now()
	progress := func(string, float64, int64) {
		s.tell(stage, s.done+min(time.Since(began), e.cost()))
	}
	progress("", 0, 0)
	server := bench.ServerConfig{Backend: b, MaxChannels: max(bench.MinMaxChannels, e.Channels)}
	if slices.Contains(bench.Comparisons, e.Mode) {
		r, err := bench.Compare(ctx, e.Options, server, s.program, progress)
		if err != nil {
			return nil, err
		}
		if f, ok := r.(*bench.FileResult); ok && f.Note != "" && !slices.Contains(s.results.Notes, f.Note) {
			s.results.Notes = append(s.results.Notes, f.Note)
		}
		return r.Measured(string(b)), nil
	}
	own, err := s.program.StartServer(ctx, server)
	if err != nil {
		return nil, err
	}
	defer own.Stop()
	e.Addr = own.Addr
	r, err := bench.Run(ctx, e.Options, own, progress)
	if err != nil {
		return nil, err
	}
	return r.Measured(string(b)), nil
}

// tell tells the progress when so much is done. What is left goes as fast as what was done, once there is enough
// of that.
func (s *suite) tell(stage string, done time.Duration) {
	left := s.all - done
	if part := float64(done) / float64(s.all); part > 0.02 {
		left = time.Duration(float64(time.Since(s.began)) * (1 - part) / part)
	}
	s.progress(stage, float64(done)/float64(s.all), max(left, 0))
}
