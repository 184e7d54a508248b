package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// roomy is a system on which nothing bites.
var roomy = map[string]string{
	"proc/self/limits":                                                "Limit  Soft Limit  Hard Limit  Units\nMax open files            1048576              1048576              files\n",
	"proc/self/cgroup":                                                "0::/a/b\n",
	"proc/meminfo":                                                    "MemTotal:       24000000 kB\nMemFree: 1 kB\n",
	"proc/sys/fs/file-nr":                                             "1000\t0\t9223372036854775807\n",
	"proc/sys/kernel/io_uring_disabled":                               "0\n",
	"proc/sys/net/core/rmem_max":                                      "16777216\n",
	"proc/sys/net/core/somaxconn":                                     "65535\n",
	"proc/sys/net/core/wmem_max":                                      "16777216\n",
	"proc/sys/net/ipv4/ip_local_port_range":                           "1024\t65535\n",
	"proc/sys/net/ipv4/tcp_max_syn_backlog":                           "65535\n",
	"proc/sys/net/ipv4/tcp_mem":                                       "190000\t253000\t380000\n",
	"proc/sys/net/ipv4/tcp_rmem":                                      "4096\t131072\t33554432\n",
	"proc/sys/net/ipv4/tcp_slow_start_after_idle":                     "0\n",
	"proc/sys/net/ipv4/tcp_wmem":                                      "4096\t16384\t33554432\n",
	"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
	"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":            "performance\n",
	"sys/kernel/mm/transparent_hugepage/enabled":                      "always [madvise] never\n",
}

var wanted = Want{Conns: 10_000, Channels: 10, Rate: 125e6, RTT: 10 * time.Millisecond, Dials: true}

// with is roomy with some files changed; those changed to "-" are not there.
func with(changes map[string]string) System {
	files := maps.Clone(roomy)
	maps.Copy(files, changes)
	root := fstest.MapFS{}
	for name, text := range files {
		if text != "-" {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return System{root, 2}
}

func TestNothingBitesARoomySystem(t *testing.T) {
	for _, f := range Examine(with(nil), wanted) {
		if f.Level != OK || f.Is == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestEachLimitIsFound(t *testing.T) {
	for _, c := range []struct {
		file, text string
		name       string
		level      Level
		want       string // of what the finding says
	}{
		{"proc/self/limits", "Max open files  1024  4096  files", "descriptors", Fail, "1,024 at most"},
		{"proc/self/limits", "Max open files  1024  unlimited  files", "descriptors", Fail, "ulimit -n 10256"},
		{"proc/self/limits", "Max open files  unlimited  unlimited  files", "descriptors", OK, "unlimited"},
		{"proc/self/limits", "Max cpu time  unlimited unlimited", "descriptors", Unknown, "/proc/self/limits"},
		{"proc/sys/fs/file-nr", "1000 0 5000", "file-max", Fail, "fs.file-max=\"11256\""},
		{"proc/sys/net/core/somaxconn", "128", "somaxconn", Warn, "4,096"},
		{"proc/sys/net/ipv4/tcp_max_syn_backlog", "128", "syn backlog", Warn, "cookies"},
		{"proc/sys/net/ipv4/ip_local_port_range", "60000 65535", "ports", Fail, "5,536"},
		{"proc/sys/net/netfilter/nf_conntrack_max", "9999", "conntrack", Fail, "10,000"},
		{"proc/sys/net/netfilter/nf_conntrack_max", "99999", "conntrack", OK, "99,999"},
		{"proc/sys/net/ipv4/tcp_rmem", "4096 131072 1000000", "tcp_rmem", Warn, "4096 131072 2500000"},
		{"proc/sys/net/ipv4/tcp_wmem", "4096 16384 1000000", "tcp_wmem", Warn, "2,441 KiB"},
		{"proc/sys/net/core/rmem_max", "212992", "rmem_max", OK, "not set"},
		{"proc/sys/net/ipv4/tcp_mem", "1 2 3", "tcp_mem", Warn, "20000 40000 60000"},
		{"proc/sys/net/ipv4/tcp_slow_start_after_idle", "1", "slow start", Warn, "10 packets"},
		{"proc/meminfo", "MemTotal: 100000 kB\n", "memory", Fail, "of the machine"},
		{"sys/fs/cgroup/a/memory.max", "50000000", "memory", Fail, "of the cgroup"},
		{"sys/fs/cgroup/a/b/memory.max", "max", "memory", OK, "of the machine"},
		{"sys/fs/cgroup/a/b/pids.max", "20", "threads", Fail, "TasksMax=340"},
		{"sys/fs/cgroup/cpu.max", "max 100000", "processors", OK, "no quota"},
		{"sys/fs/cgroup/a/b/cpu.max", "50000 100000", "processors", Warn, "GOMAXPROCS=1"},
		{"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1", "processors", OK, "no quota"},
		{"proc/sys/kernel/io_uring_disabled", "2", "io_uring", Warn, "forbidden"},
		{"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave", "governor", Warn, "powersave"},
		{"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "-", "governor", Unknown, "the host decides"},
		{"sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never", "huge pages", Warn, "always"},
		{"sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock", Warn, "system call"},
	} {
		found := false
		for _, f := range Examine(with(map[string]string{c.file: c.text}), wanted) {
			if f.Name != c.name {
				continue
			}
			found = true
			if said := fmt.Sprint(f); f.Level != c.level || !strings.Contains(said, c.want) {
				t.Errorf("%s %q: %s, want %s and %q", c.file, c.text, said, c.level, c.want)
			}
		}
		if !found {
			t.Errorf("there is no finding %q", c.name)
		}
	}
}

func TestLimitsOfVersion1OfCgroups(t *testing.T) {
	s := with(map[string]string{
		"proc/self/cgroup": "4:memory:/x/y\n8:pids:/\n1:cpu:/\n0::/\n",
		"sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "9223372036854771712",
		"sys/fs/cgroup/memory/x/memory.limit_in_bytes":   "30000000",
		"sys/fs/cgroup/pids/pids.max":                    "33",
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us":             "150000",
		"sys/fs/cgroup/cpu/cpu.cfs_period_us":            "100000",
	})
	r := Examine(s, wanted)
	if n := r.Failed(); n != 2 {
		t.Errorf("%d limits fail: %+v", n, r)
	}
}

func TestFlagsAreHeldAgainstTheirLimits(t *testing.T) {
	w := wanted
	w.ReadBuf, w.WriteBuf, w.Backlog, w.UringOnly, w.Dials = 32<<20, 32<<20, 100_000, true, false
	got := make(map[string]Level)
	for _, f := range Examine(with(map[string]string{
		"proc/sys/kernel/io_uring_disabled": "1", "proc/sys/net/ipv4/ip_local_port_range": "60000 60001",
	}), w) {
		got[f.Name] = f.Level
	}
	for name, level := range map[string]Level{
		"rmem_max": Warn, "wmem_max": Warn, "somaxconn": Warn, "io_uring": Fail, "ports": OK,
	} {
		if got[name] != level {
			t.Errorf("%s: %s", name, got[name])
		}
	}
}

// Of a system that tells nothing, nothing is said but that; and of one that tells nonsense.
func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	nonsense := make(map[string]string)
	for name := range roomy {
		nonsense[name] = "x y z\n\n-1 :::"
	}
	for name, s := range map[string]System{"empty": {fstest.MapFS{}, 1}, "nonsense": with(nonsense)} {
		r := Examine(s, wanted)
		if r.Failed() != 0 {
			t.Errorf("%s: %+v", name, r)
		}
		for _, f := range r {
			if f.Level == Unknown && !strings.Contains(f.Is, "can't be read") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func TestReports(t *testing.T) {
	var table, raw bytes.Buffer
	r := Examine(with(map[string]string{"proc/sys/net/core/somaxconn": "128"}), wanted)
	if r.WriteTable(&table) != nil || r.WriteJSON(&raw) != nil {
		t.Fatal("not written")
	}
	const want = `warn     somaxconn        128; wanted: 4,096
                          the kernel cuts the backlog`
	if !strings.Contains(table.String(), want) {
		t.Errorf("no\n%s\nin\n%s", want, table.String())
	}
	var back Report
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil || len(back) != len(r) {
		t.Errorf("%d findings read back, error %v", len(back), err)
	}
}

// The real one has whatever it has, and must not panic.
func TestThisSystem(t *testing.T) { Examine(ThisSystem(), wanted) }
