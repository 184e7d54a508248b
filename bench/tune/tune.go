// Package tune looks for settings of a server that beat the defaults on this machine: one knob at a time from the best
// so far, each value beside it in turn, and kept only if it is better beyond the noise.
package tune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// Goal is what is to get better.
type Goal string

// The goals.
const (
	Rate Goal = "rate" // messages, opens or bytes a second
	CPU  Goal = "cpu"  // server CPU for each of them
	Both Goal = "both" // CPU of server and client: on the loopback the kernel does work of one in the other's time
	P99  Goal = "p99"  // 99th percentile of latency: modes echo and open
)

// Goals lists them.
var Goals = []Goal{Rate, CPU, Both, P99}

// Modes lists the modes that can be tuned for.
var Modes = []bench.Mode{bench.Echo, bench.Upload, bench.Download, bench.Open}

// Options are what to tune for and how.
type Options struct {
	Bench  bench.Options      `json:"bench"` // the load; Duration and Warmup follow from Budget
	Server bench.ServerConfig `json:"-"`     // what is not tuned
	Goal   Goal               `json:"goal"`
	Budget time.Duration      `json:"budget_ns"`
	Only   []string           `json:"only,omitempty"` // knobs; empty means all
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	switch {
	case !slices.Contains(Modes, o.Bench.Mode):
		return fmt.Errorf("mode %s can't be tuned for; %v can", o.Bench.Mode, Modes)
	case !slices.Contains(Goals, o.Goal):
		return fmt.Errorf("no goal %q; there are %v", o.Goal, Goals)
	case o.Goal == P99 && o.Bench.Mode != bench.Echo && o.Bench.Mode != bench.Open:
		return fmt.Errorf("goal %s goes with modes %s and %s only", P99, bench.Echo, bench.Open)
	case o.Budget <= 0:
		return fmt.Errorf("budget is %v, not more than 0", o.Budget)
	}
	for _, name := range o.Only {
		if !slices.Contains(Knobs(), name) {
			return fmt.Errorf("no knob %q; there are %s", name, strings.Join(Knobs(), ", "))
		}
	}
	return o.Bench.Check()
}

const (
	// startTime is about what a round takes besides its warm-up and what it measures: a process, connections, channels.
	startTime = 60 * time.Millisecond

	// shortest and longest bound what a round measures: shorter ones are all noise, longer ones tell no more.
	shortest = 20 * time.Millisecond
	longest  = 2 * time.Second

	// warmup is the part of that for which a round warms up before it.
	warmup = 0.25
)

var errNothing = errors.New("nothing was carried")

// Tune looks for better settings.
func Tune(ctx context.Context, o Options, p bench.Program, progress bench.Progress) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &search{goal: o.Goal, end: time.Now().Add(o.Budget), budget: o.Budget, now: time.Now, progress: progress}
	for _, k := range knobs() {
		if k.fits(o.Bench.Mode) && (len(o.Only) == 0 || slices.Contains(o.Only, k.flag)) {
			s.knobs = append(s.knobs, k)
			s.candidates += len(k.values)
		}
	}
	b := o.Bench
	rounds := 2 * (s.candidates*usualPairs + finalPairs)
	each := o.Budget/time.Duration(rounds) - startTime
	b.Duration = min(max(time.Duration(float64(each)/(1+warmup)), shortest), longest)
	b.Warmup = time.Duration(float64(b.Duration) * warmup)
	s.measure = func(ctx context.Context, set settings) (float64, error) {
		r, err := measure(ctx, b, set.of(o.Server), p)
		if err != nil {
			return 0, err
		}
		return o.Goal.figure(r)
	}
	res, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	res.Options = o
	res.Options.Bench.Duration, res.Options.Bench.Warmup = b.Duration, b.Warmup
	return res, nil
}

// measure measures one round, with a server of its own.
func measure(ctx context.Context, o bench.Options, cfg bench.ServerConfig, p bench.Program) (*bench.Result, error) {
	s, err := p.StartServer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	o.Addr = s.Addr
	return bench.Run(ctx, o, s, nil)
}

// figure is the goal's figure of a result.
func (g Goal) figure(r *bench.Result) (v float64, err error) {
	bulk := r.Options.Mode == bench.Upload || r.Options.Mode == bench.Download
	switch {
	case g == P99 && r.Latency != nil:
		v = r.Latency.P99.Seconds() * 1e6
	case g == CPU && bulk:
		v = r.ServerPerGB
	case g == CPU:
		v = r.ServerPerMillion
	case g == Both && bulk:
		v = r.ServerPerGB + r.ClientPerGB
	case g == Both:
		v = r.ServerPerMillion + r.ClientPerMillion
	case g == Rate && bulk:
		v = r.MBPerSecond
	case g == Rate:
		v = r.MessagesPerSecond
	}
	if v == 0 {
		return 0, errNothing
	}
	return v, nil
}

// unit is that of the goal's figure.
func (g Goal) unit(m bench.Mode) string {
	bulk := m == bench.Upload || m == bench.Download
	switch {
	case g == P99:
		return "µs, p99"
	case g == CPU && bulk:
		return "server CPU, s per GB"
	case g == CPU:
		return "server CPU, s per million"
	case g == Both && bulk:
		return "CPU of both sides, s per GB"
	case g == Both:
		return "CPU of both sides, s per million"
	case bulk:
		return "MB/s"
	}
	return "a second"
}

// gain returns by what part b is better than a.
func (g Goal) gain(a, b float64) float64 {
	if g == Rate {
		return b/a - 1
	}
	return 1 - b/a
}
