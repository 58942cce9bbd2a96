#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The client modules that a newcomer reads first do what they say.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

# row CLASS FIELDS: what /proc/obminfo says of it, the first fields and the pools
row() {
	equal "the row of $1" "$(awk -v name="hello/$1" '$1 == name {
		print $2, $3, $4, $5, $6, $15 }' $obm_info)" "$2"
}

# hello [PARAMETER]
hello() {
	log_mark
	load obmalloc "$@"
	load hello
	log_since | grep -q 'hello, heap: a block of 16 bytes' ||
		fail "it does not greet"
	# One block that shares its pool, or one that has it to itself.
	case $1 in
	compact=0)
		row 16 "1 256 16 256 1 1"
		row mixed "0 0 64 64 1 0"
		;;
	*)
		row 16 "1 1 16 256 1 0"
		row mixed "0 63 64 64 1 1"
		;;
	esac
	equal "its cache" "$(awk '$1 == "hello/greeting" { print $2, $3, $4 }' \
		$obm_info)" "1 256 16"
	equal "its blocks" "$(stat_of nr_blocks hello)" 2
	validate hello
	unload hello
	[ ! -e $obm_debug/heaps/hello ] || fail "its heap is still there"
	log_since | grep leaked && fail "it leaks"
	equal "held by all heaps" "$(stat_of held_bytes)" 0
	unload obmalloc
}

# The module whose source and Makefile are in the README.
readme() {
	local ko name seen=

	log_mark
	load obmalloc
	for ko in "$obm_dir"/readme/*.ko; do
		[ -e "$ko" ] || continue
		name=$(basename "$ko" .ko | tr - _)
		insmod "$ko" || fail "insmod $ko"
		[ "$(ls $obm_debug/heaps | wc -l)" -ge 1 ] || fail "no heap"
		seen=$((seen + $(stat_of nr_allocs)))
		validate
		rmmod "$name" || fail "rmmod $name"
	done
	equal "held by all heaps" "$(stat_of held_bytes)" 0
	log_since | grep leaked && fail "it leaks"
	unload obmalloc
	[ -n "$seen" ] || skip "no readme/*.ko"
	[ "$seen" -gt 0 ] || fail "it allocates nothing"
}

# Small recordings that say themselves what their replay must come to.
replay() {
	local top=$obm_dir trace wanted said

	[ -e "$top/replay.sh" ] || skip "no replay.sh: not in scripts/vm.sh"
	for trace in "$top"/samples/traces/test/*.trace; do
		wanted=$(sed -n 's/^# expect: //p' "$trace")
		said=$(sh "$top/replay.sh" "$trace" 2>/tmp/obm-replay) || :
		said=$(tail -n 1 /tmp/obm-replay; echo "$said" | tail -n 1)
		case $said in
		*"$wanted"*) ;;
		*) fail "$trace: '$said', not '$wanted'" ;;
		esac
		loaded replay && fail "$trace leaves replay.ko"
		loaded obmalloc && fail "$trace leaves obmalloc.ko"
	done
	rm /tmp/obm-replay
}

# refused ERE COMMAND...
refused() {
	local why=$1

	shift
	(echo "$*" >$obm_stress/cmd) 2>/dev/null && fail "stress does: $*"
	grep -Eqx "error=$why" $obm_stress/result ||
		fail "stress $*: $(cat $obm_stress/result)"
}

stress_is_strict() {
	load obmalloc
	load stress
	refused "no such command ''" ""
	refused "no such command 'dance'" dance a
	refused "create needs the name of a heap" create
	refused "create needs the name of a heap" create limit=5
	refused "create does not know 'n'" create a n=5
	refused "create does not know 'rest'" create a rest
	refused "'limit' has no value" create a limit=
	refused "'limit' has no value" create a limit
	refused "'limit' is given twice" create a limit=9999 limit=9999
	refused "a wrong value for 'limit'" create a limit=-1
	refused "a wrong value for 'limit'" create a limit=0x10
	refused "a wrong value for 'limit'" create a limit=1k
	refused "a wrong value for 'node'" create a node=two
	refused "obm_heap_create\(\) gave -22" create a/b
	refused "obm_heap_create\(\) gave -22" create a node=1000
	refused "obm_heap_create\(\) gave -36" create \
		a123456789012345678901234567890123456789
	refused "obm_heap_create\(\) gave -122" create a limit=1
	stress create a
	refused "obm_heap_create\(\) gave -17" create a
	refused "no lost heap 'a'" adopt a
	refused "no heap 'b'" destroy b
	refused "a wrong value for 'harden'" create a harden=2
	refused "fill needs 'n'" fill a size=5
	refused "fill needs 'size' or 'sizes'" fill a n=5
	refused "fill needs 'size' or 'sizes'" fill a n=5 size=1 sizes=1-2
	refused "a wrong value for 'sizes'" fill a n=5 sizes=9-1
	refused "a wrong value for 'size'" fill a n=5 size=4194305
	refused "a wrong value for 'gfp'" fill a n=5 size=5 gfp=any
	refused "a wrong value for 'percent'" free a percent=101
	refused "a wrong value for 'cpus'" run a cpus=0 ms=1 sizes=1-2
	refused "a wrong value for 'ctx'" run a cpus=1 ms=1 sizes=1-2 ctx=nmi
	refused "a wrong value for 'roam'" run a cpus=1 ms=1 sizes=1-2 roam=yes
	refused "pass needs 'n'" pass a size=5
	refused "pass does not know 'gfp'" pass a n=1 size=5 gfp=atomic
	refused "no such kind 'any'" bad a kind=any
	stress destroy a
	unload stress obmalloc
}

begin
run_cases hello hello:compact=0 readme replay stress_is_strict kernel_log_is_clean
