#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Who may read and write what. debugfs is closed to all but root as a whole, so
# it is opened here for a moment, as some systems have it.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

nobody=$obm_here/nobody
heap=$obm_debug/heaps/hello
readable="$obm_info $obm_debug/stats $heap/stats $heap/classes $heap/caches
	$heap/arenas $heap/objects $heap/gc/counts $heap/gc/stats
	$heap/gc/garbage"
steered="$heap/referrers $heap/referents $heap/graph $heap/gc/enabled
	$heap/gc/thresholds $heap/gc/collect $heap/gc/freeze $heap/gc/mode"
triggers="$obm_debug/trim $obm_debug/validate $heap/trim $heap/validate"

begin_perms() {
	load obmalloc
	load hello
}

end_perms() {
	unload hello obmalloc
}

# mode FILE MODE
mode() {
	equal "$1" "$(stat -c '%a %u %g' "$1")" "$2 0 0"
}

modes() {
	local file

	begin_perms
	for file in $readable; do
		mode "$file" 400
	done
	for file in $triggers; do
		mode "$file" 200
	done
	for file in $steered; do
		mode "$file" 600
	done
	for file in small_max harden front_max compact; do
		mode "$obm_params/$file" 444
	done
	mode $obm_params/front_kib 644
	equal "parameters" "$(ls $obm_params | wc -l)" 5
	for file in $obm_debug $obm_debug/heaps $heap $heap/gc; do
		mode "$file" 755
	done
	equal "files" "$(find $obm_debug -type f | wc -l)" 21
	end_perms
}

with_debugfs_open() {
	chmod 755 /sys/kernel/debug
	trap 'chmod 700 /sys/kernel/debug' EXIT
	# Or nothing below proves anything.
	"$nobody" ls $heap >/dev/null || fail "nobody cannot even look"
}

nobody_cannot_read() {
	local file

	begin_perms
	with_debugfs_open
	for file in $readable $steered $triggers; do
		"$nobody" cat "$file" 2>/dev/null && fail "$file is read"
	done
	for file in "$obm_params"/*; do
		"$nobody" cat "$file" >/dev/null || fail "$file is hidden"
	done
	end_perms
}

nobody_cannot_write() {
	local file

	begin_perms
	with_debugfs_open
	for file in $readable $steered $triggers $obm_params/*; do
		"$nobody" sh -c "echo 1 >>$file" 2>/dev/null &&
			fail "$file is written to"
	done
	end_perms
}

# Root passes the modes: here the files themselves must refuse.
triggers_are_not_read() {
	local file

	begin_perms
	for file in $triggers; do
		cat "$file" 2>/dev/null && fail "$file is read"
	done
	end_perms
}

tables_are_not_written() {
	local file

	begin_perms
	for file in $readable $obm_params/small_max \
			$obm_params/harden $obm_params/front_max \
			$obm_params/compact; do
		(echo 1 >>"$file") 2>/dev/null && fail "$file is written to"
	done
	end_perms
}

triggers_take_any_write() {
	local file

	begin_perms
	for file in $triggers; do
		echo >"$file" || fail "$file refuses a newline"
		printf 'any %s' words >"$file" || fail "$file refuses words"
	done
	end_perms
}

begin
run_cases modes nobody_cannot_read nobody_cannot_write triggers_are_not_read \
	tables_are_not_written triggers_take_any_write kernel_log_is_clean
