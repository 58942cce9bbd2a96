#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the modules for one of the cached kernels and prints the directory
# that holds them:
#
#   build.sh [--tag TAG] KERNEL [VAR=VALUE...]
#
# KERNEL is stock-6.12, stock-6.1 (Debian's), clang-6.12, clang-6.1 (the same,
# compiled by clang), uml, uml-bench, debug or kcsan.
#
# Kbuild writes beside the sources and its header trees are read-only to us, so
# each kernel gets a copy of the sources in the cache. --tag keeps a build with
# other flags (W=1, LLVM=1) in a copy of its own. A warning fails the build.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PARTS=(include module kunit samples bench)

# By checksum and without times: make must see a changed file as new even when
# another branch's file of the same name has an older date.
stage_sources() {
	local stage=$1 part
	local -a parts=()

	for part in "${PARTS[@]}"; do
		if [[ -d $OBM_TOP/$part ]]; then
			parts+=("$OBM_TOP/$part")
		fi
	done
	rsync -rlpc --delete --exclude='*.o' --exclude='*.o.d' \
		--exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' \
		--exclude='.*.cmd' --exclude='.module-common.*' \
		--exclude=Module.symvers --exclude=modules.order \
		--exclude=traces "${parts[@]}" "$OBM_TOP/Kbuild" "$stage/"
}

# A module that is no longer in Kbuild would still be tested. modules.order
# names .o files or .ko files, by absolute or relative path, by kernel version.
drop_stale() {
	local stage=$1 order file

	order=$(sed "s|^$stage/||; s|\.k\{0,1\}o\$||" "$stage/modules.order")
	find "$stage" -name '*.ko' -printf '%P\n' |
		while IFS= read -r file; do
			grep -qxF "${file%.ko}" <<<"$order" ||
				rm -f "$stage/$file"
		done
}

# Compilers' warnings are errors by flag; modpost's and objtool's only print.
fail_on_warnings() {
	local stage=$1 log=$2

	grep -E '(^|[ :])(warning|WARNING): ' "$log" >"$log.warnings" || return 0
	find "$stage" -name '*.ko' -delete
	die "the build warned" "$log.warnings"
}

main() {
	local tag="" name kernel kdir stage log
	local -a args

	while [[ ${1:-} == --* ]]; do
		case $1 in
		--tag)	tag=-$2; shift 2 ;;
		*)	die "unknown option $1" ;;
		esac
	done
	kernel=${1:-}
	shift || true
	cache_init
	need_packages rsync:rsync make:build-essential
	case $kernel in
	stock-*)
		kdir=$("$OBM_TOP/scripts/kernel.sh" stock "${kernel#stock-}")
		args=(-C "$kdir/kdir") ;;
	clang-*)
		kdir=$("$OBM_TOP/scripts/kernel.sh" clang "${kernel#clang-}")
		args=(-C "$kdir" LLVM=1 CC=clang) ;;
	uml | uml-bench)
		kdir=$("$OBM_TOP/scripts/kernel.sh" "$kernel")
		args=(-C "$kdir" ARCH=um) ;;
	debug | kcsan)
		kdir=$("$OBM_TOP/scripts/kernel.sh" "$kernel")
		args=(-C "$kdir" ARCH=x86) ;;
	*)	die "usage: build.sh [--tag TAG] stock-6.12|stock-6.1|clang-...|" \
			"uml|uml-bench|debug|kcsan" ;;
	esac
	name=$(checkout_id)/$kernel$tag
	stage=$OBM_CACHE/build/$name
	log=$(log_file "build-${name//\//-}")
	lock "build-$name"
	mkdir -p "$stage"
	stage_sources "$stage"
	slowly "building for $kernel${tag:+ ($tag)}" "$log" \
		make "${args[@]}" M="$stage" -j"$(nproc)" \
		KCFLAGS="-Werror ${KCFLAGS:-}" "$@" modules
	fail_on_warnings "$stage" "$log"
	drop_stale "$stage"
	printf '%s\n' "$stage"
}

main "$@"
