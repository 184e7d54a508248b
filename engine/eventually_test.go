package engine_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// patience is how long a test waits for what must come. It decides nothing but when to give up.
const patience = 10 * time.Second

// quiet is a logger for tests in which the server has much to complain about.
var quiet = slog.New(slog.DiscardHandler)

// settles is that a figure becomes what is wanted.
func settles[T comparable](t testing.TB, what string, figure func() T, want T) {
	t.Helper()
	eventually(t, func() (bool, string) {
		got := figure()
		return got == want, fmt.Sprintf("%s: %v, want %v", what, got, want)
	})
}

// settlesBelow is that a figure becomes at most limit.
func settlesBelow(t testing.TB, what string, figure func() int, limit int) {
	t.Helper()
	eventually(t, func() (bool, string) {
		got := figure()
		return got <= limit, fmt.Sprintf("%s: %d, want at most %d", what, got, limit)
	})
}

// eventually is that f becomes true, before patience ends. f tells what is the matter if not.
func eventually(t testing.TB, f func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		ok, why := f()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(why)
		}
		time.Sleep(pause)
	}
}

// atOnce runs subtests at the same time, and returns when all are over. It is for those that mostly wait: of
// t.Parallel's no more would be at it than there are processors. None of them may look at what is the whole process's,
// such as descriptors, goroutines and the heap.
func atOnce(t *testing.T, subtests map[string]func(t *testing.T)) {
	var all sync.WaitGroup
	for name, f := range subtests {
		all.Go(func() { t.Run(name, f) })
	}
	all.Wait()
}

// startEngine starts an engine that ends with the test.
func startEngine(t *testing.T, cfg engine.Config) *engine.Engine {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	e, err := engine.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
