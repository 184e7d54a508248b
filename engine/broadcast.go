package engine

import (
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Broadcast is Channel.Send of p on each channel of to. The bytes are copied once, and their CRC is made once, whatever
// the number of channels. For each that does not take them missed is called, if it is not nil, with what Send would
// have returned, before Broadcast returns. It may be called from any goroutine, and with channels of any connections;
// what one goroutine sends on a channel keeps its order.
func (e *Engine) Broadcast(p []byte, to []Channel, missed func(Channel, error)) {
	casts := make(map[*loop.Loop]*loop.Cast)
	var last *loop.Loop
	var cast *loop.Cast // to channels of last
	for _, ch := range to {
		if err := ch.reserve(len(p), 0); err != nil {
			if missed != nil {
				missed(ch, wouldBlock(err))
			}
			continue
		}
		if len(p) == 0 {
			continue
		}
		if l := ch.conn.lc.Loop(); l != last {
			if last, cast = l, casts[l]; cast == nil {
				cast = l.NewCast()
				casts[l] = cast
			}
		}
		cast.Add(&ch.conn.lc, ch.handle)
	}
	if len(casts) == 0 {
		return
	}
	m := core.NewMessage(e.pool.Copy(p))
	defer m.Release()
	for _, cast := range casts {
		cast.Send(m)
	}
}
