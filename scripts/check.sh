#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make check: what can be known without booting a kernel, as TAP, a line for
# each check. No root: as another user it installs nothing and says what is
# missing. "check.sh NAME..." runs only these, --list names them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

CHECKS=(sim build-gcc-6.12 build-gcc-6.1 build-clang-6.12 build-clang-6.1
	sparse-6.12 sparse-6.1 checkpatch kernel-doc spdx length shell)
MAX_LINES=700

# Files of the project, committed or about to be, whoever owns the directory;
# in a copy without git all there are: files PATTERN...
files() {
	local file pattern

	(
		cd "$OBM_TOP"
		git -c safe.directory='*' ls-files -co --exclude-standard \
			2>/dev/null || find . -type f -printf '%P\n'
	) | sort -u | while IFS= read -r file; do
		for pattern in "$@"; do
			# shellcheck disable=SC2053
			if [[ $file == $pattern && -f $OBM_TOP/$file ]]; then
				printf '%s\n' "$file"
				break
			fi
		done
	done
}

check_sim() {
	make -C "$OBM_TOP/userspace-test/sim" check
}

check_build() {
	local kernel=$1

	shift
	"$OBM_TOP/scripts/build.sh" --tag w1 "$kernel" W=1 "$@"
}

# The objects are those of the W=1 build, so only sparse runs.
check_sparse() {
	check_build "$1" C=2 CF=-Wsparse-error
}

# exceptions DIR: the types that Documentation/checkpatch-exceptions.txt allows
# there. Its lines are "TYPE reason", or "TYPE dir/ reason" for one directory
# and what is below it.
exceptions() {
	local file=$OBM_TOP/Documentation/checkpatch-exceptions.txt

	[[ -e $file ]] || return 0
	awk -v dir="$1/" '
		!/^[A-Z][A-Z_0-9]+[ \t]/ { next }
		$2 !~ /\/$/ || index(dir, $2) == 1 { print $1 }
	' "$file" | paste -sd,
}

check_checkpatch() {
	local dir ignore bad=0
	local -a sources

	cd "$OBM_TOP"
	while IFS= read -r dir; do
		mapfile -t sources < <(files "$dir/*.c" "$dir/*.h" |
			grep -E "^$dir/[^/]*$")
		ignore=$(exceptions "$dir")
		"$KSRC/scripts/checkpatch.pl" --no-tree --strict --quiet \
			--show-types --no-summary \
			${ignore:+--ignore "$ignore"} -f "${sources[@]}" ||
			bad=1
	done < <(files '*.c' '*.h' | xargs -n 1 dirname | sort -u)
	# What it remembers of the tree's names, it leaves here.
	rm -f .checkpatch-camelcase.*
	exit $bad
}

check_kernel_doc() {
	local -a sources

	mapfile -t sources < <(files 'include/*.h' 'module/*.[ch]')
	((${#sources[@]})) || die "no sources"
	cd "$OBM_TOP"
	"$KSRC/scripts/kernel-doc" -none -Werror "${sources[@]}"
}

check_spdx() {
	local file bad=0

	while IFS= read -r file; do
		head -n 2 "$OBM_TOP/$file" |
			grep -q 'SPDX-License-Identifier: GPL-2.0' && continue
		echo "$file: no SPDX line among its first two"
		bad=1
	done < <(files '*.c' '*.h' '*.sh' '*.awk' '*.config' '*Kbuild' \
		'*Makefile' 'scripts/*' '.ci/*' .gitignore)
	exit $bad
}

check_length() {
	local file lines bad=0

	while IFS= read -r file; do
		lines=$(wc -l <"$OBM_TOP/$file")
		((lines <= MAX_LINES)) && continue
		echo "$file: $lines lines, more than $MAX_LINES"
		bad=1
	done < <(files '*.c' '*.h')
	exit $bad
}

check_shell() {
	local file bad=0

	while IFS= read -r file; do
		case $(head -n 1 "$OBM_TOP/$file") in
		'#!'*bash* | '# shellcheck shell=bash')
			bash -n "$OBM_TOP/$file" || bad=1 ;;
		'#!/bin/sh')
			"$BUSYBOX" ash -n "$OBM_TOP/$file" || bad=1 ;;
		esac
	done < <(files 'scripts/*' '.ci/*' '*.sh')
	exit $bad
}

run_check() {
	case $1 in
	build-gcc-*)	check_build "stock-${1#build-gcc-}" ;;
	build-clang-*)	check_build "clang-${1#build-clang-}" ;;
	sparse-*)	check_sparse "stock-${1#sparse-}" ;;
	*)		"check_${1//-/_}" ;;
	esac
}

# Everything slow that is done once comes before the checks: what is missing
# is then named in one message, not in each check's log.
prepare() {
	need_packages git:git rsync:rsync make:build-essential \
		gcc:build-essential perl:perl sparse:sparse clang:clang \
		ld.lld:lld llvm-ar:llvm
	local series

	for series in $OBM_KERNELS; do
		"$OBM_TOP/scripts/kernel.sh" clang "$series" >/dev/null
	done
	KSRC=$("$OBM_TOP/scripts/kernel.sh" source 6.12)
	BUSYBOX=$("$OBM_TOP/scripts/kernel.sh" busybox)/busybox
	export KSRC BUSYBOX
}

# A lane runs its checks one after the other. Sparse uses the gcc build's
# objects, hence the same lane.
lane() {
	local name start status

	for name in "$@"; do
		[[ " ${chosen[*]} " == *" $name "* ]] || continue
		start=$SECONDS
		status=0
		# A shell of its own, so that errexit holds in the check.
		"$0" --one "$name" >"$logs/$name.log" 2>&1 </dev/null ||
			status=$?
		echo "$status $((SECONDS - start))" >"$work/$name"
	done
}

report() {
	local name number=0 passed=0 failed=0 status seconds

	echo "TAP version 13"
	echo "1..${#chosen[@]}"
	for name in "${chosen[@]}"; do
		number=$((number + 1))
		while [[ ! -s $work/$name ]]; do
			kill -0 "${lanes[@]}" 2>/dev/null || break
			sleep 0.1
		done
		read -r status seconds <"$work/$name" || status=lost seconds=0
		if [[ $status == 0 ]]; then
			passed=$((passed + 1))
			echo "ok $number - $name ($seconds s)"
			continue
		fi
		failed=$((failed + 1))
		tail -n 40 "$logs/$name.log" | sed 's/^/# /'
		echo "not ok $number - $name (status $status, log" \
			"$logs/$name.log)"
	done
	echo "$passed passed, $failed failed, 0 skipped"
	exit $((failed > 0))
}

main() {
	if [[ ${1:-} == --list ]]; then
		printf '%s\n' "${CHECKS[@]}"
		exit
	fi
	if [[ ${1:-} == --one ]]; then
		run_check "$2"
		exit
	fi
	chosen=("${CHECKS[@]}")
	(($#)) && chosen=("$@")
	[[ $(id -u) == 0 ]] || export OBM_NO_INSTALL=1
	cache_init
	prepare
	logs=$OBM_LOGS/check-$(checkout_id)
	mkdir -p "$logs"
	work=$(mktemp -d "${TMPDIR:-/tmp}/obm-check.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	background lane sim checkpatch
	lanes=($!)
	background lane spdx length shell kernel-doc \
		build-gcc-6.12 sparse-6.12 build-gcc-6.1 sparse-6.1 \
		build-clang-6.12 build-clang-6.1
	lanes+=($!)
	end_with_us "${lanes[@]}"
	report
}

main "$@"
