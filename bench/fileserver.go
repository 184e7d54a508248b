package bench

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// fileTarget is the target of channels on which a server sends its file again and again.
const fileTarget = "bench-file"

// fileQueue is the send queue of such channels, in bytes: room for two files, each of which is an open descriptor.
const fileQueue = 400

// fileServer is the Handler of a server that has a file.
type fileServer struct {
	*builtin.Handler
	path string
}

// fileChannel is the context of a channel with fileTarget.
type fileChannel struct{}

func (s *fileServer) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	if string(r.Target) != fileTarget {
		return s.Handler.OnOpen(ch, r)
	}
	ch.SetContext(fileChannel{})
	s.fill(ch)
	return engine.Answer{}
}

func (s *fileServer) OnWritable(ch engine.Channel) {
	if _, ok := ch.Context().(fileChannel); ok {
		s.fill(ch)
		return
	}
	s.Handler.OnWritable(ch)
}

// fill queues the file as often as the channel takes it.
func (s *fileServer) fill(ch engine.Channel) {
	for {
		err := s.send(ch)
		switch err {
		case nil:
			continue
		case engine.ErrWouldBlock, engine.ErrClosed:
		default:
			ch.Reset(engine.Internal)
		}
		return
	}
}

// send queues the file once.
func (s *fileServer) send(ch engine.Channel) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = ch.SendFile(f, 0, info.Size())
	}
	if err != nil {
		f.Close()
	}
	return err
}

// bareMain is a process that sends a file to whoever connects, again and again, and nothing around it. net.TCPConn
// does that with sendfile(2), where there is one.
func bareMain(in io.Reader, out io.Writer) error {
	var path string
	return Serve(in, out, &path, func() (string, func() engine.Stats, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					if err := sendBare(c.(*net.TCPConn), path); err != nil {
						fmt.Fprintln(os.Stderr, bareProcess+":", err)
					}
				}()
			}
		}()
		return l.Addr().String(), nil, nil
	})
}

// sendBare sends the file until the other side leaves.
func sendBare(c *net.TCPConn, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := c.ReadFrom(f); err != nil {
			return nil
		}
	}
}
