//go:build !poison

package core

// check verifies what must hold between two calls; only the poison build does.
func (c *Conn) check() {}
