//go:build !linux

package bench

// forget says that a file is still in memory: nothing is known that could be done about it.
func forget(string) (bool, error) { return false, nil }
