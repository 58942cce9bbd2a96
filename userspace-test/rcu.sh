#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Frees that wait for a grace period, on all CPUs: nobody sees a thing change
# while it looks, nothing is lost, and a destroy waits for the last of them.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

cpus=$(nproc)
ms=1500

begin_rcu() {
	load obmalloc
	load stress
	stress create rcu "$@"
}

# under_load CTX SIZES [ATTRIBUTE...]
under_load() {
	local ctx=$1 sizes=$2

	shift 2
	stress rcu rcu cpus="$cpus" ms=$ms sizes="$sizes" ctx="$ctx" seed=$$
	say "$ctx: $(answer allocs) allocations, $(answer failed) failed"
	[ "$(answer frees)" -gt $((cpus * 100)) ] || fail "too few"
	equal "things that are left" "$(answer live)" 0
}

no_mistakes() {
	equal "bad pointers" \
		"$(grep '^nr_bad_' $obm_debug/stats | grep -vc ': 0$')" 0
}

# A grace period takes as long as it takes.
settled() {
	local tries=600

	while [ "$(stat_of nr_frees rcu)" != "$(stat_of nr_allocs rcu)" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || fail "blocks are never freed"
		sleep 0.1
	done
}

# waits_its_turn CTX: and then every block is free
waits_its_turn() {
	begin_rcu
	under_load "$1" 40-3000
	settled
	equal "blocks" "$(stat_of nr_blocks rcu)" 0
	equal "raw blocks" "$(stat_of nr_raw rcu)" 0
	equal "allocations" "$(stat_of nr_allocs rcu)" "$(answer allocs)"
	validate rcu
	trim rcu
	equal "arenas" "$(stat_of nr_arenas rcu)" 0
	equal "held but metadata" "$(stat_of held_bytes rcu)" \
		"$(stat_of meta_bytes rcu)"
	no_mistakes
	stress destroy rcu
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

# Nothing is waited for before: what is on its way is no leak.
destroy_waits() {
	begin_rcu "$@"
	for _ in 1 2 3; do
		under_load mixed 40-20000
		stress destroy rcu
		equal "leaked" "$(answer leaked)" 0
		no_mistakes
		equal "held by all heaps" "$(stat_of held_bytes)" 0
		stress create rcu "$@"
	done
	stress destroy rcu
	unload stress obmalloc
}

# The client, its heap and we go at once.
an_unload_waits() {
	begin_rcu
	under_load mixed 40-600
	unload stress obmalloc
}

# The limit refuses what is asked for while others wait; all come back.
at_the_limit() {
	begin_rcu limit=600000
	under_load mixed 40-6000
	[ "$(stat_of nr_limited rcu)" -gt 0 ] || fail "the limit was not met"
	[ "$(stat_of peak_bytes rcu)" -le 600000 ] || fail "it was passed"
	settled
	validate rcu
	no_mistakes
	stress destroy rcu
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

begin
run_cases waits_its_turn:task waits_its_turn:irq waits_its_turn:mixed \
	destroy_waits destroy_waits:harden=1 an_unload_waits at_the_limit \
	kernel_log_is_clean
