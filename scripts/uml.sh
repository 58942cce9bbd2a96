#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots our User Mode Linux and runs a command there as root:
#
#   uml.sh [options] --dir GUESTDIR -- COMMAND [ARG...]
#
# OBM_UML=uml-bench boots the one that times are taken in.
#
# The same as vm.sh, but for one CPU and a boot of a fraction of a second. The
# guest's root directory is a temporary one of the host's.
#
#   --mem MIB              memory (1024)
#   --append "..."         more words for the kernel's command line
#   --timeout SEC          after which the guest counts as hung (300)
#   --get GUEST:HOST       copy a file out when the command has ended
#   --expect ERE           a complaint in the kernel log that is expected
#   --lax                  no complaint in the kernel log matters
#   --log FILE             the kernel log (else $OBM_CACHE/logs/uml-*.log)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guest-lib.sh"

# UML keeps the guest's memory in a file, in /dev/shm if it can. A container's
# is often too small, which shows as SIGBUS in the middle of a run.
memory_dir() {
	local free

	free=$(df -m --output=avail /dev/shm 2>/dev/null | tail -n 1) || true
	((${free:-0} > vm_mem + 64)) || export TMPDIR=$1
}

main() {
	local uml tmp ran

	vm_options "$@"
	cache_init
	uml=$("$OBM_TOP/scripts/kernel.sh" "${OBM_UML:-uml}")
	[[ -n $vm_log ]] || vm_log=$(mktemp "$OBM_LOGS/uml-XXXXXX.log")

	tmp=$(mktemp -d "${TMPDIR:-/tmp}/obm-uml.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	vm_root "$tmp/root" /dev/tty1 /run/data
	memory_dir "$tmp"

	# tty0 is the kernel's console on fd 3: a file, because a console drops
	# what a full pipe does not take, and a lost line of KTAP fails a good
	# run. tty1 is the command's output on fd 1.
	if vm_run "$vm_timeout" "$uml/linux" mem="${vm_mem}M" \
		root=/dev/root rootfstype=hostfs rootflags="$tmp/root" rw \
		init=/init uml_dir="$tmp/" panic=-1 panic_on_oops=1 \
		ignore_loglevel con=null con0=null,fd:3 con1=null,fd:1 \
		ssl=null $vm_append 3>"$vm_log" 2>"$tmp/host" \
		</dev/null | cat
	then
		ran=0
	else
		ran=${PIPESTATUS[0]}
	fi
	cat "$tmp/host" >>"$vm_log"
	[[ -e $tmp/root/run/data ]] && mv "$tmp/root/run/data" "$tmp/data"
	vm_verdict "$ran" "$tmp/data" "$vm_log"
}

main "$@"
