package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// http2Config has frames of up to 256 KiB instead of 16 KiB, windows for what is read and, for servers, nearly 4 MiB
// for the connection, the most there can be; clients have 1 GiB. The servers' scheduler goes round:
// what clients say of priorities is heard from Go 1.27 on only.
func http2Config(cfg settings) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams: cfg.Streams, StrictMaxConcurrentRequests: true, MaxReadFrameSize: 256 << 10,
		MaxReceiveBufferPerStream: cfg.Window, MaxReceiveBufferPerConnection: 4<<20 - 1,
	}
}

// http2Only is HTTP/2 without TLS.
func http2Only() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}

func serveHTTP2(cfg settings, h *host) (string, error) {
	l, err := listen(cfg)
	if err != nil {
		return "", err
	}
	s := &http.Server{Protocols: http2Only(), HTTP2: http2Config(cfg), Handler: http.HandlerFunc(h.serveRequest)}
	go s.Serve(l)
	return l.Addr().String(), nil
}

func (h *host) serveRequest(w http.ResponseWriter, r *http.Request) {
	f := http.NewResponseController(w)
	if f.Flush() != nil {
		return
	}
	h.stream(use(r.URL.Path[1:]), response{r.Body, w, f})
}

// response is a server's end of a stream.
type response struct {
	io.Reader
	io.Writer
	control *http.ResponseController
}

// Write implements io.Writer; p leaves at once.
func (r response) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if err == nil {
		err = r.control.Flush()
	}
	return n, err
}

// http2Session is a client's end.
type http2Session struct {
	addr string
	conn *http.ClientConn
}

func dialHTTP2(ctx context.Context, addr string, cfg settings) (session, error) {
	t := &http.Transport{Protocols: http2Only(), HTTP2: http2Config(cfg)}
	c, err := t.NewClientConn(ctx, "http", addr)
	return http2Session{addr, c}, err
}

func (s http2Session) open(ctx context.Context, u use) (io.ReadWriteCloser, error) {
	body, out := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/"+string(u), body)
	if err != nil {
		return nil, err
	}
	answer, err := s.conn.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answer %s", answer.Status)
	}
	return exchange{answer.Body, out}, nil
}

// exchange is a client's end of a stream.
type exchange struct {
	io.ReadCloser
	out *io.PipeWriter
}

// Write implements io.Writer.
func (e exchange) Write(p []byte) (int, error) { return e.out.Write(p) }

// Close ends both directions.
func (e exchange) Close() error { return errors.Join(e.out.Close(), e.ReadCloser.Close()) }
