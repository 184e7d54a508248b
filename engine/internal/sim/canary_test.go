//go:build canary

package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// mutantSteps is within how many operations a mutant must be found.
const mutantSteps = 200_000_000

// The simulator is built with each of the faults in turn, and must find it. One that it misses means that
// the simulator is broken, or blind.
func TestMutantsAreFound(t *testing.T) {
	all := mutants(t)
	worlds := make([]int, 0, len(all))
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			start := time.Now()
			seed, oracle, err := m.hunt(t.TempDir())
			if err != nil {
				t.Fatalf("NOT FOUND: %v", err)
			}
			worlds = append(worlds, seed+1)
			t.Logf("found in world %d by %q (%v)", seed+1, oracle, time.Since(start).Round(time.Millisecond))
		})
	}
	slices.Sort(worlds)
	if len(worlds) > 0 {
		t.Logf("%d of %d found, the median in world %d", len(worlds), len(all), worlds[len(worlds)/2])
	}
}

var failure = regexp.MustCompile(`(?m)^FAILED seed (\d+), step \d+: ([^:]+):`)

// hunt builds the simulator with the fault in it, and returns the seed that found it.
func (m *mutant) hunt(dir string) (seed int, oracle string, err error) {
	src, err := m.apply()
	if err != nil {
		return 0, "", err
	}
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	path, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		return 0, "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return 0, "", err
	}
	if err := os.WriteFile(changed, src, 0o600); err != nil {
		return 0, "", err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return 0, "", err
	}
	bin := filepath.Join(dir, "simulate")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", bin, "./simulate").CombinedOutput(); err != nil {
		return 0, "", fmt.Errorf("%v: %s", err, out)
	}
	out, err := exec.Command(bin, "-q", "-workers", "1", "-shrink", "0", "-steps", strconv.Itoa(mutantSteps)).CombinedOutput()
	found := failure.FindSubmatch(out)
	if found == nil {
		return 0, "", fmt.Errorf("after %d operations (%v)", mutantSteps, err)
	}
	seed, err = strconv.Atoi(string(found[1]))
	return seed, string(found[2]), err
}
