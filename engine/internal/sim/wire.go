package sim

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/sscd-io/sscd/codec"
)

// The decoder here shares no code with package codec, so that an encoder and a decoder with the same fault
// do not agree. Frame types and codes are the only words it borrows.

// wireFrame is a frame as it stands on the wire.
type wireFrame struct {
	typ, flags byte
	channel    uint32
	payload    []byte
	size       int // with its header
}

// decode reads the frame at the head of b by SPEC section 1, steps 1 and 2. It returns more if b ends
// before it can tell. A PING and a PONG may have that many bytes.
func decode(b []byte, ping, pong int64) (f wireFrame, more bool, fault codec.Code) {
	for i := 0; i < 2 && i < len(b); i++ {
		if b[i] != 'S' {
			return f, false, codec.ProtocolError
		}
	}
	if len(b) < 12 {
		return f, true, 0
	}
	f.channel = binary.BigEndian.Uint32(b[2:6])
	f.typ, f.flags = b[6], b[7]
	length := int64(binary.BigEndian.Uint32(b[8:12]))
	lo, hi := int64(0), int64(0)
	switch {
	case f.typ == 1 || f.typ == 4 || f.typ >= 128:
		hi = 4096
	case f.typ == 2:
	case f.typ == 3:
		hi = 65536
	case f.typ == 5 && length > 0:
		lo, hi = 4, 1024
	case f.typ == 5:
	case f.typ == 6:
		hi = ping
	case f.typ == 7:
		hi = pong
	case f.typ == 8:
		lo, hi = 4, 4
	case f.typ == 9:
		lo, hi = 1, 1
	default:
		return f, false, codec.Unsupported
	}
	if length < lo || length > hi {
		return f, false, codec.FrameSizeError
	}
	f.size = 16 + int(length)
	if len(b) < f.size {
		return f, true, 0
	}
	f.payload = b[16:f.size]
	sum := crc32.Update(crc32.ChecksumIEEE(b[:12]), crc32.IEEETable, f.payload)
	if sum != binary.BigEndian.Uint32(b[12:16]) {
		return f, false, codec.ChecksumError
	}
	return f, false, 0
}

// appendFrame appends a frame to b, right or wrong.
func appendFrame(b []byte, typ, flags byte, channel uint32, payload []byte) []byte {
	from := len(b)
	b = append(b, 'S', 'S')
	b = binary.BigEndian.AppendUint32(b, channel)
	b = append(b, typ, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	sum := crc32.Update(crc32.ChecksumIEEE(b[from:]), crc32.IEEETable, payload)
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, payload...)
}
