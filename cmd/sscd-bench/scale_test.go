package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

func TestScale(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scale.json")
	out, bad, err := sscdBench("scale", "--kinds", "conns,churn", "--conns", "10", "--channels", "10", "--duration", "50ms",
		"--warmup", "1ms", "--json", file)
	if err != nil || !strings.Contains(out, "scale conns: ") || !strings.Contains(out, "opened and closed") {
		t.Fatalf("%s%s%v", out, bad, err)
	}
	r, err := bench.ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 4 || r.Rows[0].Workload != "scale conns" {
		t.Errorf("%+v", r)
	}
	for _, line := range []string{"scale more", "scale --kinds up", "scale --memory 0", "scale --rounds x"} {
		if _, _, err := sscdBench(strings.Fields(line)...); !errors.As(err, new(flags.UsageError)) {
			t.Errorf("%s: error %v", line, err)
		}
	}
}
