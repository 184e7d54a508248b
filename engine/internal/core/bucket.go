package core

import "time"

// bucket holds the tokens that a connection's anomalies cost (SPEC section 6).
type bucket struct {
	tokens int32
	since  time.Duration // of the last refill
}

// take takes n tokens and returns whether there were as many.
func (b *bucket) take(now time.Duration, n int32) bool {
	if b.fill(now); b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// fill adds the tokens that have come back.
func (b *bucket) fill(now time.Duration) {
	const per = time.Second / bucketRate
	if came := (now - b.since) / per; came > 0 {
		b.since += came * per
		b.tokens = int32(min(bucketSize, int64(b.tokens)+int64(came)))
	}
}
