package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sscd-io/sscd/engine"
)

// open opens a regular file under root, or returns why not.
//
// Whatever else has the name is left alone, since to open a pipe or a device may do something to it. Between the
// look and the opening it may take the place of a file: then O_NONBLOCK keeps this from waiting for it.
func open(root *os.Root, path string) (*os.File, Header, engine.Code) {
	name, err := local(path)
	if err != nil {
		return nil, Header{}, NotFound
	}
	info, err := root.Stat(name)
	if err != nil {
		return nil, Header{}, codeOf(err)
	}
	if !info.Mode().IsRegular() {
		return nil, Header{}, NotRegular
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Header{}, codeOf(err)
	}
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, Header{}, NotRegular
	}
	return f, Header{Size: info.Size(), Modified: info.ModTime().UnixNano()}, engine.NoError
}

// local returns the path as this system writes it. One with "..", "." or nothing between two slashes is none.
func local(path string) (string, error) {
	path = strings.TrimPrefix(path, "/")
	if path == "." { // which Localize takes
		return "", fs.ErrNotExist
	}
	return filepath.Localize(path)
}

// codeOf is what a client learns of an error: NotFound, unless it is about the state of this process or machine.
func codeOf(err error) engine.Code {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return NotFound
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) { // it leads out of the root
		return NotFound
	}
	switch errno {
	case syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL:
		return NotFound
	}
	return engine.Refused
}
