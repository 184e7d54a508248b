// Package sched decides whose turn it is to send on a connection.
//
// It knows flows, which are numbers, and bytes; not frames, channels or sockets. A flow is in a
// [Queue] only while it could send: who has nothing to send, or no window, costs nothing.
//
//	control   first in, first out, before any data
//	classes   0 (bulk) to 7 (urgent): weighted deficit round robin, the highest first in each round
//	flows     of a class: deficit round robin, each flow in turn sends its quantum of bytes
//
// Every operation is O(1), whatever the number of flows, and none allocates in the long run; links and
// deficits lie in tables of plain numbers, [Flows], which the queues of one loop share.
//
// # What a class gets
//
// In a round each class may send [Unit] bytes times its [Weight], and the frame that uses them up; what that was
// too long is taken off its next rounds. It is always the turn of the highest class that has data and may send,
// and a new round begins when none is left. A class without data keeps what it has in this round and saves
// nothing for the next. With the longest frame F, and S the sum of the weights, 52:
//
//   - While a class of weight w has data, it gets at least w/S of all bytes of data, less 4F + 2wU once. That of
//     the lowest class is 1/52, so it has 1/64 of the link even if a sixth of that is control. Proof: in N
//     whole rounds it gets NwU, but for a debt of at most F it came with, while no class v gets more than
//     NvU + F, and vU + F in each of the two rounds that are cut.
//   - A class that comes back while it is below its share has its turn at once, before all lower ones: its flow
//     waits for the frame under way, and for flows of its class and higher ones.
//   - One that has had its share waits for the rest of a round: at most SU, 52 KiB, and a frame of each class.
//
// [Flows.Strict] is another rule between classes: it is always the turn of the highest one that has data. Then
// the lower ones may wait for ever.
package sched
