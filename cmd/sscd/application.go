package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
	"github.com/sscd-io/sscd/engine/file"
)

// application is what sscd serves: the built-in targets, and files if there is a directory for them.
type application struct {
	*builtin.Handler
	files *file.Handler // nil without a directory
}

// newApplication returns an application that serves the files under dir, unless that is empty.
func newApplication(dir string, maxFiles int) (application, error) {
	a := application{Handler: builtin.New()}
	if maxFiles < 0 {
		return a, flags.Usage("--max-files is %d, not 0 or more", maxFiles)
	}
	if dir == "" {
		return a, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return a, fmt.Errorf("opening the directory of files: %w", err)
	}
	a.files = &file.Handler{Root: root, MaxFiles: maxFiles}
	return a, nil
}

// close lets the directory go. The engine must have ended.
func (a application) close() {
	if a.files != nil {
		a.files.Root.Close()
	}
}

// handler is the one that serves a channel.
func (a application) handler(ofFile bool) engine.Handler {
	if ofFile && a.files != nil {
		return a.files
	}
	return a.Handler
}

func (a application) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	return a.handler(strings.HasPrefix(string(r.Target), file.Prefix)).OnOpen(ch, r)
}

func (a application) OnData(ch engine.Channel, p []byte) { a.handler(file.Serves(ch)).OnData(ch, p) }

func (a application) OnWritable(ch engine.Channel) { a.handler(file.Serves(ch)).OnWritable(ch) }

func (a application) OnClose(ch engine.Channel, err error) {
	a.handler(file.Serves(ch)).OnClose(ch, err)
}

func (a application) OnEnd(ch engine.Channel) {
	a.handler(file.Serves(ch)).(engine.HalfCloser).OnEnd(ch)
}
