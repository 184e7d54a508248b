// Package pool recycles byte buffers in size classes, with a reference count on each.
//
// Ownership is one reference:
//
//	b := p.Get(n)   the caller owns it
//	b.Retain()      one more owner
//	b.Release()     an owner less; with the last, the memory goes back to the pool
//
// Whoever is handed a *Buf that a doc comment calls "passed on" owns it and must Release it or pass
// it on; whoever is handed one that is "borrowed" must not, and must Retain it to keep it. Reading B
// needs a reference, writing B needs the only one.
//
// Built with -tags poison, the pool overwrites released memory, panics when a released buffer was
// written to, and lists what was never released ([Pool.Leaks]); the project's tests run so too.
package pool
