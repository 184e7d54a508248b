package main_test

import (
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A file gets its name when the disk has it; where disks can't be asked, without.
func TestGetSyncs(t *testing.T) {
	t.Parallel()
	root, dir := t.TempDir(), t.TempDir()
	whole, older, out := noise(1<<20), []byte("an older one"), filepath.Join(dir, "out")
	write(t, whole, root, "f")
	write(t, older, out)
	_, addr := serve(t, "--files", root)

	client := getWithoutSync(t, unix.EIO, addr, "f", "-o", out)
	client.wantComplaint(1, "input/output error")
	wantFile(t, out, older)
	wantFile(t, out+".part", whole)
	wantOnly(t, dir, "out", "out.part", "out.part.of")

	getWithoutSync(t, unix.EINVAL, addr, "f", "-C", "-o", out).wantStatus(0)
	wantFile(t, out, whole)
	wantOnly(t, dir, "out")
}

// getWithoutSync starts sscd get where fsync(2) fails.
func getWithoutSync(t *testing.T, with unix.Errno, args ...string) (p *process) {
	t.Helper()
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread has the filter, as its children do, and ends with the goroutine
		if err := forbidSync(with); err != nil {
			done <- err
			return
		}
		p = get(t, args...)
	}()
	if err := <-done; err != nil {
		t.Skip("no filters of system calls: ", err)
	}
	if p == nil {
		t.FailNow()
	}
	return p
}

// forbidSync has fsync(2) fail from now on in this thread.
func forbidSync(with unix.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_FSYNC},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(with)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
