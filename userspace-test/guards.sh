#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# samples/guards: whatever step of making a few objects fails, nothing is left.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

every_way_out() {
	local said

	log_mark
	load obmalloc
	load guards
	said=$(log_since | sed -n 's/.*guards: nothing is left by \([0-9]*\) ways out; a house has \([0-9]*\) doors/\1 \2/p')
	equal "ways out, and doors" "$said" "8 2"
	equal "objects of the house" "$(stat_of nr_blocks guards)" 3
	validate guards
	unload guards
	[ ! -e $obm_debug/heaps/guards ] || fail "its heap is still there"
	log_since | grep leaked && fail "it leaks"
	equal "held by all heaps" "$(stat_of held_bytes)" 0
	unload obmalloc
}

begin
run_cases every_way_out kernel_log_is_clean
