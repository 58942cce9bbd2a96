#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The module's parameters: what is good is obeyed, what is bad fails the load
# with a message that says why.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

# The row after it is that of no class.
largest_class() {
	awk '$1 ~ /^[0-9]+$/ { size = $2 } END { print size }' \
		$obm_debug/heaps/params/classes
}

raw_blocks() {
	stat_of nr_raw params
}

# good VALUE[-CLASS]: requests up to it, rounded up to 8 or to the class that
# serves the largest of them, come from pools.
good() {
	local value=${1%-*} top

	top=$(((value + 7) / 8 * 8))
	[ "$1" = "$value" ] || top=${1#*-}
	load obmalloc small_max="$value"
	equal "the mode of small_max" "$(stat -c %a $obm_param)" 444
	equal small_max "$(cat $obm_param)" "$value"
	load stress
	stress create params
	equal "the largest class" "$(largest_class)" "$top"
	stress fill params n=1 size="$top"
	equal "raw blocks of $top bytes" "$(raw_blocks)" 0
	stress fill params n=1 size=$((top + 1))
	equal "raw blocks of $((top + 1)) bytes" "$(raw_blocks)" 1
	equal "rows of obminfo" "$(grep -c ^params/ $obm_info)" \
		$(($(grep -vc '^#' $obm_debug/heaps/params/classes) + 1))
	# Whatever is a raw block here, callers had its class compiled in.
	stress fill params n=3000 sizes=0-600
	stress free params percent=100
	validate params
	equal "blocks" "$(stat_of nr_blocks params)" 0
	equal "raw blocks" "$(raw_blocks)" 0
	stress destroy params
	unload stress obmalloc
}

the_default_is_8192() {
	load obmalloc
	equal small_max "$(cat $obm_param)" 8192
	unload obmalloc
	good 8192
}

# refused PARAMETER=VALUE: by the load
refused() {
	log_mark
	if insmod "$(obm_ko obmalloc)" "$1" 2>/dev/null; then
		fail "insmod took it"
	fi
	loaded obmalloc && fail "it is loaded all the same"
	return 0
}

# bad VALUE
bad() {
	refused small_max="$1"
	log_since | grep -qF "obmalloc: small_max=$1: not a number from 8 to 8192" ||
		fail "no message names the value and the range"
}

bad_front() {
	refused front_max="$1"
	log_since | grep -qF "obmalloc: front_max=$1: not a number from 0 to 252" ||
		fail "no message names the value and the range"
}

# A heap that has had many blocks and has none any more.
used_then_freed() {
	load stress
	stress create params
	stress fill params n=5000 sizes=1-600
	stress free params percent=100
	validate params
	equal "blocks" "$(stat_of nr_blocks params)" 0
}

nothing_waits() {
	used_then_freed
	equal "pools in use" "$(stat_of nr_pools params)" 0
	equal "available bytes" "$(stat_of avail_bytes params)" 0
	stress destroy params
	unload stress obmalloc
}

good_front() {
	load obmalloc front_max="$1"
	equal "the mode of front_max" "$(stat -c %a $obm_params/front_max)" 444
	equal front_max "$(cat $obm_params/front_max)" "$1"
	if [ "$1" -lt 6 ]; then
		nothing_waits
	else
		some_wait
	fi
}

some_wait() {
	used_then_freed
	[ "$(stat_of nr_pools params)" -gt 0 ] || fail "no block waits"
	[ "$(stat_of avail_bytes params)" -gt 0 ] || fail "no byte is available"
	trim params
	equal "pools in use after a trim" "$(stat_of nr_pools params)" 0
	equal "arenas after a trim" "$(stat_of nr_arenas params)" 0
	stress destroy params
	unload stress obmalloc
}

the_front_has_defaults() {
	load obmalloc
	equal front_max "$(cat $obm_params/front_max)" 252
	equal front_kib "$(cat $obm_params/front_kib)" 512
	equal harden "$(cat $obm_params/harden)" N
	echo 8 2>/dev/null >$obm_params/front_max && fail "front_max is written"
	echo 1 2>/dev/null >$obm_params/harden && fail "harden is written"
	some_wait
}

no_kib_no_front() {
	load obmalloc front_kib=0
	nothing_waits
}

front_kib_may_change() {
	load obmalloc
	equal "the mode of front_kib" "$(stat -c %a $obm_params/front_kib)" 644
	for value in -1 abc '' 5k; do
		echo "$value" 2>/dev/null >$obm_params/front_kib &&
			fail "it takes '$value'"
	done
	equal front_kib "$(cat $obm_params/front_kib)" 512
	echo 0 >$obm_params/front_kib
	nothing_waits
	load obmalloc front_kib=0
	echo 64 >$obm_params/front_kib
	some_wait
}

harden() {
	load obmalloc harden="$1"
	equal "the mode of harden" "$(stat -c %a $obm_params/harden)" 444
	equal harden "$(cat $obm_params/harden)" Y
	nothing_waits
}

# One block each of three classes: in a page of an arena of few, or each in a
# page of a whole arena. Both compact=1 and no word of it are the former.
compact() {
	load obmalloc ${1:+compact="$1"}
	equal "the mode of compact" "$(stat -c %a $obm_params/compact)" 444
	echo 0 2>/dev/null >$obm_params/compact && fail "compact is written"
	load stress
	stress create params
	for size in 8 64 500; do
		stress fill params n=1 size=$size
	done
	case $1 in
	'' | 1 | y)
		equal compact "$(cat $obm_params/compact)" Y
		equal "pools in use" "$(stat_of nr_pools params)" 1
		equal "unused pools" "$(stat_of nr_unused_pools params)" 3
		;;
	*)
		equal compact "$(cat $obm_params/compact)" N
		equal "pools in use" "$(stat_of nr_pools params)" 3
		equal "unused pools" "$(stat_of nr_unused_pools params)" 61
		;;
	esac
	equal "arenas" "$(stat_of nr_arenas params)" 1
	stress verify params
	validate params
	stress free params percent=100
	stress destroy params
	unload stress obmalloc
}

it_cannot_be_changed_later() {
	load obmalloc
	if echo 256 2>/dev/null >$obm_param; then
		fail "written to"
	fi
	equal small_max "$(cat $obm_param)" 8192
	unload obmalloc
}

an_unknown_one_is_ignored() {
	log_mark
	load obmalloc no_such_parameter=1
	log_since | grep -q "obmalloc: unknown parameter 'no_such_parameter' ignored" ||
		fail "no message"
	unload obmalloc
}

# Blocks wait on the CPU that freed them: one for all of a case.
taskset -p 1 $$ >/dev/null
begin
run_cases the_default_is_8192 good:8 good:64 good:500 good:512 good:520-544 \
	good:1000-1024 good:1024 good:4096 good:5000-5040 good:8192 bad:0 \
	bad:7 bad:8193 bad:-1 bad:abc bad: bad:99999999999 \
	it_cannot_be_changed_later \
	the_front_has_defaults good_front:0 good_front:1 good_front:5 \
	good_front:6 good_front:7 good_front:251 good_front:252 bad_front:253 \
	bad_front:-1 bad_front:abc bad_front: bad_front:4294967296 \
	no_kib_no_front front_kib_may_change harden:1 harden:y \
	compact compact:1 compact:y compact:0 compact:n refused:compact=2 \
	refused:compact=perhaps \
	refused:harden=2 refused:harden=perhaps refused:front_kib=-1 \
	refused:front_kib=many an_unknown_one_is_ignored kernel_log_is_clean
