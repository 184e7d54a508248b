//go:build linux && !race

package sock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Go's scheduler is not told of the calls that read and write sockets, since these do not block. Its monitor would take
// the processor from a loop that is in one for 20 µs, and start a thread to use it: a quarter of the CPU of a busy
// server with 1,000 connections.

// Read reads once, as much as p holds at most.
func Read(fd int, p []byte) (int, error) { return call(unix.SYS_READ, fd, p) }

func write(fd int, p []byte) (int, error) { return call(unix.SYS_WRITE, fd, p) }

func call(trap uintptr, fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
