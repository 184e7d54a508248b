//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine"
)

// fileSender sends a range of a file on each channel that is opened, and ends its direction.
type fileSender struct {
	engine.Handler
	path   string
	off, n int64
	errs   chan error
}

func (h *fileSender) OnOpen(ch engine.Channel, _ engine.OpenRequest) engine.Answer {
	f, err := os.Open(h.path)
	if err == nil {
		if err = ch.SendFile(f, h.off, h.n); err != nil {
			f.Close()
		}
	}
	if err != nil {
		h.errs <- err
	}
	ch.Close()
	return engine.Answer{}
}

func (h *fileSender) OnData(engine.Channel, []byte)       {}
func (h *fileSender) OnWritable(engine.Channel)           {}
func (h *fileSender) OnClose(_ engine.Channel, err error) { h.errs <- err }

// randomFile returns the path of a file and what is in it.
func randomFile(t *testing.T, n int) (string, []byte) {
	t.Helper()
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	r.Read(p)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, p
}

// A file arrives as it is, on all backends, by sendfile where that can be.
func TestSendFile(t *testing.T) {
	path, want := randomFile(t, 10<<20)
	for _, profile := range []engine.Profile{engine.Negotiate, engine.BaseOnly} {
		onBackends(t, func(t *testing.T, b engine.Backend) {
			h := &fileSender{path: path, off: 1, n: int64(len(want) - 2), errs: make(chan error, 1)}
			e := startEngine(t, engine.Config{Backend: b, Handler: h, Profile: profile})
			before := descriptors(t)
			addr, err := e.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			const window = 16 << 20 // holds all, so that no frame is shorter than it might be
			s, err := engine.Dial(soon(t), addr.String(), engine.Config{Window: window, ConnWindow: window})
			if err != nil {
				t.Fatal(err)
			}
			st := openStream(t, s, engine.OpenOptions{})
			got, err := io.ReadAll(st)
			if err != nil || !bytes.Equal(got, want[1:len(want)-1]) {
				t.Errorf("%d bytes of %d came, then %v", len(got), h.n, err)
			}
			if err := <-h.errs; err != nil {
				t.Error("the channel ended:", err)
			}
			by := e.Stats().BytesSendfile
			if all := b != engine.Net && profile == engine.Negotiate; all != (by == uint64(h.n)) || !all && by > 0 {
				t.Errorf("%d bytes by sendfile of %d", by, h.n)
			}
			s.Close()
			e.Close()
			settlesBelow(t, "descriptors", func() int { return descriptors(t) }, before+1)
		})
	}
}

// dialled has e listen, and returns a session with it.
func dialled(t *testing.T, e *engine.Engine) *engine.Session {
	t.Helper()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Dial(soon(t), addr.String(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// A file that shrinks under a frame that has begun costs its channel, which gets zeros and ERROR; the connection goes on.
func TestSendFileOfOneThatShrinks(t *testing.T) {
	path, want := randomFile(t, 32<<20)
	onBackends(t, func(t *testing.T, b engine.Backend) {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		h := &fileSender{path: path, n: int64(len(want)), errs: make(chan error, 4)}
		e := startEngine(t, engine.Config{Backend: b, Handler: h})
		s := dialled(t, e)
		defer s.Close()
		st := openStream(t, s, engine.OpenOptions{})
		if _, err := io.ReadFull(st, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1<<20); err != nil { // most of it is not under way yet: windows hold it back
			t.Fatal(err)
		}
		var end *engine.ChannelError
		if _, err := io.Copy(io.Discard, st); !errors.As(err, &end) || end.Code != engine.Internal {
			t.Errorf("the stream ended: %v", err)
		}
		if err := <-h.errs; !errors.As(err, &end) || end.Code != engine.Internal || end.Remote {
			t.Errorf("the channel ended: %v", err)
		}
		st = openStream(t, s, engine.OpenOptions{NoWait: true}) // the file is too short, so it is closed with nothing
		if p, err := io.ReadAll(st); len(p) > 0 || err != nil {
			t.Errorf("%d bytes, %v", len(p), err)
		}
	})
}

// Each end of a channel with files in its queue closes them, once; and what is refused stays the caller's.
func TestSendFileGivesDescriptorsBack(t *testing.T) {
	path, want := randomFile(t, 4<<20)
	onBackends(t, func(t *testing.T, b engine.Backend) {
		h := &fileHoarder{path: path, n: int64(len(want)), queued: make(chan int, 3)}
		e := startEngine(t, engine.Config{Backend: b, Handler: h})
		s := dialled(t, e)
		openStream(t, s, engine.OpenOptions{Target: "plain"}).Close()
		before := descriptors(t)
		for _, target := range []string{"reset", "keep"} {
			st := openStream(t, s, engine.OpenOptions{Target: target, NoWait: true})
			if n := <-h.queued; n != 16 {
				t.Errorf("%d files in a queue of 64 KiB", n)
			}
			if target == "keep" {
				st.Reset(engine.Cancelled)
			}
			settles(t, "descriptors", func() int { return descriptors(t) }, before)
		}
		openStream(t, s, engine.OpenOptions{Target: "keep"})
		<-h.queued
		s.Close()
		settlesBelow(t, "descriptors", func() int { return descriptors(t) }, before)
	})
}

// fileHoarder queues one file as often as it can, on channels but those that are plain.
type fileHoarder struct {
	engine.Handler
	path   string
	n      int64
	queued chan int
}

func (h *fileHoarder) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	if string(r.Target) == "plain" {
		return engine.Answer{}
	}
	n := 0
	for ; ; n++ {
		f, err := os.Open(h.path)
		if err != nil {
			break
		}
		if ch.SendFile(f, 0, h.n) != nil {
			f.Close()
			break
		}
	}
	if string(r.Target) == "reset" {
		ch.Reset(engine.Cancelled)
	}
	h.queued <- n
	return engine.Answer{}
}

func (h *fileHoarder) OnData(engine.Channel, []byte) {}
func (h *fileHoarder) OnWritable(engine.Channel)     {}
func (h *fileHoarder) OnClose(engine.Channel, error) {}

// What is not in memory is read by others than the loop, and all of it arrives. Whether the kernel drops a file when asked
// is up to it, so how much was read ahead is only logged.
func TestSendFileThatIsNotInMemory(t *testing.T) {
	path, want := randomFile(t, 16<<20)
	onBackends(t, func(t *testing.T, b engine.Backend) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
		if err != nil {
			t.Fatal(err)
		}
		h := &fileSender{path: path, n: int64(len(want)), errs: make(chan error, 1)}
		e := startEngine(t, engine.Config{Backend: b, Handler: h})
		s := dialled(t, e)
		defer s.Close()
		got, err := io.ReadAll(openStream(t, s, engine.OpenOptions{}))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d came, then %v", len(got), len(want), err)
		}
		stats := e.Stats()
		t.Logf("%d read-aheads, longest turn %v", stats.ReadAheads, stats.LongestTurn)
	})
}
