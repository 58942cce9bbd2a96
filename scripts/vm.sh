#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots a stock Debian kernel, or one of ours, in QEMU and runs a command there
# as root:
#
#   vm.sh [options] --dir GUESTDIR -- COMMAND [ARG...]
#
# GUESTDIR is /obm in the guest and the command's working directory; there is
# busybox, nothing else. The command's output goes to stdout as it comes, its
# exit status is this script's. 124 is a hang, 125 a guest that died or whose
# kernel complained (BUG, WARNING, lockdep, ...).
#
#   --kernel 6.12|6.1      which kernel (6.12); debug and kcsan are ours
#   --smp N, --numa N      CPUs, and the nodes they and the memory divide into
#   --mem MIB              memory (1024)
#   --append "..."         more words for the kernel's command line
#   --timeout SEC          after which the guest counts as hung (300)
#   --icount               a guest nanosecond an instruction; CPUs take turns
#   --get GUEST:HOST       copy a file out when the command has ended
#   --expect ERE           a complaint in the kernel log that is expected
#   --lax                  no complaint in the kernel log matters
#   --log FILE             the kernel log (else $OBM_CACHE/logs/vm-*.log)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guest-lib.sh"

# CPUs and memory in equal parts to each node, which is a socket: a kernel warns
# of a socket that is spread over nodes.
numa_options() {
	local node first last

	for ((node = 0; node < vm_numa; node++)); do
		first=$((node * vm_smp / vm_numa))
		last=$(((node + 1) * vm_smp / vm_numa - 1))
		printf '%s\n' -object "memory-backend-ram,id=m$node,size=$((\
			vm_mem / vm_numa))M"
		printf '%s\n' -numa \
			"node,nodeid=$node,memdev=m$node,cpus=$first-$last"
	done
}

# Translated code, never KVM: a /dev/kvm that opens may still hang a stock
# guest, and instruction counts need TCG anyway.
accel_options() {
	if [[ -n $vm_icount ]]; then
		printf '%s\n' -accel tcg -icount shift=0,sleep=off \
			-rtc base=2025-01-01,clock=vm
	else
		printf '%s\n' -accel tcg,thread=multi,tb-size=256
	fi
}

# The kernel's image.
image() {
	local dir

	case $vm_kernel in
	debug | kcsan)
		dir=$("$OBM_TOP/scripts/kernel.sh" "$vm_kernel")
		printf '%s\n' "$dir/arch/x86/boot/bzImage" ;;
	*)
		dir=$("$OBM_TOP/scripts/kernel.sh" stock "$vm_kernel")
		printf '%s\n' "$dir/vmlinuz" ;;
	esac
}

# QEMU's threads now and then run an instruction of which another CPU has just
# patched the first byte only ("int3" of a kernel that has not run /init yet). That
# is no fault of ours, whose first line runs later: it is worth another boot.
BOOTS=3

died_booting() {
	! grep -q 'Run /init as init process' "$1"
}

main() {
	local kernel tmp ran boot
	local -a qemu numa=() accel

	vm_options "$@"
	cache_init
	need_packages qemu-system-x86_64:qemu-system-x86 cpio:cpio
	kernel=$(image)
	[[ -n $vm_icount ]] && vm_numa=1
	((vm_smp % vm_numa == 0)) ||
		vm_usage "--smp is not a multiple of --numa"
	((vm_numa > 1)) && mapfile -t numa < <(numa_options)
	mapfile -t accel < <(accel_options)
	[[ -n $vm_log ]] || vm_log=$(mktemp "$OBM_LOGS/vm-XXXXXX.log")

	tmp=$(mktemp -d "${TMPDIR:-/tmp}/obm-vm.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	vm_root "$tmp/root" /dev/ttyS1 /dev/ttyS2
	(cd "$tmp/root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
		cpio -0 -o --quiet -H newc -R 0:0 >"$tmp/initramfs")

	# ttyS0 is the kernel's console, ttyS1 the command's output, ttyS2 the
	# archive of what it leaves.
	qemu=(qemu-system-x86_64 -nodefaults -no-user-config -display none
		-no-reboot -machine pc -cpu max -m "$vm_mem"M
		-smp "$vm_smp,sockets=$vm_numa,cores=$((vm_smp / vm_numa))"
		"${accel[@]}" "${numa[@]}"
		-kernel "$kernel" -initrd "$tmp/initramfs"
		-append "console=ttyS0 ignore_loglevel log_buf_len=4M
panic=-1 oops=panic mitigations=off no5lvl no_timer_check audit=0
$vm_append"
		-chardev "file,id=log,path=$vm_log"
		-chardev stdio,id=out,signal=off
		-chardev "file,id=data,path=$tmp/data"
		-device isa-serial,chardev=log,index=0
		-device isa-serial,chardev=out,index=1
		-device isa-serial,chardev=data,index=2)

	# QEMU makes its stdout non-blocking: a pipe of its own keeps that from
	# whoever shares ours.
	for ((boot = 1; ; boot++)); do
		if vm_run "$vm_timeout" "${qemu[@]}" </dev/null | cat; then
			ran=0
		else
			ran=${PIPESTATUS[0]}
		fi
		((boot < BOOTS && ran != 124)) && died_booting "$vm_log" || break
		mv "$vm_log" "$vm_log.$boot"
		msg "the kernel died before it ran anything, so once more" \
			"(kernel log: $vm_log.$boot)"
	done
	vm_verdict "$ran" "$tmp/data" "$vm_log"
}

main "$@"
