#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make gcdiff: random scripts of operations on a graph of objects, run by
# samples/graph in User Mode Linux and by CPython over its own objects, and
# compared event for event.
#
#   gcdiff.sh [--seed S] [--n N]
#   gcdiff.sh --selftest         whether a wrong answer is found and shrunk
#   gcdiff.sh --kernel DIR       answers the scripts in DIR/scripts: its own use
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PYTHON=/usr/bin/python3

# Everything a guest needs, made once for all batches.
guest_make() {
	local built

	built=$("$OBM_TOP/scripts/build.sh" uml)
	mkdir -p "$1"
	cp "$built/module/obmalloc.ko" "$built/samples/graph/graph.ko" "$1/"
	cp "$OBM_TOP/scripts/guest/gcdiff.sh" "$1/"
}

kernel() {
	local dir=$1

	cp -r "$OBM_GCDIFF_GUEST" "$dir/guest"
	cp "$dir/scripts" "$dir/guest/"
	"$OBM_TOP/scripts/uml.sh" --dir "$dir/guest" --mem 512 --timeout 600 \
		--log "$OBM_LOGS/gcdiff-$(checkout_id)-kernel.log" \
		--get "/tmp/answers:$dir/answers" -- sh gcdiff.sh >&2
}

# What is found in a mistake that is known must be that mistake.
selftest() {
	local out

	out=$("$PYTHON" "$OBM_TOP/tools/gcdiff/gcdiff.py" --n 400 --python) &&
		die "gcdiff's selftest: a wrong kernel was not found"
	# A script of a few lines, and the line that is missing.
	[[ $(grep -c '^#   [a-z]* [0-9]' <<<"$out") -le 12 ]] &&
		grep -q '^# ! .*finalize' <<<"$out" ||
		die "gcdiff's selftest: the mistake was not shown: $out"
	echo "TAP version 13"
	echo "ok 1 - gcdiff: a wrong kernel is found, and its mistake shown"
	echo "1..1"
}

cache_init
need_packages python3:python3
case ${1:-} in
--kernel)	kernel "$2" ;;
--selftest)	selftest ;;
*)
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/obm-gcdiff.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	export OBM_GCDIFF_GUEST=$tmp/guest
	guest_make "$OBM_GCDIFF_GUEST"
	status=0
	"$PYTHON" "$OBM_TOP/tools/gcdiff/gcdiff.py" "$@" \
		"$OBM_TOP/scripts/gcdiff.sh" --kernel || status=$?
	((status <= 1)) || die "gcdiff.py failed with status $status"
	exit "$status" ;;
esac
