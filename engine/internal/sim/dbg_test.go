package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestDbg(t *testing.T) {
	v := os.Getenv("SEED")
	if v == "" {
		t.Skip()
	}
	seed, _ := strconv.ParseUint(v, 10, 64)
	s := Expand(seed)
	s.Setup.Hostile = s.Setup.Hostile && os.Getenv("DUO") == ""
	w := NewWorld()
	w.Trace = func(s string) { fmt.Println(s) }
	fmt.Println((&Script{Setup: s.Setup}).String())
	if f := w.Run(s); f != nil {
		fmt.Println(f)
	}
}
