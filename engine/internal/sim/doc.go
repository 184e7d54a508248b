// Package sim runs the protocol core in simulated worlds, to find what nobody thought of.
//
//	             ┌─────────────── World ───────────────┐
//	 seed        │  application   clock   application  │
//	  │ Expand   │       │          │          │       │
//	  ▼          │  ┌─────────┐  bytes   ┌──────────┐  │
//	Script ─Run─▶│  │ core    │◀────────▶│ core, or │  │──▶ Failure, or nil
//	setup, ops   │  │         │  faults  │ a script │  │
//	             │  └─────────┘          └──────────┘  │
//	             │       oracle looks at all of it     │
//	             └─────────────────────────────────────┘
//
// A seed expands into a Script: a setup, in which a random part of the operations is switched on (swarm
// testing), and a list of operations. Any list of operations is valid, so one can be shortened, fuzzed,
// written down and played again; see testdata/regress. A world has no clock, no goroutine and no
// randomness but its script, so a run is the same every time.
//
// First comes the safety phase: the operations, with every fault they know, and after each the oracle. Then
// the liveness phase: faults end, readers read, and everything must finish in a bounded time; what is stuck
// then has failed.
//
// Applications also send ranges of files, whose bytes are the pattern's: as they are, by a transport that writes a part
// and then another, or read by the core. Files shrink, cannot be read any more, or must be fetched first. The oracle
// knows who uses each, what was asked for and what is in memory, and where zeros may stand instead (file.go,
// filecheck.go). The descriptors, disks and system calls themselves are other packages' to test.
//
// The peer is a second core, or a hostile script. The script's frames are predicted by a model of the
// protocol that was written from SPEC.md alone (model.go), and all output is read by package codectest, which
// shares no code with package codec.
//
// Start reading at [Script], then [World].
package sim
