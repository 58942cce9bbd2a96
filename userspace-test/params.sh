#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The parameter small_max: what is good is obeyed, what is bad fails the load
# with a message that says why.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

largest_class() {
	awk '$1 != "#" { size = $2 } END { print size }' \
		$obm_debug/heaps/params/classes
}

raw_blocks() {
	stat_of nr_raw params
}

# good VALUE: requests up to it, rounded up to 8, come from pools.
good() {
	local top=$((($1 + 7) / 8 * 8))

	load obmalloc small_max="$1"
	equal "the mode of small_max" "$(stat -c %a $obm_param)" 444
	equal small_max "$(cat $obm_param)" "$1"
	load stress
	stress create params
	equal "the largest class" "$(largest_class)" "$top"
	stress fill params n=1 size="$top"
	equal "raw blocks of $top bytes" "$(raw_blocks)" 0
	stress fill params n=1 size=$((top + 1))
	equal "raw blocks of $((top + 1)) bytes" "$(raw_blocks)" 1
	equal "rows of obminfo" "$(grep -c ^params/ $obm_info)" \
		$(($(grep -vc '^#' $obm_debug/heaps/params/classes) + 1))
	stress free params percent=100
	stress destroy params
	unload stress obmalloc
}

the_default_is_512() {
	load obmalloc
	equal small_max "$(cat $obm_param)" 512
	unload obmalloc
	good 512
}

# bad VALUE
bad() {
	log_mark
	if insmod "$(obm_ko obmalloc)" small_max="$1" 2>/dev/null; then
		fail "insmod took it"
	fi
	loaded obmalloc && fail "it is loaded all the same"
	log_since | grep -qF "obmalloc: small_max=$1: not a number from 8 to 4096" ||
		fail "no message names the value and the range"
}

it_cannot_be_changed_later() {
	load obmalloc
	if echo 256 2>/dev/null >$obm_param; then
		fail "written to"
	fi
	equal small_max "$(cat $obm_param)" 512
	unload obmalloc
}

an_unknown_one_is_ignored() {
	log_mark
	load obmalloc no_such_parameter=1
	log_since | grep -q "obmalloc: unknown parameter 'no_such_parameter' ignored" ||
		fail "no message"
	unload obmalloc
}

begin
run_cases the_default_is_512 good:8 good:64 good:500 good:512 good:1024 \
	good:4096 bad:0 bad:7 bad:4097 bad:-1 bad:abc bad: bad:99999999999 \
	it_cannot_be_changed_later an_unknown_one_is_ignored \
	kernel_log_is_clean
