package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// command is what the first argument names; without one, run measures.
type command func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// commands are those besides run. Each usage is how it is called, and in further lines what it does.
var commands = []struct {
	name  string
	usage string
	run   command
}{
	{"suite", suiteUsage, runSuite},
	{"report", reportUsage, runReport},
	{"compare", compareUsage, runCompare},
	{"scale", scaleUsage, scale},
	{"claims", claimsUsage, claim},
	{"doctor", doctorUsage, examine},
	{"limits", limitsUsage, limit},
	{"tune", tuneUsage, tuneServer},
}

// choose returns the command of a command line, and the arguments for it.
func choose(args []string) (command, []string) {
	if len(args) == 0 {
		return run, args
	}
	if args[0] == "help" {
		return run, []string{"--help"}
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run, args[1:]
		}
	}
	return run, args
}

// commandNames are their names.
func commandNames() string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// commandHelp writes a line about each.
func commandHelp(w io.Writer) {
	fmt.Fprint(w, "\ncommands, each with --help:\n")
	for _, c := range commands {
		_, does, _ := strings.Cut(c.usage, "\n")
		does, _, _ = strings.Cut(does, "\n")
		fmt.Fprintf(w, "  %-8s %s\n", c.name, does)
	}
}
