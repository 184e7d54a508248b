package main

import (
	"context"
	"io"
	"math"
	"net/http"
	"strconv"
)

// serveHTTP1 serves the file as net/http does without HTTP/2: by sendfile(2), to bodies whose length is told.
func serveHTTP1(cfg settings, h *host) (string, error) {
	l, err := listen(cfg)
	if err != nil {
		return "", err
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(math.MaxInt64))
		h.opened.Add(1)
		h.send(w)
	}))
	return l.Addr().String(), nil
}

// http1Session makes a connection for each request.
type http1Session string

func dialHTTP1(_ context.Context, addr string, _ settings) (session, error) {
	return http1Session("http://" + addr), nil
}

func (s http1Session) open(ctx context.Context, _ use) (io.ReadWriteCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, string(s), nil)
	if err != nil {
		return nil, err
	}
	answer, err := new(http.Transport).RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return struct {
		io.ReadCloser
		io.Writer
	}{answer.Body, io.Discard}, nil
}
