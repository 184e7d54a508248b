//go:build linux

package sock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Writev writes the pieces, of which there are at most 1,024, without allocating: iov is the caller's,
// and has room for as many.
func Writev(fd int, pieces [][]byte, iov []unix.Iovec) (int, error) {
	if len(pieces) == 1 {
		return write(fd, pieces[0])
	}
	iov = iov[:len(pieces)]
	for i, p := range pieces {
		iov[i].Base = unsafe.SliceData(p)
		iov[i].SetLen(len(p))
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)))
	clear(iov) // it must keep nothing alive
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// SendMore is Writev for a socket to which more is written at once, so that no packet ends in between.
func SendMore(fd int, pieces [][]byte, iov []unix.Iovec) (int, error) {
	iov = iov[:len(pieces)]
	for i, p := range pieces {
		iov[i].Base = unsafe.SliceData(p)
		iov[i].SetLen(len(p))
	}
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(len(iov))
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)),
		unix.MSG_MORE|unix.MSG_NOSIGNAL)
	clear(iov) // it must keep nothing alive
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
