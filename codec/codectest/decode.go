package codectest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Frame is a frame as SPEC.md section 1 draws it, without what follows from the rest: magic, length, CRC.
type Frame struct {
	Channel     uint32
	Type, Flags byte
	Payload     []byte // the frame's own
}

// Limits are what a receiver's checks depend on besides the frame. The zero value is a base connection
// past its first frame.
type Limits struct {
	Data      uint32 // the longest payload of DATA; below 65,536 means 65,536
	Ping      uint32 // the longest payload of PING; below 256 means 256
	Pong      uint32 // the longest payload of PONG; below 256 means 256
	HeaderCRC bool   // the receiver offered HEADER_CRC
}

// The codes of section 6 that a frame by itself can earn.
const (
	ProtocolError  = 1
	FrameSizeError = 2
	ChecksumError  = 3
	Unsupported    = 11
)

// Error is a frame that ends the connection.
type Error struct {
	Code   uint32 // of section 6, for ERROR on channel 0
	Reason string // for people
}

func (e *Error) Error() string { return e.Reason }

func fault(code uint32, reason string, args ...any) error {
	return &Error{code, fmt.Sprintf(reason, args...)}
}

// Decode takes stream apart, until a frame that is not whole or not right. It returns the frames before
// that, how many bytes of the stream are behind them, and if it is not right an *Error.
func Decode(stream []byte, limits Limits) (frames []Frame, rest int, err error) {
	for {
		f, size, err := Next(stream, limits)
		if err != nil || size == 0 {
			return frames, len(stream), err
		}
		frames = append(frames, f)
		stream = stream[size:]
	}
}

// Next returns the first frame of stream and its size in bytes, or size 0 if it is not whole. It makes the
// checks of steps 1 and 2 of section 1, each as soon as the bytes are there; the error is always an *Error.
func Next(stream []byte, limits Limits) (f Frame, size int, err error) {
	for i, letter := range []byte("SS") {
		if len(stream) > i && stream[i] != letter {
			return Frame{}, 0, fault(ProtocolError, "byte %d of a frame is %#02x, not S", i, stream[i])
		}
	}
	if len(stream) < 12 {
		return Frame{}, 0, nil
	}
	f.Channel = binary.BigEndian.Uint32(stream[2:6])
	f.Type, f.Flags = stream[6], stream[7]
	length := binary.BigEndian.Uint32(stream[8:12])
	if f.Type == 0 || f.Type >= 10 && f.Type <= 127 {
		return Frame{}, 0, fault(Unsupported, "type %d", f.Type)
	}
	if !lengthAllowed(f.Type, length, limits) {
		return Frame{}, 0, fault(FrameSizeError, "%d bytes in a frame of type %d", length, f.Type)
	}
	if uint64(len(stream)) < 16+uint64(length) {
		return Frame{}, 0, nil
	}
	size = 16 + int(length)
	f.Payload = bytes.Clone(stream[16:size])
	if want := checksum(stream[:12], f, limits); binary.BigEndian.Uint32(stream[12:16]) != want {
		return Frame{}, 0, fault(ChecksumError, "CRC %x, not %08x", stream[12:16], want)
	}
	return f, size, nil
}

// lengthAllowed is the column "length limit" of the table of frames.
func lengthAllowed(typ byte, length uint32, limits Limits) bool {
	switch typ {
	case 1, 4: // OPEN, ACK
		return length <= 4096
	case 2: // CLOSE
		return length == 0
	case 3: // DATA
		return length <= 65536 || length <= limits.Data
	case 5: // ERROR
		return length == 0 || length >= 4 && length <= 1024
	case 6: // PING
		return length <= 256 || length <= limits.Ping
	case 7: // PONG
		return length <= 256 || length <= limits.Pong
	case 8: // FLOW_CONTROL
		return length == 4
	case 9: // PRIORITY
		return length == 1
	default: // extension space
		return length <= 4096
	}
}

// checksum is the CRC-32 that belongs into the frame f, whose first twelve bytes are head.
func checksum(head []byte, f Frame, limits Limits) uint32 {
	sum := crc32.NewIEEE()
	sum.Write(head)
	if headerOnly := f.Type == 3 && f.Flags&0x04 != 0 && limits.HeaderCRC; !headerOnly {
		sum.Write(f.Payload)
	}
	return sum.Sum32()
}
