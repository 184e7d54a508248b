package codec

import (
	"hash/crc32"
	"math/bits"
)

// Sum is the CRC of DATA frames that differ in nothing but their channel: the work for all else is done once. It may be
// used from any goroutine.
type Sum struct {
	length uint32
	crc    uint32         // with channel 0
	change [4][256]uint32 // of the CRC, by each byte of the channel
}

// NewSum returns the sum of frames without flags that carry payload.
func NewSum(payload []byte) *Sum {
	var b [HeaderSize]byte
	Header{Type: Data, Length: uint32(len(payload))}.put(b[:])
	s := &Sum{length: uint32(len(payload)), crc: CRC(b[:checkedSize], payload)}
	// CRCs are linear: a byte changes them by what the register becomes that it was XORed into, moved over all bytes
	// from there on. Moving over n bytes multiplies by x^8n modulo the polynomial.
	by := power(8 * uint64(checkedSize-channelAt+len(payload)))
	for k := range s.change {
		t := &s.change[k]
		for b := 1; b < len(t); b++ {
			if rest := b & (b - 1); rest != 0 {
				t[b] = t[rest] ^ t[b^rest]
			} else {
				t[b] = multiply(by, uint32(b)<<(8*k))
			}
		}
	}
	return s
}

// Put writes the header of the frame on a channel into the first HeaderSize bytes of b, as Header.Put.
func (s *Sum) Put(b []byte, channel uint32) {
	Header{Channel: channel, Type: Data, Length: s.length}.put(b)
	putCRC(b, s.crc^s.change[0][channel>>24]^s.change[1][byte(channel>>16)]^s.change[2][byte(channel>>8)]^
		s.change[3][byte(channel)])
}

// one is the polynomial 1: bits are in reverse, the highest is that of x^0.
const one = 1 << 31

// multiply is a*b modulo the polynomial of the CRC.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

// power is x^n modulo the polynomial of the CRC.
func power(n uint64) uint32 {
	result, square := uint32(one), uint32(one>>1)
	for range bits.Len64(n) {
		if n&1 != 0 {
			result = multiply(result, square)
		}
		square = multiply(square, square)
		n >>= 1
	}
	return result
}
