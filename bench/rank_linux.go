package bench

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startLow starts cmd so that it has a processor while nobody else wants it.
func startLow(cmd *exec.Cmd) error {
	return startAs(cmd, unix.SchedAttr{Policy: unix.SCHED_IDLE})
}

// startFirst starts cmd so that it has a processor whenever it wants one, if the system permits that.
func startFirst(cmd *exec.Cmd) error {
	err := startAs(cmd, unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1})
	if err == unix.EPERM {
		return cmd.Start()
	}
	return err
}

// startAs starts cmd with that rank.
func startAs(cmd *exec.Cmd, rank unix.SchedAttr) error {
	rank.Size = unix.SizeofSchedAttr
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread's rank is the process's; it ends with this goroutine
		if err := unix.SchedSetAttr(0, &rank, 0); err != nil {
			done <- err
			return
		}
		done <- cmd.Start()
	}()
	return <-done
}

// isFirst returns whether this process was started by startFirst, and that was permitted.
func isFirst() bool {
	rank, err := unix.SchedGetAttr(0, 0)
	return err == nil && rank.Policy == unix.SCHED_FIFO
}
