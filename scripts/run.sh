#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make run: a stock Debian kernel in a virtual machine, obmalloc in it, and
# what a person sees of it.
#
#   run.sh [6.12|6.1]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

main() {
	local series=${1:-6.12} guest log status=0

	cache_init
	# Everything in one installation, so that one line says what.
	export OBM_ALSO_NEED="rsync:rsync cpio:cpio gcc:build-essential
		qemu-system-x86_64:qemu-system-x86"
	"$OBM_TOP/scripts/kernel.sh" stock "$series" >/dev/null
	guest=$(mktemp -d "${TMPDIR:-/tmp}/obm-run.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$guest'" EXIT
	"$OBM_TOP/scripts/guest-dir.sh" "stock-$series" "$guest"
	log=$(log_file "run-$(checkout_id)-$series-kernel")
	msg "booting Debian's $series kernel in QEMU"
	"$OBM_TOP/scripts/vm.sh" --kernel "$series" --smp 2 --timeout 300 \
		--dir "$guest" --log "$log" -- sh run.sh || status=$?
	((status == 0)) ||
		die "make run failed with status $status (kernel log: $log)"
	msg "all steps done; kernel log: $log"
}

main "$@"
