// Package suite measures the standard matrix of this engine, in rounds: everything once, then everything again,
// so that what changes on the machine meanwhile meets all alike. Rounds of the two backends follow each other.
//
// Start reading at [Run]; the matrix is in matrix.go.
package suite
