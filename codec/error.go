package codec

// FrameError is a frame that no receiver may accept: it ends the connection, with Code.
type FrameError struct {
	Code   Code
	Header Header // as far as it was understood
	Reason string // for people; names the frame
}

func (e *FrameError) Error() string { return e.Reason }
