#!/usr/bin/env bash
# Shows, applies and reverts the kernel settings that matter to a server of many channels and connections.
set -euo pipefail

usage() {
	cat <<'END'
usage: tune-linux.sh show|apply|revert [--dry-run] [--state FILE]

show     what each setting is, what apply would make of it, and why
apply    sets what is lower than it should be, after it has saved what was there; twice is the same as once
revert   puts back exactly what was there before the first apply

--dry-run     say what would be written, and write nothing
--state FILE  where to save: /var/lib/sscd/tune-linux.state unless given

Nothing outlives a reboot: a unit that runs apply at boot does. Settings that this kernel lacks are left alone, as are
those that only trade safety for speed: mitigations, io_uring_disabled, SYN cookies.
END
}

# file | kind | value | reason
#   raise:  each number becomes at least this        widen: a range becomes at least this
#   set:    exactly this
settings() {
	cat <<'END'
/proc/sys/fs/file-max|raise|4194304|all processes together have no more open files, and each connection is one
/proc/sys/fs/nr_open|raise|2097152|no process can be allowed more descriptors than this (ulimit -n)
/proc/sys/net/core/somaxconn|raise|16384|the backlog of listen(2) is cut to it; a burst of connections must fit
/proc/sys/net/ipv4/tcp_max_syn_backlog|raise|16384|the same for handshakes that are under way
/proc/sys/net/core/netdev_max_backlog|raise|8192|packets that a processor has not got to yet; beyond it they are dropped
/proc/sys/net/ipv4/ip_local_port_range|widen|22000 65535|a client's connections to one server need a port each; sscd's own, 21331, stays out
/proc/sys/net/ipv4/tcp_tw_reuse|set|1|ports of connections that ended a moment ago can be used again by clients
/proc/sys/net/core/rmem_max|raise|16777216|the most that --rcvbuf gets
/proc/sys/net/core/wmem_max|raise|16777216|the most that --sndbuf gets
/proc/sys/net/ipv4/tcp_rmem|raise|4096 131072 33554432|one connection carries all channels: its window must hold a long fast line, twice
/proc/sys/net/ipv4/tcp_wmem|raise|4096 16384 33554432|the same for what is sent and not acknowledged yet
/proc/sys/net/ipv4/tcp_slow_start_after_idle|set|0|a connection that was silent need not begin again with ten packets
/proc/sys/net/ipv4/tcp_mtu_probing|raise|1|a path that drops large packets without a word would stop all channels at once
/sys/kernel/mm/transparent_hugepage/enabled|set|madvise|memory of channels that have ended goes back, page by page
END
}

fail() { echo "tune-linux.sh: $*" >&2; exit 1; }

# current prints what a file holds, blanks made one; of several words, the one in brackets.
current() {
	local text
	text=$(tr -s '[:space:]' ' ' <"$1")
	text=${text% }
	[[ $text == *"["*"]"* ]] && { text=${text#*\[}; text=${text%%\]*}; }
	echo "${text# }"
}

# wanted prints what apply makes of a current value.
wanted() { # kind value current
	local kind=$1 out=() i
	local -a want=() have=()
	read -ra want <<<"$2"
	read -ra have <<<"$3"
	[[ $kind != set && ${#want[@]} == "${#have[@]}" ]] || { echo "$2"; return; }
	for i in "${!want[@]}"; do
		if [[ $kind == widen && $i == 0 ]]; then
			out+=($((have[i] < want[i] ? have[i] : want[i])))
		else
			out+=($((have[i] > want[i] ? have[i] : want[i])))
		fi
	done
	echo "${out[*]}"
}

# put writes a value, or says so.
put() { # file value
	if [[ $dry == yes ]]; then
		echo "would write $2 to ${1#"$root"}"
		return
	fi
	# The message of a write that fails comes from printf.
	printf '%s\n' "$2" >"$1" || return 1
	[[ $(current "$1") == "$2" ]] || { echo "$1: the kernel made $(current "$1") of $2" >&2; return 1; }
	echo "${1#"$root"}: $2"
}

# writable ends the script if a setting can't be changed, before anything is.
writable() {
	[[ $dry == yes || -w $1 ]] && return
	[[ $EUID == 0 ]] || fail "${1#"$root"} can't be written: run it as root (sudo), or with --dry-run"
	fail "${1#"$root"} is read-only: in a container, set it on the host"
}

show() {
	local file kind value reason now want
	while IFS='|' read -r file kind value reason; do
		if [[ ! -r $root$file ]]; then
			printf '%s\n    not on this system\n' "$file"
			continue
		fi
		now=$(current "$root$file")
		want=$(wanted "$kind" "$value" "$now")
		[[ $now == "$want" ]] && want="stays"
		printf '%s\n    is: %s  apply: %s\n    %s\n' "$file" "$now" "$want" "$reason"
	done < <(settings)
}

apply() {
	local file kind value reason now want
	local -a files=() news=()
	while IFS='|' read -r file kind value reason; do
		[[ -r $root$file ]] || continue
		now=$(current "$root$file")
		want=$(wanted "$kind" "$value" "$now")
		[[ $now == "$want" ]] && continue
		writable "$root$file"
		files+=("$file")
		news+=("$want")
	done < <(settings)
	[[ ${#files[@]} -gt 0 ]] || { echo "nothing to do"; return; }
	if [[ $dry == no ]]; then
		mkdir -p "$(dirname "$state")"
		touch "$state"
	fi
	local i bad=0
	for i in "${!files[@]}"; do
		file=${files[i]}
		# What was there first is saved once, and before it is changed.
		if [[ $dry == no ]] && ! grep -qF "$file|" "$state"; then
			echo "$file|$(current "$root$file")" >>"$state"
		fi
		put "$root$file" "${news[i]}" || bad=1
	done
	[[ $dry == yes ]] || echo "saved in $state; revert puts it back"
	return $bad
}

revert() {
	[[ -e $state ]] || { echo "nothing to revert: there is no $state"; return; }
	local file value bad=0
	while IFS='|' read -r file value; do
		if [[ $(current "$root$file") != "$value" ]]; then
			writable "$root$file"
		fi
	done <"$state"
	while IFS='|' read -r file value; do
		[[ $(current "$root$file") == "$value" ]] || put "$root$file" "$value" || bad=1
	done <"$state"
	[[ $bad == 0 ]] || fail "not all is as it was; $state is kept"
	[[ $dry == yes ]] || rm "$state"
}

root=${TUNE_LINUX_ROOT:-} # before /proc and /sys: for tests
state=/var/lib/sscd/tune-linux.state
dry=no
action=
while [[ $# -gt 0 ]]; do
	case $1 in
	show | apply | revert)
		[[ -z $action ]] || { usage >&2; exit 2; }
		action=$1
		;;
	--dry-run) dry=yes ;;
	--state)
		[[ $# -ge 2 ]] || { usage >&2; exit 2; }
		state=$2
		shift
		;;
	-h | --help) usage; exit 0 ;;
	*) echo "tune-linux.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
	esac
	shift
done
[[ -n $action ]] || { usage >&2; exit 2; }
"$action"
