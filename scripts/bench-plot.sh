#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Plots bench/results/KERNEL.csv into Documentation/bench-*.svg.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RESULTS=$OBM_TOP/bench/results
OUT=$OBM_TOP/Documentation

# The same colours in every plot, which people with any colour vision can tell
# apart, on a white ground that a dark page needs too.
prologue() {
	cat <<-EOF
	set terminal svg size $1 font 'sans-serif,13' background 'white'
	set output '$2'
	set datafile missing '-'
	set style data histograms
	set style fill solid border -1
	set boxwidth 0.9
	set grid ytics linecolor rgb '#dddddd'
	set border 3
	set tics nomirror
	set yrange [0:*]
	set bmargin 4
	set key outside top right reverse Left noenhanced
	set xtics noenhanced
	obmalloc = '#0072b2'
	cache = '#e69f00'
	kmalloc = '#999999'
	EOF
}

# value KERNEL CASE ALLOCATOR SIZE METRIC: a figure, or "-".
value() {
	awk -F, -v want="$2,$3,$4,$5," '
		index($0, want) == 1 { print $5; found = 1; exit }
		END { if (!found) print "-" }' "$RESULTS/$1.csv"
}

# row LABEL KERNEL CASE SIZE METRIC: a line of the three allocators' figures.
row() {
	printf '"%s" %s %s %s\n' "$1" "$(value "$2" "$3" obmalloc "$4" "$5")" \
		"$(value "$2" "$3" kmem_cache "$4" "$5")" \
		"$(value "$2" "$3" kmalloc "$4" "$5")"
}

histogram() {
	cat <<-EOF
	plot '$1' using 2:xtic(1) title 'obmalloc' linecolor rgb obmalloc, \
	     '' using 3 title 'kmem_cache' linecolor rgb cache, \
	     '' using 4 title 'kmalloc' linecolor rgb kmalloc
	EOF
}

# Instructions of an allocation and its free.
plot_pairs() {
	local kernel size

	for kernel in "$@"; do
		{
			row "64,\\nconstant" "$kernel" pair 64 instructions
			for size in 16 64 256 512 1024 4096; do
				row "$size" "$kernel" variable "$size" \
					instructions
			done
		} >"$data/pairs-$kernel"
	done
	{
		prologue "900,$((320 * $#))" "$OUT/bench-pairs.svg"
		echo "set multiplot layout $#,1"
		for kernel in "$@"; do
			echo "set title 'An allocation and its free: stock kernel $kernel'"
			echo "set ylabel 'instructions'"
			echo "set xlabel 'bytes of the block'"
			echo "set bmargin 5"
			histogram "$data/pairs-$kernel"
		done
		echo "unset multiplot"
	} >"$data/pairs.gp"
	gnuplot "$data/pairs.gp"
}

# The other cases that instructions are counted of.
plot_cases() {
	local kernel name

	for kernel in "$@"; do
		for name in bulk16 bulk64 bulk250 order_same order_reverse \
			order_random pipe live_1e3 live_1e5 live_1e7; do
			row "${name/_/\\n}" "$kernel" "$name" 64 instructions
		done >"$data/cases-$kernel"
		row churn "$kernel" churn 0 instructions >>"$data/cases-$kernel"
	done
	{
		prologue "1150,$((360 * $#))" "$OUT/bench-cases.svg"
		echo "set multiplot layout $#,1"
		for kernel in "$@"; do
			echo "set title 'Other patterns: stock kernel $kernel'"
			echo "set ylabel 'instructions a block'"
			histogram "$data/cases-$kernel"
		done
		echo "unset multiplot"
	} >"$data/cases.gp"
	gnuplot "$data/cases.gp"
}

# Bytes held beyond those that were asked for, in per cent of these.
plot_density() {
	{
		row '1..512' "$1" density512 0 held_ratio
		row '1..512,\nreplaced' "$1" density512 0 held_ratio_churned
		row '513..8192' "$1" density8192 0 held_ratio
		row '513..8192,\nreplaced' "$1" density8192 0 \
			held_ratio_churned
	} >"$data/density"
	{
		prologue 900,400 "$OUT/bench-density.svg"
		cat <<-EOF
		set title '100,000 blocks of random sizes, new and after replacement (stock kernel $1)'
		set ylabel 'held beyond what was asked for, %'
		plot '$data/density' using ((\$2 - 1) * 100):xtic(1) \
			title 'obmalloc' linecolor rgb obmalloc, \
		     '' using ((\$4 - 1) * 100) title 'kmalloc' \
			linecolor rgb kmalloc
		EOF
	} >"$data/density.gp"
	gnuplot "$data/density.gp"
}

# How long the slowest operations take, the heap's growth included.
plot_latency() {
	local what point

	for what in alloc free; do
		for point in p50 p99 p999 max; do
			row "$what\\n$point" "$1" "latency_$what" 0 \
				"instructions_$point"
		done
	done >"$data/latency"
	{
		prologue 900,400 "$OUT/bench-latency.svg"
		cat <<-EOF
		set title 'Single operations: median, 99 %, 99.9 %, worst (stock kernel $1)'
		set ylabel 'instructions'
		set logscale y
		set yrange [10:*]
		plot '$data/latency' using 2:xtic(1) title 'obmalloc' \
			linecolor rgb obmalloc, \
		     '' using 4 title 'kmalloc' linecolor rgb kmalloc
		EOF
	} >"$data/latency.gp"
	gnuplot "$data/latency.gp"
}

# A full collection: nanoseconds an object, by the number of objects.
plot_collect() {
	local what number

	for what in live garbage; do
		for number in 3 4 5 6 7; do
			printf '"%s\\n10^%s" %s %s\n' "$what" "$number" \
				"$(value uml "gc_${what}_1e$number" obmalloc 0 ns)" \
				"$(value uml "gc_${what}_1e$number" cpython 0 ns)"
		done
	done >"$data/collect"
	{
		prologue 900,400 "$OUT/bench-collect.svg"
		cat <<-EOF
		set title 'A full collection, two links an object: User Mode Linux, CPython on the same machine'
		set ylabel 'ns an object'
		set xtics enhanced
		plot '$data/collect' using 2:xtic(1) title 'obmalloc' \
			linecolor rgb obmalloc, \
		     '' using 3 title 'CPython' linecolor rgb kmalloc
		EOF
	} >"$data/collect.gp"
	gnuplot "$data/collect.gp"
}

main() {
	local series
	local -a kernels=()

	cache_init
	need_packages gnuplot:gnuplot-nox
	for series in $OBM_KERNELS; do
		[[ ! -e $RESULTS/$series.csv ]] || kernels+=("$series")
	done
	((${#kernels[@]})) || return 0
	data=$(mktemp -d "${TMPDIR:-/tmp}/obm-plot.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$data'" EXIT
	plot_pairs "${kernels[@]}"
	plot_cases "${kernels[@]}"
	plot_density "${kernels[0]}"
	plot_latency "${kernels[0]}"
	[[ ! -e $RESULTS/uml.csv ]] || plot_collect
}

main "$@"
