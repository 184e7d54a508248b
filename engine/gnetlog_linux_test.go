package engine_test

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2/pkg/logging"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// logProcess is the variable that makes TestLogProcess log; its value is the file.
const logProcess = "SSCD_TEST_LOG"

// TestLogProcess is no test but the process of TestGnetLogs: gnet has one logger for a process, and this one
// must be the first engine's.
func TestLogProcess(t *testing.T) {
	name := os.Getenv(logProcess)
	if name == "" {
		t.Skip("only a part of TestGnetLogs")
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range 2 {
		e, err := engine.Start(engine.Config{
			Handler: builtin.New(), Backend: engine.Epoll, Logger: log.With("engine", i),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if _, err := e.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		logging.Debugf("debug %d", i)
		logging.Infof("info %d", i)
		logging.Warnf("warn %d", i)
		logging.Errorf("error %d", i)
		logging.Fatalf("fatal %d", i) // which ends nothing
	}
}

// What gnet's packages log comes to the engine's logger, and nothing to standard output or error.
func TestGnetLogs(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/log"
	cmd := exec.Command(exe, "-test.run=^TestLogProcess$")
	cmd.Env = append(os.Environ(), logProcess+"="+name)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%v", err)
	}
	if lines := strings.Split(stdout.String(), "\n"); lines[0] != "PASS" || stderr.Len() > 0 {
		t.Errorf("stdout:\n%s\nstderr:\n%s", &stdout, &stderr)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), " ") // the time
		got = append(got, line)
	}
	want := []string{
		`level=DEBUG msg="gnet: debug 0" engine=0`,
		`level=INFO msg="gnet: info 0" engine=0`,
		`level=WARN msg="gnet: warn 0" engine=0`,
		`level=ERROR msg="gnet: error 0" engine=0`,
		`level=ERROR msg="gnet: fatal 0" engine=0`,
		`level=DEBUG msg="gnet: debug 1" engine=0`,
		`level=INFO msg="gnet: info 1" engine=0`,
		`level=WARN msg="gnet: warn 1" engine=0`,
		`level=ERROR msg="gnet: error 1" engine=0`,
		`level=ERROR msg="gnet: fatal 1" engine=0`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged:\n%s", text)
	}
}
