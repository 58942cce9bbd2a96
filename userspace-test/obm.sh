# SPDX-License-Identifier: GPL-2.0-only
#
# What the shell tests share: cases, modules, the files of obmalloc, the kernel
# log. Sourced with $0 in the directory that the tests are installed in.
#
# A case is a function. It passes if it ends; fail and skip end it otherwise.

obm_here=$(dirname "$(readlink -f "$0")")
obm_dir=${OBM_DIR:-$obm_here/..}
obm_modules="cache cycle graph guards stress replay hello obmalloc"
obm_info=/proc/obminfo
obm_debug=/sys/kernel/debug/obmalloc
obm_params=/sys/module/obmalloc/parameters
obm_param=$obm_params/small_max
obm_stress=/sys/kernel/debug/obm_stress

# The kernel's: beside the installed tests, or where they were built from.
for obm_ktap in "$obm_here/../kselftest" \
		"${KSRC:-/nowhere}/tools/testing/selftests/kselftest"; do
	[ ! -e "$obm_ktap/ktap_helpers.sh" ] || break
done
. "$obm_ktap/ktap_helpers.sh"

say() {
	echo "$*" | sed 's/^/# /'
}

fail() {
	say "$*"
	exit "$KSFT_FAIL"
}

skip() {
	say "skipped: $*"
	exit "$KSFT_SKIP"
}

# equal WHAT IS WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# --- Modules -----------------------------------------------------------------

# Where the build has put module $1.
obm_ko() {
	case $1 in
	obmalloc)	echo "$obm_dir/module/$1.ko" ;;
	*)		echo "$obm_dir/samples/$1/$1.ko" ;;
	esac
}

loaded() {
	[ -d "/sys/module/$1" ]
}

# load MODULE [PARAMETER=VALUE...]
load() {
	local ko said

	ko=$(obm_ko "$1")
	shift
	said=$(insmod "$ko" "$@" 2>&1) || fail "$said"
}

unload() {
	local module said

	for module; do
		said=$(rmmod "$module" 2>&1) || fail "$said"
	done
}

# What a case that failed has left.
unload_all() {
	local module

	for module in $obm_modules; do
		if loaded "$module"; then
			rmmod "$module" || :
		fi
	done
}

# --- Files -------------------------------------------------------------------

# stat_of KEY [HEAP]: from a heap's stats, or from those of all.
stat_of() {
	sed -n "s/^$1: //p" "$obm_debug/${2:+heaps/$2/}stats"
}

# validate [HEAP]
validate() {
	echo 1 >"$obm_debug/${1:+heaps/$1/}validate" ||
		fail "validate found a broken invariant"
}

trim() {
	echo 1 >"$obm_debug/${1:+heaps/$1/}trim" || fail "trim failed"
}

# count_pools HEAP CHARACTERS: in the map of its arenas.
count_pools() {
	sed -n 's/^[^#|]*|\(.*\)|$/\1/p' "$obm_debug/heaps/$1/arenas" |
		tr -cd "$2" | wc -c
}

# stress COMMAND...: what stress.ko is to do, which fails too if it finds a block
# to be wrong; answer KEY: what it said.
stress() {
	echo "$*" >"$obm_stress/cmd" ||
		fail "stress $*: $(cat "$obm_stress/result")"
}

answer() {
	sed -n "s/^$1=//p" "$obm_stress/result"
}

# --- Memory ------------------------------------------------------------------

# Makes the kernel's counters exact, and gives back what it can.
settle() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh 2>/dev/null || :
}

# Free pages, those on the CPUs' own lists included.
free_pages() {
	awk '/^ *pages free/ { sum += $3 }
	     $1 == "count:" { sum += $2 }
	     END { print sum }' /proc/zoneinfo
}

vmstat() {
	sed -n "s/^$1 //p" /proc/vmstat
}

# --- The kernel log ----------------------------------------------------------

# log_mark: what log_since shows begins here.
log_mark() {
	log_text="obm-test: begin $(basename "$0") $(cat /proc/sys/kernel/random/uuid)"
	echo "$log_text" >/dev/kmsg
}

log_since() {
	dmesg | sed "1,/$log_text\$/d"
}

# log_expect ERE: tells who watches the log that this one report is meant.
log_expect() {
	echo "obm-test: expect: $1" >/dev/kmsg
}

log_complaints() {
	log_since | grep -E 'BUG: |WARNING: |Oops|general protection|INFO: |list_(add|del) corruption|refcount_t:|are not for blocks'
}

# A case for the end of each test that provokes no report.
kernel_log_is_clean() {
	local complaints

	complaints=$(log_complaints | head -n 20)
	[ -z "$complaints" ] || fail "$complaints"
}

# --- Cases -------------------------------------------------------------------

# run_cases CASE...: FUNCTION or FUNCTION:ARGUMENT
run_cases() {
	local case name

	ktap_print_header
	ktap_set_plan $#
	for case; do
		name=$(echo "$case" | tr '_:' '  ')
		(
			set -e
			case $case in
			*:*)	"${case%%:*}" "${case#*:}" ;;
			*)	"$case" ;;
			esac
		)
		case $? in
		0)		ktap_test_pass "$name" ;;
		"$KSFT_SKIP")	ktap_test_skip "$name" ;;
		*)		ktap_test_fail "$name"
				unload_all ;;
		esac
	done
	ktap_finished
}

# begin: what every test needs, or none of it can run.
begin() {
	local lack

	if [ "$(id -u)" != 0 ]; then
		lack="not root"
	elif loaded obmalloc; then
		lack="obmalloc is loaded already: rmmod it first"
	elif ! grep -q ' /sys/kernel/debug ' /proc/mounts; then
		lack="debugfs is not mounted"
	elif [ -z "$OBM_DIR" ] && ! [ -e "$(obm_ko obmalloc)" ]; then
		lack="no modules: set OBM_DIR to where they were built"
	else
		trap 'unload_all 2>/dev/null' EXIT
		log_mark
		return
	fi
	ktap_print_header
	ktap_skip_all "$lack"
	exit "$KSFT_SKIP"
}
