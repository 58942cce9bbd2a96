# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the scripts share: messages, the cache, locks, packages. Sourced, not
# run. Messages go to stderr, because stdout carries results (a path, mostly).

shopt -s inherit_errexit

# Sorting and messages alike everywhere; no jobserver of a make that called.
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

OBM_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
OBM_CACHE=${OBM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/obmalloc}
OBM_LOGS=$OBM_CACHE/logs
export OBM_CACHE

# Kernels that a script may be asked for, newest first.
OBM_KERNELS="6.12 6.1"

msg() {
	printf '%s\n' "obmalloc: $*" >&2
}

# die REASON [LOG]: the last lines of the log tell why, its name where.
die() {
	if [[ -n ${2:-} && -s ${2:-} ]]; then
		tail -n 25 "$2" | sed 's/^/    /' >&2
		msg "error: $1 (log: $2)"
	else
		msg "error: $1${2:+ (log: $2)}"
	fi
	exit 9
}

# No command fails silently. 9 is die's: it said why. The others are usage,
# timeout, a dead guest, an interrupt, all with a message of their own.
set -E
trap 'case $? in 2 | 9 | 124 | 125 | 130) ;; *)
	msg "error: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" ;; esac' ERR

# Kbuild splits its arguments at white space and at colons.
cache_init() {
	case $OBM_CACHE$OBM_TOP in
	*[[:space:]:]*)
		die "kbuild cannot work in a path with a space or colon:" \
			"'$OBM_TOP' or '$OBM_CACHE' (set OBM_CACHE)" ;;
	esac
	mkdir -p "$OBM_CACHE/locks" "$OBM_LOGS" ||
		die "cannot create $OBM_CACHE: set OBM_CACHE elsewhere"
}

# One checkout's builds do not meet another's: its name and a hash of its path.
checkout_id() {
	local sum

	sum=$(printf '%s' "$OBM_TOP" | sha256sum)
	printf '%s-%s\n' "$(basename "$OBM_TOP")" "${sum:0:8}"
}

# lock NAME: held until the calling (sub)shell ends.
lock() {
	local fd

	exec {fd}>"$OBM_CACHE/locks/${1//\//_}"
	flock -n "$fd" && return
	msg "waiting for another build of $1"
	flock "$fd"
}

# A path for a log, its directory made: log_file NAME.
log_file() {
	mkdir -p "$OBM_LOGS"
	printf '%s/%s.log\n' "$OBM_LOGS" "$1"
}

# background COMMAND...: starts it in a process group of its own and sets $!.
# Bash would have it ignore ^C, and what it starts could not be ended with it.
background() {
	set -m
	"$@" </dev/null &
	set +m
}

# When this shell is told to end, so are these groups: end_with_us PID...
end_with_us() {
	# shellcheck disable=SC2064
	trap "kill -TERM ${*/#/-} 2>/dev/null; exit 130" INT TERM HUP
}

# slowly WHAT LOG COMMAND...: runs it with its output in LOG. A terminal sees
# the seconds run, a pipe a line each half minute, both that it is not stuck.
slowly() {
	local what=$1 log=$2 start=$SECONDS pid status=0 lines shown=0 spent

	shift 2
	background "$@" >"$log" 2>&1
	pid=$!
	end_with_us "$pid"
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.3
		spent=$((SECONDS - start))
		lines=$(wc -l <"$log")
		if [[ -t 2 ]] && ((spent >= 2)); then
			printf '\robmalloc: %s ... %d s, %d lines ' \
				"$what" "$spent" "$lines" >&2
		elif ((spent - shown >= 30)); then
			shown=$spent
			msg "$what ... $spent s, $lines lines"
		fi
	done
	wait "$pid" || status=$?
	trap - INT TERM HUP
	if [[ -t 2 ]]; then
		printf '\r\033[K' >&2
	fi
	((status == 0)) || die "$what failed with status $status" "$log"
	spent=$((SECONDS - start))
	if ((spent >= 2)); then
		msg "$what: done in $spent s"
	fi
}

installed() {
	[[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == \
		installed ]]
}

# Is it there? COMMAND:PACKAGE asks for the command, PACKAGE for the package.
have() {
	case $1 in
	*:*)	command -v "${1%%:*}" >/dev/null ;;
	*)	installed "$1" ;;
	esac
}

as_root() {
	if [[ $(id -u) == 0 ]]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "not root and no sudo: run as root: $*"
	fi
}

apt_update() {
	slowly "apt-get update" "$(log_file apt-update)" \
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		--no-install-recommends install "$@"
}

# need_packages [COMMAND:]PACKAGE...: installs what is missing, only that.
# With OBM_NO_INSTALL set (make check) it says what to install instead.
need_packages() {
	local item log unknown=0
	local -a missing=()

	for item in "$@"; do
		have "$item" || missing+=("${item##*:}")
	done
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null ||
		die "missing, and no apt-get to install them: ${missing[*]}"
	if [[ -n ${OBM_NO_INSTALL:-} ]]; then
		die "missing packages; run: apt-get install ${missing[*]}"
	fi
	(
		lock apt
		msg "installing packages: ${missing[*]}"
		for item in "${missing[@]}"; do
			apt-cache show "$item" >/dev/null 2>&1 || unknown=1
		done
		if ((unknown)); then
			apt_update
		fi
		log=$(log_file apt-install)
		# Old lists name files that the mirror no longer has.
		if ! apt_install "${missing[@]}" >"$log" 2>&1 </dev/null; then
			apt_update
			slowly "apt-get install" "$log" \
				apt_install "${missing[@]}"
		fi
	)
	for item in "$@"; do
		have "$item" || die "still missing after its installation: $item"
	done
}

# fetch_debs DIR PACKAGE...: downloads the .deb files into DIR, installs none.
fetch_debs() {
	local dir=$1 log

	shift
	log=$(log_file "apt-download")
	msg "downloading: $*"
	(cd "$dir" && apt-get -q -o APT::Sandbox::User=root download "$@") \
		>"$log" 2>&1 </dev/null && return
	apt_update
	(cd "$dir" && apt-get -q -o APT::Sandbox::User=root download "$@") \
		>"$log" 2>&1 </dev/null || die "download failed" "$log"
}

# Debian's candidate version of a package, or nothing.
candidate() {
	apt-cache policy "$1" 2>/dev/null |
		sed -n 's/^  Candidate: \([^(].*\)/\1/p'
}

# A version as a file name: '~' would tempt shells.
as_name() {
	printf '%s\n' "${1//[~:]/-}"
}

OBM_COMPLAINT='BUG: |WARNING: |Oops|general protection fault|Kernel panic'
OBM_COMPLAINT+='|INFO: (rcu|task|trying)|UBSAN:|KASAN:|refcount_t:'
OBM_COMPLAINT+='|list_(add|del) corruption|[Pp]age (allocation|fault) fail'

# klog_complaints LOG: what a kernel complained of that no test announced. A
# test announces a report by writing 'obm-test: expect: ERE' to /dev/kmsg.
# OBM_EXPECT adds an expression that holds for the whole log.
klog_complaints() {
	local expected

	expected=$(sed -n 's/.*obm-test: expect: //p' "$1" | tr -d '\r')
	expected+=$'\n'${OBM_EXPECT:-}
	expected=$(grep -v '^$' <<<"$expected" || true)
	{ grep -aE "$OBM_COMPLAINT" "$1" || true; } |
		{ grep -avE 'obm-test: (expect|begin|end)' || true; } |
		if [[ -n $expected ]]; then
			grep -avEf <(printf '%s\n' "$expected") || true
		else
			cat
		fi
}
