//go:build !linux

package bench

import "os/exec"

// startLow starts cmd like any other process.
func startLow(cmd *exec.Cmd) error { return cmd.Start() }
