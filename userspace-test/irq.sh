#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Blocks come and go in hard and soft interrupts on all CPUs, between each other
# and between threads' own, from one heap.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

cpus=$(nproc)
ms=1000

# What must be left of a heap that nobody uses any more.
nothing_is_left() {
	validate "$1"
	equal "blocks" "$(stat_of nr_blocks "$1")" 0
	equal "raw blocks" "$(stat_of nr_raw "$1")" 0
	equal "frees" "$(stat_of nr_frees "$1")" "$(stat_of nr_allocs "$1")"
	trim "$1"
	equal "arenas" "$(stat_of nr_arenas "$1")" 0
	equal "held but metadata" "$(stat_of held_bytes "$1")" \
		"$(stat_of meta_bytes "$1")"
	equal "bad pointers" "$(grep -vc ': 0$' /tmp/obm-irq)" 0
	validate
}

# busy CTX SIZES [ATTRIBUTE...]: then looks at what was done.
busy() {
	local ctx=$1 sizes=$2

	shift 2
	load obmalloc
	load stress
	stress create busy "$@"
	stress run busy cpus="$cpus" ms=$ms sizes="$sizes" ctx="$ctx" seed=$$
	say "$ctx: $(answer allocs) allocations, $(answer failed) failed"
	[ "$(answer allocs)" -gt $((cpus * 100)) ] || fail "too few"
	equal "blocks still live" "$(answer live)" 0
	grep '^nr_bad_' $obm_debug/stats >/tmp/obm-irq
	nothing_is_left busy
	rm /tmp/obm-irq
}

end_busy() {
	stress destroy busy
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

# Sizes that the compiler knows come and go inline.
one_size() {
	busy mixed "$1"
	end_busy
}

threads() {
	busy task 0-3000
	equal "allocations that failed" "$(stat_of nr_failed busy)" 0
	end_busy
}

interrupts() {
	busy irq 0-3000
	end_busy
}

threads_and_interrupts() {
	busy mixed 0-3000
	end_busy
}

# Pools fill and fall empty all the time, and pages come and go under them.
trims_meanwhile() {
	load obmalloc
	load stress
	stress create busy
	(
		while [ -e $obm_debug/heaps/busy ]; do
			echo 1 >$obm_debug/heaps/busy/trim
			echo 1 >$obm_debug/heaps/busy/validate || break
			cat $obm_debug/heaps/busy/arenas
		done >/dev/null 2>&1
	) &
	stress run busy cpus="$cpus" ms=$ms sizes=1000-4000 ctx=mixed
	equal "blocks still live" "$(answer live)" 0
	grep '^nr_bad_' $obm_debug/stats >/tmp/obm-irq
	nothing_is_left busy
	stress destroy busy
	wait
	unload stress obmalloc
}

# Most allocations fail, in all contexts; none passes the limit.
at_the_limit() {
	local limit=600000

	busy mixed 0-3000 limit=$limit
	[ "$(stat_of nr_limited busy)" -gt 0 ] || fail "the limit was not met"
	[ "$(stat_of peak_bytes busy)" -le $limit ] ||
		fail "the peak is $(stat_of peak_bytes busy)"
	end_busy
}

begin
run_cases threads interrupts threads_and_interrupts one_size:64-64 \
	one_size:3000-12000 trims_meanwhile \
	at_the_limit kernel_log_is_clean
