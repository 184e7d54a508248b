package core

import (
	"testing"
	"unsafe"
)

// The memory of idle channels and connections is a promise; ARCHITECTURE.md adds it up.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name      string
		size, max uintptr
	}{
		{"record", unsafe.Sizeof(record{}), 64},
		{"aside", unsafe.Sizeof(aside{}), 12},
		{"segment", unsafe.Sizeof(segment{}), 24},
		{"Handle", unsafe.Sizeof(Handle{}), 8},
		{"Conn", unsafe.Sizeof(Conn{}), 592},
	} {
		if c.size > c.max {
			t.Errorf("%s has %d bytes, limit %d", c.name, c.size, c.max)
		}
		t.Logf("%s: %d bytes", c.name, c.size)
	}
}
