#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Objects and the collector by hand, through debugfs, as a person would: with the
# cycles of samples/cycle, and scripts of samples/graph.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

heap=$obm_debug/heaps/cycle
gc=$heap/gc

begin_cycle() {
	load obmalloc
	load cycle "$@"
}

end_cycle() {
	unload cycle obmalloc
}

drop() {
	echo >/sys/kernel/debug/obm_cycle/drop
}

# live TYPE: how many there are; 0 if the type has no row
live() {
	awk -v type="$1" '$1 == type { nr = $2 } END { print nr + 0 }' \
		$heap/objects
}

# last FIELD: what the last collection says
last() {
	sed -n "s/^$1: //p" $gc/collect
}

# An id of the first object of a type, from the drawing.
an_id() {
	sed -n "s/^	\"\([0-9a-f]*\)\" \[label=\"$1.*/\1/p" $heap/graph |
		head -n 1
}

counting_leaks_and_collecting_does_not() {
	begin_cycle ring=5 tree=7
	equal "links" "$(live link)" 5
	equal "persons" "$(live person)" 7
	drop
	equal "links by counting" "$(live link)" 5
	equal "persons by counting" "$(live person)" 7
	echo 2 >$gc/collect
	equal "generation" "$(last generation)" 2
	equal "unreachable" "$(last unreachable)" 12
	equal "collected" "$(last collected)" 12
	equal "links" "$(live link)" 0
	equal "persons" "$(live person)" 0
	equal "blocks" "$(stat_of nr_blocks cycle)" 0
	equal "collections" "$(awk '$1 == 2 { print $2, $3 }' $gc/stats)" "1 12"
	validate cycle
	end_cycle
}

what_is_held_stays() {
	begin_cycle ring=3 tree=1
	echo 2 >$gc/collect
	equal "unreachable" "$(last unreachable)" 0
	equal "links" "$(live link)" 3
	end_cycle
}

# In /proc/obminfo a type is a row.
a_type_is_a_row() {
	begin_cycle ring=9 tree=3
	equal "links" "$(awk '$1 == "cycle/link" { print $2 }' $obm_info)" 9
	equal "persons" "$(awk '$1 == "cycle/person" { print $2 }' $obm_info)" 3
	end_cycle
}

steering() {
	begin_cycle
	equal "thresholds" "$(cat $gc/thresholds)" "700 10 10"
	echo "5 6  7" >$gc/thresholds
	equal "thresholds" "$(cat $gc/thresholds)" "5 6 7"
	equal "enabled" "$(cat $gc/enabled)" 1
	echo 0 >$gc/enabled
	equal "enabled" "$(cat $gc/enabled)" 0
	equal "frozen" "$(cat $gc/freeze)" 0
	echo 1 >$gc/freeze
	equal "frozen" "$(cat $gc/freeze)" 12
	drop
	echo 2 >$gc/collect
	equal "unreachable and frozen" "$(last unreachable)" 0
	echo 0 >$gc/freeze
	equal "frozen" "$(cat $gc/freeze)" 0
	echo 0 >$gc/collect
	echo 1 >$gc/collect
	equal "counts" "$(cut -d' ' -f2- $gc/counts)" "0 1"
	echo 2 >$gc/collect
	equal "unreachable" "$(last unreachable)" 12
	end_cycle
}

detecting() {
	begin_cycle ring=4 tree=1
	echo detect >$gc/mode
	equal "mode" "$(cat $gc/mode)" detect
	drop
	log_mark
	echo 2 >$gc/collect
	log_since | grep -q 'heap cycle: 4 objects are garbage' ||
		fail "it is not said"
	equal "links" "$(live link)" 4
	equal "uncollectable" "$(last uncollectable)" 4
	equal "garbage" "$(grep -c ' link$' $gc/garbage)" 4
	echo free >$gc/mode
	echo 2 >$gc/collect
	equal "links" "$(live link)" 0
	equal "garbage" "$(grep -c ' link$' $gc/garbage)" 0
	end_cycle
}

who_refers_to_whom() {
	local id other

	begin_cycle ring=2 tree=3
	equal "objects drawn" "$(grep -c label= $heap/graph)" 5
	# Of the ring 2; of the tree a child's to its parent, and back.
	equal "links drawn" "$(grep -c -- '->' $heap/graph)" 6
	echo link >$heap/graph
	equal "objects of a type" "$(grep -c label= $heap/graph)" 2
	id=$(an_id link)
	echo "$id" >$heap/referrers
	echo "$id" >$heap/referents
	equal "referrers" "$(grep -c ' link$' $heap/referrers)" 1
	other=$(awk '/ link$/ { print $1 }' $heap/referents)
	equal "the other way" "$(awk '/ link$/ { print $1 }' $heap/referrers)" \
		"$other"
	[ "$other" != "$id" ] || fail "it refers to itself"
	echo "$id" >$heap/graph
	equal "objects around one" "$(grep -c label= $heap/graph)" 3
	grep -q "\"$id\" -> \"$other\"" $heap/graph || fail "no link is drawn"
	echo all >$heap/graph
	equal "objects drawn" "$(grep -c label= $heap/graph)" 5
	end_cycle
}

# refused FILE WORD
refused() {
	log_mark
	(echo "$2" >"$1") 2>/dev/null && fail "$1 takes '$2'"
	log_since | grep -qF "not understood: '$2'" || fail "'$2' is not named"
}

bad_input() {
	begin_cycle
	refused $gc/enabled maybe
	refused $gc/thresholds "1 2"
	refused $gc/thresholds "1 2 3 4"
	refused $gc/thresholds "1 2 x"
	refused $gc/collect 3
	refused $gc/collect -1
	refused $gc/freeze perhaps
	refused $gc/mode save
	refused $heap/graph '"; x'
	refused $heap/referrers nobody
	(echo 123 >$heap/referrers) 2>/dev/null && fail "an id of nobody"
	(echo "$(printf '%100d' 1)" >$gc/collect) 2>/dev/null && fail "100 digits"
	equal "thresholds" "$(cat $gc/thresholds)" "700 10 10"
	end_cycle
}

# Files that are open while the heap goes.
readers_and_the_end() {
	begin_cycle ring=20000 tree=20000
	for _ in 1 2 3; do
		cat $heap/objects $heap/graph $gc/garbage >/dev/null 2>&1 &
		echo 2 >$gc/collect 2>/dev/null &
	done
	unload cycle
	wait
	unload obmalloc
}

# script LINES: the answer of samples/graph, a line
script() {
	exec 3<>/sys/kernel/debug/obm_graph/run
	printf "$1" >&3
	cat <&3 | tr '\n' ' '
	exec 3>&-
}

scripts() {
	load obmalloc
	load graph
	equal "a cycle" "$(script 'final 0\nlink 0 0 0\ndel 0\ncollect 2\n')" \
		"finalize 1 release 1 collected 1 end collected 0 live 0 --- "
	equal "two scripts" "$(script 'new 1\nlive\n---\nlive\n')" \
		"live 1 end release 1 collected 0 live 0 --- live 0 end collected 0 live 0 --- "
	equal "no operation" "$(script 'new 0\nfly 0\n' | cut -d' ' -f1-7)" \
		"error: line 2: 'fly' is no operation"
	equal "no number" "$(script 'new x\n' | cut -d' ' -f1-7)" \
		"error: line 1: new: argument 1: 'x'"
	unload graph obmalloc
}

begin
run_cases counting_leaks_and_collecting_does_not what_is_held_stays \
	a_type_is_a_row steering detecting who_refers_to_whom bad_input \
	readers_and_the_end scripts kernel_log_is_clean
