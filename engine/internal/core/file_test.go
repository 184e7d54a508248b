package core

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/pool"
)

// memFile is a File in memory. What lies behind ready must be fetched first.
type memFile struct {
	data  []byte
	ready int64
	refs  int
}

func (f *memFile) Probe(off int64, n int) (bool, error) {
	if off+int64(n) > int64(len(f.data)) {
		return false, errors.New("too short")
	}
	return off+int64(n) <= f.ready, nil
}

func (f *memFile) Read(p []byte, off int64) error {
	if copy(p, f.data[min(off, int64(len(f.data))):]) < len(p) {
		return errors.New("too short")
	}
	return nil
}

func (f *memFile) Fetch(off int64, n int, done func()) {}
func (f *memFile) Retain()                             { f.refs++ }
func (f *memFile) Release()                            { f.refs-- }

// sendFile queues all of a file on a channel of a client with these features.
func sendFile(t *testing.T, features codec.Features, sendfile bool, f *memFile) (*Conn, Handle) {
	t.Helper()
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	c, handles := greeted(t, cfg, features, 0, 1)
	c.arena.Sendfile = sendfile
	if got := c.ReserveFile(handles[0]); got != SendOK {
		t.Fatalf("reserving: %d", got)
	}
	f.refs = 1
	c.SendFile(0, handles[0], f, 0, int64(len(f.data)))
	return c, handles[0]
}

// next is the next batch, its range as if it had been in memory.
func next(c *Conn, b *Batch) (out []byte) {
	c.Next(0, b)
	for _, s := range b.Slices {
		out = append(out, s...)
	}
	if f, ok := b.Range.File.(*memFile); ok {
		out = append(out, f.data[b.Range.Off:b.Range.Off+int64(b.Range.Len)]...)
	}
	c.Sent(0, b.Len())
	return out
}

// A file is sent frame by frame, as ranges where both the transport and the peer take them. FIN comes behind it.
func TestFileLeavesAsRangesOrRead(t *testing.T) {
	const both = codec.FeatureFin | codec.FeatureHeaderCRC
	for _, c := range []struct {
		name     string
		features codec.Features
		sendfile bool
		ranges   int
	}{
		{"both", both, true, 1}, {"the peer only", both, false, 0}, {"the transport only", codec.FeatureFin, true, 0},
	} {
		f := &memFile{data: bytes.Repeat([]byte("0123456789abcdef"), 2500), ready: 1 << 20}
		conn, h := sendFile(t, c.features, c.sendfile, f)
		conn.arena.Finish(h)
		conn.CloseWrite(0, h)
		var b Batch
		var out []byte
		ranges := 0
		for p := next(conn, &b); len(p) > 0; p = next(conn, &b) {
			if out = append(out, p...); b.Range.File != nil {
				ranges++
			}
			b.Release()
		}
		b.Free()
		frames, rest, err := codectest.Decode(out, codectest.Limits{HeaderCRC: true})
		if rest != 0 || err != nil || ranges != c.ranges {
			t.Fatalf("%s: %d ranges, %d bytes left over, %v", c.name, ranges, rest, err)
		}
		var got []byte
		for i, fr := range frames {
			got = append(got, fr.Payload...)
			if fin := codec.Flags(fr.Flags)&codec.Fin != 0; fin != (i == len(frames)-1) || fin && len(fr.Payload) > 0 {
				t.Errorf("%s: frame %d of %d has FIN: %v, and %d bytes", c.name, i, len(frames), fin, len(fr.Payload))
			}
		}
		if !bytes.Equal(got, f.data) || f.refs != 0 || conn.Memory().Used() != 0 {
			t.Errorf("%s: %d bytes, %d references left, %d bytes booked", c.name, len(got), f.refs, conn.Memory().Used())
		}
	}
}

// A channel whose file must be fetched is in nobody's way, and goes on when it was.
func TestFileIsFetched(t *testing.T) {
	f := &memFile{data: make([]byte, 40000)}
	c, h := sendFile(t, codec.FeatureHeaderCRC, true, f)
	var b Batch
	if next(c, &b); b.Len() != 0 || len(c.arena.Fetches) != 1 || c.HasOutput() {
		t.Fatalf("%d bytes, %d fetches, output: %v", b.Len(), len(c.arena.Fetches), c.HasOutput())
	}
	want := c.arena.Fetches[0]
	if want.Channel != h || want.Off != 0 || want.Len != 40000 || f.refs != 2 {
		t.Errorf("fetch %d bytes from %d on, %d references", want.Len, want.Off, f.refs)
	}
	c.Fetched(0, h) // what was fetched is sent though it may have been dropped again
	if next(c, &b); b.Range.Off != 0 || b.Range.Len != 40000 {
		t.Errorf("range %d, %d bytes", b.Range.Off, b.Range.Len)
	}
	b.Free()
	c.Reset(h, codec.Cancelled)
	c.Fetched(0, h)
	if want.File.Release(); f.refs != 0 {
		t.Errorf("%d references left", f.refs)
	}
}

// Who quits waits for what is being fetched.
func TestQuitWaitsForFetch(t *testing.T) {
	f := &memFile{data: make([]byte, 30000)}
	c, h := sendFile(t, codec.FeatureHeaderCRC, true, f)
	c.arena.Shut(h)
	c.Close(0, h)
	other, h2 := sendFile(t, codec.FeatureHeaderCRC, true, f)
	for _, x := range []struct {
		c *Conn
		h Handle
	}{{c, h}, {other, h2}} { // one that is closed, and one that is not
		var b Batch
		next(x.c, &b)
		x.c.Quit(0, &End{Code: codec.Cancelled})
		for len(next(x.c, &b)) > 0 { // GOAWAY
			b.Release()
		}
		x.c.Fetched(0, x.h)
		if next(x.c, &b); b.Range.Len != 30000 {
			t.Errorf("a range of %d bytes", b.Range.Len)
		}
		b.Free()
		x.c.Abort(&End{Code: codec.Cancelled})
	}
}

// A file that became shorter ends its channel and nothing else, whoever notices.
func TestFileBecomesShorter(t *testing.T) {
	f := &memFile{data: make([]byte, 80000), ready: 1 << 20}
	c, h := sendFile(t, codec.FeatureHeaderCRC, true, f)
	var b Batch
	next(c, &b)
	c.Truncated(b.Range.Channel) // and the frame is filled
	b.Release()
	f.data = f.data[:20000]
	f2 := &memFile{data: make([]byte, 40000), ready: 1 << 20}
	c2, h2 := sendFile(t, codec.FeatureHeaderCRC, true, f2)
	f2.data = f2.data[:20000]
	for _, x := range []struct {
		c *Conn
		h Handle
	}{{c, h}, {c2, h2}} {
		frames, _, err := codectest.Decode(next(x.c, &b), codectest.Limits{HeaderCRC: true})
		b.Release()
		if err != nil || len(frames) != 1 || frames[0].Type != byte(codec.Error) || frames[0].Payload[3] != byte(codec.Internal) {
			t.Errorf("frames %v, %v", frames, err)
		}
		var ev Event
		if !x.c.Step(0, &ev) || ev.Kind != Closed || ev.Channel != x.h || ev.End.Code != codec.Internal {
			t.Errorf("event %d of %v", ev.Kind, ev.Channel)
		}
	}
	if b.Free(); f.refs != 0 || f2.refs != 0 {
		t.Errorf("%d and %d references left", f.refs, f2.refs)
	}
}

// How long frames of files are is up to this side's configuration and the peer, and ranges leave in whole pieces.
func TestFileFrame(t *testing.T) {
	for _, c := range []struct {
		size, takes  int // FrameSize, and what the peer takes
		read, ranged int64
	}{
		{0, 65536, 16384, 61440},
		{0, 122_879, 16384, 61440},
		{0, 122_880, 16384, 122_880},
		{0, 1 << 20, 16384, 245_760},
		{4096, 1 << 20, 4096, 4096},
		{61_440, 65536, 61_440, 61_440},
		{65_536, 65536, 65_536, 61_440},
		{1 << 20, 1 << 20, 1 << 20, 17 * 61_440},
		{0, 4096, 4096, 4096},
	} {
		cfg := &Config{Pool: new(pool.Pool), FrameSize: c.size}
		cfg.Prepare()
		conn, _ := greeted(t, cfg, codec.FeatureHeaderCRC, 0, 0)
		conn.peer.takes = uint32(c.takes)
		read := conn.fileFrame()
		conn.arena.Sendfile = true
		if ranged := conn.fileFrame(); read != c.read || ranged != c.ranged {
			t.Errorf("FrameSize %d, the peer takes %d: %d bytes are read and %d sent as a range, want %d and %d",
				c.size, c.takes, read, ranged, c.read, c.ranged)
		}
	}
}
