// Package compare tells whether one file of results is better or worse than another. Medians are compared, and
// differences count when the Mann-Whitney U test finds them significant, as benchstat does it
// (golang.org/x/perf), whose format the results can be written in, too.
//
// Start reading at [Compare].
package compare
