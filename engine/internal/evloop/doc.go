//go:build linux

// Package evloop is what the backends with event loops, epollio and uringio, have in common: the socket of a
// connection, which is written to, the listening socket, whose connections are placed, and that loops yield.
package evloop
