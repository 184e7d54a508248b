// Package bench measures a server of channels from outside: it makes connections and channels, drives
// them in one of five modes, and reports rates, latencies, and what that cost the server and the client.
//
//	echo      messages sent back, depth of them under way on each channel; or at a fixed rate
//	upload    bytes to the server as fast as it takes them
//	download  bytes from the server as fast as they come
//	open      channels opened and closed, depth of them under way on each connection
//	idle      channels opened and left alone: what they cost in memory
//
// Seven more modes compare runs with each other:
//
//	rtt       one channel's throughput at round trip times, with a fixed window and with one that grows;
//	          a relay between client and server delays what they say, and does not limit it
//	flood     what connections that misbehave do to the server's memory and to somebody else's echo,
//	          beside what they do to it when they attack another server of the machine
//	stall     throughput of all channels but one, while that one is read and while it is not
//	urgent    round trips of short messages on one channel, alone and beside downloads, with priorities and without
//	fair      what share of a connection equal channels get, and channels of all priorities
//	file      what a download of a file costs by sendfile, by reading it, and without frames; and from the disk
//	fanout    what a message for all channels costs for each, with Broadcast and with Send
//
// [MeasureScale] has channels and connections grow by steps of ten.
//
// What all of them found is also [Results]: rows of figures by name, and the facts of the [Machine]. bench/suite
// measures the standard matrix, bench/report makes pages and plots of results, bench/compare tells which of two are
// better.
// Packages beside this one use it: claims, tune, limits; and doctor looks at the system.
//
// Start reading at [Run], then [Compare]. The server is somebody else's, or a process of its own that
// [Program.StartServer] starts, so that the two CPU times are told apart. What attacks is a process too, so
// that the echo is not measured by one that is busy with that.
package bench
