#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: loads obmalloc with each KUnit module, with marks in the kernel
# log between which a module's results stand. Every module must go again.
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

# Those of objects, to which it is all one what is below them.
is_of_objects() {
	case $1 in
	obm_gc_*|obm_object_*|obm_ref_*|obm_weak_*|obm_type_*|obm_intern_*|obm_copy_*|obm_evict_*)
		return 0 ;;
	esac
	return 1
}

needs_front() {
	case $1 in
	obm_front*|obm_wide*|obm_bulk_*|obm_hard_*|obm_shrink_*|obm_rcu_*|obm_cache_*)
		return 0 ;;
	esac
	return 1
}

# suite PREFIX NAME [PARAMETER...]: with an obmalloc of its own, loaded with the
# parameters. The prefix tells a second run's results from the first's.
suite() {
	mark=$1$2
	ko=kunit/$2.ko
	name=$2
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

for file in kunit/*.ko; do
	file=$(basename "$file" .ko)
	if [ "$file" = obm_mixed_kunit ]; then
		suite "" "$file" front_max=0
	elif is_of_objects "$file"; then
		suite "" "$file"
	elif needs_front "$file"; then
		suite "" "$file" compact=0
	else
		suite "" "$file" small_max=512 front_max=0 compact=0
	fi
done

# Those that expect nothing of pages and pools, with all there is.
for file in front front_bad front_irq gfp hard race random rcu realloc; do
	suite default_ "obm_${file}_kunit"
done
for file in race random rcu realloc; do
	suite harden_ "obm_${file}_kunit" harden=1
done
exit $failed
