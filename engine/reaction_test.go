//go:build !race && !poison

package engine_test

import "time"

// reaction is how soon a server must have ended a connection over a fault. SPEC section 6 gives it a second.
const reaction = 2 * time.Second
