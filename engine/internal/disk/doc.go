// Package disk is files whose ranges are sent: it implements core.File. Reads that would wait for a disk are left to
// a few goroutines, so that loops never wait for one.
package disk
