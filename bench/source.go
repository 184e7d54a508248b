package bench

import (
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// modulePath is this module's.
const modulePath = "github.com/sscd-io/sscd"

// sourceOf returns the version and the revision of this module's code in this program.
func sourceOf() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath {
			version = m.Version
		}
	}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if revision == "" { // go run does not keep it
		return version, checkedOut()
	}
	return version, revision + changed
}

// checkedOut is the revision of this module's source that lies in the working directory, or nothing.
func checkedOut() string {
	git := func(args ...string) string {
		out, err := exec.Command("git", args...).Output()
		if err != nil {
			return "" // no git, or no repository
		}
		return strings.TrimSpace(string(out))
	}
	top := git("rev-parse", "--show-toplevel")
	if top == "" || !strings.HasPrefix(readAll(filepath.Join(top, "go.mod")), "module "+modulePath+"\n") {
		return ""
	}
	revision := git("rev-parse", "HEAD")
	if revision != "" && git("status", "--porcelain", "--untracked-files=no") != "" {
		revision += "+"
	}
	return revision
}
