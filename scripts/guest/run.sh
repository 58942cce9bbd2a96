#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest of make run: loads obmalloc and its samples, replays the
# recording, shows what there is to read (show.sh), unloads. The first step that
# fails ends it.

step() {
	printf '\n== %s\n' "$1"
	shift
	"$@" || {
		status=$?
		echo "FAILED with status $status: $*"
		dmesg | tail -n 30
		exit 1
	}
}

# The samples that only need loading; replay has a step of its own, and graphstress
# is a test.
samples() {
	find samples -name '*.ko' ! -name replay.ko ! -name graphstress.ko | sort
}

load_samples() {
	samples | while read -r module; do
		insmod "$module" || exit 1
	done
}

unload_samples() {
	samples | sort -r | while read -r module; do
		rmmod "$(basename "$module" .ko)" || exit 1
	done
}

step "$(uname -sr), $(nproc) CPUs: loading obmalloc" \
	insmod module/obmalloc.ko
step "loading the samples" load_samples

# --- The recording: the replay sample's own script, which loads and unloads
# --- that sample, and shows the heap while it stands at its peak.
for trace in samples/traces/*.gz; do
	step "replaying $trace" \
		sh replay.sh --show "sh $OBM_DIR/show.sh" "$trace"
done
# ----------------------------------------------------------------------------

# --- Objects in cycles: samples/cycle has five in a ring, and seven in a tree.
cycle=/sys/kernel/debug/obmalloc/heaps/cycle

# objects_are NUMBER: of the sample's objects that live
objects_are() {
	local nr

	cat $cycle/objects
	nr=$(awk '$1 == "link" || $1 == "person" { nr += $2 }
		END { print nr + 0 }' $cycle/objects)
	[ "$nr" = "$1" ] || {
		echo "$nr objects live, not $1"
		return 1
	}
	echo "-> $nr objects live"
}

drop() {
	echo >/sys/kernel/debug/obm_cycle/drop
}

collect() {
	echo 2 >$cycle/gc/collect && cat $cycle/gc/collect
}

step "objects that refer to each other in cycles" objects_are 12
step "the same as a graph, for Graphviz" cat $cycle/graph
step "their owner lets go of them" drop
step "counting alone leaks them" objects_are 12
step "the collector finds them" collect
step "and nothing is left" objects_are 0
# ----------------------------------------------------------------------------

step "what is left after it" cat /sys/kernel/debug/obmalloc/stats
step "checking every invariant" \
	sh -c "echo 1 >/sys/kernel/debug/obmalloc/validate"
step "unloading the samples" unload_samples
step "unloading obmalloc" rmmod obmalloc
echo
dmesg | grep -E 'obmalloc|hello' | tail -n 20
