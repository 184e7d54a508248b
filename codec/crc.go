package codec

import (
	"encoding/binary"
	"hash/crc32"
)

// The CRC of short frames is hot: hash/crc32 takes as long for the 12 header bytes as for 64 bytes
// of payload. So the header goes through one table per byte (slicing-by-12), short payloads through
// sixteen, and the library, which folds 16 bytes an instruction from 64 bytes on, does the rest.
// BENCHMARKS.md, "CRC", has the figures by size.

// slices[k][b] is the CRC state that byte b leaves behind after k more zero bytes.
var slices = makeSlices()

func makeSlices() (t [16][256]uint32) {
	t[0] = *crc32.IEEETable
	for b := range t[0] {
		for k := 1; k < len(t); k++ {
			prev := t[k-1][b]
			t[k][b] = t[0][byte(prev)] ^ prev>>8
		}
	}
	return t
}

// libraryFrom is the payload size from which hash/crc32 is faster than sixteen tables (measured).
const libraryFrom = 64

// CRC is the CRC-32 (IEEE) over the first 12 bytes of a header followed by payload.
func CRC(header, payload []byte) uint32 {
	crc := headerState(header)
	if len(payload) >= libraryFrom {
		return crc32.Update(^crc, crc32.IEEETable, payload)
	}
	for len(payload) >= 16 {
		crc = fold16(crc, payload)
		payload = payload[16:]
	}
	if len(payload) >= 8 {
		crc = fold8(crc, payload)
		payload = payload[8:]
	}
	for _, b := range payload {
		crc = slices[0][byte(crc)^b] ^ crc>>8
	}
	return ^crc
}

// headerState is the CRC register after the 12 header bytes.
func headerState(h []byte) uint32 {
	_ = h[checkedSize-1]
	a := ^binary.LittleEndian.Uint32(h)
	b := binary.LittleEndian.Uint32(h[4:])
	c := binary.LittleEndian.Uint32(h[8:])
	return slices[11][byte(a)] ^ slices[10][byte(a>>8)] ^ slices[9][byte(a>>16)] ^ slices[8][a>>24] ^
		slices[7][byte(b)] ^ slices[6][byte(b>>8)] ^ slices[5][byte(b>>16)] ^ slices[4][b>>24] ^
		slices[3][byte(c)] ^ slices[2][byte(c>>8)] ^ slices[1][byte(c>>16)] ^ slices[0][c>>24]
}

// fold16 advances the register over the first 16 bytes of p.
func fold16(crc uint32, p []byte) uint32 {
	_ = p[15]
	a := crc ^ binary.LittleEndian.Uint32(p)
	b := binary.LittleEndian.Uint32(p[4:])
	c := binary.LittleEndian.Uint32(p[8:])
	d := binary.LittleEndian.Uint32(p[12:])
	return slices[15][byte(a)] ^ slices[14][byte(a>>8)] ^ slices[13][byte(a>>16)] ^ slices[12][a>>24] ^
		slices[11][byte(b)] ^ slices[10][byte(b>>8)] ^ slices[9][byte(b>>16)] ^ slices[8][b>>24] ^
		slices[7][byte(c)] ^ slices[6][byte(c>>8)] ^ slices[5][byte(c>>16)] ^ slices[4][c>>24] ^
		slices[3][byte(d)] ^ slices[2][byte(d>>8)] ^ slices[1][byte(d>>16)] ^ slices[0][d>>24]
}

// fold8 advances the register over the first 8 bytes of p.
func fold8(crc uint32, p []byte) uint32 {
	_ = p[7]
	a := crc ^ binary.LittleEndian.Uint32(p)
	b := binary.LittleEndian.Uint32(p[4:])
	return slices[7][byte(a)] ^ slices[6][byte(a>>8)] ^ slices[5][byte(a>>16)] ^ slices[4][a>>24] ^
		slices[3][byte(b)] ^ slices[2][byte(b>>8)] ^ slices[1][byte(b>>16)] ^ slices[0][b>>24]
}
