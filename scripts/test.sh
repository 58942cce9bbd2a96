#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make test: every test there is, and one summary.
#
#   test.sh [sim] [kunit] [gcdiff] [kselftest-6.12] [kselftest-6.1] [debug]
#	[kcsan]
#
# A stage writes its output to a log and its results as TAP; what a stage's
# commands do besides (crash, hang, print nothing) counts as a failure of it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

STAGES=(sim kunit gcdiff kselftest-6.12 kselftest-6.1 debug kcsan)

# --- The stages: print their output, exit with the commands' status ---------

stage_sim() {
	make -C "$OBM_TOP/userspace-test/sim" all-tests
}

# Each module's part of the kernel log, without the time stamps.
kunit_parts() {
	awk -v dir="$2" '
		{ sub(/\r$/, ""); sub(/^\[ *[0-9]+\.[0-9]+\] /, "") }
		/^obm-test: begin .*_kunit$/ {
			file = dir "/" $3 ".log"
			next
		}
		/^obm-test: end .*_kunit$/ { close(file); file = ""; next }
		file != "" { print > file }
	' "$1"
}

# kunit.py must stand in a kernel tree, and changes its directory to it.
kunit_parse() {
	PYTHONDONTWRITEBYTECODE=1 python3 \
		"$KSRC/tools/testing/kunit/kunit.py" parse <"$1"
}

# insmod of a suite that fails exits 0: the kernel log holds the verdict.
kunit_results() {
	local klog=$1 parts=$work/kunit-parts part status=0

	need_packages python3:python3
	KSRC=$("$OBM_TOP/scripts/kernel.sh" source 6.12)
	mkdir -p "$parts"
	kunit_parts "$klog" "$parts"
	for part in "$parts"/*.log; do
		[[ -e $part ]] || die "no suite ran" "$klog"
		echo "# ${part##*/}"
		kunit_parse "$part" | sed 's/^/# kunit.py: /' || status=1
		cat "$part"
	done
	return $status
}

stage_kunit() {
	local guest=$work/kunit-guest klog=$logs/kunit-kernel.log status=0

	mkdir -p "$guest"
	"$OBM_TOP/scripts/guest-dir.sh" uml "$guest"
	"$OBM_TOP/scripts/uml.sh" --dir "$guest" --log "$klog" --mem 512 \
		--timeout 600 --append "page_poison=1 slub_debug=FZ" \
		--expect 'BUG: OBM: ' -- sh kunit.sh || status=$?
	kunit_results "$klog" || status=1
	return $status
}

# A kernel that looks for mistakes, on four CPUs; OBM_SUITES names what runs in
# it, instead of all that should.
stage_watched() {
	local kernel=$1 guest=$work/$1-guest klog=$logs/$1-kernel.log status=0

	mkdir -p "$guest"
	"$OBM_TOP/scripts/guest-dir.sh" "$kernel" "$guest"
	# shellcheck disable=SC2086
	"$OBM_TOP/scripts/vm.sh" --kernel "$kernel" --smp 4 --mem 2048 \
		--timeout 1500 --dir "$guest" --log "$klog" \
		--expect 'BUG: OBM: ' \
		-- sh debug.sh "$kernel" ${OBM_SUITES:-} || status=$?
	kunit_results "$klog" || status=1
	return $status
}

# The collector against CPython's own.
stage_gcdiff() {
	"$OBM_TOP/scripts/gcdiff.sh" --selftest
	"$OBM_TOP/scripts/gcdiff.sh" --seed "${OBM_SEED:-1}" --n 10000
}

# Static programs, as the guest has no libraries.
selftests_install() {
	local series=$1 guest=$2 build list
	local -a vars

	build=$OBM_CACHE/build/$(checkout_id)/selftests
	mkdir -p "$build" "$guest/selftests"
	vars=(KSRC="$KSRC" OUTPUT="$build" KERNEL="$series"
		INSTALL_PATH="$guest/selftests/obmalloc"
		COLLECTION=obmalloc)
	(
		lock "build-selftests-$(checkout_id)"
		slowly "building the selftests" "$(log_file selftests-build)" \
			make -C "$OBM_TOP/userspace-test" "${vars[@]}" install
	)
	cp -r "$KSRC/tools/testing/selftests/kselftest" "$guest/selftests/"
	list=$(make -s --no-print-directory -C "$OBM_TOP/userspace-test" \
		"${vars[@]}" emit_tests)
	sed -n 's/^obmalloc://p' <<<"$list" >"$guest/selftests/list"
	[[ -s $guest/selftests/list ]] || die "userspace-test names no tests"
}

# Four CPUs on two nodes, so that nothing is skipped for want of them.
stage_kselftest() {
	local series=$1 guest=$work/kselftest-$1-guest status=0

	KSRC=$("$OBM_TOP/scripts/kernel.sh" source 6.12)
	mkdir -p "$guest"
	"$OBM_TOP/scripts/guest-dir.sh" "stock-$series" "$guest"
	selftests_install "$series" "$guest"
	"$OBM_TOP/scripts/vm.sh" --kernel "$series" --smp 4 --numa 2 \
		--mem 2048 --timeout 900 --dir "$guest" \
		--log "$logs/kselftest-$series-kernel.log" \
		-- sh kselftest.sh || status=$?
	return $status
}

run_stage() {
	case $1 in
	kselftest-*)	stage_kselftest "${1#kselftest-}" ;;
	debug | kcsan)	stage_watched "$1" ;;
	*)		"stage_$1" ;;
	esac
}

# --- Running and counting them ----------------------------------------------

# Of a stage's stderr the screen shows what these scripts say.
own_messages() {
	grep --line-buffered '^obmalloc: ' || true
}

# run_counted STAGE: leaves "STATUS PASSED FAILED SKIPPED SECONDS" and the
# failing lines in the work directory.
run_counted() {
	local name=$1 start=$SECONDS status=0 passed failed skipped

	msg "$name: started"
	# A shell of its own, so that errexit holds in the stage.
	"$0" --one "$name" >"$logs/$name.log" \
		2> >(tee "$logs/$name.err" | own_messages >&2) \
		</dev/null || status=$?
	awk -f "$OBM_TOP/scripts/tap-count.awk" "$logs/$name.log" \
		>"$work/$name.count"
	read -r passed failed skipped < <(tail -n 1 "$work/$name.count")
	sed '$d' "$work/$name.count" >"$work/$name.fails"
	if ((passed + failed + skipped == 0)); then
		failed=1
		echo "fail: nothing ran" >>"$work/$name.fails"
	elif ((status && failed == 0)); then
		failed=1
		echo "fail: exit status $status" >>"$work/$name.fails"
	fi
	msg "$name: $passed passed, $failed failed, $skipped skipped" \
		"($((SECONDS - start)) s)"
	echo "$passed $failed $skipped $((SECONDS - start))" >"$work/$name"
}

lane() {
	local name

	for name in "$@"; do
		[[ " ${chosen[*]} " == *" $name "* ]] || continue
		run_counted "$name"
	done
}

summary() {
	local name p f s seconds passed=0 failed=0 skipped=0

	for name in "${chosen[@]}"; do
		[[ -s $work/$name ]] || echo "0 1 0 0" >"$work/$name"
		read -r _ f _ <"$work/$name"
		((f)) || continue
		printf '\n%s:\n' "$name"
		tail -n 15 "$logs/$name.err" | sed 's/^/    /'
		sed 's/^/  /' "$work/$name.fails" 2>/dev/null || true
	done
	printf '\n%-16s %7s %7s %7s %8s  %s\n' \
		stage passed failed skipped seconds log
	for name in "${chosen[@]}"; do
		read -r p f s seconds <"$work/$name"
		printf '%-16s %7d %7d %7d %8d  %s\n' "$name" "$p" "$f" "$s" \
			"$seconds" "$logs/$name.log"
		passed=$((passed + p))
		failed=$((failed + f))
		skipped=$((skipped + s))
	done
	printf '\n%d passed, %d failed, %d skipped\n' \
		"$passed" "$failed" "$skipped"
	exit $((failed > 0))
}

# Downloads and packages come first, one after the other.
prepare() {
	need_packages gcc:build-essential make:build-essential \
		rsync:rsync cpio:cpio python3:python3 git:git \
		qemu-system-x86_64:qemu-system-x86 flex:flex bison:bison \
		bc:bc perl:perl
	"$OBM_TOP/scripts/kernel.sh" busybox >/dev/null
	"$OBM_TOP/scripts/kernel.sh" source 6.12 >/dev/null
	case " ${chosen[*]} " in
	*' debug '* | *' kcsan '*)
		need_packages libelf-dev ;;&
	*' kselftest-6.12 '*)
		"$OBM_TOP/scripts/kernel.sh" stock 6.12 >/dev/null ;;&
	*' kselftest-6.1 '*)
		"$OBM_TOP/scripts/kernel.sh" stock 6.1 >/dev/null ;;
	esac
}

main() {
	local name

	cache_init
	logs=$OBM_LOGS/test-$(checkout_id)
	mkdir -p "$logs"
	if [[ ${1:-} == --one ]]; then
		work=$(mktemp -d "${TMPDIR:-/tmp}/obm-test.XXXXXX")
		# shellcheck disable=SC2064
		trap "rm -rf '$work'" EXIT
		run_stage "$2"
		exit
	fi
	chosen=("${STAGES[@]}")
	(($#)) && chosen=("$@")
	for name in "${chosen[@]}"; do
		[[ " ${STAGES[*]} " == *" $name "* ]] ||
			die "no stage '$name'; there are: ${STAGES[*]}"
	done
	work=$(mktemp -d "${TMPDIR:-/tmp}/obm-test.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	prepare
	# Two lanes of like length for two CPUs. Only the second builds the UML
	# kernel, while the simulator runs.
	background lane sim debug kselftest-6.1
	lanes=($!)
	background lane kunit gcdiff kcsan kselftest-6.12
	lanes+=($!)
	end_with_us "${lanes[@]}"
	wait
	summary
}

main "$@"
