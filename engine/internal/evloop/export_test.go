//go:build linux

package evloop

import "time"

// MinPause is minPause.
const MinPause = minPause

// Rest is rest.
func (a *Acceptor) Rest(err error) { a.rest(err) }

// Resting returns for how long a rests, or rested last, and whether it does. Within a turn only.
func (a *Acceptor) Resting() (pause time.Duration, yes bool) { return a.pause, a.resume != nil }

// Acceptors is how many listeners the loop of s has. Within a turn only.
func Acceptors(s Server) int { return len(s.base().acceptors) }
