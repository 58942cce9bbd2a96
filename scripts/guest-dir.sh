#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fills a directory with what a guest finds in /obm:
#
#   guest-dir.sh KERNEL DIR        KERNEL is stock-6.12, stock-6.1, uml, debug
#                                  or kcsan
#
#   module/obmalloc.ko kunit/*.ko samples/*/*.ko samples/traces/
#   samples/replay/trace2ops
#   readme/*.ko        the README's module, if README.md is there
#   *.sh               scripts/guest/*.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"

main() {
	local kernel=$1 dir=$2 built readme

	built=$("$OBM_TOP/scripts/build.sh" "$kernel")
	[[ -e $built/module/obmalloc.ko ]] ||
		die "the build made no module/obmalloc.ko in $built"
	mkdir -p "$dir/readme"
	(cd "$built" && find module kunit samples -name '*.ko' 2>/dev/null |
		cpio -pdm --quiet "$dir")
	cp "$OBM_TOP"/scripts/guest/*.sh "$dir/"
	cp -r "$OBM_TOP/samples/traces" "$dir/samples/"
	if [[ -e $dir/samples/replay/replay.ko ]]; then
		"$OBM_TOP/scripts/replay" --tool "$dir/samples/replay/trace2ops"
	fi
	readme=$("$OBM_TOP/scripts/readme-module.sh" "$kernel" "$built")
	cp "$readme"/*.ko "$dir/readme/"
}

[[ $# == 2 ]] || die "usage: guest-dir.sh KERNEL DIR"
cache_init
need_packages cpio:cpio
main "$@"
