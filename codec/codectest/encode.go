package codectest

import "encoding/binary"

// Encode returns the stream of frames, with the CRCs that a receiver with these limits expects. It checks
// nothing: what breaks the limits or is nonsense is encoded all the same.
func Encode(limits Limits, frames ...Frame) (stream []byte) {
	for _, f := range frames {
		head := []byte("SS")
		head = binary.BigEndian.AppendUint32(head, f.Channel)
		head = append(head, f.Type, f.Flags)
		head = binary.BigEndian.AppendUint32(head, uint32(len(f.Payload)))
		head = binary.BigEndian.AppendUint32(head, checksum(head, f, limits))
		stream = append(stream, head...)
		stream = append(stream, f.Payload...)
	}
	return stream
}
