package codec

import (
	"hash/crc32"
	"math/bits"
)

// Sum is the CRC of a payload that many frames carry, each with a header of its own: the work for the payload is
// done once. It may be used from any goroutine.
type Sum struct {
	length uint32
	state  uint32         // what the payload leaves in a register that was 0
	shift  [4][256]uint32 // what becomes of each byte of a register over as many zero bytes
}

// NewSum returns the sum of payload.
func NewSum(payload []byte) *Sum {
	s := &Sum{length: uint32(len(payload)), state: ^crc32.Update(^uint32(0), crc32.IEEETable, payload)}
	// CRCs are linear: the register after a header and a payload is that of the header, moved over the payload's
	// length, and that of the payload. Moving over n bytes multiplies by x^8n modulo the polynomial.
	by := power(8 * uint64(len(payload)))
	for k := range s.shift {
		t := &s.shift[k]
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

// PutSum is Put for the payload that s is the sum of; h.Length is set.
func (h Header) PutSum(b []byte, s *Sum) {
	h.Length = s.length
	h.put(b)
	r := headerState(b)
	r = s.state ^ s.shift[0][byte(r)] ^ s.shift[1][byte(r>>8)] ^ s.shift[2][byte(r>>16)] ^ s.shift[3][r>>24]
	putCRC(b, ^r)
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
