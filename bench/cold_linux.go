package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget has the system forget what it keeps in memory of a file, and returns whether it did: some filesystems have
// files nowhere else.
func forget(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return false, err
	}
	var one [1]byte
	// Asking may have the system read what lies there.
	_, err = unix.Preadv2(int(f.Fd()), [][]byte{one[:]}, info.Size()/2, unix.RWF_NOWAIT)
	return err == unix.EAGAIN, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
