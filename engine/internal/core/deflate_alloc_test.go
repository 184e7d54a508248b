// The race detector makes sync.Pool forget at random, and the poison build keeps a ledger.
//go:build !race && !poison

package core

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/sscd-io/sscd/pool"
)

func TestNoAllocationPerCompressedFrame(t *testing.T) {
	var z zipper
	var mem pool.Pool
	dst := make([]byte, 0, 65536)
	texts := [][]byte{records(200), records(16384), make([]byte, 65536), noise(4096)}
	broken := zipped(t, 6, records(40_000))
	broken[len(broken)-1] ^= 1
	n := testing.AllocsPerRun(500, func() {
		for _, text := range texts {
			out, ok := z.deflate(dst, text)
			if !ok {
				continue
			}
			b, err := z.inflate(&mem, out, len(text))
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		if _, err := z.inflate(&mem, broken, 65536); err != errAdler {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// ZIP-09: 64 KiB that inflate to 64 MiB.
func TestBombTakesNoMoreThanTheLimit(t *testing.T) {
	bomb := zipped(t, 9, make([]byte, 64<<20))
	if len(bomb) > 65536 {
		t.Fatalf("%d bytes are no frame", len(bomb))
	}
	const readers = 64 << 10 // an unpacker
	for limit, most := range map[int]uint64{0: readers, 1000: readers, 40_000: readers + 32768, 65536: readers + 32768 + 65536} {
		var z zipper
		var mem pool.Pool
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := z.inflate(&mem, bomb, limit)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err != errTooLong || took > most {
			t.Errorf("limit %d: error %v, %d bytes allocated, at most %d wanted", limit, err, took, most)
		}
	}
}

func BenchmarkDeflate(b *testing.B) {
	var z zipper
	dst := make([]byte, 0, 65536)
	for _, c := range []struct {
		name string
		p    []byte
	}{{"records-200", records(200)}, {"records-1024", records(1024)}, {"records-16384", records(16384)}, {"noise-16384", noise(16384)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.p)))
			out := dst
			for b.Loop() {
				out, _ = z.deflate(dst, c.p)
			}
			b.ReportMetric(float64(len(out))/float64(len(c.p)), "ratio")
		})
	}
}

// BenchmarkInflate counts bytes of the wire: those that inflate.
func BenchmarkInflate(b *testing.B) {
	var z zipper
	for _, n := range []int{200, 1024, 16384} {
		p, ok := z.deflate(nil, records(n))
		if !ok {
			b.Fatal("does not deflate")
		}
		benchmarkInflate(b, fmt.Sprint(n), p, n)
	}
	benchmarkInflate(b, "empty-blocks-65536", emptyBlocks(65536), 1)
}

func benchmarkInflate(b *testing.B, name string, p []byte, limit int) {
	var z zipper
	var mem pool.Pool
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			buf, err := z.inflate(&mem, p, limit)
			if err != nil {
				b.Fatal(err)
			}
			buf.Release()
		}
	})
}
