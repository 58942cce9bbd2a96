#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A hostile client: every kind of bad pointer is refused, reported once in the
# right words and counted, and nothing changes.
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

# Another heap, of which not a byte may change. A new load also begins a new
# count of reports, of which 20 are printed in 5 s.
begin_hostile() {
	local made=99

	loaded stress && made=$(counters | awk '{ sum += $2 } END { print sum }')
	if [ "$made" -ge 10 ]; then
		unload_all
		load obmalloc
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
	local kind=$1 counter title before after

	set -- $(echo "$kinds" | awk -v kind="$kind" '$1 == kind')
	shift
	counter=$1
	shift
	title=$*

	begin_hostile
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

	begin_hostile
	log_expect "BUG: OBM: double free in bad_double"
	before=$(stat_of nr_bad_double victim)
	stress bad victim kind=double n=$n
	equal nr_bad_double "$(stat_of nr_bad_double victim)" $((before + n))
	said=$(reports | wc -l)
	[ "$said" -ge 1 ] && [ "$said" -le 100 ] || fail "$said reports"
	end_hostile
}

# Numbers tell where a pointer lies; its address would help an attacker.
no_address_is_shown() {
	begin_hostile
	log_expect "BUG: OBM: (foreign|interior) pointer in bad_"
	stress bad victim kind=interior
	stress bad victim kind=kmalloc
	stress bad victim kind=raw_interior
	equal "reports" "$(reports | wc -l)" 3
	log_since | grep -q "heap victim, node [0-9]*, arena [0-9]*, pool [0-9]*, class [0-9]* (64 bytes), block 0, offset 8\$" ||
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
		grep -vE 'obmalloc: BUG: OBM: .* in bad_' && fail "that was not meant"
	return 0
}

begin
log_begin=$log_text
run_cases $(echo "$kinds" | awk 'NF { print "bad:" $1 }') \
	a_loop_does_not_fill_the_log no_address_is_shown the_heaps_go_on \
	nothing_else_is_reported
