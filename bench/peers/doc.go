// Command peers makes the same measurements with what else carries many streams over one connection, side by side.
// It is a module of its own, so that who embeds the engine does not depend on any of it.
//
//	echo    messages back and forth on 1, 100 and 10,000 streams, with a Write for each, and with the
//	        application putting those of a stream that may be sent together into one (--coalesce)
//	bulk    downloads and uploads, 64 KiB at a time, with 1 and 16 streams
//	idle    100,000 and 1,000,000 streams of one connection left alone: bytes each, opened a second
//	conns   10,000 connections with a stream left alone
//	many    echo on 1,000 connections x 10 streams
//	urgent  messages one at a time alone, beside 16 downloads, and beside 16 of the lowest priority
//	open    streams opened, served and closed
//	file    a file sent again and again, in the way that the peer has
//	fanout  a message to 1,000 streams of each of 1 and 10 connections, again when all have it
//
// Each round is a process of its own that starts a server of the peer's in another one and connects over the
// loopback; rounds of the peers follow each other in turn. What is told is the median of the rounds, with the
// lowest and the highest. Both processes end with the round, whatever hangs: a peer that is not done within
// --patience loses its further rounds, the reason is printed, and the others go on. What a peer cannot do is "-",
// with the reason.
//
// CPU is that of the process, user and system; context switches are those of all its threads (getrusage), memory is
// resident memory, allocations are the runtime's count, each asked of the server process at both ends of what is
// measured. Over the loopback, the kernel's work for a packet falls to whoever causes it: a sender that always
// waits for its receiver leaves part of its own to that, so for bulk the CPU of both sides is told too.
//
// All peers but one are driven by the same code ([transport]): a goroutine for each stream, at both ends. All
// streams are open before anything is sent. A server writes back what a Read returned. A fanout's server wakes a
// goroutine for each stream, which writes the message. A stream that is left alone has carried one byte, which says
// what it is for. The exception are the engine's callbacks, which are driven as sscd-bench does; in fanout their
// client only looks at headers, so there compare the server's CPU. An open is one round trip (the server sends a
// byte and closes), with callbacks two (accepted, closed).
//
// Settings are those that the peers' documentation recommends for throughput, in the file of each: no limit to
// speak of for the connection, frames and buffers as large as they help. Windows of streams are 1 MiB for bulk and
// files, else 256 KiB; this engine's begin with that on channels that a side opened itself, and grow. Beside
// messages the smaller one about halves what these wait for and costs gRPC a third of its downloads, the others a
// tenth or less. A smaller send buffer (--sndbuf) has less wait in the kernel, for all. Nothing is encrypted but
// QUIC, which can't do without.
//
//	sscd      this engine with callbacks at both ends
//	streams   this engine with blocking calls at both ends
//	yamux     github.com/hashicorp/yamux
//	go-yamux  github.com/libp2p/go-yamux, its fork
//	smux      github.com/xtaci/smux, version 2 of its protocol
//	quic      github.com/quic-go/quic-go
//	grpc      google.golang.org/grpc, bidirectional streams of bytes, without protobuf
//	http2     net/http without TLS (h2c), a request whose body and response are the two directions
//	http1     net/http, a connection for each request: a floor for files, which it sends by sendfile(2)
//	tcp       a TCP connection for each stream: no multiplexing, the floor for what it costs; files by sendfile(2)
//	gnet      the same as tcp with a server on gnet's event loops and no framing at all: a floor for echo, idle, open
//
// Left alone, peers with goroutines get 100,000 streams at most, for their memory; http2 20,000, since each open
// looks through all that there are; tcp and gnet 15,000, for their descriptors.
//
// Start reading at [peer].
package main
