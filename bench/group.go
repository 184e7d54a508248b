package bench

import (
	"sync"

	"github.com/sscd-io/sscd/engine"
)

// The targets of a server with a group: channels of the group, and one on which each byte that comes has a message
// sent to all of them.
const (
	groupTarget   = "bench-group"
	triggerTarget = "bench-trigger"
)

// The bytes that come there.
const (
	castAll  byte = 'b' // with Broadcast
	sendEach byte = 's' // with Send on each
)

// group is the Handler of a server that has a group of channels.
type group struct {
	message  []byte
	triggers chan byte

	mu      sync.Mutex
	members []engine.Channel
}

func newGroup(size int) *group {
	return &group{message: make([]byte, size), triggers: make(chan byte, 16)}
}

func (g *group) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	switch string(r.Target) {
	case groupTarget:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.members = append(g.members, ch)
		return engine.Answer{}
	case triggerTarget:
		return engine.Answer{}
	}
	return engine.Answer{Code: engine.Refused}
}

// OnData gets what comes on the channel of triggers; one comes when the last message has reached all.
func (g *group) OnData(_ engine.Channel, p []byte) {
	for _, b := range p {
		select {
		case g.triggers <- b:
		default:
		}
	}
}

func (g *group) OnWritable(engine.Channel)     {}
func (g *group) OnClose(engine.Channel, error) {}

// cast sends messages when it is told to. Who does not take one is reset, so that the client learns.
func (g *group) cast(e *engine.Engine) {
	missed := func(ch engine.Channel, _ error) { ch.Reset(engine.Internal) }
	for how := range g.triggers {
		g.mu.Lock()
		members := g.members
		g.mu.Unlock()
		if how == castAll {
			e.Broadcast(g.message, members, missed)
			continue
		}
		for _, ch := range members {
			if err := ch.Send(g.message); err != nil {
				missed(ch, err)
			}
		}
	}
}
