//go:build race || poison

package engine_test

// reaction is how soon a server must have ended a connection over a fault. What looks for faults of its own takes its
// time, so it decides nothing here.
const reaction = patience
