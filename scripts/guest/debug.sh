#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest, on a kernel that looks for mistakes: KUnit suites, graphstress,
# and in the end what kmemleak knows of.
#
#   debug.sh debug|kcsan [SUITE...]
#
# With suites named, these and kmemleak alone. Prints TAP; the suites' results
# stand in the kernel log.

# Of objects.
objects="copy copy_fail evict evict_race gc gc_bad gc_end gc_gen gc_mode gc_race
	gc_random intern intern_fail intern_race object object_context ref
	ref_chain type weak weak_race"

# Of the allocator. Not bulk, front, limit, mixed, pool and random, which try every
# size and number for minutes; nor race, rcu and report, which want much to be done,
# or little, in a fixed time. The simulator runs the same code under ASan and TSan.
blocks="arena bad cache class fallback fault front_bad front_irq front_room gfp hard
	heap pages realloc shrink size wide"

# Those in which more than one does something, be it a worker.
races="cache copy drain evict evict_race front_irq front_room gc gc_end gc_gen gc_race
	intern intern_race object object_context ref shrink type weak weak_race"

failed=0

# The scan looks at what is older than five seconds, and reports what another
# scan found alike.
leaks() {
	file=/sys/kernel/debug/kmemleak
	[ -e $file ] || return 0
	echo TAP version 13
	echo 1..1
	sleep 6
	# kmemleak that has ended, for want of memory, takes no orders.
	if ! echo scan >$file || ! echo scan >$file; then
		echo "not ok 1 kmemleak has ended"
		failed=1
	elif grep -q . $file; then
		echo "not ok 1 kmemleak: $(grep -c ^unreferenced $file) leaks"
		sed 's/^/# /' $file
		failed=1
	else
		echo ok 1 kmemleak
	fi
}

# Races are reported in the kernel log, which the host looks at. Here, that
# somebody was looking.
watched() {
	file=/sys/kernel/debug/kcsan
	[ -e $file ] || return 0
	echo TAP version 13
	echo 1..1
	nr=$(sed -n 's/^setup_watchpoints: //p' $file)
	if [ "$nr" -gt 1000 ]; then
		echo "ok 1 kcsan: $nr accesses watched"
	else
		echo "not ok 1 kcsan: $nr accesses watched"
		failed=1
	fi
}

kernel=$1
shift
if [ $# -gt 0 ]; then
	sh kunit.sh "$@" || failed=1
	watched
	leaks
	exit $failed
fi
case $kernel in
debug)	suites="$objects $blocks" ops=100000 ;;
# Of few objects more are met by two at once.
kcsan)	suites=$races ops="300000 objects=300" ;;
esac
# shellcheck disable=SC2086
sh kunit.sh $suites || failed=1
sh graphstress.sh 1 3 ops=$ops || failed=1
watched
leaks
exit $failed
