#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's part of a replay:
#
#   replay.sh [--show COMMAND] TRACE[.gz]|FILE.ops [PARAMETER=VALUE...]
#
# FILE.ops is what trace2ops made of a trace. PARAMETERs are for obmalloc.ko if
# it is not loaded yet. COMMAND is run while the heap "replay" stands still at
# its peak. The last line of the output is the result.
set -eu

top=${OBM_DIR:-/obm}
replay=/sys/kernel/debug/obm_replay

usage() {
	sed -n '/^#   replay/s/^# *//p' "$0" >&2
	exit 2
}

# make_ops TRACE OPS
make_ops() {
	case $1 in
	*.gz)	gzip -dc "$1" >/tmp/trace ;;
	*)	cp "$1" /tmp/trace ;;
	esac
	"$top/samples/replay/trace2ops" </tmp/trace >"$2"
	rm /tmp/trace
}

run() {
	cat "$ops" >$replay/ops || return
	echo all >$replay/run || return
	[ -n "$show" ] || return 0
	echo hold >$replay/run || return
	$show || return
	echo drop >$replay/run
}

show=
if [ "${1:-}" = --show ]; then
	[ $# -ge 2 ] || usage
	show=$2
	shift 2
fi
[ $# -ge 1 ] || usage
ops=$1
shift
case $ops in
*.ops)	;;
*)	make_ops "$ops" /tmp/replay.ops
	ops=/tmp/replay.ops ;;
esac

loaded=
if ! grep -q '^obmalloc ' /proc/modules; then
	insmod "$top/module/obmalloc.ko" "$@"
	loaded=yes
fi
insmod "$top/samples/replay/replay.ko"

# The kernel's log has the reasons; the result comes last, whatever it is.
status=0
run || status=1
[ $status = 0 ] || dmesg | grep -E 'replay: |obmalloc: |BUG: ' | tail -n 20 >&2
cat $replay/result || status=1

rmmod replay
[ -z "$loaded" ] || rmmod obmalloc
exit $status
