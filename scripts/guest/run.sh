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

# The samples that only need loading; replay has a step of its own.
samples() {
	find samples -name '*.ko' ! -name replay.ko | sort
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

step "what is left after it" cat /sys/kernel/debug/obmalloc/stats
step "checking every invariant" \
	sh -c "echo 1 >/sys/kernel/debug/obmalloc/validate"
step "unloading the samples" unload_samples
step "unloading obmalloc" rmmod obmalloc
echo
dmesg | grep -E 'obmalloc|hello' | tail -n 20
