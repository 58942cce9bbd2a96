#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's part of record-trace: a little server's day, while the kernel
# traces what it allocates. Leaves the trace in /tmp/trace.gz.
#
# Modules of the guest's kernel are in modules/, named in the order in which
# they load.
set -eu

tracing=/sys/kernel/tracing
cd /tmp

step() {
	printf 'record: %-32s %9s events\n' "$1" \
		"$(sed -n 's/^entries: //p' $tracing/per_cpu/cpu0/stats)"
}

load_modules() {
	for module in /obm/modules/*; do
		insmod "$module"
	done
}

make_disk() {
	truncate -s 64M disk
	mke2fs -F disk >/dev/null
	mkdir -p srv
	losetup /dev/loop0 disk
	mount -t ext4 /dev/loop0 srv
}

# Directories of small files, as mail and spools are.
fill_disk() {
	for dir in $(seq 24); do
		mkdir -p "srv/mail/user$dir/new" "srv/mail/user$dir/cur"
		for file in $(seq 24); do
			echo "message $file" >"srv/mail/user$dir/new/$file"
		done
	done
}

read_disk() {
	for dir in srv/mail/user*; do
		for file in "$dir"/new/*; do
			read -r _ <"$file"
		done
		mv "$dir"/new/[12]* "$dir/cur"
	done
}

back_up() {
	tar -c -f backup.tar -C srv mail
	mkdir restored
	tar -x -f backup.tar -C restored
	rm -r restored/mail/user1*
}

# Workers that wait, each with a pipe.
start_workers() {
	for _ in $(seq 40); do
		sleep 600 | cat &
	done
}

serve_web() {
	httpd -p 127.0.0.1:80 -h srv/mail
	for user in $(seq 16); do
		wget -q -O - "http://127.0.0.1/user$user/cur/1" >/dev/null
	done
}

run_jobs() {
	for _ in $(seq 40); do
		sh -c 'sort | uniq -c | sort -rn' </proc/interrupts >/dev/null
	done
}

# What a monitor or an inventory reads.
look_around() {
	find /sys/devices /sys/module >files
	find /proc -maxdepth 2 >processes
	ls -lR /dev >devices
}

step "boot"
load_modules
step "load modules"
make_disk
fill_disk
step "fill a disk"
read_disk
step "read it"
back_up
step "back it up to tmpfs"
start_workers
step "start workers"
serve_web
step "serve web pages"
run_jobs
step "run jobs"
look_around
step "look through sysfs and procfs"
grep -i slab /proc/meminfo
rm -r restored files processes devices backup.tar
killall sleep httpd
umount srv
step "tear down"

echo 0 >$tracing/tracing_on
cat $tracing/per_cpu/cpu0/stats
grep -q '^overrun: 0$' $tracing/per_cpu/cpu0/stats
grep -q '^dropped events: 0$' $tracing/per_cpu/cpu0/stats
# A hash has but 32 bits: by whole addresses no two blocks are confused.
echo nohash-ptr >$tracing/trace_options
gzip -9 <$tracing/trace >trace.gz
