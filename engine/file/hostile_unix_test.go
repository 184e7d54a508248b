//go:build unix

package file_test

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// link makes a symbolic link in the directory.
func (w *world) link(to, name string) {
	w.t.Helper()
	if err := os.Symlink(to, filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// Nothing outside the directory is served, nothing that is no regular file, and neither makes anybody wait.
func TestHostilePaths(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		w.put("dir/inside", 10)
		w.put("../secret", 10)
		w.put("../outside/secret", 10)
		w.link("../secret", "escape")
		w.link("dir/../../secret", "escape by a detour")
		w.link("../outside", "outside")
		w.link("/etc/passwd", "absolute")
		w.link(filepath.Join(w.dir, "dir/inside"), "absolute to inside")
		w.link("escape", "chain")
		w.link("loop", "loop")
		w.link("nowhere", "dangling")
		w.link("fifo", "to a fifo")
		w.link("/dev/zero", "device")
		if err := syscall.Mkfifo(filepath.Join(w.dir, "fifo"), 0o666); err != nil {
			t.Fatal(err)
		}
		socket, err := net.Listen("unix", filepath.Join(w.dir, "socket"))
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		if os.Geteuid() != 0 { // whom nothing is forbidden
			w.put("forbidden", 10)
			if err := os.Chmod(filepath.Join(w.dir, "forbidden"), 0); err != nil {
				t.Fatal(err)
			}
		}

		client := w.dial(engine.Config{})
		for path, want := range map[string]engine.Code{
			"":                         file.NotFound,
			"/":                        file.NotFound,
			"no such file":             file.NotFound,
			"dir/no such file":         file.NotFound,
			"dir/inside/":              file.NotFound,
			"dir/inside/deeper":        file.NotFound,
			"dir//inside":              file.NotFound,
			"//dir/inside":             file.NotFound,
			"dir/./inside":             file.NotFound,
			"dir/../dir/inside":        file.NotFound,
			".":                        file.NotFound,
			"/.":                       file.NotFound,
			"..":                       file.NotFound,
			"../secret":                file.NotFound,
			"/../secret":               file.NotFound,
			"dir/../../secret":         file.NotFound,
			"/etc/passwd":              file.NotFound,
			"//etc/passwd":             file.NotFound,
			w.dir + "/dir/inside":      file.NotFound,
			"%2e%2e/secret":            file.NotFound,
			`..\secret`:                file.NotFound,
			"dir/inside\x00":           file.NotFound,
			"dir/inside\x00.txt":       file.NotFound,
			strings.Repeat("a", 1000):  file.NotFound,
			strings.Repeat("a/", 500):  file.NotFound,
			strings.Repeat("../", 300): file.NotFound,
			"escape":                   file.NotFound,
			"escape by a detour":       file.NotFound,
			"outside":                  file.NotFound,
			"outside/secret":           file.NotFound,
			"absolute":                 file.NotFound,
			"absolute to inside":       file.NotFound,
			"chain":                    file.NotFound,
			"loop":                     file.NotFound,
			"loop/inside":              file.NotFound,
			"dangling":                 file.NotFound,
			"device":                   file.NotFound,
			"forbidden":                file.NotFound,
			"dir":                      file.NotRegular,
			"fifo":                     file.NotRegular,
			"to a fifo":                file.NotRegular,
			"socket":                   file.NotRegular,
		} {
			w.wantRefusal(client, file.Request(path, file.Range{}), want)
		}
	})
}

// Without a directory there are no files.
func TestNoDirectory(t *testing.T) {
	e, err := engine.Start(engine.Config{Handler: &file.Handler{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, addr: addr.String()}
	w.wantRefusal(w.dial(engine.Config{}), file.Request("f", file.Range{}), engine.Refused)
}

// A path means itself, whatever it is made of; links within the directory lead where they say.
func TestOddNames(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		client := w.dial(engine.Config{})
		for _, name := range []string{
			"f?from=1&to=2", "%41", "a b", " ", "a\nb", "file:f", "#", "...", "..f", "-o", "\u00e4\u4e16\U0001f600", `a\b`,
			strings.Repeat("long", 60) + "/" + strings.Repeat("long", 60),
		} {
			want := w.put(name, 1000)
			w.wantAnswer(w.open(client, file.Request(name, file.Range{})), w.header(name), want)
		}
		want := w.put("dir/f", 100)
		w.link("dir/f", "link")
		w.link("../dir", "dir/back")
		for _, name := range []string{"link", "dir/back/f"} {
			w.wantAnswer(w.open(client, file.Request(name, file.Range{})), w.header("dir/f"), want)
		}
	})
}

// Nobody who writes to a pipe notices that somebody asked for it.
func TestPipesAreNotOpened(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		name := filepath.Join(w.dir, "fifo")
		if err := syscall.Mkfifo(name, 0o666); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() {
			f, err := os.OpenFile(name, os.O_WRONLY, 0) // waits for a reader
			if err == nil {
				_, err = f.WriteString("for the right reader")
				f.Close()
			}
			written <- err
		}()
		client := w.dial(engine.Config{})
		for range 100 {
			w.wantRefusal(client, file.Request("fifo", file.Range{}), file.NotRegular)
		}
		if got, err := os.ReadFile(name); string(got) != "for the right reader" || err != nil {
			t.Errorf("the right reader gets %q, %v", got, err)
		}
		if err := <-written; err != nil {
			t.Errorf("the writer: %v", err)
		}
	})
}
