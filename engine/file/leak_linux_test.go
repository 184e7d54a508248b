package file_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// descriptors returns how many descriptors of this process are of a file in the directory.
func (w *world) descriptors(name string) int {
	w.t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(all) == 0 {
		w.t.Fatalf("%d descriptors, %v", len(all), err)
	}
	n := 0
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && to == filepath.Join(w.dir, name) {
			n++
		}
	}
	return n
}

// wantDescriptors waits until so many are left.
func (w *world) wantDescriptors(name string, want int) {
	w.t.Helper()
	for start := time.Now(); w.descriptors(name) != want; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			w.t.Fatalf("%d descriptors of the file, want %d", w.descriptors(name), want)
		}
	}
}

// However a transfer ends, and whether or not it began, its file is closed, and not by the garbage collector.
func TestNoDescriptorsLeak(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	onBackends(t, func(t *testing.T, w *world) {
		const channels = 10
		want := w.put("f", 2<<20)
		for what, end := range map[string]func(nc net.Conn, client *engine.Session, streams []*engine.Stream){
			"the connection is lost": func(nc net.Conn, _ *engine.Session, _ []*engine.Stream) {
				nc.Close()
			},
			"the client says goodbye": func(_ net.Conn, client *engine.Session, _ []*engine.Stream) {
				client.Close()
			},
			"the client closes its channels": func(_ net.Conn, _ *engine.Session, streams []*engine.Stream) {
				for _, st := range streams {
					st.Close()
				}
			},
			"the client resets its channels": func(_ net.Conn, _ *engine.Session, streams []*engine.Stream) {
				for _, st := range streams {
					st.Reset(engine.Cancelled)
				}
			},
			"the client reads all": func(_ net.Conn, _ *engine.Session, streams []*engine.Stream) {
				for _, st := range streams {
					w.wantAnswer(st, w.header("f"), want)
				}
			},
		} {
			nc, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			client, err := engine.Client(nc, engine.Config{})
			if err != nil {
				t.Fatal(err)
			}
			var streams []*engine.Stream
			for range channels {
				streams = append(streams, w.open(client, file.Request("f", file.Range{})))
			}
			w.wantRefusal(client, file.Request("f", file.Range{From: 20 << 20}), file.BadRange)
			w.wantDescriptors("f", channels)
			t.Log("when ", what)
			end(nc, client, streams)
			w.wantDescriptors("f", 0)
			client.Close()
		}
	})
}

// A file that waits for the header to leave is closed when its channel ends before.
func TestWaitingFilesAreClosed(t *testing.T) {
	cfg := engine.Config{Handler: &file.Handler{MaxFiles: 1}, SendQueue: 4096}
	withConfig(t, cfg, func(t *testing.T, w *world) {
		w.put("f", 20)
		o := file.Request("f", file.Range{})
		client := w.dial(engine.Config{})
		for _, end := range []func(st *engine.Stream){
			func(st *engine.Stream) { st.Reset(engine.Cancelled) },
			func(st *engine.Stream) { st.Close() },
			func(*engine.Stream) { client.Close() },
		} {
			o.Window = file.HeaderBytes - 1
			st := w.open(client, o)
			w.wantDescriptors("f", 1)
			end(st)
			w.wantDescriptors("f", 0)
			o.Window = 0
			w.eventually(w.dial(engine.Config{}), o, engine.NoError)
			w.wantDescriptors("f", 0)
		}
	})
}

// Clients that come, ask and go leave nothing, and room for others.
func TestClientsThatVanish(t *testing.T) {
	withFiles(t, 6, func(t *testing.T, w *world) {
		want := w.put("f", 10<<20)
		for range 50 {
			nc, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			client, err := engine.Client(nc, engine.Config{})
			if err != nil {
				t.Fatal(err)
			}
			o := file.Request("f", file.Range{})
			o.NoWait = true
			for range 3 {
				w.open(client, o)
			}
			nc.Close()
			client.Close()
		}
		client := w.dial(engine.Config{})
		st := w.begin(client, "f") // the last may not be gone yet
		if got, err := io.ReadAll(st); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes come, then %v", len(got), err)
		}
		st.Close()
		w.wantDescriptors("f", 0)
	})
}
