//go:build linux

package uringio

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
)

// Probe returns why New would fail, or nil.
func Probe() error {
	r, err := ring.New(ring.Config{Entries: 2, Completions: 4, Buffers: 1, BufferSize: 4096, SendBytes: 4096})
	if err == nil {
		r.Close()
	}
	return err
}

// Explain says what an error of New means.
func Explain(err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return "this kernel has no io_uring, or a filter of system calls hides it"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		if v := disabled(); v != "" && v != "0" {
			return "kernel.io_uring_disabled is " + v
		}
		return "a filter of system calls forbids io_uring"
	case errors.Is(err, unix.EINVAL):
		return "io_uring of Linux 6.1 is needed; this is " + release()
	case errors.Is(err, unix.ENOMEM):
		return "there is no memory for it, or too little that may be locked (RLIMIT_MEMLOCK)"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "descriptors have run out"
	}
	return "io_uring does not work"
}

// disabled is the sysctl kernel.io_uring_disabled, or nothing where there is none.
func disabled() string {
	b, err := os.ReadFile("/proc/sys/kernel/io_uring_disabled")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// release is the version of the kernel.
func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
