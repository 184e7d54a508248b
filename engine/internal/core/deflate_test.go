package core

import (
	"bytes"
	stdzlib "compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/sscd-io/sscd/pool"
)

// zipped is p as a zlib stream of the standard library's.
func zipped(tb testing.TB, level int, p []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := stdzlib.NewWriterLevel(&b, level)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(p); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// unzipped is what the standard library makes of p: at most limit bytes, and nothing behind the stream.
func unzipped(p []byte, limit int) (out []byte, ok bool) {
	src := bytes.NewReader(p)
	r, err := stdzlib.NewReader(src)
	if err != nil || p[1]&0x20 != 0 { // it takes the empty dictionary for none
		return nil, false
	}
	out, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	return out, err == nil && len(out) <= limit && src.Len() == 0
}

// inflated is what z makes of p, and gives the memory back.
func inflated(z *zipper, mem *pool.Pool, p []byte, limit int) ([]byte, error) {
	b, err := z.inflate(mem, p, limit)
	if err != nil {
		if b != nil {
			panic("a buffer with an error")
		}
		return nil, err
	}
	defer b.Release()
	return bytes.Clone(b.B), nil
}

// records is n bytes of text that deflates as such things do.
func records(n int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	for b.Len() < n {
		state := []string{"open", "closed", "pending"}[r.IntN(3)]
		fmt.Fprintf(&b, `{"id":%d,"user":"u%05d","price":%d,"state":%q},`, r.Uint32(), r.IntN(99999), r.IntN(1000), state)
	}
	return b.Bytes()[:n]
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(2, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestDeflateIsOnlyUsedWhereItGains(t *testing.T) {
	var z zipper
	for _, c := range []struct {
		name string
		p    []byte
		want bool
	}{
		{"nothing", nil, false},
		{"100 bytes", make([]byte, 100), false},
		{"101 bytes", make([]byte, 101), true},
		{"records", records(16384), true},
		{"noise", noise(16384), false},
		{"noise, a twelfth of it zeros", append(noise(11000), make([]byte, 1000)...), false},
		{"noise, an eighth of it zeros", append(noise(10500), make([]byte, 1500)...), true},
		{"1 MiB", records(1 << 20), true},
	} {
		dst := append(make([]byte, 0, 4+len(c.p)), "head"...)
		out, ok := z.deflate(dst, c.p)
		if ok != c.want || string(out[:4]) != "head" || !ok && len(out) != 4 || &out[0] != &dst[0] {
			t.Errorf("%s: %v, %d bytes", c.name, ok, len(out))
			continue
		}
		if beyond := dst[:cap(dst)][4+len(c.p)*9/10:]; len(bytes.Trim(beyond, "\x00")) > 0 {
			t.Errorf("%s: written beyond nine tenths", c.name)
		}
		if plain, good := unzipped(out[4:], len(c.p)); ok && (!good || !bytes.Equal(plain, c.p)) {
			t.Errorf("%s: not inflated again by the standard library", c.name)
		}
	}
	if out, ok := z.deflate(nil, records(5000)); !ok || len(out) > 4500 {
		t.Errorf("without memory of the caller's: %v, %d bytes", ok, len(out))
	}
}

// emptyBlocks is a zlib stream of at most n bytes that inflates to one x, after as many blocks as fit that have
// tables and no bytes: much work for little traffic.
func emptyBlocks(n int) []byte {
	out, held, bits := []byte{0x78, 0x01}, uint64(0), 0
	put := func(n int, v uint64) {
		for held, bits = held|v<<bits, bits+n; bits >= 8; bits -= 8 {
			out, held = append(out, byte(held)), held>>8
		}
	}
	for len(out)+24 <= n {
		put(3, 2<<1)          // dynamic tables
		put(14, (18-4)<<10)   // 257 symbols, 1 distance, 18 lengths of lengths
		put(3*2, 0)           // 16 and 17 unused
		put(3, 1)             // 18, a run of zeros: code 1
		put(3*14, 0)          // all others unused
		put(3, 1)             // but 1: code 0
		put(8, 1|(138-11)<<1) // 138 zeros
		put(8, 1|(118-11)<<1) // 118 zeros
		put(3, 0)             // the end's length is 1, the distance's too; the end
	}
	put(3, 1|1<<1) // the last block, fixed tables
	put(8, 0x15)   // x
	put(7, 0)      // the end
	put(7, 0)      // to a whole byte
	return binary.BigEndian.AppendUint32(out, adler32.Checksum([]byte("x")))
}

// The rows named are the conformance suite's.
func TestInflate(t *testing.T) {
	text := records(3000)
	stream := zipped(t, 6, text)
	tail := len(stream) - zlibTail
	edit := func(i int, b ...byte) []byte {
		out := bytes.Clone(stream)
		copy(out[i:], b)
		return out
	}
	withDict := func(id uint32) []byte {
		out := binary.BigEndian.AppendUint32([]byte{0x78, 0x20 + 0x1f - 0x7820%31}, id)
		return append(out, stream[zlibHead:]...)
	}
	var z zipper
	var mem pool.Pool
	for _, c := range []struct {
		row   string
		p     []byte
		limit int
		want  []byte
		err   error
	}{
		{"01 a stream", stream, 65536, text, nil},
		{"03 an empty stream", zipped(t, 6, nil), 0, nil, nil},
		{"04 a block of type 3", edit(2, 7), 65536, nil, errDamaged},
		{"04 no zlib", []byte("hello, world"), 65536, nil, errNotZlib},
		{"04 a window of 64 KiB", []byte{0x88, 0x1c, 3, 0, 0, 0, 0, 1}, 65536, nil, errNotZlib},
		{"05 another checksum", edit(tail, 1, 2, 3, 4), 65536, nil, errAdler},
		{"06 nothing behind the head", stream[:2], 65536, nil, errDamaged},
		{"06 half a checksum", stream[:tail+2], 65536, nil, errTail},
		{"07 a byte behind it", append(bytes.Clone(stream), 0), 65536, nil, errTail},
		{"07 a stream behind it", append(bytes.Clone(stream), stream...), 65536, nil, errTail},
		{"08 a dictionary", withDict(0x12345678), 65536, nil, errDictionary},
		{"08 the empty dictionary", withDict(1), 65536, nil, errDictionary},
		{"10 exactly the limit", stream, 3000, text, nil},
		{"10 one more", stream, 2999, nil, errTooLong},
		{"10 no window at all", stream, 0, nil, errTooLong},
		{"11 stored blocks only", zipped(t, 0, text), 65536, text, nil},
		{"11 blocks of nothing", emptyBlocks(65536), 1, []byte("x"), nil},
		{"14 no bytes", nil, 65536, nil, errNotZlib},
		{"14 one byte", stream[:1], 65536, nil, errNotZlib},
	} {
		got, err := inflated(&z, &mem, c.p, c.limit)
		if err != c.err || !bytes.Equal(got, c.want) {
			t.Errorf("ZIP-%s: %d bytes, error %v, want %v", c.row, len(got), err, c.err)
		}
		if got, err := inflated(&z, &mem, stream, 3000); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("after ZIP-%s: %v", c.row, err)
		}
	}
	if leaks := mem.Leaks(); len(leaks) > 0 {
		t.Errorf("leaks: %v", leaks)
	}
}

func TestInflateTakesNoPartOfAStream(t *testing.T) {
	var z zipper
	var mem pool.Pool
	for _, level := range []int{0, 1, 9} {
		stream := zipped(t, level, records(700))
		for n := range stream {
			if _, err := inflated(&z, &mem, stream[:n], 65536); err == nil {
				t.Errorf("level %d: the first %d of %d bytes inflate", level, n, len(stream))
			}
		}
	}
}

// A flipped bit is found, or it changes nothing: some bits are padding.
func TestInflateFindsDamage(t *testing.T) {
	var z zipper
	var mem pool.Pool
	text := records(700)
	stream := zipped(t, 6, text)
	harmless := 0
	for bit := range 8 * len(stream) {
		stream[bit/8] ^= 1 << (bit % 8)
		if got, err := inflated(&z, &mem, stream, 65536); err == nil {
			harmless++
			if !bytes.Equal(got, text) {
				t.Errorf("bit %d flipped: other text", bit)
			}
		}
		stream[bit/8] ^= 1 << (bit % 8)
	}
	if harmless > 7 {
		t.Errorf("%d bits are not covered", harmless)
	}
}

func TestInflateLimitIsExact(t *testing.T) {
	var z zipper
	var mem pool.Pool
	for _, n := range []int{1, 64, 65, 32767, 32768, 32769, 65535, 65536, 65537, 100_000, 1 << 20} {
		for name, text := range map[string][]byte{"zeros": make([]byte, n), "records": records(n), "noise": noise(n)} {
			stream := zipped(t, 1, text)
			if got, err := inflated(&z, &mem, stream, n); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d bytes of %s: %v", n, name, err)
			}
			if _, err := inflated(&z, &mem, stream, n-1); err != errTooLong {
				t.Errorf("%d bytes of %s where one less is allowed: %v", n, name, err)
			}
		}
	}
}

// FuzzInflate: what inflates, and to what, is what the standard library says.
func FuzzInflate(f *testing.F) {
	text := records(1000)
	for _, level := range []int{-2, 0, 1, 6} {
		f.Add(zipped(f, level, text), uint32(1000))
	}
	f.Add(zipped(f, 9, make([]byte, 70_000)), uint32(65536))
	f.Add(zipped(f, 9, make([]byte, 70_000)), uint32(70_000))
	f.Add(zipped(f, 1, nil), uint32(0))
	f.Add(emptyBlocks(500), uint32(1))
	f.Add([]byte{0x78, 0xbb, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1}, uint32(10))
	var used zipper
	f.Fuzz(func(t *testing.T, p []byte, most uint32) {
		limit := int(most % (1<<20 + 1))
		var fresh zipper
		var mem pool.Pool
		want, ok := unzipped(p, limit)
		got, err := inflated(&fresh, &mem, p, limit)
		if (err == nil) != ok || ok && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, error %v, want %d bytes: %v", len(got), err, len(want), ok)
		}
		got, err = inflated(&used, &mem, p, limit)
		if len(got) > limit || ok && (err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("used before: %d bytes, error %v, want %d bytes: %v", len(got), err, len(want), ok)
		}
		if leaks := mem.Leaks(); len(leaks) > 0 {
			t.Fatalf("leaks: %v", leaks)
		}
	})
}

// FuzzDeflate: what deflates is a tenth shorter, and the standard library inflates it again.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte(nil), 1)
	f.Add(records(100), 2)
	f.Add(records(101), 1)
	f.Add(noise(200), 3)
	f.Add([]byte("abcabcabd"), 30)
	f.Add(noise(90), 1000)
	var z zipper
	f.Fuzz(func(t *testing.T, p []byte, times int) {
		p = bytes.Repeat(p, max(1, times%max(1, 70_000/max(1, len(p)))))
		out, ok := z.deflate(nil, p)
		if !ok {
			if len(out) > 0 {
				t.Fatalf("%d bytes without success", len(out))
			}
			return
		}
		if len(p) <= deflateAbove || 10*len(out) > 9*len(p) {
			t.Fatalf("%d bytes deflated to %d", len(p), len(out))
		}
		if plain, good := unzipped(out, len(p)); !good || !bytes.Equal(plain, p) {
			t.Fatalf("%d bytes became %d", len(p), len(plain))
		}
		var mem pool.Pool
		if plain, err := inflated(&z, &mem, out, len(p)); err != nil || !bytes.Equal(plain, p) {
			t.Fatalf("%d bytes became %d, error %v", len(p), len(plain), err)
		}
	})
}
