//go:build linux

package evlooptest

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Pair is two ends of a connection without addresses.
func Pair(t testing.TB) [2]int {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Tiny makes a socket that takes little at a time.
func Tiny(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) }

// Fill writes until the socket is full.
func Fill(fd int) {
	for junk := make([]byte, 4096); ; {
		if _, err := unix.Write(fd, junk); err != nil {
			return
		}
	}
}

// Drain reads what there is.
func Drain(t testing.TB, fd int) (all []byte) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EAGAIN {
			return all
		}
		if n <= 0 || err != nil {
			t.Fatal(n, err)
		}
		all = append(all, buf[:n]...)
	}
}

// Ready returns what poll(2) says of a descriptor now.
func Ready(fd int, events int16) int16 {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	unix.Poll(p, 0)
	return p[0].Revents
}

// Unread is how many bytes lie in a socket.
func Unread(fd int) int {
	n, _ := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return n
}

// Descriptors counts those of this process.
func Descriptors(t testing.TB) int {
	t.Helper()
	runtime.GC() // finalizers of what a test forgot
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Alive returns whether fd is open.
func Alive(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// ShortOf leaves the process n descriptors more than it has, and returns what ends that.
func ShortOf(t testing.TB, n int) (enough func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var spare []int
	for range n + 1 { // the numbers that would be given out next
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		spare = append(spare, fd)
	}
	for _, fd := range spare {
		unix.Close(fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(spare[n]), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	restore := func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }
	t.Cleanup(restore)
	return restore
}

// FewDescriptors lowers the limit on descriptors for the rest of the test, so that UseUp is quick. A request that waits
// in an io_uring goes by the limit at its beginning.
func FewDescriptors(t testing.TB) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := uint64(Descriptors(t) + 100)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
}

// UseUp takes all descriptors that are left, and returns what gives them back, which does no harm twice.
func UseUp(t testing.TB) (enough func()) {
	t.Helper()
	var spare []int
	for {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err == unix.EMFILE {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		spare = append(spare, fd)
	}
	enough = sync.OnceFunc(func() {
		for _, fd := range spare {
			unix.Close(fd)
		}
	})
	t.Cleanup(enough)
	return enough
}
