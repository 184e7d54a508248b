package bench

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startLow starts cmd so that it has a processor while nobody else wants it.
func startLow(cmd *exec.Cmd) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread's rank is the process's; it ends with this goroutine
		low := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(0, &low, 0); err != nil {
			done <- err
			return
		}
		done <- cmd.Start()
	}()
	return <-done
}
