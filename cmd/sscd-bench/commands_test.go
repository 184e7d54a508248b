package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// TestMain makes this program its own server, as sscd-bench is.
func TestMain(m *testing.M) {
	if process := bench.Process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// sscdBench is a command line of sscd-bench.
func sscdBench(line ...string) (stdout, stderr string, err error) {
	var out, bad bytes.Buffer
	c, args := choose(line)
	err = c(context.Background(), args, &out, &bad)
	return out.String(), bad.String(), err
}

// suiteFile measures a little and returns the file of results.
func suiteFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "suite.json")
	out, bad, err := sscdBench("suite", "--out", file, "--only", "open,echo-1x1x1,echo-1x100x16", "--rounds", "4",
		"--duration", "20ms", "--warmup", "1ms")
	if err != nil || !strings.HasPrefix(out, file+": 6 rows\n") {
		t.Fatalf("%s%s%v", out, bad, err)
	}
	return file
}

func TestSuiteWritesResults(t *testing.T) {
	r, err := bench.ReadResults(suiteFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 6 || len(r.Rows[0].Rounds) != 4 || r.Machine.CPUs < 1 || !strings.HasPrefix(r.Command, "sscd-bench suite ") {
		t.Errorf("%+v", r)
	}
	dir := t.TempDir()
	if _, _, err := sscdBench("suite", "--quick", "--only", "open", "--out", dir); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "suite-*Z.json")); len(files) != 1 {
		t.Errorf("files %q", files)
	}
}

// The results of a single mode are of the same kind, facts of the machine included.
func TestJSONOfAMode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "echo.json")
	if _, _, err := sscdBench("--duration", "20ms", "--warmup", "1ms", "--json", file); err != nil {
		t.Fatal(err)
	}
	r, err := bench.ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 1 || r.Rows[0].Key() != "echo/sscd/epoll/1x100x16/64" || r.Machine.Go == "" || r.Detail == nil {
		t.Errorf("%+v", r)
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, line := range []string{
		"suite more", "suite --what", "suite --only nothing", "suite --rounds 0", "suite --duration x", "suite --quick=maybe",
	} {
		if _, _, err := sscdBench(strings.Fields(line)...); !errors.As(err, new(flags.UsageError)) {
			t.Errorf("%s: error %v", line, err)
		}
	}
}
