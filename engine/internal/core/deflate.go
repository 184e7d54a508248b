package core

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"github.com/sscd-io/sscd/pool"
)

const (
	// deflateAbove is the longest payload that is not worth deflating, in bytes (SPEC section 3).
	deflateAbove = 100

	// deflateLevel is BestSpeed: of 16 KiB of JSON it leaves 24 % at 600 MB/s; the level that gains
	// most, 6, leaves 23 % at 390 MB/s.
	deflateLevel = zlib.BestSpeed

	// zlibHead and zlibTail are the bytes around the deflated ones (RFC 1950).
	zlibHead = 2
	zlibTail = 4
)

// Why a payload does not deflate, or inflate. The latter end the connection with COMPRESSION.
var (
	errNoGain     = errors.New("does not shrink by a tenth")
	errNotZlib    = errors.New("is no zlib stream")
	errDictionary = errors.New("needs a preset dictionary")
	errDamaged    = errors.New("is damaged or cut short within its zlib stream")
	errTooLong    = errors.New("inflates to more than is allowed")
	errTail       = errors.New("has not exactly a checksum behind its zlib stream")
	errAdler      = errors.New("has a wrong Adler-32")
)

// zipper deflates and inflates the payloads of COMPRESSED frames. What it works with is large, 819 KB a
// packer and 39 KB an unpacker (measured), so both are kept for the next frame, as many as were ever at
// work at once, until the garbage collector takes them. The zero value is ready; it must not be copied, and
// all methods may be called from any goroutine.
type zipper struct {
	packers, unpackers sync.Pool
}

// deflate appends p, as one zlib stream, to dst if that is worth it: p is over 100 bytes and shrinks by a
// tenth or more. If not, it returns dst as it was and false. It never writes more than nine tenths of
// len(p), in dst's own array as far as that has room.
func (z *zipper) deflate(dst, p []byte) (out []byte, ok bool) {
	if len(p) <= deflateAbove {
		return dst, false
	}
	k, _ := z.packers.Get().(*packer)
	if k == nil {
		k = newPacker()
	}
	k.out, k.room = dst, len(p)*9/10
	k.zlib.Reset(k)
	_, err := k.zlib.Write(p)
	if err == nil {
		err = k.zlib.Close()
	}
	out, k.out = k.out, nil
	z.packers.Put(k)
	if err != nil {
		return dst, false
	}
	return out, true
}

// inflate returns what p, one complete zlib stream, inflates to, in a buffer of mem owned by the caller. More
// than limit bytes are an error, found before memory is taken for them: that grows with what was inflated,
// at most 32 KiB at a time.
func (z *zipper) inflate(mem *pool.Pool, p []byte, limit int) (*pool.Buf, error) {
	if err := checkZlib(p); err != nil {
		return nil, err
	}
	u, _ := z.unpackers.Get().(*unpacker)
	if u == nil {
		u = newUnpacker()
	}
	u.mem, u.limit = mem, limit
	err := u.inflate(p)
	out := u.out
	u.mem, u.out = nil, nil
	u.src.Reset(nil)
	z.unpackers.Put(u)
	if err != nil {
		if out != nil {
			out.Release()
		}
		return nil, err
	}
	if out == nil {
		out = mem.Get(0)
	}
	return out, nil
}

// checkZlib checks the two bytes before the deflated ones.
func checkZlib(p []byte) error {
	const deflated, dictionary, largestWindow = 8, 0x20, 7
	switch {
	case len(p) < zlibHead, p[0]&15 != deflated, p[0]>>4 > largestWindow, binary.BigEndian.Uint16(p)%31 != 0:
		return errNotZlib
	case p[1]&dictionary != 0:
		return errDictionary
	}
	return nil
}

// packer is what deflates, and the io.Writer for its result.
type packer struct {
	zlib *zlib.Writer
	out  []byte
	room int // bytes that may still come
}

func newPacker() *packer {
	k := new(packer)
	w, err := zlib.NewWriterLevel(k, deflateLevel)
	if err != nil {
		panic(err) // the level is no level
	}
	k.zlib = w
	return k
}

// Write appends a piece of the result, and refuses one beyond the room: nothing comes behind it then.
func (k *packer) Write(p []byte) (int, error) {
	if len(p) > k.room {
		return 0, errNoGain
	}
	k.room -= len(p)
	k.out = append(k.out, p...)
	return len(p), nil
}

// unpacker is what inflates, and the io.Writer for its result. It reads around the deflated bytes itself: the
// zlib package's reader has no WriteTo, and takes a stream that wants the empty dictionary for a plain one.
//
// A block that uses distances without having a table of them is damaged, yet flate goes by the last table it
// had, maybe from another connection's stream. Only who guesses that table gets the checksum right, so what
// comes of it is a stream that others refuse.
type unpacker struct {
	src   bytes.Reader // an io.ByteReader: of such, flate reads no byte beyond the end of the stream
	flate interface {
		flate.Resetter
		io.WriterTo
	}
	mem   *pool.Pool
	out   *pool.Buf // nil while there is no result
	limit int
}

func newUnpacker() *unpacker {
	u := new(unpacker)
	u.flate = flate.NewReader(&u.src).(interface {
		flate.Resetter
		io.WriterTo
	})
	return u
}

// inflate puts what is in p, the head of which was checked, into u.out.
func (u *unpacker) inflate(p []byte) error {
	u.src.Reset(p[zlibHead:])
	if err := u.flate.Reset(&u.src, nil); err != nil {
		return err
	}
	if _, err := u.flate.WriteTo(u); err != nil {
		if err == errTooLong {
			return err
		}
		return errDamaged
	}
	if u.src.Len() != zlibTail {
		return errTail
	}
	var out []byte
	if u.out != nil {
		out = u.out.B
	}
	if binary.BigEndian.Uint32(p[len(p)-zlibTail:]) != adler32.Checksum(out) {
		return errAdler
	}
	return nil
}

// Write takes a piece of the result: up to 32 KiB, flate's window.
func (u *unpacker) Write(p []byte) (int, error) {
	old, n := u.out, 0
	if old != nil {
		n = len(old.B)
	}
	if len(p) > u.limit-n {
		return 0, errTooLong
	}
	if old == nil || n+len(p) > old.Cap() {
		u.out = u.mem.Get(n + len(p))
		if old != nil {
			copy(u.out.B, old.B)
			old.Release()
		}
	}
	u.out.B = u.out.B[:n+len(p)]
	copy(u.out.B[n:], p)
	return len(p), nil
}
