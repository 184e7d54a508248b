package core

import "time"

// bucket holds the tokens that a connection's anomalies cost (SPEC section 6).
type bucket struct {
	tokens int32
	since  time.Duration // of the last refill
}

// take takes a token and returns whether there was one.
func (b *bucket) take(now time.Duration) bool {
	const per = time.Second / bucketRate
	if n := (now - b.since) / per; n > 0 {
		b.since += n * per
		b.tokens = int32(min(bucketSize, int64(b.tokens)+int64(n)))
	}
	if b.tokens == 0 {
		return false
	}
	b.tokens--
	return true
}
