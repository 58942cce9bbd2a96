#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# When memory is short, the kernel gets what heaps hold for nobody; /proc/meminfo
# says so before, and a memory cgroup who pays for the rest.
. "$(dirname "$(readlink -f "$0")")/obm.sh"

mib=$((1 << 20))
hog=/tmp/obm-hog
vm=/proc/sys/vm
min_free=
cgroup=/sys/fs/cgroup/obm-test

refresh() {
	echo 1 >$vm/stat_refresh
}

# meminfo KEY: in KiB
meminfo() {
	sed -n "s/^$1: *\([0-9]*\) kB$/\1/p" /proc/meminfo
}

# Free pages in lists of CPUs, in KiB.
listed() {
	awk '$1 == "count:" { n += $2 } END { print n * 4 }' /proc/zoneinfo
}

# with_listed KEY: the same with those pages, with which the kernel does not
# reckon, and which may be many; read while hardly any leaves its list, if that
# can be had
with_listed() {
	local before kib after off tries=20

	while [ $((tries -= 1)) -ge 0 ]; do
		before=$(listed)
		kib=$(meminfo "$1")
		after=$(listed)
		off=$((after - before))
		[ ${off#-} -gt 256 ] || break
	done
	echo $((kib + after))
}

ask_kernel() {
	echo 2 >$vm/drop_caches
}

# thin NAME MIB [WORD...]: a heap that was that large and kept a hundredth of its
# blocks, in almost every arena.
thin() {
	local name=$1 size=$2

	shift 2
	stress create "$name" "$@"
	stress fill "$name" n=$((size * 2048)) size=512
	equal "failures" "$(answer failed)" 0
	stress free "$name" percent=99 seed=3
	equal "live blocks" "$(answer live)" \
		$((size * 2048 - size * 2048 * 99 / 100))
	[ "$(stat_of unused_bytes "$name")" -gt $((size * mib * 4 / 5)) ] ||
		fail "only $(stat_of unused_bytes "$name") bytes are unused"
}

# thin_end NAME: the blocks are what they were
thin_end() {
	local live

	validate "$1"
	stress verify "$1"
	live=$(answer live)
	equal "blocks" \
		$(($(stat_of nr_blocks "$1") + $(stat_of nr_raw "$1"))) "$live"
	stress destroy "$1"
	equal "leaked" "$(answer leaked)" "$live"
}

# within WHAT IS WANTED SLACK
within() {
	say "$1: $2, of $3"
	[ "$2" -ge $(($3 - $4)) ] && [ "$2" -le $(($3 + $4)) ] ||
		fail "more than $4 off"
}

the_kernel_asks() {
	local before unused

	load obmalloc
	load stress
	# First what is none of ours.
	settle
	thin asked 64
	refresh
	before=$(free_pages)
	unused=$(stat_of nr_unused_pools asked)
	ask_kernel
	refresh
	equal "unused pages" "$(stat_of nr_unused_pools asked)" 0
	within "pages given back" $(($(free_pages) - before)) "$unused" 400
	stress fill asked n=1000 sizes=1-9000
	equal "failures" "$(answer failed)" 0
	thin_end asked
	unload stress obmalloc
}

# Blocks that wait on CPUs keep their pools, until more is asked for than lies
# unused.
waiting_blocks_come_home() {
	local cpu

	load obmalloc
	load stress
	stress create waits
	for cpu in 1 2 4 8; do
		taskset $cpu sh -c "echo fill waits n=2000 size=64 \
			>$obm_stress/cmd; echo free waits percent=100 \
			>$obm_stress/cmd" || fail "$(cat $obm_stress/result)"
	done
	equal "blocks" "$(stat_of nr_blocks waits)" 0
	[ "$(stat_of nr_pools waits)" -gt 0 ] || fail "no block waits"
	[ "$(stat_of nr_unused_pools waits)" -gt 0 ] || fail "none is unused"
	# A CPU may be too busy to answer, and is asked but once a jiffy.
	ask_kernel
	for cpu in 1 2 3 4 5; do
		[ "$(stat_of nr_unused_pools waits)" != 0 ] || break
		ask_kernel
	done
	equal "pools in use" "$(stat_of nr_pools waits)" 0
	equal "arenas" "$(stat_of nr_arenas waits)" 0
	thin_end waits
	unload stress obmalloc
}

# remember: what meminfo says now; moved KEY: by how many KiB since
remember() {
	local key

	refresh
	for key in KReclaimable SUnreclaim SReclaimable; do
		eval "was_$key=$(meminfo $key)"
	done
	was_MemAvailable=$(with_listed MemAvailable)
}

moved() {
	local was

	eval "was=\$was_$1"
	case $1 in
	MemAvailable)	echo $(($(with_listed "$1") - was)) ;;
	*)		echo $(($(meminfo "$1") - was)) ;;
	esac
}

# shows 0|1: of a heap whose blocks are caches or not, unused and used pages, and
# none when it is gone
shows() {
	local caches=$1 used unused slack=2048 noise=16384
	local mine=SUnreclaim other=SReclaimable

	if [ "$caches" = 1 ]; then
		mine=SReclaimable
		other=SUnreclaim
	fi
	load obmalloc
	load stress
	stress create show reclaimable="$caches"
	# Once before, so that stress.ko has its list of blocks.
	stress fill show n=131072 size=512
	stress free show percent=100
	settle
	remember
	stress fill show n=131072 size=512
	refresh
	within "$mine when it is full" "$(moved $mine)" 65536 $slack
	within "$other when it is full" "$(moved $other)" 0 $slack
	within "KReclaimable when it is full" "$(moved KReclaimable)" \
		$((caches * 65536)) $slack
	# Of caches the kernel expects to get half at least, of others nothing.
	# Free pages may go elsewhere meanwhile.
	if [ "$caches" = 1 ]; then
		within "MemAvailable when it is full" \
			"$(moved MemAvailable)" -16384 $((2 * noise))
	else
		within "MemAvailable when it is full" \
			"$(moved MemAvailable)" -65536 $noise
	fi

	stress free show percent=99 seed=4
	refresh
	unused=$(($(stat_of unused_bytes show) / 1024))
	used=$((65536 - unused))
	within "$mine when it is thin" "$(moved $mine)" $used $slack
	within "$other when it is thin" "$(moved $other)" 0 $slack
	within "KReclaimable when it is thin" "$(moved KReclaimable)" \
		$((unused + caches * used)) $slack
	remember
	ask_kernel
	refresh
	within "KReclaimable when it gave" "$(moved KReclaimable)" \
		-$unused $((2 * slack))
	# It was reckoned with: as reclaimable memory before, as free memory now.
	say "MemAvailable when it gave: $(moved MemAvailable)"
	[ "$(moved MemAvailable)" -le $((unused / 2 + noise / 2)) ] ||
		fail "MemAvailable grew by $(moved MemAvailable)"
	stress destroy show
	refresh
	equal "unused pages when it is gone" \
		"$(vmstat nr_kernel_misc_reclaimable)" 0
	unload stress obmalloc
}

hog_end() {
	[ -z "$min_free" ] || echo "$min_free" >$vm/min_free_kbytes
	umount $hog 2>/dev/null || :
	rmdir $hog 2>/dev/null || :
}

# More than is free is written to a tmpfs: a third of what the heap does not need
# has to come from there. The kernel's own reserve, which depends on the machine,
# is made small beside that.
a_squeeze_takes_it() {
	local unused kills want

	load obmalloc
	load stress
	settle
	thin squeezed 192
	stress create busy
	unused=$(stat_of unused_bytes squeezed)
	kills=$(vmstat oom_kill)
	min_free=$(cat $vm/min_free_kbytes)
	mkdir -p $hog
	trap hog_end EXIT
	echo 16384 >$vm/min_free_kbytes
	mount -t tmpfs -o size=100% tmpfs $hog
	refresh
	want=$(($(with_listed MemFree) / 1024 + unused / mib / 3))
	say "$(with_listed MemFree) KiB are free, $unused bytes unused;" \
		"$want MiB are wanted"
	# If somebody has to be killed, let it be who asks.
	(
		echo 1000 >/proc/self/oom_score_adj
		exec dd if=/dev/zero of=$hog/fill bs=1M count=$want 2>/dev/null
	) || fail "who asked for it was not served"
	equal "MiB got" $(($(wc -c <$hog/fill) / mib)) $want
	say "$(stat_of unused_bytes squeezed) bytes are unused then,"\
		"$(with_listed MemFree) KiB free"
	[ "$(stat_of unused_bytes squeezed)" -lt $((unused * 3 / 4)) ] ||
		fail "the heap did not give"
	# In this state another heap grows, by what the first still has.
	stress fill busy n=16384 size=512
	equal "failures" "$(answer failed)" 0
	stress verify busy
	equal "processes killed" "$(vmstat oom_kill)" "$kills"
	stress destroy busy
	hog_end
	thin_end squeezed
	unload stress obmalloc
}

# Heaps come and go while they are asked to give, on all CPUs.
heaps_end_meanwhile() {
	local misc round asking

	load obmalloc
	load stress
	settle
	misc=$(vmstat nr_kernel_misc_reclaimable)
	asking=/tmp/obm-asking
	: >$asking
	for round in 1 2; do
		(while [ -e $asking ]; do ask_kernel; done) &
	done
	for round in $(seq 30); do
		stress create ending reclaimable=$((round % 2))
		stress fill ending n=8000 sizes=1-1000 seed="$round"
		stress free ending percent=90
		stress run ending cpus="$(nproc)" ms=50 sizes=1-600
		stress verify ending
		stress destroy ending
		equal "leaked" "$(answer leaked)" 800
	done
	rm $asking
	wait
	refresh
	equal "unused pages when all are gone" \
		"$(vmstat nr_kernel_misc_reclaimable)" "$misc"
	unload stress obmalloc
}

# Bytes of the kernel that the cgroup pays for.
charged() {
	sed -n 's/^kernel //p' $cgroup/memory.stat
}

# in_cgroup COMMAND...: stress by a task of the cgroup
in_cgroup() {
	sh -c "echo 0 >$cgroup/cgroup.procs && echo '$*' >$obm_stress/cmd" ||
		fail "stress $*: $(cat $obm_stress/result)"
	equal "failures" "$(answer failed)" 0
}

# pays ACCOUNT GFP CHARGED: MiB of a heap of 32
pays() {
	local held slack=$((2 * mib))

	load obmalloc
	load stress
	stress create paid account="$1"
	in_cgroup fill paid n=65536 size=512 gfp="$2"
	held=$(stat_of held_bytes paid)
	say "held are $held bytes, memory.current is" \
		"$(cat $cgroup/memory.current)"
	[ "$held" -gt $((32 * mib)) ] || fail "that is too little"
	# Pages and descriptors.
	within "charged" "$(charged)" $(($3 * held / 32)) $slack
	within "memory.current" "$(cat $cgroup/memory.current)" \
		$(($3 * held / 32)) $slack
	# Single pages are uncharged too, whoever gives them back.
	stress free paid percent=99 seed=5
	ask_kernel
	held=$(stat_of held_bytes paid)
	[ "$held" -lt $((8 * mib)) ] || fail "$held bytes are still held"
	within "charged after that" "$(charged)" $(($3 * held / 32)) $slack
	stress destroy paid
	within "charged in the end" "$(charged)" 0 $slack
	within "memory.current in the end" "$(cat $cgroup/memory.current)" \
		0 $slack
	unload stress obmalloc
}

cgroup_pays() {
	local account gfp

	grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
		skip "no memory cgroups"
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $cgroup
	trap 'rmdir $cgroup' EXIT
	case $1 in
	account)	pays 1 kernel 32 ;;
	request)	pays 0 account 32 ;;
	nobody)		pays 0 kernel 0 ;;
	esac
}

begin
# A message for each time would push others out of the log.
echo 4 >$vm/drop_caches
run_cases the_kernel_asks waiting_blocks_come_home shows:0 shows:1 a_squeeze_takes_it \
	heaps_end_meanwhile cgroup_pays:account cgroup_pays:request \
	cgroup_pays:nobody kernel_log_is_clean
