package disk

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe is the memory of a system call, which must not lie on a stack.
type probe struct {
	iov unix.Iovec
	b   [1]byte
}

// Probe implements core.File: it reads a byte of the first page and of the last one, if that needs no waiting.
func (d *File) Probe(off int64, n int) (ready bool, err error) {
	if ready, err = d.probeAt(off); ready && n > 1 {
		ready, err = d.probeAt(off + int64(n) - 1)
	}
	return ready, err
}

// probeAt reads a byte without waiting.
func (d *File) probeAt(off int64) (ready bool, err error) {
	d.ask.iov.Base = &d.ask.b[0]
	d.ask.iov.SetLen(1)
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(d.fd), uintptr(unsafe.Pointer(&d.ask.iov)), 1,
		uintptr(off), uintptr(off>>32), unix.RWF_NOWAIT)
	switch {
	case errno == unix.EAGAIN:
		return false, nil
	case errno == unix.EOPNOTSUPP || errno == unix.ENOSYS: // by the file system, or the kernel
		return true, nil
	case errno != 0:
		return false, errno
	case n == 0:
		return false, errTruncated
	}
	return true, nil
}
