package sim

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// slice is how many seeds go test runs; scripts/simulate runs as many as one likes.
func slice() uint64 {
	switch {
	case testing.Short():
		return 500
	case pool.Poison && raceEnabled:
		return 300
	case pool.Poison, raceEnabled:
		return 700
	}
	return 10_000
}

func TestWorlds(t *testing.T) {
	w := NewWorld()
	for seed := range slice() {
		if f := w.RunSeed(seed); f != nil {
			s, short := Shrink(Expand(seed), f, 5_000_000)
			t.Fatalf("%v\nscripts/simulate -seed %d\n\n# %v\n%v", f, seed, short, s)
		}
	}
	s := &w.Stats
	if s.Worlds > 10_000 {
		checkCoverage(t, s)
	}
	t.Logf("%d worlds, %d steps, %d frames, %d bytes verified", s.Worlds, s.Steps, s.Frames, s.Verified)
}

// checkCoverage checks that every kind of operation happened, and every event.
func checkCoverage(t *testing.T, s *Stats) {
	for kind, n := range s.Ops {
		if n == 0 {
			t.Errorf("no %v", Kind(kind))
		}
	}
	if s.Files == 0 || s.Holes == 0 {
		t.Errorf("%d files were sent, and of %d ranges the file was gone", s.Files, s.Holes)
	}
	for kind, n := range s.Events {
		if n == 0 && kind > 0 && core.EventKind(kind) != core.Greeted {
			t.Errorf("no event %s", eventNames[kind])
		}
	}
}

// What failed once is played for ever after.
func TestRegressions(t *testing.T) {
	names, err := filepath.Glob("testdata/regress/*.sim")
	if err != nil {
		t.Fatal(err)
	}
	w := NewWorld()
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".sim"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if f := w.Run(s); f != nil {
				t.Error(f)
			}
		})
	}
}

// A script says the same as text and as operations.
func TestScriptText(t *testing.T) {
	for seed := range uint64(20) {
		want := Expand(seed)
		got, err := Parse(want.String())
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("seed %d: a script is not what was written down", seed)
		}
	}
	for _, bad := range []string{"world seed=x", "world weather=1", "client write 1", "client fly 1 1", "client write x 1",
		"client write 1 x"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q is a script", bad)
		}
	}
}

// floods is a script of floods, of which nobody takes anything in.
var floods = append([]byte("x)0\x10\x00\x00\x00\x9c"), bytes.Repeat([]byte{0xdd}, 2000*opBytes)...)

// A line holds one flood, not all that a script has.
func TestFloodsStopAtWhatSocketsHold(t *testing.T) {
	w := NewWorld()
	if failure := w.Run(FromBytes(floods)); failure != nil {
		t.Fatal(failure)
	}
	if got := cap(w.links[w.setup.Core].buf); got < floodLimit || got > 4*floodLimit {
		t.Errorf("the line held up to %d bytes, want %d to %d", got, floodLimit, 4*floodLimit)
	}
}

// Any bytes are a script, and no script breaks the core.
func FuzzSim(f *testing.F) {
	f.Add([]byte("a seed..\x0b\x00\x00\x00\x00\x0c\x00\x00\x01\x00\x01\x00\x00\xff\xff\x00\x01\x00\xff\xff"))
	f.Add([]byte("another."))
	f.Add(floods)
	w := NewWorld()
	f.Fuzz(func(t *testing.T, b []byte) {
		s := FromBytes(b[:min(len(b), 8+2000*opBytes)])
		if failure := w.Run(s); failure != nil {
			t.Fatalf("%v\n%v", failure, s)
		}
	})
}

func BenchmarkWorlds(b *testing.B) {
	w := NewWorld()
	for seed := uint64(0); b.Loop(); seed++ {
		w.Run(Expand(seed))
	}
	b.ReportMetric(float64(w.Stats.Steps)/b.Elapsed().Minutes()/1e6, "Msteps/min")
	b.ReportMetric(float64(w.Stats.Frames)/b.Elapsed().Minutes()/1e6, "Mframes/min")
}
