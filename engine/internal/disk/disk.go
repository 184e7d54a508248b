package disk

import (
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/sscd-io/sscd/engine/internal/core"
)

const (
	// aheadBytes is how much is read ahead at a time: some tens of frames, a few milliseconds of a slow disk.
	aheadBytes = 512 << 10

	// maxReaders is how many goroutines read ahead. Disks like a few requests at a time; more would wait there.
	maxReaders = 4
)

// Reader reads ahead for the files of an engine. The zero value is ready.
type Reader struct {
	mu      sync.Mutex
	waiting []request
	readers int
}

// request is bytes to read ahead.
type request struct {
	f   *File
	off int64
	n   int
}

// File is an open file that is sent on one channel. It implements core.File: but for New, everything happens inside a
// loop.
type File struct {
	f       *os.File
	fd      int
	reader  *Reader
	fetched func()
	refs    int
	one     [1]byte      // for probe
	ahead   atomic.Int64 // up to there it has been read ahead
}

// New takes f. fetched is called, in any goroutine, when bytes that Ready found missing are there.
func (r *Reader) New(f *os.File, fetched func()) *File {
	return &File{f: f, fd: int(f.Fd()), reader: r, fetched: fetched, refs: 1}
}

// FD implements core.File.
func (f *File) FD() int { return f.fd }

// Ready implements core.File. It asks for the first byte and the last one: what is in between has mostly been read
// together with them.
func (f *File) Ready(off int64, n int) core.FileState {
	state := f.probe(off)
	if state == core.FileReady {
		state = f.probe(off + int64(n) - 1)
	}
	if state == core.FileWaits {
		f.reader.fetch(request{f, off, max(n, aheadBytes)})
	}
	return state
}

// told is probe where the system does not say: who was read ahead is ready.
func (f *File) told(off int64) core.FileState {
	if off < f.ahead.Load() {
		return core.FileReady
	}
	return core.FileWaits
}

// Read implements core.File.
func (f *File) Read(p []byte, off int64) bool {
	n, _ := f.f.ReadAt(p, off)
	return n == len(p)
}

// Retain implements core.File.
func (f *File) Retain() { f.refs++ }

// Release implements core.File.
func (f *File) Release() {
	if f.refs--; f.refs == 0 {
		f.f.Close()
	}
}

// fetch has r read, soon.
func (r *Reader) fetch(req request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, req)
	if r.readers < maxReaders {
		r.readers++
		go r.read()
	}
}

// read reads what is waited for, until nothing is.
func (r *Reader) read() {
	buf := make([]byte, 64<<10)
	for {
		r.mu.Lock()
		if len(r.waiting) == 0 {
			r.waiting = nil
			r.readers--
			r.mu.Unlock()
			return
		}
		req := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.mu.Unlock()
		// What it says does not matter: the loop will see for itself. The file may have been closed.
		io.CopyBuffer(sink{}, io.NewSectionReader(req.f.f, req.off, int64(req.n)), buf)
		req.f.ahead.Store(req.off + int64(req.n))
		req.f.fetched()
	}
}

// sink takes everything. Unlike io.Discard it brings no buffer of its own.
type sink struct{}

func (sink) Write(p []byte) (int, error) { return len(p), nil }
