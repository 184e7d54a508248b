//go:build linux

package engine_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// transfer sends text over a new stream of the client's, and returns what came and how many bytes that took.
func transfer(t *testing.T, client, server *engine.Session, o engine.OpenOptions, text []byte) (got []byte, wire uint64) {
	t.Helper()
	before := server.Stats().BytesIn
	ours, theirs := streamPair(t, client, server, o)
	defer ours.Close()
	defer theirs.Close()
	wrote := make(chan error, 1)
	go func() {
		_, err := ours.Write(text)
		wrote <- err
	}()
	got = make([]byte, len(text))
	if _, err := io.ReadFull(theirs, got); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	return got, server.Stats().BytesIn - before
}

// Compression is used where both ends and the channel want it, and the text shrinks by it; the reader sees no
// difference.
func TestCompression(t *testing.T) {
	text := bytes.Repeat([]byte("the same again, and "), 20_000)
	noise := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{}).Read(noise)
	on, off := engine.Config{Compression: true}, engine.Config{}
	for _, c := range []struct {
		name         string
		ours, theirs engine.Config
		wants        bool
		text         []byte
		shrinks      bool
	}{
		{"both ends and the channel", on, on, true, text, true},
		{"what does not shrink", on, on, true, noise, false},
		{"not the channel", on, on, false, text, false},
		{"not the client", off, on, true, text, false},
		{"not the server", on, off, true, text, false},
		{"not a base server", on, engine.Config{Profile: engine.BaseOnly, Compression: true}, true, text, false},
		{"not a base client", engine.Config{Profile: engine.BaseOnly, Compression: true}, on, true, text, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			onSessionsOf(t, c.ours, c.theirs, func(t *testing.T, client, server *engine.Session) {
				got, wire := transfer(t, client, server, engine.OpenOptions{Compress: c.wants}, c.text)
				if !bytes.Equal(got, c.text) {
					t.Error("what came is something else")
				}
				if shrinks := wire < uint64(len(c.text))/5; shrinks != c.shrinks || !shrinks && wire < uint64(len(c.text)) {
					t.Errorf("%d bytes took %d on the wire", len(c.text), wire)
				}
			})
		})
	}
}

// Compressed and half closed: the end stands behind what was inflated, whatever the sizes.
func TestCompressedToTheEnd(t *testing.T) {
	onSessions(t, engine.Config{Compression: true, FrameSize: 1 << 20, MaxFrame: 1 << 20}, func(t *testing.T, client, server *engine.Session) {
		for _, size := range []int{0, 1, 100, 101, 16_384, 65_536, 65_537, 3 << 20} {
			ours, theirs := streamPair(t, client, server, engine.OpenOptions{Compress: true})
			go func() {
				ours.Write(make([]byte, size))
				ours.CloseWrite()
			}()
			if n, err := io.Copy(io.Discard, theirs); n != int64(size) || err != nil {
				t.Errorf("%d bytes of %d, then %v", n, size, err)
			}
			theirs.Close()
			ours.SetReadDeadline(time.Now().Add(patience))
			if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%d bytes, then the other end: %v", size, err)
			}
		}
	})
}
