package codec

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestCRCIsTheLibrarys(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, checkedSize+300)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	for n := 0; n <= 300; n++ {
		p := b[:checkedSize+n]
		if got, want := CRC(p[:checkedSize], p[checkedSize:]), crc32.ChecksumIEEE(p); got != want {
			t.Fatalf("payload of %d bytes: %08x, want %08x", n, got, want)
		}
	}
}

var sink uint32

func BenchmarkCRC(b *testing.B) {
	frame := make([]byte, HeaderSize+65536)
	for _, size := range []int{0, 8, 16, 32, 48, 63, 64, 128, 256, 1024, 16384, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h, p := frame[:checkedSize], frame[HeaderSize:HeaderSize+size]
			b.SetBytes(int64(checkedSize + size))
			for b.Loop() {
				sink = CRC(h, p)
			}
		})
	}
}

// The two calls that CRC replaces.
func BenchmarkCRCLibrary(b *testing.B) {
	frame := make([]byte, HeaderSize+65536)
	for _, size := range []int{0, 8, 16, 32, 48, 63, 64, 128, 256, 1024, 16384, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h, p := frame[:checkedSize], frame[HeaderSize:HeaderSize+size]
			b.SetBytes(int64(checkedSize + size))
			for b.Loop() {
				sink = crc32.Update(crc32.ChecksumIEEE(h), crc32.IEEETable, p)
			}
		})
	}
}
