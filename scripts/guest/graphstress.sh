#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: graphstress.ko with the parameters given, once for each of some
# seeds, while somebody reads and writes what debugfs shows of its heap.
#
#   graphstress.sh SEED ROUNDS [PARAMETER=VALUE...]
#
# Prints TAP, and of the kernel log what the module says.

seed=$1
rounds=$2
shift 2
heap=/sys/kernel/debug/obmalloc/heaps/graphstress

# Ends when the module does, in whatever way.
reader() {
	while [ ! -e /tmp/stop ]; do
		if [ ! -e $heap/gc/collect ]; then
			sleep 1
			continue
		fi
		cat $heap/objects $heap/gc/stats $heap/gc/garbage $heap/stats
		echo all >$heap/graph
		id=$(awk '/label=/ { print $1; exit }' $heap/graph | tr -d '"\t')
		if [ -n "$id" ]; then
			echo "$id" >$heap/referrers && cat $heap/referrers
			echo "$id" >$heap/referents && cat $heap/referents
		fi
		cat $heap/graph
		echo 0 >$heap/gc/collect
		echo 1 >$heap/trim
		echo 1 >/sys/kernel/debug/obmalloc/trim
		cat /proc/obminfo
		usleep 50000
	done >/dev/null 2>&1
}

rm -f /tmp/stop
insmod module/obmalloc.ko || exit 1
reader &
echo TAP version 13
echo "1..$rounds"
failed=0
number=0
while [ $number -lt "$rounds" ]; do
	number=$((number + 1))
	text="graphstress seed=$seed $*"
	# Of one that fails busybox's insmod tries again.
	echo "obm-test: begin graphstress $seed" >/dev/kmsg
	if insmod samples/graphstress/graphstress.ko seed=$seed "$@" &&
	   rmmod graphstress &&
	   dmesg | sed "1,/obm-test: begin graphstress $seed\$/d" |
	   grep 'graphstress: .* operations by .* errors$' |
	   awk '!/, 0 errors$/ { bad = 1 } END { exit bad || NR != 1 }'; then
		echo "ok $number $text"
	else
		echo "not ok $number $text"
		failed=1
	fi
	seed=$((seed + 1))
done
: >/tmp/stop
wait
rm /tmp/stop
rmmod obmalloc || failed=1
dmesg | sed -n 's/.*graphstress: /# /p'
exit $failed
