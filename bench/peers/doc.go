// Command peers makes the same measurements with what else carries many streams over one connection, side by
// side: messages echoed, downloads, and short messages beside downloads. It is a module of its own, so that who
// embeds the engine does not depend on any of it.
//
// Each round starts a server of the peer's in a process of its own, makes one connection to it over the
// loopback, and works for the same time; rounds of the peers follow each other in turn. What is told is the
// median of the rounds, with the lowest and the highest. CPU is that of the process, user and system. Over the
// loopback, the kernel's work for a packet falls to whoever causes it: a sender that always waits for its receiver
// leaves part of its own to that, so for downloads the CPU of both sides is told too.
//
// All peers but one are driven by the same code ([transport]): a goroutine for each stream, at both ends. A client
// writes each message with a Write of its own; a server writes back what a Read returned. Downloads are
// written 64 KiB at a time. The exception are the engine's callbacks, which are driven as sscd-bench does.
//
// Settings are those that the peers' documentation recommends for throughput, in the file of each: no limit to speak
// of for the connection, frames and buffers as large as they help. Windows of streams that have fixed ones are
// 1 MiB for downloads alone; beside messages 256 KiB, which about halves what these wait for and costs gRPC a third of
// its downloads, the others a tenth or less. A smaller send buffer (--sndbuf) has less wait in the kernel, for all.
// Where a peer has priorities the downloads beside the messages have the lowest and these the highest, and the
// measurement without is made as well. Nothing is encrypted but QUIC, which can't do without.
//
//	sscd       this engine with callbacks at both ends
//	streams    this engine with blocking calls at both ends
//	yamux      github.com/hashicorp/yamux
//	smux       github.com/xtaci/smux, version 2 of its protocol
//	quic       github.com/quic-go/quic-go
//	grpc       google.golang.org/grpc, bidirectional streams of bytes, without protobuf
//	http2      net/http without TLS (h2c), a request whose body and response are the two directions
//	tcp        a TCP connection for each stream: no multiplexing, the floor for what it costs
//
// Start reading at [peer].
package main
