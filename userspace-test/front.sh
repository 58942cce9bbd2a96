#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Free blocks that wait on CPUs: none is lost or handed out twice, whoever frees
# them, fetches them back or takes the CPU away.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

cpu_dir=/sys/devices/system/cpu
cpus=$(nproc)
ms=1500

# on_cpu CPU COMMAND...: stress from there
on_cpu() {
	local mask

	mask=$(printf '%x' $((1 << $1)))
	shift
	taskset "$mask" sh -c "echo '$*' >$obm_stress/cmd" ||
		fail "stress $*: $(cat $obm_stress/result)"
}

begin_front() {
	load obmalloc
	load stress
	stress create front "$@"
}

end_front() {
	stress destroy front
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

# What must be left of a heap without a block, and of its CPUs' magazines.
nothing_is_left() {
	equal "blocks" "$(stat_of nr_blocks front)" 0
	equal "used bytes" "$(stat_of used_bytes front)" 0
	equal "raw blocks" "$(stat_of nr_raw front)" 0
	equal "frees" "$(stat_of nr_frees front)" "$(stat_of nr_allocs front)"
	validate front
	trim front
	equal "pools" "$(stat_of nr_pools front)" 0
	equal "arenas" "$(stat_of nr_arenas front)" 0
	equal "held but metadata" "$(stat_of held_bytes front)" \
		"$(stat_of meta_bytes front)"
	equal "bad pointers" \
		"$(grep '^nr_bad_' $obm_debug/stats | grep -vc ': 0$')" 0
	validate
}

# Blocks that wait on each CPU.
wait_everywhere() {
	local cpu

	for cpu in $(seq 0 $((cpus - 1))); do
		on_cpu "$cpu" fill front n=4000 sizes=1-600
		on_cpu "$cpu" free front percent=100
	done
}

what_waits_is_available() {
	begin_front
	on_cpu 0 fill front n=3000 size=64
	on_cpu 0 free front percent=100
	equal "blocks" "$(stat_of nr_blocks front)" 0
	equal "used bytes" "$(stat_of used_bytes front)" 0
	[ "$(stat_of avail_bytes front)" -gt 0 ] || fail "nothing waits"
	equal "in obminfo" "$(awk '$1 == "front/64" { print $2 }' $obm_info)" 0
	equal "in classes" "$(awk '$1 != "mixed" && $2 == 64 {
		print ($4 > 0), $5, ($6 > 0) }' \
		$obm_debug/heaps/front/classes)" "1 0 1"
	nothing_is_left
	end_front
}

# And what waits goes with the heap; it is no leak.
a_destroy_finds_what_waits() {
	begin_front
	wait_everywhere
	[ "$(stat_of nr_pools front)" -gt 0 ] || fail "nothing waits"
	stress fill front n=1234 sizes=1-9000
	stress destroy front
	equal "leaked" "$(answer leaked)" 1234
	equal "held by all heaps" "$(stat_of held_bytes)" 0
	unload stress obmalloc
}

a_trim_asks_all_cpus() {
	local meta

	begin_front
	# A node of a heap and its slots, once made, stay; nothing else does.
	wait_everywhere
	trim front
	meta=$(stat_of meta_bytes front)
	for _ in 1 2 3; do
		wait_everywhere
		[ "$(stat_of nr_pools front)" -gt 0 ] || fail "nothing waits"
		[ "$(stat_of meta_bytes front)" -gt "$meta" ] ||
			fail "magazines are not counted"
		taskset 1 sh -c "echo 1 >$obm_debug/heaps/front/trim"
		nothing_is_left
		equal "metadata" "$(stat_of meta_bytes front)" "$meta"
	done
	end_front
}

# Trims the heap as fast as it can, from the last CPU, until trims_end.
trims() {
	local mask

	rm -f /tmp/obm-trims-end
	mask=$(printf '%x' $((1 << (cpus - 1))))
	echo 0 >/tmp/obm-trims
	taskset "$mask" sh -c "
		n=0
		while [ ! -e /tmp/obm-trims-end ]; do
			echo 1 >$obm_debug/heaps/front/trim
			n=\$((n + 1))
			echo \$n >/tmp/obm-trims
		done" &
}

trims_end() {
	: >/tmp/obm-trims-end
	wait
	say "$(cat /tmp/obm-trims) trims"
	[ "$(cat /tmp/obm-trims)" -gt 0 ] || fail "no trim"
	rm /tmp/obm-trims /tmp/obm-trims-end
}

# trim_under_load CTX
trim_under_load() {
	begin_front
	trap ': >/tmp/obm-trims-end' EXIT
	trims
	stress run front cpus="$cpus" ms=$ms sizes=1-700 ctx="$1"
	say "$(answer allocs) allocations"
	equal "blocks still live" "$(answer live)" 0
	trims_end
	nothing_is_left
	end_front
	trap - EXIT
}

# passed_on SIZES: made on one CPU, verified and freed on another
passed_on() {
	begin_front
	stress pass front n=30000 sizes="$1" seed=$$
	equal "allocations" "$(answer allocs)" 30000
	equal "frees" "$(answer frees)" 30000
	equal "allocations that failed" "$(answer failed)" 0
	equal "counted" "$(stat_of nr_allocs front)" 30000
	nothing_is_left
	end_front
}

passed_on_while_trimmed() {
	begin_front
	trap ': >/tmp/obm-trims-end' EXIT
	trims
	stress pass front n=20000 sizes=1-600 seed=$$
	equal "frees" "$(answer frees)" 20000
	trims_end
	nothing_is_left
	end_front
	trap - EXIT
}

# Of each CPU that may go.
cpus_that_go() {
	local cpu

	for cpu in $(seq 1 $((cpus - 1))); do
		[ ! -w $cpu_dir/cpu"$cpu"/online ] || echo "$cpu"
	done
}

# Whatever a case that failed has left off.
all_online() {
	for cpu in $(cpus_that_go); do
		echo 1 >$cpu_dir/cpu"$cpu"/online 2>/dev/null || :
	done
}

switch() {
	echo "$2" >$cpu_dir/cpu"$1"/online || fail "CPU $1 does not go to $2"
}

# What waited on a dead CPU is back in its pools, without any trim.
an_offline_cpu_keeps_nothing() {
	local cpu

	[ -n "$(cpus_that_go)" ] || skip "no CPU can go"
	trap all_online EXIT
	begin_front
	for cpu in $(cpus_that_go); do
		on_cpu "$cpu" fill front n=4000 sizes=1-600
		on_cpu "$cpu" free front percent=100
		[ "$(stat_of nr_pools front)" -gt 0 ] || fail "nothing waits"
		switch "$cpu" 0
		equal "pools in use" "$(stat_of nr_pools front)" 0
		equal "available bytes" "$(stat_of avail_bytes front)" 0
		validate front
		stress fill front n=500 sizes=1-600
		stress free front percent=100
		switch "$cpu" 1
		on_cpu "$cpu" fill front n=4000 sizes=1-600
		on_cpu "$cpu" verify front
		on_cpu "$cpu" free front percent=100
		nothing_is_left
	done
	end_front
}

# hotplug_under_load CTX: CPUs go and come while threads run on all of them
hotplug_under_load() {
	local cpu rounds=0 live=4321

	[ -n "$(cpus_that_go)" ] || skip "no CPU can go"
	trap all_online EXIT
	begin_front
	stress create other
	wait_everywhere
	stress fill other n=$live sizes=1-9000
	(echo "run front cpus=$cpus ms=4000 sizes=1-700 roam=1 ctx=$1" \
		>$obm_stress/cmd; echo $? >/tmp/obm-run) &
	while [ ! -e /tmp/obm-run ]; do
		for cpu in $(cpus_that_go); do
			switch "$cpu" 0
			validate
			switch "$cpu" 1
		done
		rounds=$((rounds + 1))
	done
	wait
	equal "the run's status" "$(cat /tmp/obm-run)" 0
	rm /tmp/obm-run
	say "$(answer allocs) allocations, $rounds times each CPU went"
	equal "blocks still live" "$(answer live)" 0
	[ "$(answer allocs)" -gt 1000 ] || fail "too few"
	nothing_is_left
	stress verify other
	equal "live blocks of the other" "$(stat_of nr_blocks other)" \
		$((live - $(stat_of nr_raw other)))
	stress destroy other
	equal "leaked" "$(answer leaked)" $live
	end_front
}

# A hardened heap has no magazines, whatever runs.
hardened_under_load() {
	begin_front harden=1
	stress run front cpus="$cpus" ms=$ms sizes=1-700 ctx=mixed
	equal "blocks" "$(stat_of nr_blocks front)" 0
	equal "pools" "$(stat_of nr_pools front)" 0
	nothing_is_left
	end_front
}

begin
run_cases what_waits_is_available a_destroy_finds_what_waits \
	a_trim_asks_all_cpus trim_under_load:task trim_under_load:mixed \
	passed_on:64-64 passed_on:1-600 passed_on:500-10000 \
	passed_on_while_trimmed an_offline_cpu_keeps_nothing \
	hotplug_under_load:task hotplug_under_load:mixed hardened_under_load \
	kernel_log_is_clean
