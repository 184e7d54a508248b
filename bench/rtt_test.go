package bench

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// compare makes a measurement that takes no time to speak of.
func compare(t *testing.T, o Options, server ServerConfig) (Report, error) {
	t.Helper()
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each process of a test with -race ends a second later
	o.Duration, o.Warmup = 50*time.Millisecond, 10*time.Millisecond
	return Compare(context.Background(), o, server, Program(os.Args[0]), func(stage string, part float64, _ int64) {
		if part < 0 || part > 2 {
			t.Errorf("%s: %v of it done", stage, part)
		}
	})
}

// wantTable checks that a report for people has these words, and that there is one for programs.
func wantTable(t *testing.T, r Report, words ...string) {
	t.Helper()
	var table, raw bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if !strings.Contains(table.String(), w) {
			t.Errorf("no %q in\n%s", w, table.String())
		}
	}
	if err := r.WriteJSON(&raw); err != nil || raw.Len() == 0 {
		t.Errorf("%d bytes of JSON, error %v", raw.Len(), err)
	}
}

func TestRTTs(t *testing.T) {
	o := Defaults(RTT)
	o.RTTs = []time.Duration{0, 4 * time.Millisecond}
	r, err := compare(t, o, ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	rows := r.(*RTTResult).Rows
	if len(rows) != len(o.RTTs) {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		if row.Measured < row.Wanted || row.Narrow != 0 {
			t.Errorf("%+v", row)
		}
		for _, v := range []float64{row.Ceiling, row.Down.Fixed, row.Down.Tuned, row.Up.Fixed, row.Up.Tuned} {
			if v <= 0 {
				t.Errorf("%+v", row)
			}
		}
	}
	wantTable(t, r, "measured", "4ms")
}
