package bench

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// The kinds of steps of scale.
const (
	ScaleChannels = "channels" // on one connection, and beyond a million on several
	ScaleStreams  = "streams"  // the same with blocking calls at the server
	ScaleConns    = "conns"    // with a channel each; beyond what a process has descriptors for, several
	ScaleLoops    = "loops"    // event loops, with callbacks and with blocking calls
	ScaleChurn    = "churn"    // connections and channels come and go: what stays
)

// ScaleKinds are all.
var ScaleKinds = []string{ScaleChannels, ScaleStreams, ScaleConns, ScaleLoops, ScaleChurn}

// ScaleOptions are what to scale and how far.
type ScaleOptions struct {
	Kinds    []string      // of ScaleKinds
	Channels int           // at most, in one process
	Conns    int           // at most, in all
	Memory   int64         // resident bytes of all processes together at which a kind ends
	Size     int           // bytes of a message
	Under    int           // messages under way, in all
	Duration time.Duration // of the echo at each step
	Warmup   time.Duration // before it
	Rounds   int           // of each step; of churn: how often all come and go
}

// ScaleDefaults are the options of the standard run.
func ScaleDefaults() ScaleOptions {
	return ScaleOptions{
		Kinds: ScaleKinds, Channels: 10_000_000, Conns: 100_000, Memory: 6 << 30, Size: 64, Under: 256,
		Duration: 2 * time.Second, Warmup: 500 * time.Millisecond, Rounds: 1,
	}
}

// Check returns what is wrong with the options.
func (o *ScaleOptions) Check() error {
	for _, k := range o.Kinds {
		if !slices.Contains(ScaleKinds, k) {
			return fmt.Errorf("no kind %q; there are %v", k, ScaleKinds)
		}
	}
	for _, f := range []struct {
		name   string
		n, max int
	}{
		{"channels", o.Channels, 1 << 30}, {"conns", o.Conns, maxConns}, {"size", o.Size, maxScaleSize},
		{"under", o.Under, 1 << 20}, {"rounds", o.Rounds, maxScaleRounds},
	} {
		if f.n < 1 || f.n > f.max {
			return fmt.Errorf("%s is %d, not 1 to %d", f.name, f.n, f.max)
		}
	}
	switch {
	case len(o.Kinds) == 0:
		return errors.New("there are no kinds")
	case o.Memory < 1:
		return fmt.Errorf("memory is %d, not 1 or more", o.Memory)
	case o.Duration <= 0:
		return fmt.Errorf("duration is %v, not more than 0", o.Duration)
	case o.Warmup < 0:
		return fmt.Errorf("warmup is %v, less than 0", o.Warmup)
	}
	return nil
}

const (
	// maxScaleSize is the longest message: several of them fit into a channel's queue.
	maxScaleSize = 16 << 10

	// maxScaleRounds is how often a step is measured, at most.
	maxScaleRounds = 1000

	// connChannels is how many channels a connection has before there is another one.
	connChannels = 1_000_000

	// processConns is how many connections a process has before there is another one: systems often give it
	// 20,000 descriptors.
	processConns = 15_000

	// scaleMemory is engine.Config.Memory at both ends: another limit ends steps.
	scaleMemory = 16 << 30

	// streamChannels is how many channels are served with blocking calls, a goroutine for each, at most.
	streamChannels = 1_000_000
)

// scaleStep is one thing measured.
type scaleStep struct {
	kind      string
	conns     int // in all
	channels  int // on each
	loops     int // of each server; 0: as many as processors
	streams   bool
	processes int  // servers, and as many clients
	opens     bool // kind churn: channels are opened and closed, so many at a time, on a connection that stays
}

// steps returns those of a kind, the smallest first.
func (o *ScaleOptions) steps(kind string) (all []scaleStep) {
	switch kind {
	case ScaleChannels, ScaleStreams:
		most := o.Channels
		if kind == ScaleStreams {
			most = min(most, streamChannels)
		}
		for _, n := range upTo(most) {
			conns := (n + connChannels - 1) / connChannels
			all = append(all, scaleStep{kind: kind, conns: conns, channels: n / conns, streams: kind == ScaleStreams,
				processes: 1})
		}
	case ScaleConns:
		for _, n := range upTo(o.Conns) {
			all = append(all, scaleStep{kind: kind, conns: n, channels: 1,
				processes: (n + processConns - 1) / processConns})
		}
	case ScaleLoops:
		conns, channels := min(o.Conns, 100), min(o.Channels, 100)
		loops := []int{1, 2, runtime.GOMAXPROCS(0)}
		slices.Sort(loops)
		for _, n := range slices.Compact(loops) {
			for _, streams := range []bool{false, true} {
				all = append(all, scaleStep{kind, conns, channels, n, streams, 1, false})
			}
		}
	case ScaleChurn:
		all = []scaleStep{
			{kind: kind, conns: 1, channels: min(o.Channels, 100_000), processes: 1},
			{kind: kind, conns: min(o.Conns, 10_000), channels: 1, processes: 1},
			{kind: kind, conns: 1, channels: min(o.Channels, 1000), processes: 1, opens: true},
		}
	}
	return all
}

// upTo returns powers of ten from ten on, and most.
func upTo(most int) (all []int) {
	for n := 10; n < most; n *= 10 {
		all = append(all, n)
	}
	return append(all, most)
}

// row is the step's row, without rounds.
func (s *scaleStep) row(o *ScaleOptions) Row {
	r := Row{Workload: "scale " + s.kind, Peer: OurPeer, Conns: s.conns, Channels: s.channels, Size: o.Size}
	if s.kind == ScaleLoops {
		if r.Variant = fmt.Sprintf("callbacks, %d loops", s.loops); s.streams {
			r.Variant = fmt.Sprintf("streams, %d loops", s.loops)
		}
	}
	if s.opens {
		r.Variant = "opened and closed"
	}
	if s.processes > 1 {
		r.Variant = fmt.Sprintf("%d servers", s.processes)
	}
	return r
}
