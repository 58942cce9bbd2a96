#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# On a machine of two nodes or more: memory is where it was asked for.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

nodes=/sys/devices/system/node

# cpu_of NODE: its first
cpu_of() {
	sed 's/[-,].*//' "$nodes/node$1/cpulist"
}

# on_node NODE COMMAND...: stress from a CPU of the node
on_node() {
	local node=$1 mask

	shift
	mask=$(printf '%x' $((1 << $(cpu_of "$node"))))
	taskset "$mask" sh -c "echo '$*' >$obm_stress/cmd" ||
		fail "stress $*: $(cat $obm_stress/result)"
}

# The nodes of a heap's arenas in which a pool is in use.
nodes_of() {
	sed -n 's/^ *\([0-9]*\) *[0-9]* |.*[0-9#].*|$/\1/p' \
		"$obm_debug/heaps/$1/arenas" | sort -nu | tr '\n' ' '
}

# Unreclaimable slab memory of a node, in KiB; heaps' pages count as such.
slab_of() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '$3 == "SUnreclaim:" { print $4 }' "$nodes/node$1/meminfo"
}

begin_numa() {
	load obmalloc
	load stress
}

end_numa() {
	stress destroy near
	unload stress obmalloc
}

# bound NODE: by its attributes, filled from a CPU of either node
bound() {
	local node=$1 cpu_node before got

	begin_numa
	before=$(slab_of "$node")
	stress create near node="$node"
	for cpu_node in 0 1; do
		on_node $cpu_node fill near n=40000 sizes=1-512
		equal "failures" "$(answer failed)" 0
		equal "its nodes" "$(nodes_of near)" "$node "
	done
	got=$((($(slab_of "$node") - before) * 1024))
	say "held $(stat_of held_bytes near) bytes, the node lost $got"
	[ $((got * 10)) -gt $(($(stat_of held_bytes near) * 9)) ] ||
		fail "the pages came from elsewhere"
	# Nor do blocks that wait on a CPU of the other one.
	on_node $((1 - node)) free near percent=100
	for cpu_node in 0 1; do
		on_node $cpu_node fill near n=5000 sizes=1-9000
		equal "its nodes" "$(nodes_of near)" "$node "
	done
	# A node that the request names does not count for a bound heap.
	stress fill near n=1000 size=64 node=$((1 - node))
	equal "its nodes" "$(nodes_of near)" "$node "
	validate near
	end_numa
}

# caller NODE: an unbound heap follows whoever allocates
caller() {
	begin_numa
	stress create near
	on_node "$1" fill near n=5000 size=64
	equal "its nodes" "$(nodes_of near)" "$1 "
	end_numa
}

# asked NODE: obm_alloc_node() from a CPU of the other
asked() {
	begin_numa
	stress create near
	on_node $((1 - $1)) fill near n=5000 size=64 node="$1"
	equal "its nodes" "$(nodes_of near)" "$1 "
	# Blocks of that node wait on a CPU of the other: who asks for the other
	# gets none of them, nor does __obm_alloc() lose them.
	on_node $((1 - $1)) free near percent=100
	on_node $((1 - $1)) fill near n=5000 size=64 node=$((1 - $1))
	trim near
	equal "its nodes" "$(nodes_of near)" "$((1 - $1)) "
	end_numa
}

# Each node's blocks go back to its own pools, whoever frees them.
both_nodes_drain() {
	begin_numa
	stress create near
	on_node 0 fill near n=5000 size=64
	on_node 1 fill near n=5000 size=64
	equal "its nodes" "$(nodes_of near)" "0 1 "
	on_node 0 free near percent=100
	equal "blocks" "$(stat_of nr_blocks near)" 0
	[ "$(stat_of nr_arenas near)" -ge 2 ] || fail "no spare arenas"
	trim near
	equal "arenas" "$(stat_of nr_arenas near)" 0
	end_numa
}

# Takes all of node 1 that may be had without reclaim; but not all there is, in
# case that it comes from elsewhere.
exhaust() {
	local size kib

	kib=$(awk '$3 == "MemTotal:" { print $4 }' $nodes/node1/meminfo)
	stress create hog node=1 limit="$((kib * 1024))"
	for size in 4194304 131072 4096; do
		stress fill hog n=200000 size=$size gfp=nowait
	done
	say "$(stat_of held_bytes hog) bytes fill node 1"
}

a_full_node_makes_others_help() {
	begin_numa
	exhaust
	stress create near
	on_node 1 fill near n=40000 size=256 gfp=nowait
	equal "failures" "$(answer failed)" 0
	case $(nodes_of near) in
	*'0 '*) ;;
	*) fail "its nodes are $(nodes_of near)" ;;
	esac
	validate near

	stress create bound node=1
	on_node 0 fill bound n=400000 size=256 gfp=nowait
	equal "failures of a bound heap" "$(answer failed)" 1
	case $(nodes_of bound) in
	'' | '1 ') ;;
	*) fail "nodes of a bound heap are $(nodes_of bound)" ;;
	esac
	validate
	stress destroy bound
	stress destroy hog
	end_numa
}

if ! [ -d $nodes/node1 ]; then
	ktap_print_header
	ktap_skip_all "one node"
	exit "$KSFT_SKIP"
fi
begin
run_cases bound:0 bound:1 caller:0 caller:1 asked:0 asked:1 both_nodes_drain \
	a_full_node_makes_others_help kernel_log_is_clean
