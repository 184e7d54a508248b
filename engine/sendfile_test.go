//go:build linux

package engine_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

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
		err = ch.SendFile(f, h.off, h.n)
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
			s, err := engine.Dial(soon(t), addr.String(), engine.Config{})
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
			if all := b == engine.Epoll && profile == engine.Negotiate; all != (by == uint64(h.n)) || !all && by > 0 {
				t.Errorf("%d bytes by sendfile of %d", by, h.n)
			}
			s.Close()
			e.Close()
			settlesBelow(t, "descriptors", func() int { return descriptors(t) }, before+1)
		})
	}
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
