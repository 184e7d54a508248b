package loop

import (
	"sync"
	"testing"

	"github.com/sscd-io/sscd/engine/internal/core"
)

func handle(slot, gen uint32) core.Handle { return core.Handle{Slot: slot, Gen: gen} }

// A slot has one channel after the other, and each its own value: whoever kept the handle of an earlier
// one reads nothing and changes nothing.
func TestAStaleHandleIsHarmless(t *testing.T) {
	var c Contexts
	first, second, third := handle(7, 2), handle(7, 4), handle(7, 6)
	if c.Get(first) != nil {
		t.Error("a value before one was set")
	}
	c.Set(first, "first")
	if c.Get(second) != nil {
		t.Error("a successor sees its predecessor's value")
	}
	c.Set(second, "second")
	if c.Get(first) != nil {
		t.Error("a stale handle reads its successor's value")
	}
	c.Set(first, "late")
	if c.Get(second) != "second" {
		t.Errorf("a stale handle changed its successor's value to %v", c.Get(second))
	}
	c.Set(first, nil)
	if c.Get(second) != "second" {
		t.Error("a stale handle took its successor's value away")
	}
	c.Set(second, nil)
	if c.Get(second) != nil {
		t.Error("still there after it was taken away")
	}
	// A stale value where there is none is nobody's.
	c.Set(second, "late")
	if c.Get(third) != nil {
		t.Error("a successor without a value sees a stale one")
	}
	c.Set(third, "third")
	if c.Get(third) != "third" || c.Get(second) != nil {
		t.Error("a stale value is in its successor's way")
	}
}

// Generations wrap.
func TestGenerationsWrap(t *testing.T) {
	var c Contexts
	last, next := handle(1, 1<<32-2), handle(1, 0)
	c.Set(last, "last")
	c.Set(next, "next")
	c.Set(last, "late")
	if c.Get(next) != "next" || c.Get(last) != nil {
		t.Errorf("around the wrap: %v, %v", c.Get(last), c.Get(next))
	}
}

// Pages are made on first use, in any order, and values stay where they are when more come.
func TestPagesGrow(t *testing.T) {
	var c Contexts
	size := uint32(len(contextPage{}))
	c.Set(handle(10*size, 1), nil)
	if c.pages.Load() != nil {
		t.Error("a page for nothing")
	}
	slots := []uint32{3 * size, 1, size - 1, size, 100 * size, 100*size - 1, 3*size + 1, 0}
	for i, slot := range slots {
		c.Set(handle(slot, 1), i)
		for j, earlier := range slots[:i+1] {
			if got := c.Get(handle(earlier, 1)); got != j {
				t.Fatalf("slot %d after slot %d: %v, want %d", earlier, slot, got, j)
			}
		}
	}
	if c.Get(handle(50*size, 1)) != nil || c.Get(handle(1<<31, 1)) != nil {
		t.Error("a value where none was set")
	}
	pages := 0
	for i := range *c.pages.Load() {
		if (*c.pages.Load())[i].Load() != nil {
			pages++
		}
	}
	if pages != 5 {
		t.Errorf("%d pages for slots on 5", pages)
	}
}

// Many goroutines, on the same slots and while pages grow: whoever set a value last and alone finds it.
func TestContextsFromManyGoroutines(t *testing.T) {
	var c Contexts
	size := uint32(len(contextPage{}))
	var wg sync.WaitGroup
	for g := range uint32(8) {
		wg.Go(func() {
			for i := range uint32(2000) {
				own := handle(3*size+i*8+g, 1)
				c.Set(own, g)
				if got := c.Get(own); got != g {
					t.Errorf("slot %d: %v, want %d", own.Slot, got, g)
					return
				}
				// All share these: a reader gets nothing or what belongs to its generation.
				gen := i + 1
				shared := handle(i%3*size, gen)
				c.Set(shared, gen)
				if got := c.Get(shared); got != nil && got != gen {
					t.Errorf("generation %d reads %v", gen, got)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range uint32(2000 * 8) {
		if got := c.Get(handle(3*size+i, 1)); got != i%8 {
			t.Fatalf("slot %d: %v, want %d", 3*size+i, got, i%8)
		}
	}
}

// Whoever holds a stale handle can't win over who holds the right one, however often it tries.
func TestTheNewestGenerationWins(t *testing.T) {
	for range 200 {
		var c Contexts
		var wg sync.WaitGroup
		c.Set(handle(1, 1), "old")
		wg.Go(func() { c.Set(handle(1, 3), "new") })
		wg.Go(func() { c.Set(handle(1, 1), "stale") })
		wg.Wait()
		if got := c.Get(handle(1, 3)); got != "new" {
			t.Fatalf("the newest generation reads %v", got)
		}
	}
}
