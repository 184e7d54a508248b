// Package gate is what a blocking call over an event loop waits at: a mutex, a condition, and a deadline
// that can be moved while somebody waits.
package gate

import (
	"context"
	"sync"
	"time"
)

// Gate is a monitor. The zero value is ready, and has no deadline. What it guards is its user's; whoever
// changes that calls Broadcast.
type Gate struct {
	mu       sync.Mutex
	cond     sync.Cond
	timer    *time.Timer
	deadline uint32 // counts SetDeadline, so that an old timer is not taken for the new one
	expired  bool
}

// Lock enters the gate.
func (g *Gate) Lock() { g.mu.Lock() }

// Unlock leaves it.
func (g *Gate) Unlock() { g.mu.Unlock() }

// Wait leaves the gate until there is a Broadcast, or the deadline comes, and enters it again.
func (g *Gate) Wait() {
	if g.cond.L == nil {
		g.cond.L = &g.mu
	}
	g.cond.Wait()
}

// WaitContext is Wait, and returns ctx's error once it is done.
func (g *Gate) WaitContext(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		g.Lock()
		defer g.Unlock()
		g.Broadcast()
	})
	defer stop()
	g.Wait()
	return ctx.Err()
}

// Broadcast wakes all that wait.
func (g *Gate) Broadcast() { g.cond.Broadcast() }

// SetDeadline sets when Expired becomes true; zero means never. It must be called inside the gate.
func (g *Gate) SetDeadline(t time.Time) {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.deadline++
	g.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		g.expired = true
		g.Broadcast()
		return
	}
	mine := g.deadline
	g.timer = time.AfterFunc(left, func() {
		g.Lock()
		defer g.Unlock()
		if g.deadline == mine {
			g.expired = true
			g.Broadcast()
		}
	})
}

// Expired returns whether the deadline has come.
func (g *Gate) Expired() bool { return g.expired }
