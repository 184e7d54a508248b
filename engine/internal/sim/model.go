package sim

type model struct{}

func (m *model) fed(w *World, p []byte)     {}
func (m *model) saw(w *World, f *wireFrame) {}
func (m *model) localEnd(id uint32)         {}
