#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# After a peak the memory comes back: each page that holds no live block, when
# asked; every page, when the heap goes.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

blocks=200000
size=64
page=$(getconf PAGESIZE 2>/dev/null || echo 4096)
pools=$((blocks * size / page))
# What the test's own processes and the kernel may take or leave meanwhile.
noise=200

# taken FREE-BEFORE: pages fewer than then.
taken() {
	settle
	echo $(($1 - $(free_pages)))
}

# about WHAT IS WANTED: in pages
about() {
	say "$1: $2 pages, of $3"
	[ "$2" -ge $(($3 - noise)) ] && [ "$2" -le $(($3 + noise)) ] ||
		fail "more than $noise pages off"
}

# The arenas' map and the counters must tell the same.
map_agrees() {
	equal "pools in use" "$(count_pools peak '0-9#')" \
		"$(stat_of nr_pools peak)"
	equal "unused pools" "$(count_pools peak .)" \
		"$(stat_of nr_unused_pools peak)"
	equal "held but metadata" \
		$(($(stat_of held_bytes peak) - $(stat_of meta_bytes peak))) \
		$(($(count_pools peak '0-9#.') * page))
}

# begin_peak [PARAMETER]
begin_peak() {
	load obmalloc "$@"
	load stress
	stress create peak
	# Once before, so that stress.ko has its list of blocks.
	stress fill peak n=$blocks size=$size
	stress free peak percent=100
	trim peak
	settle
	free_before=$(free_pages)
	stress fill peak n=$blocks size=$size
	equal "blocks" "$(answer live)" $blocks
	about "taken at the peak" "$(taken "$free_before")" $pools
	case " $* " in
	*' compact=0 '*) equal "shared pools" "$(shared_pools)" 0 ;;
	# With a front the class is busy by now and takes blocks by the dozen.
	*' front_max=0 '*) equal "shared pools" "$(shared_pools)" 1 ;;
	esac
}

end_peak() {
	stress free peak percent=100
	stress destroy peak
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

# what_is_free_comes_back [PARAMETER]: of blocks that wait no page is kept
what_is_free_comes_back() {
	local live full

	begin_peak "$@"
	map_agrees
	full=$(count_pools peak '#')
	# All but one where the blocks came home that had waited for the next.
	[ "$full" -ge $((pools - 1)) ] && [ "$full" -le $((pools + 1)) ] ||
		fail "$full full pools"
	stress free peak percent=99 seed=7
	equal "live blocks" "$(stat_of nr_blocks peak)" $((blocks / 100))
	map_agrees
	live=$(count_pools peak '0-9#')
	equal "bytes used" "$(stat_of used_bytes peak)" \
		$((blocks / 100 * size))

	trim peak
	validate peak
	map_agrees
	# At most the blocks that waited on the CPU were in pools of their own.
	[ $((live - $(stat_of nr_pools peak))) -le \
		"$(cat $obm_params/front_max)" ] || fail "pools are lost"
	case $1 in
	front_max=0)
		equal "pools in use after the trim" "$(stat_of nr_pools peak)" \
			"$live"
		;;
	esac
	live=$(stat_of nr_pools peak)
	equal "unused pools after the trim" "$(stat_of nr_unused_pools peak)" 0
	about "taken after the trim" "$(taken "$free_before")" "$live"
	[ $((live * 3)) -lt $((pools * 2)) ] || fail "that is no gain"
	stress verify peak
	equal "live blocks" "$(answer live)" $((blocks / 100))
	end_peak
}

# Of the heap, by /proc/obminfo.
shared_pools() {
	awk '$1 == "peak/mixed" { print $15 }' $obm_info
}

# obm_heap_trim() says how much it was.
a_client_trims_too() {
	local unused held spare=0

	begin_peak "$@"
	stress free peak percent=99 seed=8
	unused=$(stat_of unused_bytes peak)
	held=$(stat_of held_bytes peak)
	# The first blocks shared a pool; its books are spare if it is unused.
	[ "$(shared_pools)" != 0 ] || spare=128
	stress trim peak
	[ "$(answer trimmed)" -ge "$unused" ] ||
		fail "it says $(answer trimmed), unused were $unused"
	case $1 in
	front_max=0)
		equal "what the trim says" "$(answer trimmed)" \
			$((unused + spare))
		;;
	esac
	[ "$(stat_of held_bytes peak)" -le $((held - $(answer trimmed))) ] ||
		fail "it says $(answer trimmed) and does not keep to it"
	stress trim peak
	equal "what another says" "$(answer trimmed)" 0
	end_peak
}

# Without any trim: one spare arena stays, the others go at once. It is a whole
# one where arenas are.
empty_arenas_go_at_once() {
	local unused

	begin_peak front_max=0 "$@"
	stress free peak percent=100 seed=9
	equal "pools in use" "$(stat_of nr_pools peak)" 0
	equal "arenas" "$(stat_of nr_arenas peak)" 1
	unused=$(stat_of nr_unused_pools peak)
	case $1 in
	compact=0) equal "unused pools" "$unused" 64 ;;
	*)
		[ "$unused" -ge 4 ] && [ "$unused" -le 64 ] ||
			fail "$unused unused pools"
		;;
	esac
	equal "held but metadata" \
		$(($(stat_of held_bytes peak) - $(stat_of meta_bytes peak))) \
		$((unused * page))
	# Which the kernel is given when it asks, as settle makes it do.
	about "taken when all is free" "$(taken "$free_before")" 0
	trim peak
	equal "arenas after a trim" "$(stat_of nr_arenas peak)" 0
	equal "arenas got and put" "$(stat_of nr_arenas_got peak)" \
		"$(stat_of nr_arenas_put peak)"
	end_peak
}

# Memory that went back is used again for what comes.
a_trimmed_heap_fills_again() {
	begin_peak
	stress free peak percent=99 seed=10
	trim peak
	stress fill peak n=$blocks size=$size
	equal "live blocks" "$(answer live)" $((blocks + blocks / 100))
	validate peak
	map_agrees
	equal "pools of which none is wasted" \
		$(($(stat_of avail_bytes peak) < page)) 1
	end_peak
}

a_whole_life() {
	stress create peak
	stress fill peak n=$blocks size=$size
	stress fill peak n=500 sizes=1-100000
	stress free peak percent=50 seed=11
	stress destroy peak
	equal "leaked" "$(answer leaked)" $(((blocks + 500) / 2))
	equal "held by all heaps" "$(stat_of held_bytes)" 0
}

destroy_gives_back_all() {
	load obmalloc
	load stress
	a_whole_life
	settle
	free_before=$(free_pages)
	a_whole_life
	about "taken after destroy" "$(taken "$free_before")" 0
	unload stress obmalloc
}

# On one CPU, so that one node has all.
taskset -p 1 $$ >/dev/null
begin
run_cases what_is_free_comes_back a_client_trims_too empty_arenas_go_at_once \
	empty_arenas_go_at_once:compact=0 \
	what_is_free_comes_back:front_max=0 a_client_trims_too:front_max=0 \
	a_trimmed_heap_fills_again destroy_gives_back_all kernel_log_is_clean
