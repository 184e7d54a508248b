package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// Usage is what a process has used.
type Usage struct {
	CPU      time.Duration `json:"cpu_ns"`
	RSS      int64         `json:"rss_bytes"`  // resident now
	Peak     int64         `json:"peak_bytes"` // resident at most
	Switches int64         `json:"switches"`   // context switches of all threads, asked for or not
	Mallocs  uint64        `json:"mallocs"`    // objects allocated so far
	Calls    int64         `json:"calls"`      // system calls that read or wrote; 0 if not counted
	Go       Runtime       `json:"go"`
	Stats    engine.Stats  `json:"stats"` // of its engine
}

// OwnUsage is what this process has used, without Stats.
func OwnUsage() (Usage, error) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return Usage{}, err
	}
	rss, err := residentBytes("self")
	if err != nil {
		return Usage{}, err
	}
	peak, err := peakBytes("self")
	u := Usage{
		CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), RSS: rss, Peak: max(peak, rss),
		Switches: ru.Nvcsw + ru.Nivcsw, Calls: ioCalls(),
	}
	u.Mallocs, u.Go = readRuntime()
	return u, err
}

// ioCalls is how many system calls of this process have read or written: read(2), write(2) and those with vectors or
// positions, also those that found nothing to do; not recv(2), send(2), and those that wait.
func ioCalls() (n int64) {
	raw, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		name, count, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name == "syscr" || name == "syscw" {
			one, _ := strconv.ParseInt(count, 10, 64)
			n += one
		}
	}
	return n
}

// residentBytes is the resident memory of a process, named as /proc names it.
func residentBytes(pid string) (int64, error) {
	raw, err := os.ReadFile("/proc/" + pid + "/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%s/statm holds %q", pid, raw)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// forgetPeak makes a process's peak what it has now.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peakBytes is the most resident memory that a process, named as /proc names it, has had since forgetPeak.
func peakBytes(pid string) (int64, error) {
	raw, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%s/status has no VmHWM", pid)
}
