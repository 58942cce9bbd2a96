# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What vm.sh and uml.sh share: options, the guest's root directory, and the
# verdict on a run. Sourced after lib.sh.

vm_kernel=6.12
vm_smp=1
vm_numa=1
vm_mem=1024
vm_append=
vm_timeout=300
vm_icount=
vm_dir=
vm_log=
vm_log_kept=
vm_lax=
vm_get=()
vm_command=()
export OBM_EXPECT=${OBM_EXPECT:-}

# vm_options ARG...: the scripts' own help text says what they mean.
vm_options() {
	while (($#)); do
		case $1 in
		--icount)	vm_icount=1; shift; continue ;;
		--lax)		vm_lax=1; shift; continue ;;
		--)		shift; vm_command=("$@"); break ;;
		esac
		(($# >= 2)) || vm_usage "$1 needs a value"
		case $1 in
		--kernel)	vm_kernel=$2 ;;
		--smp)		vm_smp=$2 ;;
		--numa)		vm_numa=$2 ;;
		--mem)		vm_mem=$2 ;;
		--append)	vm_append+=" $2" ;;
		--timeout)	vm_timeout=$2 ;;
		--dir)		vm_dir=$2 ;;
		--log)		vm_log=$2 vm_log_kept=1 ;;
		--get)		vm_get+=("$2") ;;
		--expect)	OBM_EXPECT+=$'\n'$2 ;;
		*)		vm_usage "unknown option $1" ;;
		esac
		shift 2
	done
	((${#vm_command[@]})) || vm_usage "no command"
	[[ -d $vm_dir ]] || vm_usage "--dir is not a directory: '$vm_dir'"
}

vm_usage() {
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" | sed 1d >&2
	msg "error: $1"
	exit 2
}

# Words quoted for busybox's shell.
vm_quote() {
	local word

	for word in "$@"; do
		printf "'%s' " "${word//\'/\'\\\'\'}"
	done
}

# vm_root ROOT OUT DATA: a root file system that /init of scripts/guest runs.
vm_root() {
	local root=$1 pair busybox

	busybox=$("$OBM_TOP/scripts/kernel.sh" busybox)
	mkdir -p "$root"/{bin,dev,etc,obm,proc,root,run/obm,sys,tmp}
	cp "$busybox/busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	cp "$OBM_TOP/scripts/guest/init" "$root/init"
	cp -a "$vm_dir/." "$root/obm/"
	{
		printf 'out=%s\ndata=%s\nget="' "$2" "$3"
		for pair in "${vm_get[@]}"; do
			printf '%s ' "${pair%%:*}"
		done
		printf '"\n'
	} >"$root/etc/obm-vm"
	printf 'exec %s\n' "$(vm_quote "${vm_command[@]}")" \
		>"$root/etc/obm-command"
}

# vm_run SECONDS COMMAND...: its status is 124 after a timeout.
vm_run() {
	local limit=$1 status=0

	shift
	background timeout --foreground -k 5 "$limit" "$@"
	end_with_us $!
	wait $! || status=$?
	trap - INT TERM HUP
	return "$status"
}

# vm_verdict RUN-STATUS DATA LOG: exits with the command's status, or 124 for
# a hang and 125 for a guest that died or whose kernel complained.
vm_verdict() {
	local ran=$1 data=$2 log=$3 out=${2%/*}/out number=0 pair status
	local complaints

	mkdir "$out"
	tar -C "$out" -xf "$data" 2>/dev/null || true
	if [[ ! -s $out/status ]]; then
		tail -n 25 "$log" | sed 's/^/    /' >&2
		if ((ran == 124)); then
			msg "error: guest hung: no answer in $vm_timeout s" \
				"(kernel log: $log)"
			exit 124
		fi
		msg "error: guest died before its command ended" \
			"(kernel log: $log)"
		exit 125
	fi
	status=$(<"$out/status")
	for pair in "${vm_get[@]}"; do
		number=$((number + 1))
		if [[ -e $out/$number ]]; then
			cp -r "$out/$number" "${pair#*:}"
		else
			msg "error: the guest made no ${pair%%:*}"
			((status)) || status=125
		fi
	done
	complaints=$(klog_complaints "$log")
	if [[ -n $complaints && -z $vm_lax ]]; then
		head -n 20 <<<"$complaints" | sed 's/^/    /' >&2
		msg "error: the kernel complained (kernel log: $log)"
		((status)) || status=125
	fi
	if ((status)); then
		msg "guest command failed with status $status" \
			"(kernel log: $log)"
	elif [[ -z $vm_log_kept ]]; then
		rm -f "$log"
	fi
	exit "$status"
}
