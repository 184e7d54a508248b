package core

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/sscd-io/sscd/codec"
)

// Every frame in every state, driven through the wire. The expectation is written here by hand, from SPEC
// section 2:
//
//	X  connection error PROTOCOL     L  late, paid from the credit    .  taken
//	C  connection error CLOSED       T  ignored or taken for a token  E  it ends the channel   R  and for a token
//
// We are the client: "ours" is a channel that we opened, "theirs" one that we accepted. In "our FIN" this side's
// direction has ended, in "their FIN" the peer's.
const transitions = `
                         OPEN ACK CLOSE DATA FIN ERROR FLOW_CONTROL PRIORITY
ours idle                X    X   X     X    X   X     X            X
ours opening             X    .   X     X    X   E     X            X
ours open                X    T   E     .    .   R     .            X
ours open our FIN        X    T   E     .    E   R     .            X
ours open their FIN      X    T   E     C    C   R     .            X
ours abandoned           X    .   X     X    X   E     X            X
ours closing             X    E   .     .    .   R     .            X
ours closing our FIN     X    E   .     .    E   R     .            X
ours closing their FIN   X    E   .     C    C   R     .            X
ours crossed             X    E   L     L    L   R     L            L
ours closed              X    L   L     L    L   L     L            L

theirs idle              .    X   X     X    X   X     X            X
theirs open              X    T   E     .    .   R     .            T
theirs open our FIN      X    T   E     .    E   R     .            T
theirs open their FIN    X    T   E     C    C   R     .            T
theirs closing           X    E   .     .    .   R     .            T
theirs closing our FIN   X    E   .     .    E   R     .            T
theirs closing their FIN X    E   .     C    C   R     .            T
theirs crossed           X    E   L     L    L   R     L            L
theirs closed            X    L   L     L    L   L     L            L
`

// scripts say how to get into a state, with channel 1 if it is ours, 2 if it is theirs, called $.
var scripts = map[string]string{
	"ours idle":              "",
	"ours opening":           "open",
	"ours open":              "open; recv ACK $",
	"ours open our FIN":      "open; recv ACK $; closewrite $",
	"ours open their FIN":    "open; recv ACK $; recv DATA $ FIN",
	"ours abandoned":         "open; close $",
	"ours closing":           "open; recv ACK $; close $",
	"ours closing our FIN":   "open; recv ACK $; closewrite $; close $",
	"ours closing their FIN": "open; recv ACK $; recv DATA $ FIN; close $",
	"ours crossed":           "open; recv ACK $; close $; recv CLOSE $",
	"ours closed":            "open; recv ACK $; close $; recv ACK $",

	"theirs idle":              "",
	"theirs open":              "recv OPEN $",
	"theirs open our FIN":      "recv OPEN $; closewrite $",
	"theirs open their FIN":    "recv OPEN $; recv DATA $ FIN",
	"theirs closing":           "recv OPEN $; close $",
	"theirs closing our FIN":   "recv OPEN $; closewrite $; close $",
	"theirs closing their FIN": "recv OPEN $; recv DATA $ FIN; close $",
	"theirs crossed":           "recv OPEN $; close $; recv CLOSE $",
	"theirs closed":            "recv OPEN $; recv CLOSE $",

	// For what the application does, also:
	"ours open queued":          "open; recv ACK $; send $ 65536; send $ 1",
	"ours open queued our FIN":  "open; recv ACK $; send $ 65536; send $ 1; closewrite $",
	"ours open queued close":    "open; recv ACK $; send $ 65536; send $ 1; close $",
	"ours opening our FIN":      "open; closewrite $",
	"ours opening queued close": "open; send $ 65536; send $ 1; close $",
}

// inState is a client in one of scripts, and the channel it is about.
func inState(t *testing.T, name string) (m *machine, id string) {
	t.Helper()
	id = map[bool]string{true: "1", false: "2"}[strings.HasPrefix(name, "ours")]
	m = newMachine(t, &datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: "client"}, {Key: "extended"}}})
	m.run()
	do(m, "recv PONG 0 HELLO! features=9")
	for step := range strings.SplitSeq(scripts[name], "; ") {
		do(m, strings.ReplaceAll(step, "$", id))
	}
	m.take()
	return m, id
}

// stateOf is the state of a channel, with the directions that have ended.
func stateOf(m *machine, id string) string {
	st, _, r := m.conn.lookup(uint32(id[0] - '0'))
	s := st.String()
	if r != nil && r.flags&finSent != 0 {
		s += " our FIN"
	}
	if r != nil && r.flags&finCame != 0 {
		s += " their FIN"
	}
	return s
}

// do is a command of a machine in one line, and what follows from it.
func do(m *machine, line string) {
	cmd, rest, _ := strings.Cut(line, " ")
	d := &datadriven.TestData{Cmd: cmd}
	if cmd == "recv" {
		d.Input = rest
	} else {
		for arg := range strings.FieldsSeq(rest) {
			d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: arg})
		}
	}
	if cmd != "" {
		m.command(d)
	}
	m.run()
}

// cells reads a table: f is called with the name of each row, of each column, and what stands there.
func cells(table string, f func(row, column, want string)) {
	lines := strings.Split(strings.Trim(table, "\n"), "\n")
	columns := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		if line == "" {
			continue
		}
		fields := strings.Fields(line)
		row := strings.Join(fields[:len(fields)-len(columns)], " ")
		for i, column := range columns {
			f(row, column, fields[len(fields)-len(columns)+i])
		}
	}
}

func TestEveryFrameInEveryState(t *testing.T) {
	frames := map[string]string{
		"OPEN": "OPEN $", "ACK": "ACK $", "CLOSE": "CLOSE $", "DATA": `DATA $ "x"`, "FIN": `DATA $ FIN "x"`,
		"ERROR": "ERROR $ 7", "FLOW_CONTROL": "FLOW_CONTROL $ 5000", "PRIORITY": `PRIORITY $ "\x05"`,
	}
	seen := make(map[state]int)
	cells(transitions, func(row, column, want string) {
		m, id := inState(t, row)
		_, from, _ := strings.Cut(row, " ")
		if got := stateOf(m, id); got != from {
			t.Fatalf("the script for %s leads to %s", row, got)
		}
		st, _, _ := m.conn.lookup(uint32(id[0] - '0'))
		seen[st]++
		late, tokens := m.conn.late, m.conn.bucket.tokens
		do(m, "recv "+strings.ReplaceAll(frames[column], "$", id))
		if got := effect(t, m, st, id, late, tokens); got != want {
			t.Errorf("%s in %s: %s, want %s", column, row, got, want)
		}
		m.finish()
	})
	for st := range numStates {
		if seen[st] < len(frames) {
			t.Errorf("%d frames seen in state %v, there are %d", seen[st], st, len(frames))
		}
	}
}

// effect is what a frame did to a channel that was in state from, as a letter of the table.
func effect(t *testing.T, m *machine, from state, id string, late lateness, tokens int32) string {
	if m.conn.phase >= failing {
		switch m.conn.end.Code {
		case codec.ProtocolError:
			return "X"
		case codec.ClosedError:
			return "C"
		}
		t.Errorf("the connection ended as %s", m.conn.end.text())
	}
	st, _, _ := m.conn.lookup(uint32(id[0] - '0'))
	ended, paid := from != closed && st == closed, m.conn.bucket.tokens < tokens
	switch {
	case m.conn.late.bytes < late.bytes || m.conn.late.frames < late.frames:
		return "L"
	case ended && paid:
		return "R"
	case ended:
		return "E"
	case paid:
		return "T"
	}
	return "."
}

// Whatever the application does in every state: the frames that leave by it, and the state then. A dash is none,
// or none any more: the application's channel has ended for sending. "waits" is ten minutes with a peer that is
// alive and says nothing.
const actions = `
                           send             closewrite       close                reset         waits
ours opening               DATA>opening     FIN>opening+our  CLOSE>abandoned      ERROR>closed  ERROR>closed
ours opening our FIN       ->opening+our    ->opening+our    CLOSE>abandoned+our  ERROR>closed  ERROR>closed
ours opening queued close  ->opening        ->opening        ->opening            ERROR>closed  ERROR>closed
ours open                  DATA>open        FIN>open+our     CLOSE>closing        ERROR>closed  ->open
ours open our FIN          ->open+our       ->open+our       CLOSE>closing+our    ERROR>closed  ->open+our
ours open their FIN        DATA>open+their  FIN>closed       CLOSE>closing+their  ERROR>closed  ->open+their
ours open queued           ->open           ->open           ->open               ERROR>closed  ERROR>closed
ours open queued our FIN   ->open           ->open           ->open               ERROR>closed  ERROR>closed
ours open queued close     ->open           ->open           ->open               ERROR>closed  ERROR>closed
ours abandoned             ->abandoned      ->abandoned      ->abandoned          ERROR>closed  ->closed
ours closing               ->closing        ->closing        ->closing            ERROR>closed  ->closed
ours closing our FIN       ->closing+our    ->closing+our    ->closing+our        ERROR>closed  ->closed
ours closing their FIN     ->closing+their  ->closing+their  ->closing+their      ERROR>closed  ->closed
ours crossed               ->crossed        ->crossed        ->crossed            ERROR>closed  ->closed
ours closed                ->closed         ->closed         ->closed             ->closed      ->closed

theirs open                DATA>open        FIN>open+our     CLOSE>closing        ERROR>closed  ->open
theirs open our FIN        ->open+our       ->open+our       CLOSE>closing+our    ERROR>closed  ->open+our
theirs open their FIN      DATA>open+their  FIN>closed       CLOSE>closing+their  ERROR>closed  ->open+their
theirs closing             ->closing        ->closing        ->closing            ERROR>closed  ->closed
theirs crossed             ->crossed        ->crossed        ->crossed            ERROR>closed  ->closed
theirs closed              ->closed         ->closed         ->closed             ->closed      ->closed
`

func TestEveryActionInEveryState(t *testing.T) {
	lines := map[string]string{
		"send": "send $ 1000", "closewrite": "closewrite $", "close": "close $", "reset": "reset $ 300",
		"waits": "wait 10m alive",
	}
	cells(actions, func(row, column, want string) {
		m, id := inState(t, row)
		do(m, strings.ReplaceAll(lines[column], "$", id))
		var sent []string
		for line := range strings.Lines(m.take()) {
			if f := strings.Fields(line); f[0] != ">" {
			} else if name := f[1]; name != "DATA" || f[3] != "FIN" {
				sent = append(sent, name)
			} else {
				sent = append(sent, "FIN")
			}
		}
		if sent == nil {
			sent = []string{"-"}
		}
		got := strings.Join(sent, "+") + ">" + strings.NewReplacer(" our FIN", "+our", " their FIN", "+their").Replace(stateOf(m, id))
		if got != want {
			t.Errorf("%s in %s: %s, want %s", column, row, got, want)
		}
		m.finish()
	})
}
