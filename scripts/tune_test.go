package scripts

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A tuned is a system whose files tune-linux.sh sees instead of the real ones.
type tuned struct {
	t     *testing.T
	root  string
	state string
}

// untuned is what its files hold at first.
var untuned = map[string]string{
	"proc/sys/fs/file-max":                           "9223372036854775807\n",
	"proc/sys/net/core/somaxconn":                    "128\n",
	"proc/sys/net/core/rmem_max":                     "33554432\n",
	"proc/sys/net/ipv4/ip_local_port_range":          "32768\t60999\n",
	"proc/sys/net/ipv4/tcp_rmem":                     "4096\t262144\t6291456\n",
	"proc/sys/net/ipv4/tcp_slow_start_after_idle":    "1\n",
	"sys/kernel/mm/transparent_hugepage/enabled":     "[always] madvise never\n",
	"proc/sys/net/ipv4/tcp_something_not_of_concern": "7\n",
}

// newTuned returns a system. What others may be tried as must reach its files.
func newTuned(t *testing.T) *tuned {
	root, err := os.MkdirTemp("", "tune-linux-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	s := &tuned{t, root, filepath.Join(root, "var", "state")}
	for name, text := range untuned {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(root, 0o755)
	return s
}

// run runs the script, which must exit with code, and returns what it said.
func (s *tuned) run(code int, args ...string) string {
	s.t.Helper()
	return s.runAs(nil, code, args...)
}

func (s *tuned) runAs(who *syscall.Credential, code int, args ...string) string {
	s.t.Helper()
	text, err := os.ReadFile("tune-linux.sh")
	if err != nil {
		s.t.Fatal(err)
	}
	// By its text: others may not read this directory.
	cmd := exec.Command("bash", append([]string{"-eu", "-c", string(text), "tune-linux.sh"}, args...)...)
	cmd.Dir = s.root
	cmd.Env = append(os.Environ(), "TUNE_LINUX_ROOT="+s.root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("%v: exit status %d (%v), not %d:\n%s", args, got, err, code, out)
	}
	return string(out)
}

// files are what the files hold now, blanks made one.
func (s *tuned) files() map[string]string {
	all := make(map[string]string)
	for name := range untuned {
		raw, err := os.ReadFile(filepath.Join(s.root, name))
		if err != nil {
			s.t.Fatal(err)
		}
		all[name] = string(bytes.Join(bytes.Fields(raw), []byte(" ")))
	}
	return all
}

func needBash(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
}

func TestTuningIsAppliedAndReverted(t *testing.T) {
	needBash(t)
	s := newTuned(t)
	before := s.files()
	for _, args := range [][]string{{"show"}, {"apply", "--dry-run"}, {"revert"}} {
		out := s.run(0, append(args, "--state", s.state)...)
		if !maps.Equal(before, s.files()) {
			t.Fatalf("%v changed something: %v", args, s.files())
		}
		if args[0] == "apply" && strings.Count(out, "would write") != 5 {
			t.Errorf("a dry run said:\n%s", out)
		}
	}
	if _, err := os.Stat(s.state); err == nil {
		t.Error("a dry run saved a state")
	}

	s.run(0, "apply", "--state", s.state)
	want := maps.Clone(before)
	maps.Copy(want, map[string]string{ // no number is lowered, and a range only grows
		"proc/sys/net/core/somaxconn":                 "16384",
		"proc/sys/net/ipv4/ip_local_port_range":       "22000 65535",
		"proc/sys/net/ipv4/tcp_rmem":                  "4096 262144 33554432",
		"proc/sys/net/ipv4/tcp_slow_start_after_idle": "0",
		"sys/kernel/mm/transparent_hugepage/enabled":  "madvise",
	})
	if got := s.files(); !maps.Equal(got, want) {
		t.Fatalf("applied: %v", got)
	}
	if out := s.run(0, "apply", "--state", s.state); !strings.Contains(out, "nothing to do") {
		t.Errorf("applied again:\n%s", out)
	}

	// Somebody changes one; applied once more, what was there first is still what revert puts back.
	if err := os.WriteFile(filepath.Join(s.root, "proc/sys/net/core/somaxconn"), []byte("64\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.run(0, "apply", "--state", s.state)
	s.run(0, "revert", "--dry-run", "--state", s.state)
	s.run(0, "revert", "--state", s.state)
	before["sys/kernel/mm/transparent_hugepage/enabled"] = "always" // a real one shows the others too
	if got := s.files(); !maps.Equal(got, before) {
		t.Errorf("reverted: %v", got)
	}
	if _, err := os.Stat(s.state); err == nil {
		t.Error("the state is still there")
	}
}

func TestTuningSaysWhatIsWrong(t *testing.T) {
	needBash(t)
	s := newTuned(t)
	for _, args := range [][]string{{}, {"apply", "revert"}, {"reset"}, {"apply", "--state"}} {
		if out := s.run(2, args...); !strings.Contains(out, "usage:") {
			t.Errorf("%v: %s", args, out)
		}
	}
	if out := s.run(0, "--help"); !strings.Contains(out, "revert") {
		t.Errorf("help: %s", out)
	}
	if os.Geteuid() != 0 {
		t.Skip("the rest needs root, to be somebody else")
	}
	before := s.files()
	out := s.runAs(&syscall.Credential{Uid: 65534, Gid: 65534}, 1, "apply", "--state", s.state)
	if !strings.Contains(out, "run it as root") || !maps.Equal(before, s.files()) {
		t.Errorf("not as root: %s", out)
	}
}
