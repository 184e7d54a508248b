package codec

import "encoding/binary"

// HeaderSize is the size of a frame's header in bytes.
const HeaderSize = 16

// checkedSize is how many bytes of the header the CRC covers: all before the CRC itself.
const checkedSize = 12

// channelAt is where in a header the channel is.
const channelAt = 2

// Magic is the first two bytes of every frame, "SS".
const Magic = 0x5353

// Type is the seventh byte of a header (SPEC section 1).
type Type uint8

// The frame types. FirstExtension to 255 are extension space: skipped by who does not know them.
const (
	Open           Type = 1
	Close          Type = 2
	Data           Type = 3
	Ack            Type = 4
	Error          Type = 5
	Ping           Type = 6
	Pong           Type = 7
	FlowControl    Type = 8
	Priority       Type = 9
	FirstExtension Type = 128
)

// Flags is the eighth byte of a header. All flags belong to DATA.
type Flags uint8

// The flags of DATA. A side sends one only to a peer that offered it (SPEC section 3).
const (
	Compressed Flags = 1 << iota // the payload is one zlib stream
	Fin                          // the sender's direction ends behind this payload
	HeaderCRC                    // the CRC covers the header only; not together with Compressed
)

// Header is a frame's header without magic and CRC.
type Header struct {
	Channel uint32
	Length  uint32 // of the payload, in bytes
	Type    Type
	Flags   Flags
}

// Frame is a header and its payload.
type Frame struct {
	Header
	Payload []byte
}

// Put writes h into the first HeaderSize bytes of b, with the CRC over it and payload. h.Length is
// taken as it is: with HeaderCRC the payload passed is nil though the length is not 0.
func (h Header) Put(b, payload []byte) {
	h.put(b)
	putCRC(b, CRC(b[:checkedSize], payload))
}

// put writes what the CRC covers.
func (h Header) put(b []byte) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint16(b, Magic)
	binary.BigEndian.PutUint32(b[channelAt:], h.Channel)
	b[6], b[7] = byte(h.Type), byte(h.Flags)
	binary.BigEndian.PutUint32(b[8:], h.Length)
}

func putCRC(b []byte, crc uint32) { binary.BigEndian.PutUint32(b[checkedSize:], crc) }

// Append appends the frame {h, payload} to b, setting h.Length.
func (h Header) Append(b, payload []byte) []byte {
	h.Length = uint32(len(payload))
	n := len(b)
	b = append(b, make([]byte, HeaderSize)...)
	h.Put(b[n:], payload)
	return append(b, payload...)
}

// parse reads what Put wrote, but for magic and CRC.
func (h *Header) parse(b []byte) {
	_ = b[checkedSize-1]
	h.Channel = binary.BigEndian.Uint32(b[channelAt:])
	h.Type, h.Flags = Type(b[6]), Flags(b[7])
	h.Length = binary.BigEndian.Uint32(b[8:])
}
