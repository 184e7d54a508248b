//go:build linux

package engine_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// serverProcess is the variable that makes TestServerProcess a server; its value is the backend.
const serverProcess = "SSCD_TEST_SERVER"

// maxDescriptors is how many descriptors the server process may have.
const maxDescriptors = 64

// TestServerProcess is no test but the server of TestOutOfDescriptors: the test binary runs itself to have a
// process with few descriptors. It prints its address, and its Stats for every line it reads.
func TestServerProcess(t *testing.T) {
	backend := os.Getenv(serverProcess)
	if backend == "" {
		t.Skip("only a part of TestOutOfDescriptors")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = maxDescriptors
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Start(engine.Config{
		Handler: builtin.New(), Backend: engine.Backend(backend), Logger: quiet, MaxConns: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(addr)
	out := json.NewEncoder(os.Stdout)
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		if err := out.Encode(e.Stats()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOutOfDescriptors: a server that has no descriptors left goes on serving whom it has, rests instead of
// spinning, and accepts again once descriptors are free.
func TestOutOfDescriptors(t *testing.T) {
	onBackendsAtOnce(t, func(t *testing.T, b engine.Backend) {
		s := startServerProcess(t, b)

		// Some connections stand.
		var standing []*rawPeer
		for range 4 {
			p := dialRaw(t, s.addr)
			p.play(`
				> OPEN 1
				< ACK 1`)
			p.echo(1, "standing")
			standing = append(standing, p)
		}

		// More come than there are descriptors. The kernel takes them all; the server can't.
		var extra []net.Conn
		for range 2 * maxDescriptors {
			nc, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			extra = append(extra, nc)
		}
		eventually(t, func() (bool, string) {
			st := s.stats(t)
			return st.AcceptPauses > 0, fmt.Sprintf("%d connections, and accepting has not paused", st.Conns)
		})
		exhausted := s.stats(t)
		if exhausted.Conns >= maxDescriptors || exhausted.Conns <= len(standing) {
			t.Errorf("%d connections with %d descriptors", exhausted.Conns, maxDescriptors)
		}

		// Meanwhile those that stand are served, and the process mostly sleeps.
		cpu, at := s.cpu(t), time.Now()
		echoes := 0
		for time.Since(at) < time.Second {
			for _, p := range standing {
				p.echo(1, fmt.Sprintf("echo %d", echoes))
				echoes++
			}
			time.Sleep(20 * time.Millisecond) // so that echoes take little of the CPU that is measured
		}
		took := time.Since(at)
		share := float64(s.cpu(t)-cpu) / float64(took)
		after := s.stats(t)
		t.Logf("%d connections served, %d wait; in %v %d echoes, %d pauses, %.1f %% CPU",
			exhausted.Conns, len(standing)+len(extra)-exhausted.Conns, took.Round(time.Millisecond), echoes,
			after.AcceptPauses-exhausted.AcceptPauses, 100*share)
		if share > 0.5 {
			t.Errorf("%.0f %% CPU while descriptors are out", 100*share)
		}
		if after.AcceptFailed != 0 {
			t.Errorf("%d connections failed", after.AcceptFailed)
		}

		// The others go, and who comes now is accepted and served.
		for _, nc := range extra {
			nc.Close()
		}
		at = time.Now()
		p := dialRaw(t, s.addr)
		p.play(`
			> OPEN 1
			< ACK 1`)
		p.echo(1, "again")
		t.Logf("a new connection is served %v after descriptors are free", time.Since(at).Round(time.Millisecond))
		for _, p := range standing {
			p.echo(1, "still standing")
		}
		settles(t, "connections", func() int { return s.stats(t).Conns }, len(standing)+1)
	})
}

// process is a server that runs as TestServerProcess.
type process struct {
	addr string
	pid  int
	in   io.Writer
	out  *bufio.Reader
}

// startServerProcess starts a server, which is ended with the test.
func startServerProcess(t *testing.T, b engine.Backend) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestServerProcess$")
	cmd.Env = append(os.Environ(), serverProcess+"="+string(b))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &process{pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		rest, _ := io.ReadAll(s.out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server process: %v: %s", err, rest)
		}
	})
	s.addr = strings.TrimSpace(s.line(t))
	if _, _, err := net.SplitHostPort(s.addr); err != nil {
		t.Fatalf("the server process says %q", s.addr)
	}
	return s
}

func (s *process) line(t *testing.T) string {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the server process says %q: %v", line, err)
	}
	return line
}

// stats asks for the server's counters.
func (s *process) stats(t *testing.T) (st engine.Stats) {
	t.Helper()
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(s.line(t)), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// cpu is the processor time that the server has used.
func (s *process) cpu(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	// Fields 14 and 15 of proc(5), in ticks of 10 ms; the second field, in parentheses, may hold spaces.
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
