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
		mu                        sync.Mutex
		script                    *sim.Script
		fail                      *sim.Failure
	)
	plots := uint64(new(sim.Small).Plots())
	start := time.Now()
	bar := newProgress(o, stderr)
	together(o.workers, func(int) {
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
	}, func() bool {
		bar.part(float64(next.Load())/float64(plots), fmt.Sprintf("%d states", states.Load()))
		return true
	})
	bar.clear()
	fmt.Fprintf(stdout, "%d small conversations: %d states, %d ends, %d operations in %.1f s\n",
		min(next.Load(), plots), states.Load(), ends.Load(), steps.Load(), time.Since(start).Seconds())
	if fail != nil {
		return report(o, script, fail, stdout)
	}
	return nil
}
