package main_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// sscd is the command under test.
var sscd string

func TestMain(m *testing.M) {
	status, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// buildAndRun builds the command, with the race detector if the tests have it, and runs the tests.
func buildAndRun(m *testing.M) (status int, err error) {
	dir, err := os.MkdirTemp("", "sscd")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sscd = filepath.Join(dir, "sscd")
	args := []string{"build", "-o", sscd}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building sscd: %w\n%s", err, out)
	}
	// The tests wait for others more than they compute, so more of them go together than by default.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("8"); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

func TestMistakesInTheCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, about string }{
		{"serve --no-such-flag", "-no-such-flag"},
		{"serve --loops many", "-loops"},
		{"serve --loops -1", "Loops"},
		{"serve --backend carrier-pigeon", `"carrier-pigeon"`},
		{"serve --listen 127.0.0.1:0 here", `"here"`},
		{"serve --listen 0.0.0.0:0", "--insecure"},
		{"serve --listen [::]:0", "--insecure"},
		{"serve --listen :0", "--insecure"},
		{"serve --listen 192.0.2.1:0", "192.0.2.1:0 is not a loopback address"},
		{"serve --max-conns -1", "MaxConns"},
		{"serve --idle -1s", "Idle"},
		{"serve --memory lots", "-memory"},
		{"serve --base=maybe", "-base"},
		{"connect", "address"},
		{"serve --listen=", "--listen needs an address"},
		{"serve --nodelay=maybe", "-nodelay: it is neither true nor false"},
		{"serve --user-timeout -1s", "UserTimeout is -1s"},
		{"connect a b c", "address"},
		{"connect a --timeout -1s", "--timeout is -1s"},
		{"connect a --wait -1s", "--wait is -1s"},
		{"connect --no-such-flag a", "-no-such-flag"},
		{"serve --max-files -1", "--max-files"},
		{"get a", "a path"},
		{"get a b c", "a path"},
		{"get a /", `"/" is no path of a file`},
		{"get a b --timeout 0s", "--timeout is 0s"},
		{"get a b --no-such-flag", "-no-such-flag"},
		{"get --offset -1 a b", "negative"},
		{"get -C --length 1 a b", "resumed"},
		{"get --resume a b -o -", "resumed"},
	} {
		start(t, nil, sscd, strings.Fields(c.args)...).wantComplaint(2, c.about)
	}
	// Who doesn't know the commands is told them.
	for _, args := range [][]string{nil, {"dance"}} {
		p := start(t, nil, sscd, args...)
		p.wantStatus(2)
		said := p.stderr.String()
		if !strings.Contains(said, "usage: sscd serve") || !strings.Contains(said, "sscd: no command") {
			t.Errorf("sscd %v says:\n%s", args, said)
		}
	}
	// Who asks for help can have it on paper.
	for args, want := range map[string]string{
		"help": "usage: sscd serve [flags]\n", "serve --help": "usage: sscd serve [flags]\nserves",
		"connect --help": "usage: sscd connect [flags] ADDR [TARGET]\nopens",
		"get a --help":   "usage: sscd get [flags] ADDR PATH\nfetches",
	} {
		p := start(t, nil, sscd, strings.Fields(args)...)
		p.wantStatus(0)
		if said := p.stdout.String(); !strings.HasPrefix(said, want) || p.stderr.String() != "" {
			t.Errorf("sscd %s says:\n%s%s", args, said, p.stderr.String())
		}
	}
}
