#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the benchmark on the running kernel, as root:
#
#   bench-host.sh [KDIR] [CASE...]     KDIR: the running kernel's headers
#
# Loads obmalloc.ko and bench.ko, prints nanoseconds and cycles of each case
# (least, median, 99 %, most, per operation; bytes where bytes were counted) and
# unloads both. Nothing is installed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

BENCH=/sys/kernel/debug/obm_bench
CASES="pair variable bulk order churn live latency density small trim pipe scale"

refuse() {
	msg "bench-host: $*"
	exit 2
}

check_host() {
	local kdir=$1

	[[ $(id -u) == 0 ]] ||
		refuse "it loads kernel modules: run it as root" \
			"(sudo make bench-host)"
	[[ -e $kdir/Makefile ]] ||
		refuse "no headers of the running kernel in $kdir:" \
			"install them (Debian:" \
			"apt install linux-headers-$(uname -r)) or say where" \
			"they are: make bench-host KDIR=/path"
	[[ -e /proc/modules ]] ||
		refuse "the running kernel loads no modules"
	! grep -qE '^(obmalloc|bench) ' /proc/modules ||
		refuse "obmalloc or bench is loaded already: unload it first" \
			"(rmmod bench obmalloc)"
}

# Kbuild writes beside the sources; a root's build must not lie in the tree.
build() {
	local kdir=$1 stage=$2 log part

	mkdir -p "$stage"
	for part in include module bench; do
		cp -r "$OBM_TOP/$part" "$stage/"
	done
	sed '/^obj-m += samples/d' "$OBM_TOP/Kbuild" >"$stage/Kbuild"
	log=$(log_file bench-host-build)
	slowly "building for $(uname -r)" "$log" \
		make -C "$kdir" M="$stage" -j"$(nproc)" modules
}

load() {
	insmod "$1" || refuse "the kernel refused ${1##*/}: see dmesg" \
		"(with Secure Boot, modules must be signed)"
}

unload() {
	rmmod bench 2>/dev/null || true
	rmmod obmalloc 2>/dev/null || true
	[[ -z ${work:-} ]] || rm -rf "$work"
}

# Lines of one case, allocator and size side by side.
report() {
	awk -F, '
		/^case,/ { next }
		{
			key = $1 "," $2 "," $3
			if (!(key in seen)) {
				seen[key] = 1
				keys[++nr] = key
			}
			value[key, $4] = $5
			metrics[key] = metrics[key] " " $4
		}
		function cell(key, metric) {
			return (key, metric) in value ? \
				sprintf("%.1f", value[key, metric]) : "-"
		}
		END {
			printf "%-14s %-10s %5s %32s %32s\n", "case", "allocator",
				"size", "ns: min median p99 max",
				"cycles: min median p99 max"
			for (i = 1; i <= nr; i++) {
				key = keys[i]
				split(key, field, ",")
				printf "%-14s %-10s %5s", field[1], field[2],
					field[3] ? field[3] : ""
				if ((key, "ns") in value) {
					for (u = 1; u <= 2; u++) {
						unit = u == 1 ? "ns" : "cycles"
						printf " %7s %7s %7s %8s",
							cell(key, unit "_min"),
							cell(key, unit),
							cell(key, unit "_p99"),
							cell(key, unit "_max")
					}
				} else {
					n = split(metrics[key], list, " ")
					for (m = 1; m <= n; m++)
						printf " %s=%s", list[m],
							value[key, list[m]]
				}
				print ""
			}
		}' "$1"
}

main() {
	local kdir=${1:-/lib/modules/$(uname -r)/build} name results

	shift || true
	(($#)) || eval set -- "$CASES"
	check_host "$kdir"
	cache_init
	need_packages make:make gcc:gcc
	work=$(mktemp -d "${TMPDIR:-/tmp}/obm-host.XXXXXX")
	trap unload EXIT
	build "$kdir" "$work/stage"
	load "$work/stage/module/obmalloc.ko"
	load "$work/stage/bench/bench.ko"
	[[ -e $BENCH/run ]] || mount -t debugfs debugfs /sys/kernel/debug ||
		refuse "no debugfs"
	for name in "$@"; do
		msg "measuring $name"
		echo "$name" >$BENCH/run || msg "$name: not measured (see dmesg)"
	done
	results=$OBM_LOGS/bench-host.csv
	{
		echo "case,allocator,size,metric,value"
		cat $BENCH/results
	} >"$results"
	report "$results"
	printf '\n%s, %s; all figures: %s\n' "$(uname -r)" "$(sed -n \
		's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$results"
}

main "$@"
