package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A file is read while anybody uses it, says when it is too short, and is closed by the last one.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	of, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var readers Readers
	f := New(of, &readers)
	f.Retain()
	f.Release()
	if err := f.Read(make([]byte, 100_000), 0); err != nil {
		t.Error(err)
	}
	if err := f.Read(make([]byte, 2), 99_999); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading behind the end: %v", err)
	}
	var all sync.WaitGroup
	for range 10 * maxReaders { // more than there are goroutines, some behind the end
		all.Add(1)
		f.Fetch(50_000, 100_000, all.Done)
	}
	all.Wait()
	if ready, err := f.Probe(0, 100_000); !ready || err != nil {
		t.Errorf("just read, and ready: %v, %v", ready, err)
	}
	if f.Release(); !errors.Is(of.Close(), os.ErrClosed) {
		t.Error("it is open without anybody to use it")
	}
}
