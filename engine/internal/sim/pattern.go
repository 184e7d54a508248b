package sim

import (
	"encoding/binary"
	"math/bits"
)

// pattern is the bytes one side writes on one channel: eight at a time a hash of the key and the offset, so
// that a byte of another channel, direction, offset or buffer is not taken for the right one.
type pattern struct {
	key  uint64
	soft bool // much is alike, so that it can be compressed
}

// newKey returns the key of the side's bytes on a channel.
func newKey(seed uint64, id uint32, side int) uint64 { return mix(seed ^ uint64(id)<<1 ^ uint64(side)) }

// mix is a good hash of x (splitmix64's).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// word is bytes 8i to 8i+7. One multiplication will do: neighbours must differ, not look random.
func (k pattern) word(i uint64) uint64 {
	if k.soft {
		i /= 16
	}
	hi, lo := bits.Mul64(k.key^i, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// fill writes the bytes from offset off on into p.
func (k pattern) fill(p []byte, off uint64) {
	for ; len(p) > 0 && off%8 != 0; off++ {
		p[0] = byte(k.word(off/8) >> (8 * (off % 8)))
		p = p[1:]
	}
	i := off / 8
	for ; len(p) >= 8; i++ {
		binary.LittleEndian.PutUint64(p, k.word(i))
		p = p[8:]
	}
	if len(p) > 0 {
		var tail [8]byte
		binary.LittleEndian.PutUint64(tail[:], k.word(i))
		copy(p, tail[:])
	}
}

// check returns the index of the first byte of p that is not the one from offset off on, or -1.
func (k pattern) check(p []byte, off uint64) int {
	n := 0
	for ; n < len(p) && off%8 != 0; off++ {
		if p[n] != byte(k.word(off/8)>>(8*(off%8))) {
			return n
		}
		n++
	}
	i := off / 8
	for ; len(p)-n >= 8; i++ {
		if got, want := binary.LittleEndian.Uint64(p[n:]), k.word(i); got != want {
			return n + bits.TrailingZeros64(got^want)/8
		}
		n += 8
	}
	for w := k.word(i); n < len(p); n++ {
		if p[n] != byte(w) {
			return n
		}
		w >>= 8
	}
	return -1
}
