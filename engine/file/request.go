package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/sscd-io/sscd/engine"
)

// Prefix is what the targets of files begin with.
const Prefix = "file:"

// Why a file is refused. A client meets them in an *engine.ChannelError.
const (
	NotFound   engine.Code = 256 // there is none, or not for this peer: the two can't be told apart
	NotRegular engine.Code = 257 // a directory, a pipe, a device
	BadRange   engine.Code = 258 // beyond the end, or no range at all
	TooMany    engine.Code = 259 // the connection has as many files under way as it leaves for others
)

// Range is a part of a file; the zero Range is all of it.
type Range struct {
	From   int64 // bytes before it
	Length int64 // in bytes; 0 means up to the end
}

// rangeBytes is the length of a Range in the metadata of an OPEN.
const rangeBytes = 16

// errRange is a range that nobody can mean.
var errRange = errors.New("file: malformed range")

// Request returns how to open a channel for a part of a file.
func Request(path string, r Range) engine.OpenOptions {
	o := engine.OpenOptions{Target: Prefix + path}
	if r != (Range{}) {
		o.Metadata = binary.BigEndian.AppendUint64(nil, uint64(r.From))
		o.Metadata = binary.BigEndian.AppendUint64(o.Metadata, uint64(r.Length))
	}
	return o
}

// parseRange reads the metadata of an OPEN.
func parseRange(b []byte) (Range, error) {
	if len(b) == 0 {
		return Range{}, nil
	}
	if len(b) != rangeBytes {
		return Range{}, errRange
	}
	from, length := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if from > math.MaxInt64 || length > math.MaxInt64 {
		return Range{}, errRange
	}
	return Range{From: int64(from), Length: int64(length)}, nil
}

// Of returns how many bytes the range has of a file of the given size, and false if it lies beyond its end.
func (r Range) Of(size int64) (int64, bool) {
	switch {
	case r.From < 0 || r.Length < 0 || r.From > size || r.Length > size-r.From:
		return 0, false
	case r.Length == 0:
		return size - r.From, true
	}
	return r.Length, true
}

// Header is what comes before the bytes. Two that are equal belong to the same state of a file, as far as its
// size and its time tell.
type Header struct {
	Size     int64 // of the whole file, in bytes
	Modified int64 // nanoseconds since 1970
}

// HeaderBytes is the length of a Header.
const HeaderBytes = 16

// Append appends a Header to b.
func (h Header) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(h.Size))
	return binary.BigEndian.AppendUint64(b, uint64(h.Modified))
}

// ReadHeader reads a Header. If there is none the error is io.ErrUnexpectedEOF, or r's.
func ReadHeader(r io.Reader) (Header, error) {
	var b [HeaderBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Header{}, err
	}
	h := Header{Size: int64(binary.BigEndian.Uint64(b[:])), Modified: int64(binary.BigEndian.Uint64(b[8:]))}
	if h.Size < 0 {
		return Header{}, fmt.Errorf("file: a size of %d bytes", uint64(h.Size))
	}
	return h, nil
}
