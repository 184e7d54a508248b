package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is where the project's files are.
const root = "../../.."

// mutant is a fault that the simulator must find: in a file, one text becomes another.
type mutant struct {
	name, why, file, old, new string
}

// mutants reads those of testdata/mutants. They are text and not switches in the code, so that the code
// that is tested is the code that runs.
func mutants(t *testing.T) (all []mutant) {
	names, err := filepath.Glob("testdata/mutants/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m := mutant{name: filepath.Base(name)}
		var rest string
		m.why, rest, _ = strings.Cut(string(text), "\n\n-- ")
		m.file, rest, _ = strings.Cut(rest, " --\n")
		m.old, m.new, _ = strings.Cut(rest, "\n-- becomes --\n")
		m.new = strings.TrimSuffix(m.new, "\n")
		all = append(all, m)
	}
	return all
}

// apply returns the file with the fault in it.
func (m *mutant) apply() ([]byte, error) {
	src, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(src), m.old); n != 1 || m.old == "" {
		return nil, fmt.Errorf("its text stands %d times in %s", n, m.file)
	}
	return []byte(strings.Replace(string(src), m.old, m.new, 1)), nil
}

// A mutant changes what is there; the code it changes may have moved on.
func TestMutantsApply(t *testing.T) {
	all := mutants(t)
	if len(all) < 20 {
		t.Errorf("there are %d mutants", len(all))
	}
	for _, m := range all {
		if _, err := m.apply(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if m.why == "" || m.old == m.new {
			t.Errorf("%s does not say what it is", m.name)
		}
	}
}
