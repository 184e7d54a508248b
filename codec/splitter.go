package codec

import (
	"encoding/binary"
	"fmt"
)

// Splitter cuts a byte stream into frames, whatever the pieces it comes in. A frame that lies whole
// in what was fed is handed over in place; only a frame cut by the end of a piece is carried over,
// its header in the Splitter itself, its payload in a buffer that grows with the bytes received,
// never with the length announced.
//
// The zero value is ready. It is used by one goroutine, and not any more once it returned an error:
// there is no re-synchronisation.
type Splitter struct {
	Limits Limits // may change between two calls of Next

	in     []byte // borrowed: what is left of the last Feed
	body   []byte // owned: the payload of the frame being carried, as far as it came
	head   [HeaderSize]byte
	nhead  uint8 // header bytes carried; HeaderSize: the header is complete and checked
	handed bool  // body was handed over by the last Next
}

// Buffers gives a Splitter the memory for payloads that are cut.
type Buffers interface {
	// Grow returns a buffer with the bytes of b and room for n bytes in all, and takes b back.
	Grow(b []byte, n int) []byte
	// Free takes b back.
	Free(b []byte)
}

// Feed gives the bytes received next. The Splitter borrows p until Next has returned false.
func (s *Splitter) Feed(p []byte) { s.in = p }

// Next puts the next whole frame into f and returns true, or returns false when what was fed is used
// up. f.Payload is valid until the next call of Next. The error is always a *FrameError; then f holds
// nothing.
func (s *Splitter) Next(f *Frame, m Buffers) (bool, error) {
	if s.handed {
		s.Reset(m)
	}
	if s.nhead > 0 {
		return s.resume(f, m)
	}
	p := s.in
	if len(p) < HeaderSize {
		return false, s.carryHeader()
	}
	if err := s.header(&f.Header, p); err != nil {
		return false, err
	}
	end := HeaderSize + int(f.Length)
	if len(p) < end {
		s.nhead = uint8(copy(s.head[:], p))
		s.in = nil
		s.append(p[HeaderSize:], m)
		return false, nil
	}
	f.Payload = p[HeaderSize:end:end]
	s.in = p[end:]
	return s.verify(f, p)
}

// Partial returns whether a frame has begun and is not whole yet, and the bytes of it to come after
// its first, as far as the header tells.
func (s *Splitter) Partial() (begun bool, length uint32) {
	if s.nhead == HeaderSize && !s.handed {
		return true, HeaderSize + binary.BigEndian.Uint32(s.head[8:])
	}
	return s.nhead > 0 && !s.handed, HeaderSize
}

// Reset forgets the frame being carried and gives its memory back.
func (s *Splitter) Reset(m Buffers) {
	if s.body != nil {
		m.Free(s.body)
		s.body = nil
	}
	s.nhead, s.handed = 0, false
}

// resume goes on with the frame being carried.
func (s *Splitter) resume(f *Frame, m Buffers) (bool, error) {
	if s.nhead < HeaderSize {
		if err := s.carryHeader(); err != nil || s.nhead < HeaderSize {
			return false, err
		}
	}
	f.parse(s.head[:])
	missing := int(f.Length) - len(s.body)
	if len(s.in) < missing {
		s.append(s.in, m)
		s.in = nil
		return false, nil
	}
	if s.body == nil { // only the header was cut
		f.Payload = s.in[:missing:missing]
		s.nhead = 0
	} else {
		s.append(s.in[:missing], m)
		f.Payload = s.body[:len(s.body):len(s.body)]
		s.handed = true
	}
	s.in = s.in[missing:]
	return s.verify(f, s.head[:])
}

// carryHeader moves header bytes from the input into s.head and checks them as soon as they tell.
func (s *Splitter) carryHeader() error {
	before := s.nhead
	n := copy(s.head[before:], s.in)
	s.nhead += uint8(n)
	s.in = s.in[n:]
	for i := before; i < min(s.nhead, 2); i++ {
		if s.head[i] != Magic&0xff {
			return errMagic()
		}
	}
	if before < checkedSize && s.nhead >= checkedSize {
		var h Header
		return s.header(&h, s.head[:])
	}
	return nil
}

// append carries p, of which no more will come than the payload is long.
func (s *Splitter) append(p []byte, m Buffers) {
	if len(p) == 0 {
		return
	}
	n := len(s.body)
	if n+len(p) > cap(s.body) {
		s.body = m.Grow(s.body, n+len(p))
	}
	s.body = s.body[:n+len(p)]
	copy(s.body[n:], p)
}

// header parses and checks the first 12 bytes of b.
func (s *Splitter) header(h *Header, b []byte) error {
	if b[0] != Magic&0xff || b[1] != Magic&0xff {
		return errMagic()
	}
	h.parse(b)
	return s.Limits.check(*h)
}

func errMagic() error {
	return &FrameError{ProtocolError, Header{}, "magic is not SS"}
}

// verify compares the CRC in header with that of f (step 2 of SPEC section 1).
func (s *Splitter) verify(f *Frame, header []byte) (bool, error) {
	covered := f.Payload
	if f.Flags&HeaderCRC != 0 && f.Type == Data && s.Limits.HeaderCRC {
		covered = nil
	}
	if CRC(header, covered) == binary.BigEndian.Uint32(header[checkedSize:]) {
		return true, nil
	}
	f.Payload = nil
	reason := fmt.Sprintf("%v on channel %d has a wrong CRC", f.Type, f.Channel)
	return false, &FrameError{ChecksumError, f.Header, reason}
}
