// Package sock makes and tunes sockets: listening, taking over the descriptor of a net.Conn, options and
// what the kernel made of them, and one system call that x/sys has only with an allocation. All but what is
// about addresses is for Linux.
package sock

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
)

// Network splits an address into the network and the address that package net wants. What begins with
// "unix:" or has a slash in it is a Unix socket; one that is called @name is abstract and has no file.
func Network(addr string) (network, rest string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", path
	}
	if strings.Contains(addr, "/") {
		return "unix", addr
	}
	return "tcp", addr
}

// hasFile returns whether a Unix socket of that name is a file.
func hasFile(name string) bool { return name != "" && name[0] != '@' && name[0] != 0 }

// Unlink removes the file of a Unix socket that listens on addr. It must still do so: once it does not, the
// file may be somebody else's.
func Unlink(addr net.Addr) {
	if a, ok := addr.(*net.UnixAddr); ok && hasFile(a.Name) {
		remove(a.Name)
	}
}

// RemoveStale returns whether err is that the name of a Unix socket is taken, by one that nobody has any
// more, whose file it then removes: trying again may help.
func RemoveStale(name string, err error) bool {
	if !errors.Is(err, syscall.EADDRINUSE) || !hasFile(name) {
		return false
	}
	// For datagrams the kernel refuses only what nobody has. Who listens for streams, or is about to, is of
	// the wrong type, and not troubled with a connection.
	c, err := net.Dial("unixgram", name)
	if err == nil {
		c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && remove(name)
}

// remove removes a file if it is a socket, and returns whether it did.
func remove(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&os.ModeSocket != 0 && os.Remove(name) == nil
}
