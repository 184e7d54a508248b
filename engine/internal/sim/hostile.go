package sim

import "github.com/sscd-io/sscd/engine/internal/core"

type hostile struct{}

func (p *hostile) begin(w *World)                                     {}
func (p *hostile) do(w *World, k Kind, op *Op)                        {}
func (p *hostile) opened(w *World, s int, id uint32) *channel         { return nil }
func (p *hostile) closed(w *World, s int, ch *channel, end *core.End) {}
func (p *hostile) down(w *World, s int, end *core.End)                {}
func (p *hostile) leave(w *World)                                     {}
