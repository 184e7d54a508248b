package sim

import (
	"fmt"

	"github.com/sscd-io/sscd/engine/internal/core"
)

var eventNames = [...]string{
	"nothing", "greeted", "opened", "accepted", "data", "writable", "closed", "ponged", "gone away", "down",
}

// describe is an event for people.
func describe(ev *core.Event) string {
	s := fmt.Sprintf("%s (slot %d)", eventNames[ev.Kind], ev.Channel.Slot)
	if len(ev.Data) > 0 {
		s += fmt.Sprintf(" %d bytes", len(ev.Data))
	}
	if e := ev.End; e != nil {
		s += fmt.Sprintf(" %v clean=%v remote=%v conn=%v %q %v", e.Code, e.Clean, e.Remote, e.Conn, e.Reason, e.Err)
	}
	return s
}
