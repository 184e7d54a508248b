// Package bench measures a server of channels from outside: it makes connections and channels, drives
// them in one of five modes, and reports rates, latencies, and what that cost the server and the client.
//
//	echo      messages sent back, depth of them under way on each channel; or at a fixed rate
//	upload    bytes to the server as fast as it takes them
//	download  bytes from the server as fast as they come
//	open      channels opened and closed, depth of them under way on each connection
//	idle      channels opened and left alone: what they cost in memory
//
// Start reading at [Run]. The server is somebody else's, or a process of its own that [Program.StartServer]
// starts, so that the two CPU times are told apart.
package bench
