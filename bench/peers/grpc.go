package main

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// grpcBuffer is what is gathered for a write, and read at once, in bytes, instead of 32 KiB.
const grpcBuffer = 256 << 10

// grpcBytes is the codec: messages are bytes. What is sent is copied, since it is kept until it has left; what is
// received is not.
type grpcBytes struct{}

// Name implements encoding.CodecV2.
func (grpcBytes) Name() string { return "bytes" }

// Marshal implements encoding.CodecV2.
func (grpcBytes) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.Copy(v.([]byte), mem.DefaultBufferPool())}, nil
}

// Unmarshal implements encoding.CodecV2.
func (grpcBytes) Unmarshal(data mem.BufferSlice, v any) error {
	data.Ref()
	*v.(*mem.BufferSlice) = data
	return nil
}

var _ encoding.CodecV2 = grpcBytes{}

// grpcStream is what the two kinds of streams have in common.
type grpcStream interface {
	SendMsg(m any) error
	RecvMsg(m any) error
}

// grpcBytesOf is a stream of bytes over one of messages.
type grpcBytesOf struct {
	grpcStream
	data mem.BufferSlice // of the message read last
	rest *mem.Reader     // what of it was not read yet
}

// Close implements io.Closer: clients say that nothing more comes.
func (s *grpcBytesOf) Close() error {
	if c, ok := s.grpcStream.(grpc.ClientStream); ok {
		return c.CloseSend()
	}
	return nil
}

// Write implements io.Writer; each is a message.
func (s *grpcBytesOf) Write(p []byte) (int, error) { return len(p), s.SendMsg(p) }

// Read implements io.Reader.
func (s *grpcBytesOf) Read(p []byte) (int, error) {
	for s.rest == nil || s.rest.Remaining() == 0 {
		s.data.Free()
		if s.data = nil; s.rest != nil {
			s.rest.Close()
		}
		if err := s.RecvMsg(&s.data); err != nil {
			return 0, err
		}
		s.rest = s.data.Reader()
	}
	return s.rest.Read(p)
}

func serveGRPC(cfg settings, h *host) (string, error) {
	l, err := listen(cfg)
	if err != nil {
		return "", err
	}
	s := grpc.NewServer(
		grpc.ForceServerCodecV2(grpcBytes{}), grpc.UnknownServiceHandler(h.serveCall),
		grpc.InitialWindowSize(int32(cfg.Window)), grpc.InitialConnWindowSize(connWindow),
		grpc.WriteBufferSize(grpcBuffer), grpc.ReadBufferSize(grpcBuffer),
		grpc.MaxConcurrentStreams(uint32(cfg.Streams)),
	)
	go s.Serve(l)
	return l.Addr().String(), nil
}

// serveCall serves any method: its name is the stream's use.
func (h *host) serveCall(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	h.stream(use(method[len(grpcService):]), &grpcBytesOf{grpcStream: s})
	return nil
}

// grpcService is what methods begin with.
const grpcService = "/peers/"

// grpcSession is a client's end.
type grpcSession struct{ *grpc.ClientConn }

func dialGRPC(_ context.Context, addr string, cfg settings) (session, error) {
	c, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpcBytes{})),
		grpc.WithInitialWindowSize(int32(cfg.Window)), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithWriteBufferSize(grpcBuffer), grpc.WithReadBufferSize(grpcBuffer),
	)
	return grpcSession{c}, err
}

func (s grpcSession) open(ctx context.Context, u use) (io.ReadWriteCloser, error) {
	d := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := s.NewStream(ctx, d, grpcService+string(u))
	return &grpcBytesOf{grpcStream: stream}, err
}
