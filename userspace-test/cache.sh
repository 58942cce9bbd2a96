#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# samples/cache: an owner of objects that can be had again gives them up when they
# are in the way, the oldest first, and no others.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

obm_cache=/sys/kernel/debug/obm_cache
limit=1000000

# get FIRST LAST
get() {
	echo "$*" >$obm_cache/get || fail "get $*"
}

# cached KEY: from its statistics
cached() {
	sed -n "s/^$1: //p" $obm_cache/stats
}

begin_cache() {
	log_mark
	load obmalloc
	load cache "$@"
}

end_cache() {
	equal "wrong entries" "$(cached wrong)" 0
	equal "look-ups that failed" "$(cached failed)" 0
	validate cache
	unload cache
	[ ! -e $obm_debug/heaps/cache ] || fail "its heap is still there"
	log_since | grep leaked && fail "it leaks"
	equal "held by all heaps" "$(stat_of held_bytes)" 0
	unload obmalloc
}

a_miss_is_made_good() {
	begin_cache
	get 1 100
	equal "misses" "$(cached misses)" 100
	equal "entries" "$(cached entries)" 100
	get 51 150
	equal "hits" "$(cached hits)" 50
	equal "misses" "$(cached misses)" 150
	equal "entries" "$(cached entries)" 150
	equal "blocks" "$(stat_of nr_blocks cache)" 150
	equal "evicted" "$(cached evicted)" 0
	end_cache
}

strict() {
	local bad

	begin_cache
	for bad in "" 1 "2 1" "a b" "1 18446744073709551615"; do
		(echo "$bad" >$obm_cache/get) 2>/dev/null && fail "get '$bad'"
	done
	equal "misses" "$(cached misses)" 0
	end_cache
}

# Many times what there is room for: the newest stay.
at_the_limit() {
	local entries misses

	begin_cache limit=$limit
	get 1 5000
	entries=$(cached entries)
	[ "$entries" -gt 200 ] || fail "only $entries entries"
	[ "$entries" -lt 500 ] || fail "$entries entries in $limit bytes"
	equal "misses" "$(cached misses)" 5000
	equal "entries and evicted" "$((entries + $(cached evicted)))" 5000
	[ "$(stat_of peak_bytes cache)" -le $limit ] || fail "above the limit"
	get 4901 5000
	equal "hits of the newest" "$(cached hits)" 100
	misses=$(cached misses)
	get 1 100
	equal "misses of the oldest" "$(($(cached misses) - misses))" 100
	end_cache
}

# What is looked up again and again stays, though it is the oldest.
a_second_chance() {
	local hits=0 round

	begin_cache limit=$limit
	get 1 20
	for round in 1 2 3 4 5 6 7 8 9 10; do
		get ${round}001 ${round}100
		get 1 20
	done
	hits=$(cached hits)
	[ "$(cached evicted)" -gt 100 ] || fail "nothing had to go"
	[ "$hits" -ge 190 ] || fail "$hits hits of 200"
	end_cache
}

# The machine is short of memory: the cache shrinks by itself.
under_pressure() {
	local before held round

	begin_cache
	get 1 10000
	before=$(cached entries)
	held=$(stat_of held_bytes cache)
	equal "entries" "$before" 10000
	for round in 1 2 3 4 5 6 7 8 9 10; do
		echo 2 >/proc/sys/vm/drop_caches
		sleep 0.2
		[ "$(cached entries)" -ge $((before / 2)) ] || break
	done
	say "$(cached entries) of $before entries are left after $round rounds"
	[ "$(cached entries)" -lt $((before / 2)) ] || fail "it does not shrink"
	[ "$(stat_of held_bytes cache)" -lt $((held * 3 / 4)) ] ||
		fail "$held bytes were held, now $(stat_of held_bytes cache)"
	get 1 10000
	end_cache
}

# Several users at once.
together() {
	local user pids=

	begin_cache limit=$limit
	for user in 1 2 3 4; do
		(get 1 3000; get $((user * 1000)) $((user * 1500))) &
		pids="$pids $!"
	done
	for user in $pids; do
		wait "$user" || fail "user $user"
	done
	[ "$(stat_of peak_bytes cache)" -le $limit ] || fail "above the limit"
	end_cache
}

begin
run_cases a_miss_is_made_good strict at_the_limit a_second_chance \
	under_pressure together kernel_log_is_clean
