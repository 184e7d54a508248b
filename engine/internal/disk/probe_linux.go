package disk

import (
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// probe returns whether the byte at off can be read without waiting.
func (f *File) probe(off int64) core.FileState {
	for {
		switch n, err := unix.Preadv2(f.fd, [][]byte{f.one[:]}, off, unix.RWF_NOWAIT); {
		case n == 1:
			return core.FileReady
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return core.FileWaits
		case err == unix.EOPNOTSUPP, err == unix.ENOSYS:
			return f.told(off)
		default:
			return core.FileShort
		}
	}
}
