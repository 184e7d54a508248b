package loop

import (
	"sync"
	"sync/atomic"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// Contexts are the values that applications attach to channels. They lie beside the channels' records,
// which hold no pointers, in pages made on first use. All methods may be called from any goroutine.
type Contexts struct {
	pages atomic.Pointer[[]atomic.Pointer[contextPage]]
	mu    sync.Mutex // for what makes pages
}

// contextPage is the values of as many slots.
type contextPage [512]atomic.Pointer[context]

// context is the value of one channel.
type context struct {
	gen   uint32
	value any
}

// Set attaches value to the channel called h; nil for none.
func (c *Contexts) Set(h core.Handle, value any) {
	p := c.place(h)
	if p == nil {
		if value == nil {
			return
		}
		p = c.makePlace(h)
	}
	for {
		old := p.Load()
		if old != nil && int32(old.gen-h.Gen) > 0 {
			return // the slot has another channel by now
		}
		var v *context
		if value != nil {
			v = &context{h.Gen, value}
		}
		if p.CompareAndSwap(old, v) {
			return
		}
	}
}

// Get returns what was attached to the channel called h.
func (c *Contexts) Get(h core.Handle) any {
	if p := c.place(h); p != nil {
		if v := p.Load(); v != nil && v.gen == h.Gen {
			return v.value
		}
	}
	return nil
}

// place returns where the value for h is kept, or nil if there is no page for it.
func (c *Contexts) place(h core.Handle) *atomic.Pointer[context] {
	pages := c.pages.Load()
	i, j := h.Slot/uint32(len(contextPage{})), h.Slot%uint32(len(contextPage{}))
	if pages == nil || i >= uint32(len(*pages)) {
		return nil
	}
	if page := (*pages)[i].Load(); page != nil {
		return &page[j]
	}
	return nil
}

// makePlace makes the page for h.
func (c *Contexts) makePlace(h core.Handle) *atomic.Pointer[context] {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := h.Slot / uint32(len(contextPage{}))
	pages := c.pages.Load()
	if pages == nil || i >= uint32(len(*pages)) {
		grown := make([]atomic.Pointer[contextPage], 2*i+1)
		if pages != nil {
			for k := range *pages {
				grown[k].Store((*pages)[k].Load())
			}
		}
		pages = &grown
		c.pages.Store(pages)
	}
	if (*pages)[i].Load() == nil {
		(*pages)[i].Store(new(contextPage))
	}
	return c.place(h)
}
