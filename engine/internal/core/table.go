package core

import "sync/atomic"

// table is an array that grows by slabs and whose elements never move. One goroutine grows it at a
// time; at may be called from any for an index that grow has covered.
type table[T any] struct {
	slabs atomic.Pointer[[][]T]
	shift uint
}

// at returns element i.
func (t *table[T]) at(i uint32) *T {
	return &(*t.slabs.Load())[i>>t.shift][i&(1<<t.shift-1)]
}

// len is how many elements there are.
func (t *table[T]) len() int {
	if s := t.slabs.Load(); s != nil {
		return len(*s) << t.shift
	}
	return 0
}

// grow adds a slab.
func (t *table[T]) grow() {
	var old [][]T
	if s := t.slabs.Load(); s != nil {
		old = *s
	}
	grown := append(old, make([]T, 1<<t.shift))
	t.slabs.Store(&grown)
}
