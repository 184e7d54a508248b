package main

import (
	"context"
	"io"
	"maps"
	"slices"
)

// command is what the first argument names; without one, run measures.
type command func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// commands are those besides run.
var commands = map[string]command{
	"compare": runCompare,
	"report":  runReport,
	"scale":   scale,
	"suite":   runSuite,
	"claims":  claim,
	"doctor":  examine,
	"limits":  limit,
	"tune":    tuneServer,
}

// choose returns the command of a command line, and the arguments for it.
func choose(args []string) (command, []string) {
	if len(args) > 0 {
		if c, ok := commands[args[0]]; ok {
			return c, args[1:]
		}
	}
	return run, args
}

// commandNames are their names in order.
func commandNames() []string { return slices.Sorted(maps.Keys(commands)) }
