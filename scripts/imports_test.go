// Package scripts holds the tests of the project's shape: who may import whom, and how long files and
// functions are.
package scripts

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sscd-io/sscd"

// allowed says what each package may import besides the standard library. ARCHITECTURE.md draws it.
var allowed = map[string][]string{
	"codec":                 {},
	"codec/codectest":       {},
	"pool":                  {},
	"sched":                 {},
	"engine/internal/gate":  {},
	"engine/internal/core":  {"codec", "pool", "sched", "github.com/klauspost/compress/flate", "github.com/klauspost/compress/zlib"},
	"engine/internal/disk":  {"golang.org/x/sys/unix"},
	"engine/internal/loop":  {"codec", "pool", "engine/internal/core"},
	"engine/internal/sock":  {"github.com/panjf2000/gnet/v2/pkg/socket", "golang.org/x/sys/unix"},
	"engine/internal/netio": {"codec", "pool", "engine/internal/core", "engine/internal/loop", "engine/internal/sock", "golang.org/x/sys/unix"},
	"engine/internal/evloop": {
		"engine/internal/core", "engine/internal/disk", "engine/internal/loop", "engine/internal/sock", "golang.org/x/sys/unix",
	},
	"engine/internal/evloop/evlooptest": {
		"codec", "pool", "engine/internal/core", "engine/internal/evloop", "engine/internal/loop", "engine/internal/sock",
		"go.uber.org/goleak", "golang.org/x/sys/unix",
	},
	"engine/internal/epollio": {
		"codec", "engine/internal/core", "engine/internal/evloop", "engine/internal/loop",
		"github.com/panjf2000/gnet/v2/pkg/errors", "github.com/panjf2000/gnet/v2/pkg/netpoll",
		"github.com/panjf2000/gnet/v2/pkg/queue", "github.com/panjf2000/gnet/v2/pkg/socket", "golang.org/x/sys/unix",
	},
	"engine/internal/uringio": {
		"codec", "pool", "engine/internal/core", "engine/internal/evloop", "engine/internal/loop", "engine/internal/uringio/ring", "golang.org/x/sys/unix",
	},
	"engine/internal/uringio/ring": {"golang.org/x/sys/unix"},
	"engine": {
		"codec", "pool", "engine/internal/core", "engine/internal/loop", "engine/internal/gate", "engine/internal/sock",
		"engine/internal/disk", "engine/internal/netio", "engine/internal/evloop", "engine/internal/epollio", "engine/internal/uringio",
		"github.com/panjf2000/gnet/v2/pkg/logging", "golang.org/x/sys/unix",
	},
	"engine/builtin": {"engine", "pool"},
	"engine/file":    {"engine"},
	"bench": {"codec", "engine", "engine/builtin", "pool", "github.com/HdrHistogram/hdrhistogram-go",
		"github.com/valyala/bytebufferpool", "golang.org/x/sys/unix"},
	"bench/compare": {"bench", "golang.org/x/perf/benchfmt", "golang.org/x/perf/benchmath"},
	"bench/report": {"bench", "gonum.org/v1/plot", "gonum.org/v1/plot/font", "gonum.org/v1/plot/plotter",
		"gonum.org/v1/plot/text", "gonum.org/v1/plot/vg", "gonum.org/v1/plot/vg/draw", "gonum.org/v1/plot/vg/vgsvg"},
	"bench/suite":  {"bench", "engine"},
	"bench/claims": {"bench", "engine"},
	"bench/doctor": {},
	"bench/limits": {"bench"},
	"bench/tune":   {"bench", "engine"},
	"scripts":      {},

	"engine/internal/sim":          {"codec", "codec/codectest", "pool", "sched", "engine/internal/core"},
	"engine/internal/sim/simulate": {"codec", "engine/internal/core", "engine/internal/sim", "github.com/schollz/progressbar/v3"},

	"cmd/internal/flags": {"engine"},
	"cmd/sscd":           {"cmd/internal/flags", "engine", "engine/builtin", "engine/file", "github.com/schollz/progressbar/v3"},
	"cmd/sscd-bench": {"cmd/internal/flags", "bench", "bench/claims", "bench/compare", "bench/doctor",
		"bench/limits", "bench/report", "bench/suite", "bench/tune", "engine", "github.com/schollz/progressbar/v3"},
}

// pure packages are the ones that do no I/O and read no clock: nothing they import may, directly.
var pure = []string{"codec", "codec/codectest", "pool", "sched", "engine/internal/core"}

// banned is what they must not import.
var banned = []string{"net", "os", "syscall", "log", "log/slog", "context", "math/rand", "math/rand/v2"}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "-deps", module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours {
			continue
		}
		rule, ok := allowed[name]
		if !ok {
			t.Errorf("package %s has no rule: add it here and to ARCHITECTURE.md", name)
		}
		seen[name] = true
		for _, imp := range p.Imports {
			short := strings.TrimPrefix(imp, module+"/")
			standard := !strings.Contains(strings.Split(imp, "/")[0], ".")
			if !standard && !slices.Contains(rule, short) {
				t.Errorf("%s imports %s", name, short)
			}
			if slices.Contains(pure, name) && slices.Contains(banned, imp) {
				t.Errorf("%s, which does no I/O, imports %s", name, imp)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}
