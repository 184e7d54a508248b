package bench

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// tinyScale takes no time to speak of.
func tinyScale(kinds ...string) ScaleOptions {
	o := ScaleDefaults()
	o.Kinds, o.Channels, o.Conns = kinds, 20, 20
	o.Duration, o.Warmup = 50*time.Millisecond, 5*time.Millisecond
	return o
}

func measureScale(t *testing.T, o ScaleOptions) *ScaleResult {
	t.Helper()
	res, err := MeasureScale(context.Background(), o, Program(os.Args[0]), func(string, float64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := res.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	return res
}

func TestScale(t *testing.T) {
	res := measureScale(t, tinyScale(ScaleKinds...))
	if len(res.Notes) > 0 {
		if strings.Contains(res.Notes[0], "no message came back") {
			t.Skip("a busy machine")
		}
		t.Errorf("notes: %q", res.Notes)
	}
	kinds := make(map[string]int)
	for i := range res.Rows {
		row := &res.Rows[i]
		kinds[row.Workload]++
		for _, name := range scaleColumns(row.Workload) {
			if _, ok := row.Spread(name); !ok {
				t.Errorf("%s: no %s", row.Key(), name)
			}
		}
	}
	for _, kind := range ScaleKinds {
		if kinds["scale "+kind] < 2 {
			t.Errorf("%d rows of kind %s", kinds["scale "+kind], kind)
		}
	}
}

// Several servers share a port, and have all connections between them.
func TestScaleOverSeveralProcesses(t *testing.T) {
	o := tinyScale(ScaleConns)
	f, err := scaleStep{kind: ScaleConns, conns: 50, channels: 2, processes: 3}.round(
		context.Background(), &o, Program(os.Args[0]))
	if err != nil || f[MessagesPerSecond] <= 0 || f[ServerPerMillion] <= 0 {
		t.Errorf("%v, error %v", f, err)
	}
}

// A kind ends where memory does, with what was measured before, and others go on.
func TestScaleEndsWithItsMemory(t *testing.T) {
	o := tinyScale(ScaleChannels, ScaleConns)
	o.Memory = 1
	res := measureScale(t, o)
	if len(res.Rows) != 0 || len(res.Notes) != 2 || !strings.Contains(res.Notes[0], "bound for memory") {
		t.Errorf("%d rows, notes %q", len(res.Rows), res.Notes)
	}
}

func TestScaleSteps(t *testing.T) {
	o := ScaleDefaults()
	all := o.steps(ScaleChannels)
	if last := all[len(all)-1]; len(all) != 7 || last.conns != 10 || last.channels != 1_000_000 {
		t.Errorf("%d steps, the last %+v", len(all), last)
	}
	all = o.steps(ScaleConns)
	if last := all[len(all)-1]; last.processes != 7 || last.conns != 100_000 {
		t.Errorf("the last step: %+v", last)
	}
	for _, n := range []int{1, 2, 10, 1000, 999_999} {
		if s := stride(n); gcd(s, n) != 1 {
			t.Errorf("steps of %d do not pass all of %d", s, n)
		}
	}
	for _, change := range []func(*ScaleOptions){
		func(o *ScaleOptions) { o.Kinds = []string{"up"} },
		func(o *ScaleOptions) { o.Kinds = nil },
		func(o *ScaleOptions) { o.Memory = 0 },
		func(o *ScaleOptions) { o.Size = 1 << 20 },
		func(o *ScaleOptions) { o.Duration = 0 },
	} {
		o := ScaleDefaults()
		if change(&o); o.Check() == nil {
			t.Errorf("no error: %+v", o)
		}
	}
}
