package sim

import (
	"os"
	"testing"
)

func TestWorlds(t *testing.T) {
	w := NewWorld()
	for seed := range uint64(200000) {
		s := Expand(seed)
		if os.Getenv("DUO") != "" {
			s.Setup.Hostile = false
		}
		if f := w.Run(s); f != nil {
			t.Fatal(f, "\n", (&Script{Setup: s.Setup}).String())
		}
	}
	t.Logf("%+v", w.Stats)
}
