// Package codec is the SSC/1 wire format: bytes in, frames out, and back.
//
//	0      2          6      7       8           12          16
//	+------+----------+------+-------+-----------+-----------+----------------+
//	| 'SS' | channel  | type | flags |  length   |  CRC-32   |  payload ...   |
//	| u16  |   u32    |  u8  |  u8   |   u32     |   u32     |  length bytes  |
//	+------+----------+------+-------+-----------+-----------+----------------+
//
// [Header.Put] writes a header; a [Splitter] cuts what a socket delivered into
// frames, in place, and checks everything SPEC.md section 1 lets it check
// without knowing a connection's state: magic, type, length, CRC. What frames
// mean is no concern of this package, and it does no I/O.
//
// Start reading at [Header], then [Splitter.Next].
package codec
