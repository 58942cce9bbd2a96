#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A hostile client: every kind of bad pointer is refused, reported once in the
# right words and counted, and nothing changes. At once in a hardened heap, and
# wherever blocks do not wait on a CPU yet; else when they leave it.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

# What stress.ko does for kind=..., which counter rises, and the report. No
# counter where the heap that counts goes with the mistake; stress.ko looks then.
kinds='
	kmalloc		foreign		foreign pointer
	page		foreign		foreign pointer
	vmalloc		foreign		foreign pointer
	stack		foreign		foreign pointer
	user		foreign		foreign pointer
	text		foreign		foreign pointer
	module_text	foreign		foreign pointer
	error		foreign		foreign pointer
	wild		foreign		foreign pointer
	realloc		foreign		foreign pointer
	usable_size	foreign		foreign pointer
	returned	foreign		foreign pointer
	raw_double	foreign		foreign pointer
	misaligned	misaligned	misaligned pointer
	raw_misaligned	misaligned	misaligned pointer
	interior	interior	interior pointer
	raw_interior	interior	interior pointer
	rest		interior	interior pointer
	double		double		double free
	stale		stale		stale pointer
	heap		-		wrong heap
	heap_realloc	-		wrong heap
	heap_destroy	heap		wrong heap
	size		size		wrong size
	raw_size	size		wrong size
	nofail		nofail		__GFP_NOFAIL above one page
'
bystander_blocks=500

reports() {
	log_since | sed -n 's/^.*\(obmalloc: BUG: .*\)$/\1/p'
}

counters() {
	grep '^nr_bad_' $obm_debug/stats
}

# hardness [PARAMETER]: what the parameter harden shows
hardness() {
	if [ -n "$1" ]; then
		echo Y
	else
		echo N
	fi
}

# begin_hostile [PARAMETER]: another heap, of which not a byte may change. A new
# load also begins a new count of reports, of which 20 are printed in 5 s.
begin_hostile() {
	local made=99

	loaded stress && [ "$(cat $obm_params/harden)" = "$(hardness $1)" ] && made=$(counters | awk '{ sum += $2 } END { print sum }')
	if [ "$made" -ge 10 ]; then
		unload_all
		load obmalloc ${1:+"$1"}
		load stress
		stress create bystander
		stress fill bystander n=$bystander_blocks sizes=0-6000
		stress create victim
	fi
	log_mark
}

end_hostile() {
	stress verify bystander
	equal "blocks" "$(answer live)" $bystander_blocks
	equal "blocks of the victim" "$(stat_of nr_blocks victim)" 0
	equal "its raw blocks" "$(stat_of nr_raw victim)" 0
	validate
}

bad() {
	bad_in "$1"
}

# The same where all heaps are hardened.
hard() {
	bad_in "$1" harden=1
}

# bad_in KIND [PARAMETER]
bad_in() {
	local kind=$1 param=$2 counter title before after

	set -- $(echo "$kinds" | awk -v kind="$kind" '$1 == kind')
	shift
	counter=$1
	shift
	title=$*

	begin_hostile $param
	before=$(counters)
	log_expect "BUG: OBM: $title in bad_$kind"
	stress bad victim kind="$kind"
	equal "what it made" "$(answer made)" 1
	after=$(echo "$before" | awk -v line="nr_bad_$counter:" \
		'$1 == line { $2 += 1 } { print }')
	equal "counters" "$(counters)" "$after"
	case $(reports) in
	"obmalloc: BUG: OBM: $title in bad_$kind"[a-z_+]*" [stress]") ;;
	*) fail "not one report of it: $(reports)" ;;
	esac
	end_hostile
}

# A loop of mistakes: all are counted, some are reported, the log survives.
a_loop_does_not_fill_the_log() {
	local n=1000 before said

	begin_hostile harden=1
	log_expect "BUG: OBM: double free in bad_double"
	before=$(stat_of nr_bad_double victim)
	stress bad victim kind=double n=$n
	equal nr_bad_double "$(stat_of nr_bad_double victim)" $((before + n))
	said=$(reports | wc -l)
	[ "$said" -ge 1 ] && [ "$said" -le 100 ] || fail "$said reports"
	end_hostile
}

# A hardened heap beside others that are not.
a_hardened_heap_knows_at_once() {
	local n=500 before

	begin_hostile
	log_expect "BUG: OBM: (double free|stale pointer) in bad_"
	stress create hard harden=1
	stress fill hard n=2000 size=64
	stress free hard percent=50
	stress bad hard kind=double n=$n
	equal nr_bad_double "$(stat_of nr_bad_double hard)" $n
	equal "blocks" "$(stat_of nr_blocks hard)" 1000
	stress verify hard
	stress free hard percent=100
	equal "pools in use" "$(stat_of nr_pools hard)" 0
	stress bad hard kind=stale n=$n
	equal nr_bad_stale "$(stat_of nr_bad_stale hard)" $n
	stress destroy hard
	equal "leaked" "$(answer leaked)" 0
	end_hostile
}

# hot KIND: where blocks wait, the mistake is found when they leave.
hot() {
	local kind=$1 before

	begin_hostile
	log_expect "BUG: OBM: .* in .*"
	stress fill victim n=2000 size=64
	stress fill victim n=2000 size=128
	stress free victim percent=50
	before=$(counters | awk '{ sum += $2 } END { print sum }')
	stress bad victim kind="$kind"
	trim victim
	equal "mistakes" "$(counters | awk '{ sum += $2 } END { print sum }')" \
		$((before + 1))
	equal "reports" "$(reports | wc -l)" 1
	equal "blocks of the victim" "$(stat_of nr_blocks victim)" 2000
	stress verify victim
	stress free victim percent=100
	trim victim
	equal "its arenas" "$(stat_of nr_arenas victim)" 0
	end_hostile
}

# Numbers tell where a pointer lies; its address would help an attacker. Blocks
# of hardened heaps share no pools.
no_address_is_shown() {
	local where="of several classes, offset [0-9]*"

	[ $# = 0 ] ||
		where=", class [0-9]* (64 bytes), block [0-9]*, offset 8"
	begin_hostile "$@"
	log_expect "BUG: OBM: (foreign|interior) pointer in bad_"
	stress bad victim kind=interior
	stress bad victim kind=kmalloc
	stress bad victim kind=raw_interior
	equal "reports" "$(reports | wc -l)" 3
	log_since | grep -q "heap victim, node [0-9]*, arena [0-9]*, pool [0-9]* *$where\$" ||
		fail "the place is not told"
	log_since | sed -n '/obmalloc: /p' | grep -E 'ffff[0-9a-f]{12}' &&
		fail "that is an address"
	end_hostile
}

the_heaps_go_on() {
	begin_hostile
	stress free bystander percent=100
	stress destroy bystander
	equal "leaked" "$(answer leaked)" 0
	stress fill victim n=1000 sizes=0-6000
	stress free victim percent=100
	stress destroy victim
	equal "leaked" "$(answer leaked)" 0
	unload stress obmalloc
}

nothing_else_is_reported() {
	dmesg | sed "1,/$log_begin\$/d" | grep -v 'obm-test: ' |
		grep -E 'BUG: |WARNING: |Oops|general protection|INFO: ' |
		grep -vE 'obmalloc: BUG: OBM: .* in ' && fail "that was not meant"
	return 0
}

# Blocks wait on the CPU that freed them.
taskset -p 1 $$ >/dev/null
begin
log_begin=$log_text
run_cases $(echo "$kinds" | awk 'NF { print "bad:" $1 }') \
	hot:double hot:size hot:interior a_hardened_heap_knows_at_once \
	$(echo "$kinds" | awk 'NF { print "hard:" $1 }') \
	a_loop_does_not_fill_the_log no_address_is_shown \
	no_address_is_shown:harden=1 the_heaps_go_on \
	nothing_else_is_reported
