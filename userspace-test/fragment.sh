#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Memory without one free run of 64 pages: smaller arenas serve, nothing fails,
# and when there are runs again, they are used again.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

cpus=$(nproc)
blocks=60000
# What somebody frees meanwhile may make a run or two.
few=4

# begin_short [PARAMETER]
begin_short() {
	load obmalloc "$@"
	load stress
	stress create short
	# So that stress.ko has its list of blocks.
	stress fill short n=$blocks size=200
	stress free short percent=100
	trim short
	settle
	fragment
}

# What can be moved is moved first, and again, or kcompactd would make room.
fragment() {
	local sum=0 tries

	for tries in 1 2 3 4 5 6 7 8; do
		compact
		stress fragment short
		sum=$((sum + $(answer broken)))
		[ "$tries" -lt 3 ] || [ "$(answer broken)" -gt $few ] || break
	done
	say "$sum runs of 64 pages broken up"
	[ "$(answer broken)" -le $few ] || fail "there are ever more"
}

# Free pages on the CPUs' own lists go where they can merge, too.
compact() {
	echo 1 >/proc/sys/vm/compact_memory
}

end_short() {
	stress mend short
	[ "$(answer mended)" -gt 0 ] || fail "they are lost"
	stress destroy short
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

pools_of_all() {
	echo $(($(stat_of nr_pools short) + $(stat_of nr_unused_pools short)))
}

# all_are_half ARENAS: not whole, and not shorter than they had to be. kcompactd
# may have made room meanwhile; then it is worth another try.
all_are_half() {
	[ "$(pools_of_all)" -le $((($1 + few) * 32)) ] &&
		[ "$(pools_of_all)" -ge $((($1 - few) * 32)) ] &&
		[ "$(grep -c ' |$' $obm_debug/heaps/short/arenas)" -ge \
			$(($1 - few)) ]
}

# A client's whole life, in arenas of which next to each is short. Of those that
# a small heap begins with only some pages would be kept.
smaller_arenas_serve() {
	local arenas tries

	begin_short compact=0
	for tries in 1 2 3 4 5 6; do
		stress fill short n=$blocks size=200
		equal "allocations that failed" "$(answer failed)" 0
		arenas=$(stat_of nr_arenas short)
		say "$arenas arenas with $(pools_of_all) pools"
		! all_are_half "$arenas" || break
		[ "$tries" -lt 6 ] || fail "they are not of half the length"
		stress free short percent=100
		trim short
		fragment
	done
	stress verify short
	validate short
	stress free short percent=97 seed=3
	trim short
	validate short
	stress verify short
	stress fill short n=5000 sizes=0-20000
	equal "allocations that failed" "$(answer failed)" 0
	stress free short percent=100
	trim short
	equal "arenas" "$(stat_of nr_arenas short)" 0
	equal "held but metadata" "$(stat_of held_bytes short)" \
		"$(stat_of meta_bytes short)"
	end_short
}

# under_load CTX
under_load() {
	begin_short
	stress run short cpus="$cpus" ms=1500 sizes=1-9000 ctx="$1" seed=$$
	say "$1: $(answer allocs) allocations, $(answer failed) failed"
	equal "blocks still live" "$(answer live)" 0
	validate short
	trim short
	equal "arenas" "$(stat_of nr_arenas short)" 0
	equal "frees" "$(stat_of nr_frees short)" "$(stat_of nr_allocs short)"
	end_short
}

# Once the CPUs have given back the single pages that they keep for a while.
whole_arenas_come_back() {
	local tries

	begin_short
	stress mend short
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		compact
		stress fill short n=$blocks size=200
		say "$(stat_of nr_arenas short) arenas"
		[ "$(pools_of_all)" -le \
			$((($(stat_of nr_arenas short) + few) * 32)) ] || break
		[ "$tries" -lt 10 ] || fail "the arenas are short still"
		stress free short percent=100
		trim short
		sleep 1
	done
	fragment
	stress free short percent=100
	end_short
}

begin
run_cases smaller_arenas_serve under_load:task under_load:mixed \
	whole_arenas_come_back kernel_log_is_clean
