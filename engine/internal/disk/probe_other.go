//go:build !linux

package disk

// probe is nothing here.
type probe struct{}

// Probe implements core.File. Whether a read would wait can't be asked here; a connection has goroutines of its
// own, so that others wait for none.
func (d *File) Probe(off int64, n int) (ready bool, err error) { return true, nil }
