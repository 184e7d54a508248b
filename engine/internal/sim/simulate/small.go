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

// small looks at all small conversations.
func small(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	var (
		next, states, ends, steps atomic.Uint64
		all                       sync.WaitGroup
		mu                        sync.Mutex
		script                    *sim.Script
		fail                      *sim.Failure
	)
	plots := uint64(new(sim.Small).Plots())
	start := time.Now()
	for range o.workers {
		all.Go(func() {
			m := &sim.Small{Fine: o.fine}
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				if n >= plots {
					break
				}
				s, f := m.Run(int(n))
				states.Add(m.States)
				ends.Add(m.Ends)
				steps.Add(m.Steps)
				m.States, m.Ends, m.Steps = 0, 0, 0
				if f != nil {
					mu.Lock()
					script, fail = s, f
					mu.Unlock()
					next.Store(plots)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	bar := newProgress(o, stderr)
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(200 * time.Millisecond):
			bar.part(float64(next.Load())/float64(plots), fmt.Sprintf("%d states", states.Load()))
		}
	}
	bar.clear()
	fmt.Fprintf(stdout, "%d small conversations: %d states, %d ends, %d operations in %.1f s\n",
		min(next.Load(), plots), states.Load(), ends.Load(), steps.Load(), time.Since(start).Seconds())
	if fail != nil {
		return report(o, script, fail, stdout)
	}
	return nil
}
