//go:build linux

package evloop_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine/internal/evloop"
)

// A loop that never sleeps lets a goroutine run that waits for its processor, once in a millisecond of the loop's.
func TestYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var b evloop.Base
	var ran atomic.Int64
	yields := 0
	b.Slept(time.Second)
	for i := range 1000 {
		go func() { ran.Add(1) }()
		if b.Yield(time.Second + time.Duration(i)*100*time.Microsecond) {
			yields++
		}
	}
	if yields != 99 {
		t.Errorf("yielded %d times in 99.9 ms", yields)
	}
	if n := ran.Load(); n < 900 { // now and then the scheduler has us come first
		t.Errorf("%d of 1,000 others ran", n)
	}
}
