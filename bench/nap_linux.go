package bench

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// napper waits with the precision of the kernel's timers. The runtime's are no better than a millisecond in
// a process that does nothing else. It belongs to one goroutine, whose thread it keeps.
type napper struct{}

// newNapper makes the calling goroutine's thread its own, which ends with the goroutine.
func newNapper() napper {
	runtime.LockOSThread()
	// The kernel may otherwise be 50 µs late, to wake several threads at once.
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return napper{}
}

func (napper) nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&ts, nil) // woken early, it is called again
}
