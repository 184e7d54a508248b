//go:build !poison

package pool

// Poison says whether this is the poison build.
const Poison = false

type ledger struct{}

func (*ledger) lent(*Buf)     {}
func (*ledger) back(*Buf)     {}
func (*ledger) returned(*Buf) {}

// Leaks lists where the buffers not released yet were taken; only the poison build knows.
func (*ledger) Leaks() []string { return nil }
