#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's part of a benchmark:
#
#   bench.sh FILE PARAMETER=VALUE CASE...
#
# PARAMETER=VALUE is for bench.ko. The results go to FILE, what is being
# measured to stdout.
set -eu

top=${OBM_DIR:-/obm}
bench=/sys/kernel/debug/obm_bench

file=$1 parameter=$2
shift 2

# A kernel has things to do after its boot: the self tests of 6.12's crypto
# algorithms alone take seconds.
sleep 5

insmod "$top/module/obmalloc.ko"
insmod "$top/bench/bench.ko" "$parameter"
status=0
for name in "$@"; do
	echo "$name"
	echo "$name" >$bench/run || status=1
done
cat $bench/results >"$file"
rmmod bench
rmmod obmalloc
[ $status = 0 ] || dmesg | tail -n 20 >&2
exit $status
