//go:build !linux

package bench

import (
	"context"
	"errors"
	"sync/atomic"
)

// packets is a line of packets, which only Linux has here.
type packets struct {
	listen                 string
	packets, lost, dropped atomic.Int64
}

func (p Program) startApart(context.Context, string, any) (*process, error) {
	return nil, errors.ErrUnsupported
}

func startPackets(LossConfig) (*packets, error) { return nil, errors.ErrUnsupported }

func (*packets) serve(string) (string, error) { return "", errors.ErrUnsupported }
func (*packets) controls() []string           { return nil }
func (*packets) control(string) error         { return errors.ErrUnsupported }
