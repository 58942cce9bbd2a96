#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: runs the selftests that selftests/list names, with the kernel's
# own runner. It asks for coreutils' timeout, as which the one below serves:
# busybox's would end a test's shell, not what that shell waits for.

mkdir -p /usr/bin
cat >/usr/bin/timeout <<'END'
#!/bin/sh
# The runner wraps one timeout in another, against tests that stop the first.
if [ "$1" = --foreground ]; then
	shift 2
	exec "$@"
fi
limit=$1
shift
setsid "$@" &
test=$!
(
	sleep "$limit"
	: >"/tmp/timeout.$test"
	kill -TERM "-$test"
	sleep 2
	kill -KILL "-$test"
) </dev/null >/dev/null 2>&1 3>&- 4>&- &
killer=$!
wait "$test"
status=$?
kill "$killer" 2>/dev/null
[ -e "/tmp/timeout.$test" ] && status=124
exit $status
END
chmod +x /usr/bin/timeout

BASE_DIR=$OBM_DIR/selftests
export BASE_DIR
. "$BASE_DIR/kselftest/runner.sh"
cd "$BASE_DIR/obmalloc" || exit 1
tests=$(cat "$BASE_DIR/list")
# shellcheck disable=SC2086
run_many $tests 2>&1 | tee /tmp/results
! grep -q '^not ok' /tmp/results
