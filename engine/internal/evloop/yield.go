//go:build linux

package evloop

import (
	"runtime"
	"time"
)

// yieldTime is how long a loop that never sleeps keeps Go's processor before other goroutines may run on it. They
// would wait for Go to interrupt the loop, 10 ms and more.
const yieldTime = time.Millisecond

// Yield lets other goroutines have Go's processor, if it is time, and returns whether it did. The loop calls it often,
// with the time since its epoch.
func (b *Base) Yield(now time.Duration) bool {
	if now-b.yielded < yieldTime {
		return false
	}
	b.yielded = now
	runtime.Gosched()
	return true
}

// Slept notes that others could have Go's processor until now.
func (b *Base) Slept(now time.Duration) { b.yielded = now }
