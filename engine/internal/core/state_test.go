package core

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/sscd-io/sscd/codec"
)

// Every frame in every state, driven through the wire. The expectation is written here by hand:
//
//	X connection error   L late, paid from the credit   T ignored for a token   . taken
const transitions = `
           OPEN ACK CLOSE DATA ERROR FLOW_CONTROL
idle       .    X   X     X    X     X
opening    X    .   X     X    .     X
open       X    T   .     .    T     .
abandoned  X    .   X     X    .     X
closing    X    .   .     .    T     .
crossed    X    .   L     L    T     L
closed     X    L   L     L    L     L
`

func TestEveryFrameInEveryState(t *testing.T) {
	// How to get there, with channel 1 opened by the client, which we are.
	scripts := map[string]string{
		"idle":      "",
		"opening":   "open",
		"open":      "open; recv ACK 1",
		"abandoned": "open; close",
		"closing":   "open; recv ACK 1; close",
		"crossed":   "open; recv ACK 1; close; recv CLOSE 1",
		"closed":    "open; recv ACK 1; close; recv ACK 1",
	}
	frames := map[string]string{
		"OPEN": "OPEN 1", "ACK": "ACK 1", "CLOSE": "CLOSE 1", "DATA": `DATA 1 "x"`, "ERROR": "ERROR 1 7",
		"FLOW_CONTROL": "FLOW_CONTROL 1 5000",
	}
	lines := strings.Split(strings.TrimSpace(transitions), "\n")
	columns := strings.Fields(lines[0])
	seen := 0
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		for i, name := range columns {
			from, want := fields[0], fields[i+1]
			frame := frames[name]
			if from == "idle" && name == "OPEN" {
				frame = "OPEN 2" // ours can't be opened by the peer in any state
			}
			m := newMachine(t, &datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: "client"}}})
			for _, step := range strings.Split(scripts[from], "; ") {
				do(m, step)
			}
			st, _, _ := m.conn.lookup(1)
			if st.String() != from {
				t.Fatalf("the script for %s leads to %v", from, st)
			}
			late, tokens := m.conn.late, m.conn.bucket.tokens
			do(m, "recv "+frame)
			got := "."
			switch {
			case m.conn.phase >= failing:
				got = "X"
				if m.conn.end.Code != codec.ProtocolError {
					t.Errorf("%s in %s: %v", name, from, m.conn.end.Code)
				}
			case m.conn.late < late:
				got = "L"
			case m.conn.bucket.tokens < tokens:
				got = "T"
			}
			if got != want {
				t.Errorf("%s in %s: %s, want %s", name, from, got, want)
			}
			seen++
			m.finish()
		}
	}
	if want := int(numStates) * len(frames); seen != want {
		t.Errorf("%d pairs seen, there are %d", seen, want)
	}
}

// do is a command of a machine in one line.
func do(m *machine, step string) {
	cmd, rest, _ := strings.Cut(step, " ")
	switch cmd {
	case "":
		return
	case "recv":
		m.command(&datadriven.TestData{Cmd: cmd, Input: rest})
	case "close":
		m.command(&datadriven.TestData{Cmd: cmd, CmdArgs: []datadriven.CmdArg{{Key: "1"}}})
	default:
		m.command(&datadriven.TestData{Cmd: cmd})
	}
	m.run()
}
