package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/engine/internal/sim"
)

// tooLong is how long a world may take. One that takes longer hangs, in a loop of the core's.
const tooLong = 30 * time.Second

// fleet is the workers and what they found.
type fleet struct {
	next, worlds, steps, frames atomic.Uint64
	stop                        atomic.Bool

	mu    sync.Mutex
	stats sim.Stats
	fail  *sim.Failure
}

// worker is what a worker does now.
type worker struct {
	seed  atomic.Uint64
	since atomic.Int64 // nanoseconds since the start; 0 if it does nothing
}

// many runs worlds one after the other until there were enough, or one fails.
func many(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	fl := new(fleet)
	fl.next.Store(o.seed)
	start := time.Now()
	busy := cpuTime()
	workers := make([]worker, o.workers)
	bar := newProgress(o, stderr)
	var hangs *sim.Failure
	together(o.workers, func(i int) { fl.work(o, &workers[i], start) }, func() bool {
		took := time.Since(start)
		bar.show(took, fl)
		if ctx.Err() != nil || o.duration > 0 && took >= o.duration {
			fl.stop.Store(true)
		}
		hangs = hung(workers, took)
		return hangs == nil
	})
	bar.clear()
	if hangs != nil {
		fmt.Fprintf(stdout, "FAILED %v\nagain: scripts/simulate -seed %d -v\n", hangs, hangs.Seed)
		return hangs
	}
	summary(stdout, &fl.stats, time.Since(start), cpuTime()-busy)
	if fl.fail != nil {
		return report(o, sim.Expand(fl.fail.Seed), fl.fail, stdout)
	}
	return nil
}

// together has so many workers work, and calls look five times a second until all are through, or it returns
// false.
func together(workers int, work func(worker int), look func() bool) {
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { work(i) })
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for {
		select {
		case <-done:
			return
		case <-time.After(200 * time.Millisecond):
			if !look() {
				return
			}
		}
	}
}

// work runs worlds until there were enough.
func (fl *fleet) work(o *options, me *worker, start time.Time) {
	w := sim.NewWorld()
	var before sim.Stats
	for !fl.stop.Load() && (o.steps == 0 || fl.steps.Load() < o.steps) {
		seed := fl.next.Add(1) - 1
		me.seed.Store(seed)
		me.since.Store(int64(time.Since(start)) + 1)
		f := w.RunSeed(seed)
		me.since.Store(0)
		fl.worlds.Add(1)
		fl.steps.Add(w.Stats.Steps - before.Steps)
		fl.frames.Add(w.Stats.Frames - before.Frames)
		before.Steps, before.Frames = w.Stats.Steps, w.Stats.Frames
		if f != nil {
			fl.stop.Store(true)
			fl.mu.Lock()
			if fl.fail == nil || f.Seed < fl.fail.Seed {
				fl.fail = f
			}
			fl.mu.Unlock()
		}
	}
	fl.mu.Lock()
	fl.stats.Add(&w.Stats)
	fl.mu.Unlock()
}

// hung returns the failure of a world that takes too long.
func hung(workers []worker, now time.Duration) *sim.Failure {
	for i := range workers {
		if since := time.Duration(workers[i].since.Load()); since != 0 && now-since > tooLong {
			return &sim.Failure{Seed: workers[i].seed.Load(), Oracle: "progress", Text: "the world hangs"}
		}
	}
	return nil
}
