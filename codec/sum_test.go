package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A header put with a sum is the one that is put with the payload, whatever the sizes.
func TestSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 100, 511, 512, 1000, 4095, 16384, 65535, 1 << 20} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		s := NewSum(payload)
		for range 20 {
			h := Header{Channel: r.Uint32(), Length: uint32(n), Type: Data}
			var want, got [HeaderSize]byte
			h.Put(want[:], payload)
			if s.Put(got[:], h.Channel); !bytes.Equal(got[:], want[:]) {
				t.Fatalf("%d bytes: %x, want %x", n, got, want)
			}
		}
	}
}

func BenchmarkSumPut(b *testing.B) {
	s := NewSum(make([]byte, 16384))
	var dst [HeaderSize]byte
	for i := range b.N {
		s.Put(dst[:], uint32(i))
	}
}

func BenchmarkNewSum(b *testing.B) {
	payload := make([]byte, 64)
	for range b.N {
		NewSum(payload)
	}
}
