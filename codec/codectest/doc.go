// Package codectest is a second opinion on the SSC/1 wire format: a decoder and an encoder written from
// SPEC.md section 1 alone, as plainly as possible and as slow as that is.
//
//	stream ──Decode──▶ frames, rest, error        frames ──Encode──▶ stream
//
// It is the oracle of the project's fuzz targets and simulations, and serves whoever tests an
// implementation of their own: give both the same bytes, and frames and error must be the same. It shares
// nothing with package codec, so that a mistake must be made twice to be missed. It is not for
// production: it wants the whole stream at once and copies all of it.
//
// Start reading at [Next].
package codectest
