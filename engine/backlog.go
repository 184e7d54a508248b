package engine

import "time"

const (
	// shortWait is how long a Write waits at most for room where bytes leave quickly: to be woken costs as much there
	// as to send a hundred kilobytes, so it is to happen rarely.
	shortWait = time.Millisecond

	// mostBacklog is how many times SendQueue the bytes of such a stream may be that wait to be sent.
	mostBacklog = 16
)

// backlog is how many bytes may wait to be sent on a stream beyond SendQueue: what leaves in about a millisecond, and
// none where that is less than SendQueue.
type backlog int

// waited adjusts it to how long a Write has just waited for room, where queue is SendQueue.
func (b *backlog) waited(d time.Duration, queue int) {
	all := queue + int(*b)
	if d < shortWait {
		all = min(2*all, mostBacklog*queue)
	} else {
		all = max(all/2, queue)
	}
	*b = backlog(all - queue)
}
