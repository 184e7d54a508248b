// Package disk lets loops send files without waiting for them: it tells whether bytes are in the page cache, and has
// others read ahead, by a few goroutines, what is not.
//
// Start reading at [File.Ready].
package disk
