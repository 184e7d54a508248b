package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// What a name means may change at any moment, also between a look at it and its opening: what comes is the file all
// the same, or nothing.
func TestNamesThatChangeTheirMeaning(t *testing.T) {
	onBackends(t, func(w *world) {
		want := w.put("file", 1000)
		w.put("../secret", 999)
		at := func(name string) string { return filepath.Join(w.dir, name) }
		if err := syscall.Mkfifo(at("fifo"), 0o666); err != nil {
			t.Fatal(err)
		}
		w.link("../secret", "escape")
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				for _, name := range []string{"file", "escape", "fifo"} {
					select {
					case <-stop:
						stopped <- nil
						return
					default:
					}
					if err := errors.Join(os.Link(at(name), at("next")), os.Rename(at("next"), at("x"))); err != nil {
						stopped <- err
						return
					}
				}
			}
		}()
		client := w.dial(engine.Config{})
		for range 1000 {
			st, err := client.Open(w.within(), file.Request("x", file.Range{}))
			var end *engine.ChannelError
			switch {
			case err == nil:
				w.wantAnswer(st, w.header("file"), want)
			case !errors.As(err, &end) || end.Code != file.NotFound && end.Code != file.NotRegular:
				t.Fatal(err)
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
	})
}
