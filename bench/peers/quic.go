package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"time"

	"github.com/quic-go/quic-go"
)

// quicProtocol is what the two sides agree on in the handshake.
const quicProtocol = "peers"

// quicConfig has windows that are large from the start instead of growing, and room for all streams. Large UDP buffers,
// and segmentation by the kernel, quic-go asks for by itself.
func quicConfig(cfg settings) *quic.Config {
	return &quic.Config{
		InitialStreamReceiveWindow: uint64(cfg.Window), MaxStreamReceiveWindow: uint64(cfg.Window),
		InitialConnectionReceiveWindow: connWindow, MaxConnectionReceiveWindow: connWindow,
		MaxIncomingStreams: int64(cfg.Streams),
	}
}

func serveQUIC(cfg settings, h *host) (string, error) {
	cert, err := selfSigned()
	if err != nil {
		return "", err
	}
	l, err := quic.ListenAddr("127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{quicProtocol}}, quicConfig(cfg))
	if err != nil {
		return "", err
	}
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go serveQUICConn(c, h)
		}
	}()
	return l.Addr().String(), nil
}

func serveQUICConn(c *quic.Conn, h *host) {
	for {
		stream, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			defer stream.CancelRead(0) // or what was not read to its end counts as open for ever
			u, err := readUse(stream)
			if err != nil {
				return
			}
			prioritizeQUIC(stream, u)
			h.stream(u, stream)
		}()
	}
}

// prioritizeQUIC gives a stream's sending side its priority: each side schedules what it sends.
func prioritizeQUIC(s *quic.Stream, u use) {
	switch u {
	case urgent:
		s.SetPriority(0, true)
	case bulk:
		s.SetPriority(7, true)
	}
}

// selfSigned makes a certificate that nobody checks.
func selfSigned() (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, public, private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, err
}

type quicSession struct{ *quic.Conn }

func dialQUIC(ctx context.Context, addr string, cfg settings) (session, error) {
	c, err := quic.DialAddr(ctx, addr,
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{quicProtocol}}, quicConfig(cfg))
	return quicSession{c}, err
}

func (s quicSession) open(ctx context.Context, u use) (io.ReadWriteCloser, error) {
	stream, err := s.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	prioritizeQUIC(stream, u)
	return writeUse(quicStream{stream}, u)
}

// quicStream is a client's end.
type quicStream struct{ *quic.Stream }

// Close says that nothing more comes. That it is an error when the server wants no more anyway is none here.
func (s quicStream) Close() error {
	s.Stream.Close()
	return nil
}
