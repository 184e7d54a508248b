//go:build race || poison

package engine_test

// reaction is how soon a server must have ended a connection over a fault. The race detector and poisoned buffers make
// servers several times slower, so it decides nothing here.
const reaction = patience
