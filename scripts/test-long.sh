#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make test-long: threads and interrupts change a graph of objects while it is
# collected, for a billion operations. samples/graphstress tells what must hold.
#
#   test-long.sh [OPS [SEED]]
#
# Of two hundred operations two are done under KASAN and lockdep, one under KCSAN,
# the others on Debian's 6.12. Each round has the next seed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Operations between which all kernels have had a turn; of a round at most.
TURN=100000000
ROUND_STOCK=10000000
ROUND_WATCHED=500000

# Many times less a second than was ever measured: then it hangs.
RATE_STOCK=40000
RATE_WATCHED=500

number=0
passed=0
failed=0
ops_done=0

progress() {
	local spent=$((SECONDS - start)) left=0

	((ops_done == 0)) ||
		left=$(((ops_all - ops_done) * spent / ops_done / 60))
	msg "$((ops_done / 1000000)) of $((ops_all / 1000000)) million" \
		"operations, $((spent / 60)) min, about $left min to go," \
		"$failed failed"
}

# The guest's results, with numbers that go on.
results() {
	local kernel=$1 ops=$2 line text

	while IFS= read -r line; do
		text=${line#*graphstress }
		case $line in
		'ok '*)
			passed=$((passed + 1)) number=$((number + 1))
			ops_done=$((ops_done + ops))
			echo "ok $number - $kernel $text"
			progress ;;
		'not ok '*)
			failed=$((failed + 1)) number=$((number + 1))
			echo "not ok $number - $kernel $text" ;;
		*' operations by '* | *error*)
			echo "$line" ;;
		esac
	done
}

# turn KERNEL OPS: in one boot, in rounds as equal as may be.
turn() {
	local kernel=$1 ops=$2 most=$ROUND_WATCHED rate=$RATE_WATCHED log
	local rounds status=0 before=$failed out=$work/status

	((ops > 0)) || return 0
	[[ $kernel != 6.12 ]] || most=$ROUND_STOCK rate=$RATE_STOCK
	rounds=$(((ops + most - 1) / most))
	ops=$(((ops + rounds - 1) / rounds))
	log=$logs/$kernel-seed-$seed.log
	results "$kernel" "$ops" < <(
		"$OBM_TOP/scripts/vm.sh" --kernel "$kernel" --smp 4 --mem 2048 \
			--timeout $((rounds * ops / rate + 300)) \
			--dir "$work/$kernel" --log "$log" \
			-- sh graphstress.sh "$seed" "$rounds" "ops=$ops" ||
			status=$?
		echo "$status" >"$out"
	)
	status=$(<"$out")
	seed=$((seed + rounds))
	if ((status && failed == before)); then
		failed=$((failed + 1)) number=$((number + 1))
		echo "not ok $number - $kernel, status $status (log: $log)"
	elif ((status == 0)); then
		rm -f "$log"
	fi
}

main() {
	local ops

	ops_all=${1:-1000000000}
	seed=${2:-1}
	[[ $ops_all =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] ||
		die "usage: test-long.sh [OPS [SEED]]"
	cache_init
	logs=$OBM_LOGS/test-long-$(checkout_id)
	mkdir -p "$logs"
	work=$(mktemp -d "${TMPDIR:-/tmp}/obm-long.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	mkdir "$work"/{6.12,debug,kcsan}
	"$OBM_TOP/scripts/guest-dir.sh" stock-6.12 "$work/6.12"
	"$OBM_TOP/scripts/guest-dir.sh" debug "$work/debug"
	"$OBM_TOP/scripts/guest-dir.sh" kcsan "$work/kcsan"
	start=$SECONDS
	echo "TAP version 13"
	while ((ops_done < ops_all && failed == 0)); do
		ops=$((ops_all - ops_done))
		((ops < TURN)) || ops=$TURN
		turn debug $((ops / 100))
		turn kcsan $((ops / 200))
		turn 6.12 $((ops - ops / 100 - ops / 200))
	done
	echo "1..$number"
	msg "$ops_done operations in $((SECONDS - start)) s, from seed" \
		"${2:-1} to $((seed - 1))"
	echo "$passed passed, $failed failed, 0 skipped"
	exit $((failed > 0))
}

main "$@"
