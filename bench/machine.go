package bench

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Machine is where figures were taken, as far as it bears on them. What the system does not tell is empty.
type Machine struct {
	CPU         string            `json:"cpu"`
	CPUs        int               `json:"cpus"` // that this process may use
	Virtual     bool              `json:"virtual"`
	Governor    string            `json:"governor"`    // of the clock; "none" if the system does not set it
	Mitigations map[string]string `json:"mitigations"` // of the vulnerabilities that the CPU has
	MemoryBytes int64             `json:"memory_bytes"`
	Kernel      string            `json:"kernel"`
	OS          string            `json:"os"`
	Sysctls     map[string]string `json:"sysctls"`
	NoFile      [2]uint64         `json:"nofile"`      // limit of descriptors: soft, hard
	Load        string            `json:"load_before"` // averages of 1, 5 and 15 minutes
	Go          string            `json:"go"`
	Version     string            `json:"sscd_version"`
	Revision    string            `json:"sscd_revision"` // of the source; with "+" if it was changed since
}

// sysctls are those that bear on sockets of the loopback.
var sysctls = []string{
	"net.core.rmem_max", "net.core.wmem_max", "net.core.somaxconn", "net.core.netdev_max_backlog", "net.core.busy_poll",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_mem", "net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.tcp_congestion_control", "net.ipv4.tcp_notsent_lowat", "net.ipv4.ip_local_port_range",
	"net.core.default_qdisc", "fs.file-max", "fs.nr_open", "vm.overcommit_memory", "vm.max_map_count",
}

// ThisMachine returns the facts of this machine.
func ThisMachine() Machine {
	m := Machine{
		CPUs: runtime.NumCPU(), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Governor: "none",
		Kernel: readLine("/proc/sys/kernel/osrelease"), Load: readLoad(),
		Mitigations: make(map[string]string), Sysctls: make(map[string]string),
	}
	cpuinfo := readAll("/proc/cpuinfo")
	m.CPU = field(cpuinfo, "model name", "Model", "Processor")
	m.Virtual = strings.Contains(field(cpuinfo, "flags"), " hypervisor")
	memory := strings.TrimSuffix(field(readAll("/proc/meminfo"), "MemTotal"), " kB")
	if kb, err := strconv.ParseInt(memory, 10, 64); err == nil {
		m.MemoryBytes = kb << 10
	}
	if g := readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); g != "" {
		m.Governor = g
	}
	files, _ := filepath.Glob("/sys/devices/system/cpu/vulnerabilities/*") // no file, no fact
	for _, file := range files {
		if s := readLine(file); s != "" && s != "Not affected" {
			m.Mitigations[filepath.Base(file)] = s
		}
	}
	for _, name := range sysctls {
		if s := readLine("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); s != "" {
			m.Sysctls[name] = s
		}
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		m.NoFile = [2]uint64{uint64(limit.Cur), uint64(limit.Max)}
	}
	m.Version, m.Revision = sourceOf()
	return m
}

// Text is the machine in a line.
func (m *Machine) Text() string {
	kind := ""
	if m.Virtual {
		kind = ", virtual"
	}
	return fmt.Sprintf("%d x %s%s, %.0f GiB, %s %s, %s", m.CPUs, m.CPU, kind, float64(m.MemoryBytes)/(1<<30), m.OS,
		m.Kernel, m.Go)
}

// Differs returns the facts that two machines do not share, but for the load.
func (m *Machine) Differs(o *Machine) (names []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"CPU", m.CPU == o.CPU && m.CPUs == o.CPUs && m.Virtual == o.Virtual},
		{"governor", m.Governor == o.Governor}, {"mitigations", maps.Equal(m.Mitigations, o.Mitigations)},
		{"memory", m.MemoryBytes == o.MemoryBytes}, {"kernel", m.Kernel == o.Kernel && m.OS == o.OS},
		{"sysctls", maps.Equal(m.Sysctls, o.Sysctls)}, {"descriptors", m.NoFile == o.NoFile}, {"Go", m.Go == o.Go},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	return names
}

// field returns the value of the first line "name : value" that has one of the names.
func field(text string, names ...string) string {
	for _, name := range names {
		for line := range strings.Lines(text) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}

func readLoad() string {
	f := strings.Fields(readLine("/proc/loadavg"))
	return strings.Join(f[:min(3, len(f))], " ")
}

// readAll returns what a file of the kernel holds, or nothing.
func readAll(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(raw)
}

// readLine is readAll in one line.
func readLine(path string) string { return strings.Join(strings.Fields(readAll(path)), " ") }
