#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: what there is to read of obmalloc, each under its name.

debugfs=/sys/kernel/debug/obmalloc

for file in /proc/obminfo $debugfs/stats $debugfs/heaps/*/arenas; do
	printf '\n-- %s\n' "$file"
	cat "$file" || exit 1
done
