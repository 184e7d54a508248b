package doctor

import (
	"fmt"
	"math"
	"strings"
)

// What a server's memory is made of, in bytes, measured (BENCHMARKS.md), the heap twice for the collector's sake.
const (
	connBytes    = 2*1536 + 4096 // with its socket in the kernel
	channelBytes = 2 * 129
	baseBytes    = 64 << 20
)

// spareThreads is how many threads a Go program has besides those that run its goroutines.
const spareThreads = 32

// files is about descriptors of the process.
func (e *examiner) files() Finding {
	const file = "proc/self/limits"
	s, ok := e.text(file)
	soft, hard := -1, -1
	for line := range strings.Lines(s) {
		rest, found := strings.CutPrefix(line, "Max open files")
		if f := strings.Fields(rest); found && len(f) >= 2 {
			var bad, worse error
			soft, bad = number(f[0])
			hard, worse = number(f[1])
			ok = bad == nil && worse == nil
		}
	}
	if !ok || soft < 0 {
		return unknown("descriptors", file)
	}
	want := e.Conns + spareFiles
	f := Finding{
		Name: "descriptors", Is: count(soft), Want: count(want),
		Why:  "a process has no more; connections beyond are not accepted (RLIMIT_NOFILE)",
		Mend: fmt.Sprintf("ulimit -n %d", want),
	}
	if hard < want {
		f.Is += " at most"
		f.Mend += fmt.Sprintf("   # as root, or LimitNOFILE=%d in the unit", want)
	}
	return atLeast(f, Fail, soft, want)
}

// filesOfSystem is about descriptors of all processes.
func (e *examiner) filesOfSystem() Finding {
	const file = "proc/sys/fs/file-nr"
	n, ok := e.numbers(file, 3)
	if !ok {
		return unknown("file-max", file)
	}
	want := e.Conns + spareFiles + n[0]
	return atLeast(Finding{
		Name: "file-max", Is: count(n[2]), Want: count(want),
		Why:  "all processes together have no more open files",
		Mend: sysctl("fs.file-max", want),
	}, Fail, n[2], want)
}

// memory is about what there is of it, for this process.
func (e *examiner) memory() Finding {
	f := Finding{
		Name: "memory", Why: "idle connections and channels take that much; the kernel ends processes beyond it",
	}
	is, from := math.MaxInt, ""
	s, ok := e.text("proc/meminfo")
	for line := range strings.Lines(s) {
		if rest, found := strings.CutPrefix(line, "MemTotal:"); found {
			n, err := number(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if ok = err == nil; ok {
				is, from = n<<10, "of the machine"
			}
		}
	}
	if n, found := e.cgroup("memory.max", "memory", "memory.limit_in_bytes"); found && n < is {
		is, from = n, "of the cgroup"
		f.Mend = "systemctl set-property UNIT MemoryMax=..., or docker run --memory ..."
	}
	if from == "" || !ok {
		return unknown(f.Name, "proc/meminfo")
	}
	want := e.Conns*connBytes + e.Conns*e.Channels*channelBytes + baseBytes
	f.Is, f.Want = size(is)+" "+from, size(want)
	return atLeast(f, Fail, is, want)
}

// threads is about the cgroup's tasks.
func (e *examiner) threads() Finding {
	n, ok := e.cgroup("pids.max", "pids", "pids.max")
	if !ok {
		return Finding{Level: OK, Name: "threads", Is: "no limit of a cgroup"}
	}
	want := e.Procs + spareThreads
	return atLeast(Finding{
		Name: "threads", Is: count(n), Want: count(want),
		Why:  "a Go program that can't have another thread ends (pids.max of the cgroup)",
		Mend: fmt.Sprintf("systemctl set-property UNIT TasksMax=%d, or docker run --pids-limit %[1]d", 10*want),
	}, Fail, n, want)
}

// processors compares GOMAXPROCS with the cgroup's quota.
func (e *examiner) processors() Finding {
	is := fmt.Sprintf("GOMAXPROCS %d", e.Procs)
	quota, period := e.quota()
	if quota == 0 {
		return Finding{Level: OK, Name: "processors", Is: is + ", no quota of a cgroup"}
	}
	most := int(math.Ceil(quota / period))
	return atLeast(Finding{
		Name: "processors", Is: is, Want: fmt.Sprintf("at most %d: the cgroup's quota is %.2f", most, quota/period),
		Why:  "threads that have used up the quota stand still for the rest of each period, with all connections",
		Mend: fmt.Sprintf("GOMAXPROCS=%d sscd serve ...", most),
	}, Warn, most, e.Procs)
}

// quota is the processor time a cgroup has, and in what; 0 for no limit.
func (e *examiner) quota() (quota, period float64) {
	s, ok := e.text("sys/fs/cgroup/cpu.max")
	if own, _ := e.text("proc/self/cgroup"); !ok {
		for line := range strings.Lines(own) {
			if rest, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
				s, _ = e.text(strings.TrimPrefix("sys/fs/cgroup"+strings.TrimSuffix(rest, "/")+"/cpu.max", "/"))
			}
		}
	}
	if s == "" {
		q, _ := e.text("sys/fs/cgroup/cpu/cpu.cfs_quota_us")
		p, _ := e.text("sys/fs/cgroup/cpu/cpu.cfs_period_us")
		s = q + " " + p
	}
	if n, _ := fmt.Sscan(s, &quota, &period); n != 2 || quota <= 0 || period <= 0 {
		return 0, 0
	}
	return quota, period
}

// uring is about who may use io_uring.
func (e *examiner) uring() Finding {
	const file = "proc/sys/kernel/io_uring_disabled"
	n, ok := e.numbers(file, 1)
	if !ok {
		return unknown("io_uring", file) // before Linux 6.6, or without io_uring
	}
	level := Warn
	if e.UringOnly {
		level = Fail
	}
	is := map[int]string{0: "allowed", 1: "for administrators and io_uring_group", 2: "forbidden"}[n[0]]
	return atLeast(Finding{
		Name: "io_uring", Is: is, Want: "allowed",
		Why:  "the backend of that name does not work; epoll does",
		Mend: sysctl("kernel.io_uring_disabled", 0),
	}, level, -n[0], 0)
}

// chosen looks at a file that should hold one of some words.
func (e *examiner) chosen(f Finding, file string, good ...string) Finding {
	s, ok := e.text(file)
	if !ok {
		return unknown(f.Name, file)
	}
	if _, rest, found := strings.Cut(s, "["); found { // one of several, in brackets
		s, _, _ = strings.Cut(rest, "]")
	}
	f.Level, f.Is, f.Want = Warn, s, good[0]
	for _, g := range good {
		if s == g {
			f.Level, f.Want = OK, g
		}
	}
	return f
}

// governor is about the clock rate of processors.
func (e *examiner) governor() Finding {
	f := e.chosen(Finding{
		Name: "governor", Why: "processors that sleep between messages wake up slow: latencies and figures swing",
		Mend: "cpupower frequency-set -g performance",
	}, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance")
	if f.Level == Unknown {
		f.Why = "a virtual machine that does not tell: the host decides"
	}
	return f
}

// hugePages is about the size of pages.
func (e *examiner) hugePages() Finding {
	return e.chosen(Finding{
		Name: "huge pages", Why: "with always, memory of channels that have ended may stay resident in pages of 2 MiB",
		Mend: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
	}, "sys/kernel/mm/transparent_hugepage/enabled", "madvise", "never")
}

// clock is about what time.Now costs.
func (e *examiner) clock() Finding {
	return e.chosen(Finding{
		Name: "clock", Why: "reading the time is a system call with this one: each turn of a loop does",
		Mend: "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
	}, "sys/devices/system/clocksource/clocksource0/current_clocksource",
		"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource")
}
