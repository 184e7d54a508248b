package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sscd-io/sscd/engine/file"
)

// output is where a file goes that is fetched: FILE.part, which becomes FILE when it is complete, or something that
// is not a regular file, such as standard output, to which it goes straight.
//
// Beside a FILE.part that can be resumed lies FILE.part.of with the Header of the file that it is a part of. It is
// written before the first byte is, so that it is there however the process ends.
type output struct {
	name  string
	whole bool // the file is fetched from its beginning to its end
	io.Writer
	file *os.File // that Writer is, if we opened it
}

// newOutput returns an output. It touches nothing yet.
func newOutput(name string, stdout io.Writer, whole bool) (*output, error) {
	o := &output{name: name, whole: whole}
	if name == "-" {
		o.Writer = stdout
		return o, nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Mode().IsRegular():
		return o, nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory; -o says which file to write", name)
	}
	o.file, err = os.OpenFile(name, os.O_WRONLY, 0)
	o.Writer = o.file
	return o, err
}

// straight is whether there is no FILE.part.
func (o *output) straight() bool {
	return o.Writer != nil && (o.file == nil || o.file.Name() == o.name)
}

// resumable is whether a FILE.part was begun that can be gone on with.
func (o *output) resumable() bool { return o.whole && o.file != nil && !o.straight() }

func (o *output) partName() string { return o.name + ".part" }
func (o *output) ofName() string   { return o.name + ".part.of" }

// begun returns how long FILE.part is and what it is a part of; false if there is none to go on with.
func (o *output) begun() (size int64, of file.Header, ok bool, err error) {
	if o.straight() {
		return 0, of, false, fmt.Errorf("%s is not a regular file, and can't be resumed", o.name)
	}
	info, err := os.Stat(o.partName())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, of, false, nil
	}
	if err != nil {
		return 0, of, false, err
	}
	b, err := os.ReadFile(o.ofName())
	if err != nil {
		return 0, of, false, nil // nobody knows what it is a part of: it is begun anew
	}
	if of, err = file.ReadHeader(bytes.NewReader(b)); err != nil {
		return 0, of, false, nil
	}
	return info.Size(), of, true, nil
}

// begin makes the output ready for bytes: those behind what is there already if it is resumed.
func (o *output) begin(of file.Header, resumed bool) (err error) {
	switch {
	case o.straight():
		return nil
	case resumed:
		o.file, err = os.OpenFile(o.partName(), os.O_WRONLY|os.O_APPEND, 0)
		o.Writer = o.file
		return err
	}
	if err := os.Remove(o.ofName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if o.file, err = os.Create(o.partName()); err != nil {
		return err
	}
	o.Writer = o.file
	if !o.whole {
		return nil
	}
	return os.WriteFile(o.ofName(), of.Append(nil), 0o666)
}

// finish makes FILE of FILE.part. After a power cut, too, what is called FILE is complete, or what it was before.
func (o *output) finish() error {
	if o.straight() {
		return o.abandon()
	}
	if err := errors.Join(keep(o.file), o.abandon()); err != nil {
		return err
	}
	if err := os.Rename(o.partName(), o.name); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(o.name)); err == nil { // else it may be written to, but not read
		if err := errors.Join(keep(dir), dir.Close()); err != nil {
			return err
		}
	}
	if err := os.Remove(o.ofName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// keep has what was written to f outlive a power cut, if f is of a kind for which the system has a way to ask for that:
// Windows has none for directories, and some file systems have none at all.
func keep(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// abandon leaves the output as it is.
func (o *output) abandon() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}
