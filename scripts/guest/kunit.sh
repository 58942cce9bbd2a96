#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: loads obmalloc with each KUnit module, with marks in the kernel
# log between which a module's results stand. Every module must go again.
#
#   kunit.sh [SUITE...]
#
# A suite is a module's name without obm_ and _kunit. default_ and harden_ before
# it ask for a second run, with all there is, of those that expect nothing of
# pages and pools. Without a name all of them run.
#
# The front and the wide classes have suites of their own. The others look at
# the pools alone: what they expect of pages and numbers holds without a front.
# Exact numbers of pages are those of whole arenas, which no classes share; the
# pools that they do share have a suite of their own.

mark() {
	echo "obm-test: $*" >/dev/kmsg
}

failed=0
complain() {
	echo "error: $*"
	failed=1
}

# load PREFIX SUITE [PARAMETER...]: with an obmalloc of its own, loaded with the
# parameters. The prefix tells a second run's results from the first's.
load() {
	name=obm_$2_kunit
	mark=$1$name
	ko=kunit/$name.ko
	shift 2
	insmod module/obmalloc.ko "$@" || exit 1
	# So it need not wait until reports may be printed again.
	fresh=
	grep -q parmtype=fresh:bool "$ko" && fresh=fresh=1
	mark begin "$mark"
	insmod "$ko" $fresh || complain "insmod $mark"
	mark end "$mark"
	rmmod "$name" || complain "rmmod $name"
	rmmod obmalloc || complain "rmmod obmalloc: $mark left something behind"
}

suite() {
	case $1 in
	default_*)
		load default_ "${1#default_}" ;;
	harden_*)
		load harden_ "${1#harden_}" harden=1 ;;
	mixed)
		load "" "$1" front_max=0 ;;
	# Those of objects, to which it is all one what is below them.
	copy*|evict*|gc|gc_*|intern*|object*|ref*|type|weak*)
		load "" "$1" ;;
	front*|wide|bulk|hard|shrink|rcu|cache)
		load "" "$1" compact=0 ;;
	*)
		load "" "$1" small_max=512 front_max=0 compact=0 ;;
	esac
}

all() {
	for file in kunit/*.ko; do
		file=$(basename "$file" _kunit.ko)
		echo "${file#obm_}"
	done
	for file in front front_bad front_irq gfp hard race random rcu \
		    realloc; do
		echo "default_$file"
	done
	for file in race random rcu realloc; do
		echo "harden_$file"
	done
}

for name in ${*:-$(all)}; do
	suite "$name"
done
exit $failed
