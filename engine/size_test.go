package engine

import (
	"testing"
	"unsafe"
)

// A Conn is in the size class of 704 bytes, 8 of which are the allocator's: the next one is 64 bytes more for each
// connection.
func TestConnFitsItsSizeClass(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 696 {
		t.Errorf("a Conn has %d bytes", n)
	}
}
