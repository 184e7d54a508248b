package pool

import (
	"fmt"
	"sync"
	"testing"
)

func TestClasses(t *testing.T) {
	var p Pool
	for _, c := range []struct{ n, cap int }{
		{0, 64}, {1, 64}, {64, 64}, {65, 128}, {128, 128}, {129, 256}, {65536, 65536}, {65537, 131072},
		{1 << 20, 1 << 20}, {1<<20 + 1, 1<<20 + 1},
	} {
		b := p.Get(c.n)
		if len(b.B) != c.n || b.Cap() != c.cap {
			t.Errorf("Get(%d): %d bytes of %d, want capacity %d", c.n, len(b.B), b.Cap(), c.cap)
		}
		b.B = b.B[:b.Cap()] // an owner may use all of it
		b.Release()
	}
}

func TestTheLastReferenceFrees(t *testing.T) {
	var p Pool
	b := p.Copy([]byte("shared"))
	b.Retain()
	b.Release()
	if string(b.B) != "shared" {
		t.Errorf("after one of two releases: %q", b.B)
	}
	b.Release()
}

func TestMisusePanics(t *testing.T) {
	var p Pool
	mustPanic := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	// Not from the pool's classes, so that no other Get can have it in the meantime.
	b := p.Get(2 << maxBits)
	b.Release()
	mustPanic("double release", b.Release)
	b = p.Get(2 << maxBits)
	b.Release()
	mustPanic("retain of a released buffer", b.Retain)
}

func TestConcurrentOwners(t *testing.T) {
	var p Pool
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				b := p.Get(g*100 + i%300)
				for j := range b.B {
					b.B[j] = byte(g)
				}
				b.Retain()
				done := make(chan bool)
				go func() {
					for _, c := range b.B {
						if c != byte(g) {
							t.Errorf("another owner's byte %d in a buffer of %d", c, g)
							break
						}
					}
					b.Release()
					close(done)
				}()
				b.Release()
				<-done
			}
		})
	}
	wg.Wait()
	if leaks := p.Leaks(); len(leaks) != 0 {
		t.Errorf("leaks: %v", leaks)
	}
}

func TestNoAllocationInSteadyState(t *testing.T) {
	if Poison {
		t.Skip("the poison build keeps a ledger")
	}
	var p Pool
	if n := testing.AllocsPerRun(1000, func() { p.Get(100).Release() }); n != 0 {
		t.Errorf("%v allocations for Get and Release", n)
	}
}

func TestStock(t *testing.T) {
	var p Pool
	s := NewStock(&p)
	for _, n := range []int{1, 64, 65, 512, 513, 70000, 2 << maxBits} {
		text := make([]byte, n)
		text[n-1] = 7
		for range 3 {
			b := s.Copy(text)
			if len(b.B) != n || b.B[n-1] != 7 {
				t.Fatalf("copy of %d bytes: %d", n, len(b.B))
			}
			b.Retain()
			s.Release(b)
			if len(b.B) != n {
				t.Fatalf("freed while a reference is left")
			}
			s.Release(b)
		}
	}
	var many []*Buf
	for range 2 * stockSize {
		many = append(many, s.Copy([]byte("x")))
	}
	for _, b := range many {
		s.Release(b)
	}
	if n := len(s.free[0]); n > stockSize {
		t.Errorf("%d buffers kept", n)
	}
	if leaks := p.Leaks(); len(leaks) != 0 {
		t.Errorf("leaks: %v", leaks)
	}
	other := new(Pool).Get(10)
	s.Release(other) // goes to its own pool
	if !Poison {
		if n := testing.AllocsPerRun(1000, func() { s.Release(s.Copy([]byte("message"))) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkStock(b *testing.B) {
	var p Pool
	s := NewStock(&p)
	msg := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		s.Release(s.Copy(msg))
	}
}

func BenchmarkGetRelease(b *testing.B) {
	var p Pool
	for _, n := range []int{64, 16384} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Get(n).Release()
			}
		})
	}
}
