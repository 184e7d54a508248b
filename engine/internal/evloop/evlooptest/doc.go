//go:build linux

// Package evlooptest is what tests of an event loop need, of whatever backend: a [Rig] with loops, [Member]s that are
// connections of theirs and their application, and a [Peer] at the other end, which speaks frames.
package evlooptest
