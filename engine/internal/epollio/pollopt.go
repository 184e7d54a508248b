//go:build linux && poll_opt

package epollio

// With this build tag gnet's poller has another API, which keeps pointers to attachments in the kernel, where
// the garbage collector does not see them. Nothing here is made for that.
var _ = sscd_does_not_support_gnets_build_tag_poll_opt
