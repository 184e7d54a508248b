package disk

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// File is an open regular file, counted by who uses it.
type File struct {
	f       *os.File
	fd      int
	readers *Readers
	ask     probe
	refs    atomic.Int32
}

// New returns a File that owns f, with one reference.
func New(f *os.File, r *Readers) *File {
	d := &File{f: f, fd: int(f.Fd()), readers: r}
	d.refs.Store(1)
	return d
}

// FD is the descriptor, which is the File's.
func (d *File) FD() int { return d.fd }

// Retain implements core.File.
func (d *File) Retain() { d.refs.Add(1) }

// Release implements core.File.
func (d *File) Release() {
	if d.refs.Add(-1) == 0 {
		d.f.Close()
	}
}

// Read implements core.File.
func (d *File) Read(p []byte, off int64) error {
	n, err := d.f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return errTruncated
	}
	return err
}

var errTruncated = fmt.Errorf("disk: the file became shorter: %w", io.ErrUnexpectedEOF)

// Fetch implements core.File.
func (d *File) Fetch(off int64, n int, done func()) { d.readers.add(job{d, off, n, done}) }
