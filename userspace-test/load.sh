#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# obmalloc.ko comes and goes without a trace, and stays while somebody needs it.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

# Pages that the kernel may take for itself during 50 loads, and that its slab
# caches may grow by. To lose one page a load would cost 50.
noise=40
slab_noise=90

# What there is of us, a line each.
traces() {
	grep -E '^(obmalloc|hello) ' /proc/modules || :
	grep -E '^obm_' /proc/slabinfo || :
	grep -E '\[(obmalloc|hello)\]' /proc/kallsyms || :
	ls -d $obm_info $obm_debug /sys/module/obmalloc \
		/sys/kernel/slab/obm_arena 2>/dev/null || :
}

# Areas of vmalloc() without their addresses; stacks of tasks come and go.
areas() {
	sed -e 's/^[^ ]* *//' -e 's/ N[0-9].*//' /proc/vmallocinfo |
		grep -v -e kernel_clone -e unpurged | sort
}

a_load_shows_its_files() {
	load obmalloc
	for file in $obm_info $obm_debug/stats $obm_debug/heaps $obm_param \
			/sys/kernel/slab/obm_arena; do
		[ -e "$file" ] || fail "no $file"
	done
	grep -q '^obm_arena ' /proc/slabinfo || fail "no obm_arena in slabinfo"
	equal "a new module's held_bytes" "$(stat_of held_bytes)" 0
	equal "its references" "$(cat /sys/module/obmalloc/refcnt)" 0
	unload obmalloc
}

an_unload_leaves_nothing() {
	local before

	equal "what is there before" "$(traces)" ""
	before=$(areas)
	load obmalloc
	load hello
	[ -n "$(traces)" ] || fail "the test sees no traces at all"
	unload hello obmalloc
	equal "what an unload leaves" "$(traces)" ""
	equal "vmallocinfo" "$(areas)" "$before"
}

a_second_load_is_refused() {
	local said

	load obmalloc
	said=$(insmod "$(obm_ko obmalloc)" 2>&1) && fail "insmod did it twice"
	case $said in
	*'File exists'*) ;;
	*) fail "insmod said: $said" ;;
	esac
	grep -q '^# name' $obm_info || fail "the first one is gone"
	unload obmalloc
}

stays() {
	local said

	said=$(rmmod obmalloc 2>&1) && fail "rmmod took it away"
	case $said in
	*'Resource temporarily unavailable'*) ;;
	*) fail "rmmod said: $said" ;;
	esac
	grep -q "^$1/8 " $obm_info || fail "the heap $1 is gone"
}

a_client_keeps_it() {
	load obmalloc
	load hello
	stays hello
	unload hello
	unload obmalloc
}

# The client is gone and has forgotten its heap; nothing else refers to us.
a_lost_heap_keeps_it() {
	load obmalloc
	load stress leak=1
	stress create lost
	stress fill lost n=1000 sizes=0-2000
	unload stress
	equal "its references" "$(cat /sys/module/obmalloc/refcnt)" 1
	stays lost
	validate lost

	load stress
	stress adopt lost
	stress destroy lost
	equal leaked "$(answer leaked)" 1000
	unload stress obmalloc
}

cycles() {
	local left=$1

	while [ "$left" -gt 0 ]; do
		load obmalloc
		load hello
		unload hello obmalloc
		left=$((left - 1))
	done
}

# looks: pages that are free or slabs or some process's, and slabs alone, several
# times, as some pages are on their way at any moment.
looks() {
	local cache

	# Slab caches keep pages of freed objects until they are told not to.
	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 >"$cache"
	done
	for _ in 1 2 3 4 5 6 7 8 9; do
		settle
		awk '
			/^ *pages free/			{ known += $3 }
			$1 == "count:"			{ known += $2 }
			$1 == "nr_kernel_stack"		{ known += $2 / 4 }
			/^ *nr_(anon_|file_|page_table_)pages/ { known += $2 }
			/^ *nr_slab_/			{ slab += $2 }
			END { print int(known + slab), slab }
		' /proc/zoneinfo
		sleep 0.02
	done
}

# median COLUMN <LOOKS
median() {
	awk -v column="$1" '{ print $column }' | sort -n | sed -n 5p
}

# Heaps' pages count as slabs as long as they are held. A leak shows each time,
# what merely is late does not.
a_hundred_loads_lose_no_page() {
	local before after lost grown

	cycles 50
	before=$(looks)
	for _ in 1 2 3; do
		cycles 50
		after=$(looks)
		lost=$(($(echo "$before" | median 1) - $(echo "$after" | median 1)))
		grown=$(($(echo "$after" | median 2) - $(echo "$before" | median 2)))
		say "after 50 loads $lost pages are lost, $grown more are slabs"
		if [ $lost -le $noise ] && [ $grown -le $slab_noise ]; then
			equal "what the loads leave" "$(traces)" ""
			return
		fi
		before=$after
	done
	fail "that is no accident"
}

# What a client does: all kinds of blocks, some of them left to the heap.
client_cycle() {
	load obmalloc
	load stress
	stress create client
	stress fill client n=300 sizes=0-9000
	stress free client percent=60
	trim client
	stress fill client n=100 sizes=0-600
	stress destroy client
	unload stress obmalloc
}

# Prints who has allocated, in each cycle but the last, what was not freed: the
# kernel may keep something once, a leak comes each time. Not vmalloc(), which
# joins its areas and so keeps new descriptors for old ones; its areas are
# compared by another case. Nor workqueues, whose parts 6.12 frees by kfree_rcu():
# that goes in bulk, of which there is no event.
unfreed() {
	awk '
		{
			ptr = site = ""
			for (i = 3; i <= NF; i++) {
				if ($i ~ /^ptr=/)
					ptr = $i
				if ($i ~ /^call_site=/)
					site = $i
			}
		}
		/ tracing_mark_write: cycle / { cycle = $NF }
		/ k(free|mem_cache_free): / { delete owner[ptr] }
		/ k(malloc|mem_cache_alloc): / {
			delete owner[ptr]
			if ($1 ~ /^(insmod|rmmod|load.sh)-/ &&
			    site !~ /vmalloc|vmap_area|vm_area_node|unbound_pwq/)
				owner[ptr] = cycle " " site
		}
		END {
			for (ptr in owner)
				kept[owner[ptr]] = 1
			for (what in kept) {
				split(what, word, " ")
				if (word[1] < cycle)
					cycles[word[2]] += 1
			}
			for (site in cycles)
				if (cycles[site] == cycle - 1)
					print site
		}
	' "$1"
}

# The kernel's own record of each kmalloc() and kfree() while modules come and
# go: exact to the object.
every_object_is_freed() {
	local tracing=/sys/kernel/tracing cycle event lost tries

	[ -d $tracing/events/kmem/kfree ] || skip "no kmem events in tracefs"
	client_cycle
	echo 0 >$tracing/tracing_on
	echo 8192 >$tracing/buffer_size_kb
	echo >$tracing/trace
	for event in kmalloc kfree kmem_cache_alloc kmem_cache_free; do
		echo 1 >$tracing/events/kmem/$event/enable
	done
	echo 1 >$tracing/tracing_on
	for cycle in 1 2 3 4; do
		echo "cycle $cycle" >$tracing/trace_marker
		client_cycle
	done
	# Workqueues and others are freed after grace periods of RCU.
	for tries in 1 2 3 4 5 6 7 8 9; do
		sleep "0.$tries"
		lost=$(unfreed $tracing/trace)
		[ -n "$lost" ] || break
	done
	echo 0 >$tracing/tracing_on
	for event in kmalloc kfree kmem_cache_alloc kmem_cache_free; do
		echo 0 >$tracing/events/kmem/$event/enable
	done
	say "$(sed -n 's/^# \(entries-in.*\)/\1/p' $tracing/trace)"
	echo >$tracing/trace
	[ -z "$lost" ] || fail "$lost"
}

begin
run_cases a_load_shows_its_files an_unload_leaves_nothing \
	a_second_load_is_refused a_client_keeps_it a_lost_heap_keeps_it \
	every_object_is_freed a_hundred_loads_lose_no_page kernel_log_is_clean
