#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh OUTPUT MODULE FILE...: lines of each file of the core that ran in
# any of the gcov builds, and those that ran in none.

output=$1
module=$2
shift 2

list()
{
	for dir in "$output"/gcov-*/core; do
		test -e "$dir/$1.gcda" && gcov -t -o "$dir" "$module/$1.c" 2>/dev/null
	done
}

for file in "$@"; do
	list "$file" | awk -F: -v file="$file.c" '
		/^ *-: *0:Source:/ { mine = $4 ~ "/" file "$" }
		mine && $2 + 0 > 0 {
			count = $1
			gsub(/[ *]/, "", count)
			if (count == "-")
				next
			all[$2 + 0] = $0
			if (count !~ /^[#=]/)
				ran[$2 + 0] = 1
		}
		END {
			for (line in all) {
				total++
				if (line in ran)
					done++
				else
					missed = missed " " line
			}
			printf "%-12s %4d of %4d lines  %5.1f %%%s\n", file,
			       done, total, total ? 100 * done / total : 0,
			       missed == "" ? "" : "  never:" missed
		}'
done
