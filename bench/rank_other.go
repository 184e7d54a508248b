//go:build !linux

package bench

import "os/exec"

// startLow and startFirst start cmd like any other process.
func startLow(cmd *exec.Cmd) error   { return cmd.Start() }
func startFirst(cmd *exec.Cmd) error { return cmd.Start() }

// isFirst returns false: there are no ranks.
func isFirst() bool { return false }
