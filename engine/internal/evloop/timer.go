//go:build linux

package evloop

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Timer is a timerfd: a loop waits for it as for its sockets.
type Timer struct {
	FD int
}

// NewTimer returns a timer that is not set.
func NewTimer() (Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	return Timer{fd}, os.NewSyscallError("timerfd_create", err)
}

// Set makes the descriptor readable after that time, at once if it is past, and not before; a time of more than a
// century does not come. It replaces the last Set.
func (t Timer) Set(after time.Duration) {
	var spec unix.ItimerSpec
	if after < 1<<62 {
		spec.Value = unix.NsecToTimespec(int64(max(after, 1)))
	}
	unix.TimerfdSettime(t.FD, 0, &spec, nil)
}

// Close gives the descriptor back.
func (t Timer) Close() { unix.Close(t.FD) }
