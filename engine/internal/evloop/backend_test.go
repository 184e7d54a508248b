//go:build linux

package evloop_test

import (
	"testing"

	"github.com/sscd-io/sscd/engine/internal/epollio"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/uringio"
)

func TestMain(m *testing.M) { evlooptest.Main(m) }

// backends is what each test of this package is about.
var backends = []struct {
	name  string
	maker evlooptest.Maker
}{
	{"epoll", func(cfg *loop.Config) (evloop.Server, error) { return epollio.New(cfg) }},
	{"io_uring", func(cfg *loop.Config) (evloop.Server, error) { return uringio.New(cfg) }},
}

// each runs a test with each backend that this kernel has.
func each(t *testing.T, f func(t *testing.T, maker evlooptest.Maker)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			if b.name == "io_uring" {
				needRing(t)
			}
			f(t, b.maker)
		})
	}
}

// needRing skips a test where the kernel has no io_uring.
func needRing(t testing.TB) {
	t.Helper()
	l, err := uringio.New(evlooptest.New(t, nil, 0).Cfg)
	if err != nil {
		t.Skip("no io_uring: ", err)
	}
	l.Discard()
}
