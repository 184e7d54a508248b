package engine_test

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// withoutRing says in a process of its own that io_uring_setup fails there, with this error.
const withoutRing = "SSCD_TEST_WITHOUT_RING"

// Where a filter of system calls forbids io_uring, or hides it, an engine that wants it serves with epoll and says why.
func TestWithoutIOUring(t *testing.T) {
	if how := os.Getenv(withoutRing); how != "" {
		serveWithoutRing(t, map[string]unix.Errno{"EPERM": unix.EPERM, "ENOSYS": unix.ENOSYS}[how])
		return
	}
	for how, want := range map[string]string{
		"EPERM": "a filter of system calls forbids io_uring", "ENOSYS": "this kernel has no io_uring, or a filter",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWithoutIOUring$", "-test.v")
		cmd.Env = append(os.Environ(), withoutRing+"="+how)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "SKIP") {
			t.Errorf("%s: %v, want %q:\n%s", how, err, want, out)
		}
	}
}

func serveWithoutRing(t *testing.T, errno unix.Errno) {
	forbidRing(t, errno)
	var log bytes.Buffer
	e, err := engine.Start(engine.Config{
		Backend: engine.IOUring, Handler: builtin.New(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := dialled(t, e)
	defer s.Close()
	openStream(t, s, engine.OpenOptions{Target: "echo"}).Close()
	if e.Backend() != engine.Epoll || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("backend %s", e.Backend())
	}
	t.Log(log.String())
}

// forbidRing has io_uring_setup fail from now on, on all threads.
func forbidRing(t *testing.T, errno unix.Errno) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the filter below is for other machines")
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_IO_URING_SETUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Skip("no filters of system calls: ", err)
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		t.Skip("no filters of system calls: ", e)
	}
}
