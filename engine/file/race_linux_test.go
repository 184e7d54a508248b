package file_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// What a name means may change at any moment, also between a look at it and its opening: what comes is the file all
// the same, or nothing.
func TestNamesThatChangeTheirMeaning(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
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
			var h file.Header
			var end *engine.ChannelError
			st, err := client.Open(w.within(), file.Request("x", file.Range{}))
			if err == nil {
				st.SetDeadline(time.Now().Add(patience))
				h, err = file.ReadHeader(st)
			}
			switch {
			case err == nil:
				if got, err := io.ReadAll(st); err != nil || h != w.header("file") || !bytes.Equal(got, want) {
					t.Fatalf("%+v and %d bytes come, then %v", h, len(got), err)
				}
			case !errors.As(err, &end) || end.Code != file.NotFound && end.Code != file.NotRegular:
				t.Fatal(err)
			}
			if st != nil {
				st.Close()
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
	})
}
