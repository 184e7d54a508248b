//go:build linux

package evloop_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/disk"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// sender is a connection over which ranges of a file leave by sendfile, since its peer takes a CRC over the header
// alone. Its socket takes little at a time, and its peer reads odd amounts.
type sender struct {
	t       *testing.T
	r       *evlooptest.Rig
	m       *evlooptest.Member
	p       *evlooptest.Peer
	path    string // of a file that is a Pattern from 0 on
	readers disk.Readers
	files   []*os.File // that were passed on
	longest int        // payload that came
}

// eachFrame runs f on each backend with a peer that takes as little as all do, and one that takes the most. frame is how
// long frames of files are then, in bytes.
func eachFrame(t *testing.T, f func(t *testing.T, maker evlooptest.Maker, takes uint32, frame int)) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		t.Run("short frames", func(t *testing.T) { f(t, maker, codec.MaxData, 60<<10) })
		t.Run("long frames", func(t *testing.T) { f(t, maker, codec.LargestData, 240<<10) })
	})
}

// newSender returns one with channels open to a peer that takes DATA of so many bytes, and a file of size bytes.
func newSender(t *testing.T, maker evlooptest.Maker, takes uint32, size, channels int) *sender {
	s := &sender{t: t, path: filepath.Join(t.TempDir(), "file")}
	if err := os.WriteFile(s.path, evlooptest.Pattern(size, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	s.r = evlooptest.Serve(t, maker, 1, func(c *core.Config) { c.Profile, c.SendQueue = core.Negotiate, 4<<20 })
	s.m, s.p = s.r.JoinTCP(s.r.Loops[0], evlooptest.Tiny)
	s.p.R.Reset(odd{s.p.NC, rand.New(rand.NewPCG(5, 6))})
	s.p.Say(evlooptest.Hello(codec.FeatureFin|codec.FeatureHeaderCRC, takes),
		evlooptest.Opens(channels), evlooptest.Grants(channels, 1<<30))
	s.p.Want("PONG 0")
	for i := range channels {
		s.p.Want(fmt.Sprint("ACK ", 2*i+1))
	}
	return s
}

// file queues n bytes of the file from off on, on channel i. Within a turn only.
func (s *sender) file(i int, off, n int64) {
	f, err := os.Open(s.path)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.files = append(s.files, f)
	ch := s.m.Channels[i]
	if s.m.LC.ReserveFile(ch) != core.SendOK {
		s.t.Error("no room for a range")
	}
	d := disk.New(f, &s.readers)
	evloop.Of(s.r.Loops[0]).Post(loop.Op{Kind: loop.Call, Conn: &s.m.LC, Func: func() { s.m.LC.SendFile(ch, d, off, n) }})
}

// bytes queues n bytes of the file's pattern from a number on, from memory. Within a turn only.
func (s *sender) bytes(i, from, n int) {
	if s.m.Send(s.m.Channels[i], evlooptest.Pattern(n, from)) != core.SendOK {
		s.t.Error("not sent")
	}
}

// read reads until done, and returns what came: payloads by kind and channel, one behind the other.
func (s *sender) read(done func(got map[string][]byte) bool) map[string][]byte {
	s.t.Helper()
	got := make(map[string][]byte)
	for !done(got) {
		kind, payload, err := s.p.Read()
		if err != nil {
			s.t.Fatal(err)
		}
		got[kind] = append(got[kind], payload...)
		s.longest = max(s.longest, len(payload))
	}
	return got
}

// wantClosed is that the files are closed, though the connection lives. Descriptors are no measure: the collector
// closes what nobody has any more.
func (s *sender) wantClosed() {
	s.t.Helper()
	evlooptest.Until(s.t, "files to be closed", func() bool {
		return !slices.ContainsFunc(s.files, func(f *os.File) bool {
			_, err := f.Stat()
			return !errors.Is(err, os.ErrClosed)
		})
	})
}

// Ranges from anywhere in a file, of a byte and of many frames, between messages, on two channels, with a third that
// sends from memory: everything arrives as it was sent though the socket is full again and again, and the files'
// bytes have gone by sendfile, but for short pieces.
func TestRanges(t *testing.T) {
	const size = 2 << 20
	eachFrame(t, func(t *testing.T, maker evlooptest.Maker, takes uint32, frame int) {
		s := newSender(t, maker, takes, size, 3)
		want := make(map[string][]byte)
		byFile := uint64(0)
		part := func(i, off, n int, file bool) {
			kind := fmt.Sprint("DATA ", 2*i+1)
			want[kind] = append(want[kind], evlooptest.Pattern(n, off)...)
			if !file {
				s.bytes(i, off, n)
				return
			}
			if byFile += uint64(n); n%frame <= 24<<10 {
				byFile -= uint64(n % frame) // which is read
			}
			s.file(i, int64(off), int64(n))
		}
		s.r.Inside(s.r.Loops[0], func() {
			part(0, 1, 200_000, true)
			part(0, 77, 30, false)
			part(0, 70_001, 60<<10, true)
			part(0, 4097, frame, true)
			part(0, 4095, 5, true)
			part(0, 1000, 70_000, false)
			part(0, 0, size, true)
			part(2, size-1, 1, true)
			part(2, 12_345, 300_000, true)
			for j := range 400 {
				part(1, j<<8, 600+j%7, false)
			}
		})
		evlooptest.Until(t, "a full socket", s.m.Full)
		got := s.read(func(got map[string][]byte) bool {
			for kind, p := range want {
				if len(got[kind]) < len(p) {
					return false
				}
			}
			return true
		})
		for kind, p := range want {
			if !bytes.Equal(got[kind], p) {
				t.Errorf("%s: %d bytes come that are not the %d that were sent", kind, len(got[kind]), len(p))
			}
		}
		if s.longest != frame {
			t.Errorf("frames have up to %d bytes, want %d", s.longest, frame)
		}
		evlooptest.Until(t, fmt.Sprint(byFile, " bytes by sendfile"), func() bool { // which are counted once they left
			return evloop.Of(s.r.Loops[0]).Stats.BytesSendfile.Load() == byFile
		})
		s.wantClosed()
	})
}

// A file becomes shorter while a frame of it is under way: the frame's rest is zeros, and its channel ends with
// INTERNAL, be there more ranges behind. The other channel gets all of its bytes, and more afterwards.
func TestRangeOfAFileThatShrinks(t *testing.T) {
	const size, messages, message = 4 << 20, 200, 700
	eachFrame(t, func(t *testing.T, maker evlooptest.Maker, takes uint32, frame int) {
		s := newSender(t, maker, takes, size, 2)
		s.r.Inside(s.r.Loops[0], func() {
			s.file(0, 1, size-1)
			s.file(0, 0, size)
			for j := range messages {
				s.bytes(1, j*message, message)
			}
		})
		evlooptest.Until(t, "a full socket", s.m.Full)
		if err := os.Truncate(s.path, 0); err != nil {
			t.Fatal(err)
		}
		got := s.read(func(got map[string][]byte) bool {
			return got["ERROR 1"] != nil && len(got["DATA 3"]) >= messages*message
		})
		if code := codec.Code(binary.BigEndian.Uint32(got["ERROR 1"])); code != codec.Internal {
			t.Errorf("the channel ended with %v", code)
		}
		if !bytes.Equal(got["DATA 3"], evlooptest.Pattern(messages*message, 0)) {
			t.Error("the other channel got something else")
		}
		file := got["DATA 1"]
		sent := 0
		for pattern := evlooptest.Pattern(len(file), 1); sent < len(file) && file[sent] == pattern[sent]; sent++ {
		}
		zeros := file[sent:]
		if sent == 0 || len(zeros) == 0 || len(zeros) > frame || len(bytes.Trim(zeros, "\x00")) > 0 {
			t.Errorf("%d bytes of the file and then %d more come, which should be zeros, a frame of them at most",
				sent, len(zeros))
		}
		s.r.Inside(s.r.Loops[0], func() { s.bytes(1, 0, 10) })
		got = s.read(func(got map[string][]byte) bool { return len(got["DATA 3"]) >= 10 })
		if !bytes.Equal(got["DATA 3"], evlooptest.Pattern(10, 0)) || len(got["DATA 1"]) > 0 {
			t.Errorf("afterwards comes %q", got)
		}
		s.wantClosed()
	})
}
