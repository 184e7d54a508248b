package main_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Files come whole and in parts, and what can't be had is said.
func TestGet(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		dir, here := t.TempDir(), t.TempDir()
		want := make([]byte, 3<<20+7)
		rand.NewChaCha8([32]byte{}).Read(want)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.Mkdir(filepath.Join(dir, "sub"), 0o700))
		must(os.WriteFile(filepath.Join(dir, "sub", "a"), want, 0o600))
		must(os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
		must(os.WriteFile(filepath.Join(here, "secret"), []byte("secret"), 0o600))
		must(os.Symlink(filepath.Join(here, "secret"), filepath.Join(dir, "link")))
		_, addr := serve(t, "--backend", backend, "--files", dir)
		out := filepath.Join(here, "out")
		run := func(args ...string) (string, error) {
			b, err := exec.Command(sscd, append([]string{"get", "-q"}, args...)...).CombinedOutput()
			return string(b), err
		}
		for _, c := range []struct {
			name, path, before string
			resume             bool
			want               []byte
		}{
			{"whole", "sub/a", "what was here", false, want},
			{"from the root", "/sub/a", "", false, want},
			{"the rest", "sub/a", string(want[:1<<20]), true, want},
			{"nothing is left", "sub/a", string(want), true, want},
			{"empty", "empty", "what was here", false, nil},
		} {
			must(os.WriteFile(out, []byte(c.before), 0o600))
			args := []string{"-o", out, addr, c.path}
			if c.resume {
				args = append([]string{"-C"}, args...)
			}
			if said, err := run(args...); err != nil || said != "" {
				t.Errorf("%s: %v, %q", c.name, err, said)
			}
			if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%s: %d bytes of %d, %v", c.name, len(got), len(c.want), err)
			}
		}
		must(os.WriteFile(out, append(want, 'x'), 0o600))
		for _, c := range []struct{ path, says string }{
			{"none", "no such file"}, {"sub", "not a regular file"}, {"link", "does not let"},
			{"../" + filepath.Base(here) + "/secret", "does not let"}, {"sub/a", "has less"},
		} {
			if said, err := run("-C", "-o", out, addr, c.path); err == nil || !strings.Contains(said, c.says) {
				t.Errorf("%s: %v, %q", c.path, err, said)
			}
		}
		if got, err := os.ReadFile(out); err != nil || len(got) != len(want)+1 {
			t.Errorf("what was here has %d bytes, %v", len(got), err)
		}
	})
}
