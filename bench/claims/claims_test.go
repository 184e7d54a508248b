package claims

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// TestMain makes this program its own servers, as sscd-bench is.
func TestMain(m *testing.M) {
	if process := Process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestClaims(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	o := Defaults()
	o.Conversations, o.Rounds, o.Duration, o.FileBytes = 20, 2, 50*time.Millisecond, 300_000
	r, err := Measure(context.Background(), o, bench.Program(os.Args[0]), func(stage string, part float64, _ int64) {
		if part < 0 || part > 2 {
			t.Errorf("%s: %v of it done", stage, part)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Claims) != len(Names()) {
		t.Fatalf("%d claims", len(r.Claims))
	}
	for _, c := range r.Claims {
		if c.Verdict != NotAvailable && (c.Ratio.Median <= 0 || c.Other.High <= 0 || c.Verdict == "") {
			t.Errorf("%+v", c)
		}
		switch c.Name { // what time has no part in
		case "descriptors":
			if c.Ours.Median != 1 || c.Other.Median != 20 || c.Verdict != Refuted {
				t.Errorf("%+v", c)
			}
		case "reuse":
			// One a message; but in a short round those under way at either end count on one side only.
			if c.Other.Median < 1 || c.Other.Low < 0.5 {
				t.Errorf("%+v", c)
			}
		case "calls":
			if c.Other.Low < 1.5 {
				t.Errorf("%+v", c)
			}
		}
	}
	var table, raw bytes.Buffer
	if r.WriteTable(&table) != nil || r.WriteJSON(&raw) != nil {
		t.Fatal("not written")
	}
	for _, want := range []string{"50 % fewer system calls", "refuted", "a connection each"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	var back Report
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil || len(back.Claims) != len(r.Claims) {
		t.Errorf("error %v", err)
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		ours, other []float64
		more        bool
		want        Verdict
	}{
		{[]float64{300, 310, 320}, []float64{100, 90, 80}, true, Met}, // the first round is on the line
		{[]float64{301, 310, 320}, []float64{100, 90, 80}, true, Beaten},
		{[]float64{301, 100, 320}, []float64{100, 90, 80}, true, Met},
		{[]float64{290, 100, 320}, []float64{100, 90, 80}, true, Refuted},
		{[]float64{1, 1, 1}, []float64{4, 5, 6}, false, Beaten},
		{[]float64{0, 0, 0}, []float64{1, 1, 1}, false, Beaten},
		{[]float64{0, 0, 0}, []float64{0, 0, 0}, false, Refuted},
	} {
		claim := Claim{Factor: 3}
		claim.compare(c.ours, c.other, c.more)
		if claim.judge(); claim.Verdict != c.want {
			t.Errorf("%v by %v: %s, not %s", c.ours, c.other, claim.Verdict, c.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"conversations is 0":                  func(o *Options) { o.Conversations = 0 },
		"rounds is 0":                         func(o *Options) { o.Rounds = 0 },
		"duration is 0s":                      func(o *Options) { o.Duration = 0 },
		"the file has 0":                      func(o *Options) { o.FileBytes = 0 },
		`no claim "x"; there are setup, desc`: func(o *Options) { o.Only = []string{"x"} },
	} {
		o := Defaults()
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
