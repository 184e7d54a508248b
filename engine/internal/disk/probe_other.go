//go:build !linux

package disk

import "github.com/sscd-io/sscd/engine/internal/core"

// probe returns whether the byte at off can be read without waiting.
func (f *File) probe(off int64) core.FileState { return f.told(off) }
