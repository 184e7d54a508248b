package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlineWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		start := time.Now()
		g.Lock()
		g.SetDeadline(start.Add(time.Minute))
		for !g.Expired() {
			g.Wait()
		}
		g.Unlock()
		if d := time.Since(start); d != time.Minute {
			t.Errorf("woken after %v", d)
		}
	})
}

func TestDeadlineCanBeMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		start := time.Now()
		set := func(d time.Duration) {
			g.Lock()
			defer g.Unlock()
			g.SetDeadline(start.Add(d))
		}
		set(time.Second)
		time.AfterFunc(500*time.Millisecond, func() { set(time.Hour) })
		time.AfterFunc(time.Minute, func() { set(2 * time.Minute) })
		g.Lock()
		for !g.Expired() {
			g.Wait()
		}
		if d := time.Since(start); d != 2*time.Minute {
			t.Errorf("woken after %v", d)
		}
		g.SetDeadline(time.Time{})
		if g.Expired() {
			t.Error("expired without a deadline")
		}
		g.SetDeadline(start)
		if !g.Expired() {
			t.Error("a deadline in the past has not expired")
		}
		g.Unlock()
	})
}

func TestBroadcastAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		var wg sync.WaitGroup
		open := false
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 10 {
			wg.Go(func() {
				g.Lock()
				defer g.Unlock()
				for !open {
					if i%2 == 0 {
						g.Wait()
					} else if err := g.WaitContext(ctx); err != nil {
						if !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
						return
					}
				}
				if i%2 == 1 {
					t.Error("opened for who was cancelled")
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		g.Lock()
		open = true
		g.Broadcast()
		g.Unlock()
		wg.Wait()
	})
}
