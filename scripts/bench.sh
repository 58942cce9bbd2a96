#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures obmalloc against kmem_cache and kmalloc() in virtual machines:
#
#   bench.sh [KERNEL...]     everything; KERNEL is 6.12, 6.1 or uml (all three)
#   bench.sh check           fails where an instruction count has grown by more
#                            than 3 % over bench/baseline
#   bench.sh baseline        makes today's counts the baseline
#   bench.sh table           the table again, of the results that there are
#   bench.sh plot            the plots again
#
# Results go to bench/results/KERNEL.csv: case,allocator,size,metric,value.
# Instructions are counted by QEMU (-icount), with init_on_alloc=0 and, as
# metric "..._init", with init_on_alloc=1; they are the same on every machine.
# Nanoseconds are of 4 virtual CPUs, and of User Mode Linux on this machine's.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

BENCH=$OBM_TOP/bench
HEADER=case,allocator,size,metric,value
# What grows by more than this is a regression, if it does so each time.
TOLERANCE=3
TRIES=3

COUNT_CASES="pair cache variable bulk order churn live latency object object_gc
	getput collect"
INIT_CASES="pair cache variable bulk order churn live latency"
BYTE_CASES="density small trim"
UML_CASES="pair cache variable bulk order churn object object_gc getput collect
	collect_huge"

# guest_dir KERNEL DIR: the modules and the guest's script.
guest_dir() {
	local built

	built=$("$OBM_TOP/scripts/build.sh" "$1")
	mkdir -p "$2/module" "$2/bench"
	cp "$built/module/obmalloc.ko" "$2/module/"
	cp "$built/bench/bench.ko" "$2/bench/"
	cp "$OBM_TOP/scripts/guest/bench.sh" "$2/"
}

# guest NAME SCRIPT OPTION... -- PARAMETER=VALUE CASE...: leaves its results in
# the file NAME of the work directory.
guest() {
	local name=$1 script=$2
	local -a options=()

	shift 2
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	msg "$name: measuring ${*:2}"
	"$OBM_TOP/scripts/$script" "${options[@]}" --timeout 3600 \
		--log "$logs/$name-kernel.log" --get "/tmp/results:$work/$name" \
		-- sh bench.sh /tmp/results "$@" >"$logs/$name.log" \
		2> >(tee "$logs/$name.err" | sed "s/^/$name: /" >&2) ||
		die "$name: the benchmark failed" "$logs/$name.log"
}

# counted SERIES NAME INIT CPUS MIB CASE...
counted() {
	local series=$1 name=$2 init=$3 cpus=$4 mem=$5

	shift 5
	# shellcheck disable=SC2086
	guest "$series-$name" vm.sh --kernel "$series" --icount --smp "$cpus" \
		--mem "$mem" --append "init_on_alloc=$init" \
		--dir "$work/guest-$series" -- counts=1 "$@"
}

counted_init() {
	counted "$1" counts-init 1 1 1024 "${@:2}"
	sed -i 's/,instructions/&_init/; s/\(instructions\)_init\(_[a-z0-9]*\)/\1\2_init/' \
		"$work/$1-counts-init"
}

# The instruction counts of a kernel, as bench-check compares them.
counts() {
	# shellcheck disable=SC2086
	counted "$1" counts 0 1 1024 $COUNT_CASES
	# shellcheck disable=SC2086
	counted_init "$1" $INIT_CASES
}

# Two CPUs that take turns. When 6.1 starts its second CPU it waits for it in a
# way that QEMU before 8.1 does not end the first one's turn for.
counts_pipe() {
	[[ $1 != 6.1 ]] || return 0
	counted "$1" counts-pipe 0 2 1024 pipe
}

# Ten million blocks of 64 bytes take 800 MB; so do the largest of density.
bytes() {
	# shellcheck disable=SC2086
	counted "$1" bytes 0 1 1536 $BYTE_CASES huge wait \
		collect_huge
}

# Time in 4 virtual CPUs: it needs this machine's CPUs for itself.
times() {
	guest "$1-times" vm.sh --kernel "$1" --smp 4 --mem 1024 \
		--append init_on_alloc=0 --dir "$work/guest-$1" \
		-- counts=0 pipe scale
}

# What the peak of a recorded kernel takes, by samples/replay.
trace() {
	local series=$1 file line number
	local best=0

	for file in "$OBM_TOP"/samples/traces/*.gz; do
		[[ -e $file && -x $OBM_TOP/scripts/replay ]] || continue
		line=$("$OBM_TOP/scripts/replay" --kernel "$series" "$file" \
			2>"$logs/$series-trace.err" | grep '^replay: ') || {
			msg "$series: cannot replay ${file##*/}" \
				"(log: $logs/$series-trace.err)"
			continue
		}
		number=$(sed 's/.* requested_peak=\([0-9]*\).*/\1/' <<<"$line")
		((number > best)) || continue
		best=$number
		sed 's/.* requested_peak=\([0-9]*\) obmalloc_peak=\([0-9]*\) kmalloc_peak=\([0-9]*\).*/trace,obmalloc,0,requested_bytes,\1\ntrace,obmalloc,0,peak_bytes,\2\ntrace,kmalloc,0,peak_bytes,\3/' \
			<<<"$line" >"$work/$series-trace"
	done
}

# results NAME PART...: one file of several guests' results.
results() {
	local name=$1 part

	shift
	mkdir -p "$BENCH/results"
	{
		echo "$HEADER"
		for part in "$@"; do
			[[ -e $work/$part ]] && cat "$work/$part"
		done
	} >"$work/all"
	mv "$work/all" "$BENCH/results/$name.csv"
}

stock() {
	counts "$1"
	counts_pipe "$1"
	bytes "$1"
	trace "$1"
}

# And CPython on this machine, with the same graph.
uml() {
	# shellcheck disable=SC2086
	OBM_UML=uml-bench guest uml uml.sh --append init_on_alloc=0 --mem 2048 \
		--dir "$work/guest-uml" -- counts=0 $UML_CASES
	msg "cpython: measuring gc.collect()"
	/usr/bin/python3 "$BENCH/collect.py" 1000000 >"$work/cpython"
}

table() {
	local name guest

	for name in $OBM_KERNELS uml; do
		[[ -e $BENCH/results/$name.csv ]] || continue
		guest=stock
		[[ $name != uml ]] || guest=uml
		printf '\n== %s\n' "$name"
		awk -v guest="$guest" -f "$OBM_TOP/scripts/bench-table.awk" \
			"$BENCH/targets.csv" "$BENCH/results/$name.csv"
	done
}

# both COMMAND KERNEL...: each in a lane, as counts do not depend on time.
both() {
	local command=$1 series pid
	local -a pids=()

	shift
	for series in "$@"; do
		"$command" "$series" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || exit 9
	done
}

run_all() {
	local series
	local -a kernels=()

	for series in "$@"; do
		if [[ $series == uml ]]; then
			guest_dir uml-bench "$work/guest-uml"
		else
			guest_dir "stock-$series" "$work/guest-$series"
			kernels+=("$series")
		fi
	done
	both stock "${kernels[@]}"
	for series in "$@"; do
		if [[ $series == uml ]]; then
			uml
			results uml uml cpython
		else
			times "$series"
			results "$series" "$series-counts" \
				"$series-counts-init" "$series-counts-pipe" \
				"$series-bytes" "$series-times" "$series-trace"
		fi
	done
	"$OBM_TOP/scripts/bench-plot.sh"
	table
}

# What else can change a count: made_with SERIES.
made_with() {
	printf '%s, Debian %s\n' "$(gcc --version | head -n 1)" \
		"$(basename "$("$OBM_TOP/scripts/kernel.sh" stock "$1")")"
}

# The counts that a change to obmalloc can make worse. The slowest operation
# of all depends on what free pages the boot has left.
counts_all() {
	local series

	for series in $OBM_KERNELS; do
		guest_dir "stock-$series" "$work/guest-$series"
	done
	# shellcheck disable=SC2086
	both counts $OBM_KERNELS
	for series in $OBM_KERNELS; do
		{
			echo "# $(made_with "$series")"
			echo "$HEADER"
			cat "$work/$series-counts" \
				"$work/$series-counts-init" |
				grep ',obmalloc,' | grep -v '_max\(_init\)\?,'
		} >"$work/$series.csv"
	done
}

run_baseline() {
	local series

	counts_all
	mkdir -p "$BENCH/baseline"
	for series in $OBM_KERNELS; do
		cp "$work/$series.csv" "$BENCH/baseline/$series.csv"
	done
	msg "bench/baseline is what was measured now: commit it"
}

# compare SERIES: TAP lines, and how many passed and failed.
compare() {
	awk -F, -v series="$1" -v tolerance="$TOLERANCE" '
		/^#/ || /^case,/ { next }
		{ key = $1 "," $2 "," $3 "," $4 }
		FNR == NR { before[key] = $5; order[++nr] = key; next }
		{ now[key] = $5 }
		END {
			for (i = 1; i <= nr; i++) {
				key = order[i]
				if (!(key in now))
					bad = "is not measured any more"
				else if (now[key] > before[key] * (1 + tolerance / 100))
					bad = sprintf("grew by %.1f %%: %.2f -> %.2f",
						(now[key] / before[key] - 1) * 100,
						before[key], now[key])
				else
					bad = ""
				if (bad == "")
					passed++
				else
					failed++
				if (bad != "")
					printf "not ok - %s,%s %s\n", series, key, bad
				else if (now[key] < before[key] * (1 - tolerance / 100))
					printf "# %s,%s fell: %.2f -> %.2f\n", series, key,
						before[key], now[key]
			}
			printf "%d %d\n", passed, failed
		}' "$BENCH/baseline/$1.csv" "$work/$1.csv"
}

# keep_least SERIES: of each count the least so far.
keep_least() {
	local least=$work/$1-least.csv

	if [[ -e $least ]]; then
		awk -F, -v OFS=, '
			{ key = $1 FS $2 FS $3 FS $4 }
			FNR == NR { least[key] = $5; next }
			key in least && least[key] + 0 < $5 + 0 { $5 = least[key] }
			{ print }' "$least" "$work/$1.csv" >"$work/merged"
		mv "$work/merged" "$work/$1.csv"
	fi
	cp "$work/$1.csv" "$least"
}

# Of all series, into passed and failed of the caller.
compare_all() {
	local series p f

	passed=0 failed=0
	for series in $OBM_KERNELS; do
		keep_least "$series"
		compare "$series" >"$work/compare-$series"
		read -r p f < <(tail -n 1 "$work/compare-$series")
		passed=$((passed + p))
		failed=$((failed + f))
	done
}

# Which free pages the boot has left, and what batches the front has come to,
# make a count differ by some percent in one run of many: what grew is measured
# again. Code that takes more instructions takes them each time.
run_check() {
	local series made_of tries passed failed

	for series in $OBM_KERNELS; do
		[[ -e $BENCH/baseline/$series.csv ]] ||
			die "no bench/baseline/$series.csv: make bench-baseline"
	done
	for ((tries = 1; ; tries++)); do
		counts_all
		compare_all
		((failed && tries < TRIES)) || break
		msg "$failed counts have grown: measuring all again"
		sed -s '$d' "$work"/compare-* >&2
	done
	for series in $OBM_KERNELS; do
		made_of=$(sed -n '1s/^# //p' "$BENCH/baseline/$series.csv")
		[[ $made_of == "$(made_with "$series")" ]] ||
			msg "bench/baseline/$series.csv is of $made_of;" \
				"this is $(made_with "$series")"
		sed '$d' "$work/compare-$series"
	done
	echo "$passed passed, $failed failed, 0 skipped"
	((failed == 0)) || exit 2
}

main() {
	local command=all name

	case ${1:-} in
	check | baseline | table | plot)	command=$1; shift ;;
	esac
	cache_init
	logs=$OBM_LOGS/bench-$(checkout_id)
	mkdir -p "$logs"
	work=$(mktemp -d "${TMPDIR:-/tmp}/obm-bench.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	case $command in
	all)
		# shellcheck disable=SC2086
		(($#)) || set -- $OBM_KERNELS uml
		for name in "$@"; do
			[[ " $OBM_KERNELS uml " == *" $name "* ]] ||
				die "no kernel '$name': $OBM_KERNELS uml"
		done
		run_all "$@" ;;
	check)		run_check ;;
	baseline)	run_baseline ;;
	table)		table ;;
	plot)		"$OBM_TOP/scripts/bench-plot.sh" ;;
	esac
}

main "$@"
