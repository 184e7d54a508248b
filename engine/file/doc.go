// Package file serves the regular files under a directory on channels: a handler for the targets file:PATH, and
// what a client needs to ask for them.
//
//	OPEN   target    file:PATH       from the directory, with slashes; one in front means the same
//	       metadata  from u64 | length u64, or nothing, which is the whole file; length 0 is all from there
//	ACK
//	DATA   size u64 | modified u64   of the whole file, in bytes, and in nanoseconds since 1970
//	       the bytes of the range
//	FIN, or CLOSE to a peer that takes no FIN
//
// Numbers are big endian. PATH is taken as it is, without escapes: any character of UTF-8 but NUL may be in it. Who
// goes on with a transfer compares the size and the time to know whether it is still the same file.
//
// A file that is not to be had is refused, or the channel reset right behind the ACK, with NotFound, NotRegular or
// BadRange; with TooMany if it may be had when fewer are under way on this connection, and with engine.Refused if it
// may be had another time. Nothing outside the directory is to be had, not by "..", nor by a symbolic link that leads
// out. What a client sends on the channel is dropped.
//
// The package is built on the engine's API alone, and serves next to other handlers: see [Serves]. It is not
// for files that somebody writes to meanwhile; one that becomes shorter ends its channels with engine.Internal.
package file
