//go:build poison

package pool

import (
	"strings"
	"testing"
)

func TestPoisonCatchesUseAfterRelease(t *testing.T) {
	var p Pool
	b := p.Get(100)
	array := b.array
	b.Release()
	for i, c := range array {
		if c != poison {
			t.Fatalf("byte %d of a released buffer is %#x", i, c)
		}
	}
	array[7] = 1
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "byte 7") {
			t.Errorf("write after release: recovered %v", r)
		}
	}()
	p.returned(b) // what the next Get of it does
}

func TestPoisonNamesLeaks(t *testing.T) {
	var p Pool
	p.Get(10).Release()
	lost := p.Get(1000)
	leaks := p.Leaks()
	if len(leaks) != 1 || !strings.Contains(leaks[0], "TestPoisonNamesLeaks") || !strings.Contains(leaks[0], "1024 bytes") {
		t.Errorf("leaks: %q", leaks)
	}
	lost.Release()
	if leaks := p.Leaks(); len(leaks) != 0 {
		t.Errorf("leaks after release: %q", leaks)
	}
}
