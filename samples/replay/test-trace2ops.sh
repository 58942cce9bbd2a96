#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests trace2ops on this machine, as TAP. Needs a C compiler, no root.
set -u

here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
number=0
failed=0

# The context of an event as tracefs prints it by default.
at='          <idle>-0       [000] d..1.     0.209502: '

verdict() {
	number=$((number + 1))
	if [[ $1 == "$2" ]]; then
		echo "ok $number $3"
		return
	fi
	failed=1
	printf '# got      %.300s\n# expected %.300s\nnot ok %d %s\n' \
		"$1" "$2" "$number" "$3"
}

# The last line that trace2ops says of its input, without its name.
said() {
	"$tmp/trace2ops" 2>&1 >"$tmp/ops" | tail -n 1 | sed 's/^trace2ops: //'
}

# The operations as "slot+size" and "slot-", after 16 bytes of header.
operations() {
	od -An -v -t u4 -w8 -j 16 "$tmp/ops" |
		awk '{ printf "%s%s%s", sep, $1,
			($2 == 4294967295 ? "-" : "+" $2); sep = " " }'
}

# makes "LINES" "OPERATIONS" NAME
makes() {
	local word

	word=$(printf '%b' "$1" | said)
	[[ $word == events=* ]] && word=$(operations)
	verdict "$word" "$2" "$3"
}

# counts "LINES" "WORDS" NAME: the words are part of the summary.
counts() {
	local said word

	said=$(printf '%b' "$1" | said)
	for word in $2; do
		[[ " $said " == *" $word "* ]] && continue
		verdict "$said" "... $2 ..." "$3"
		return
	done
	verdict "$2" "$2" "$3"
}

# refuses "LINES" "MESSAGE" NAME
refuses() {
	local said status

	said=$(printf '%b' "$1" | said)
	printf '%b' "$1" | "$tmp/trace2ops" >/dev/null 2>&1
	status=$?
	verdict "$status $said" "1 $2" "$3"
}

# file NAME: a trace of samples/traces/test, which says itself what to expect.
file() {
	local trace=$here/../traces/test/$1.trace expect said

	expect=$(sed -n 's/^# expect: //p' "$trace")
	said=$(said <"$trace")
	if [[ $expect == replay:* ]]; then
		said=$(awk -v RS=' ' -F= '{ v[$1] = $2 } END {
			printf "replay: events=%s allocs=%s frees=%s " \
			       "skipped=%s failed=0 requested_peak=%s",
			       v["events"], v["allocs"], v["frees"],
			       v["skipped"], v["live_peak"]
		}' <<<"$said")
	fi
	verdict "$said" "$expect" "$1.trace"
}

alloc() {
	printf '%s%s: call_site=f+0x1/0x2 ptr=%s bytes_req=%s %s' "$at" "$1" \
		"$2" "$3" 'bytes_alloc=64 gfp_flags=GFP_KERNEL node=-1\n'
}

free() {
	printf '%s%s: call_site=f+0x1/0x2 ptr=%s\\n' "$at" "$1" "$2"
}

echo "TAP version 13"
if ! "${CC:-gcc}" -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined \
	-fno-sanitize-recover -o "$tmp/trace2ops" "$here/trace2ops.c"; then
	echo "Bail out! trace2ops does not compile"
	exit 1
fi

file good-6.12
file good-6.1
file malformed
file empty

makes '' '' 'nothing at all'
for event in kmalloc kmalloc_node kmem_cache_alloc kmem_cache_alloc_node; do
	makes "$(alloc $event ff0 64)" '0+64' "$event allocates"
done
for event in kfree kmem_cache_free; do
	makes "$(alloc kmalloc ff0 64)$(free $event ff0)" '0+64 0-' \
		"$event frees"
done
makes "$(alloc kmalloc a0 1)$(alloc kmalloc b0 2)$(free kfree a0
	)$(alloc kmalloc c0 3)$(free kfree b0)" '0+1 1+2 0- 0+3 1-' \
	'a slot is used again'
makes "$(alloc kmalloc a0 1)$(alloc kmalloc a0 2)$(free kfree a0)" \
	'0+1 0+2 0-' 'an allocation over a live block takes its slot'
counts "$(alloc kmalloc a0 1)$(alloc kmalloc a0 2)" \
	'events=2 allocs=2 again=1 live_peak=2' 'which is counted'
counts "$(free kfree a0)$(alloc kmalloc a0 1)$(free kfree a0)$(free kfree a0)" \
	'events=4 allocs=1 frees=1 skipped=2' \
	'frees of what is not live are skipped'
counts "$(free kfree 0000000000000000)$(free kfree '(null)')$(
	alloc kmalloc '(null)' 8)" 'events=3 allocs=0 skipped=3' \
	'NULL is skipped'
counts "$(alloc kmalloc a0 500)$(alloc kmalloc b0 513)$(free kfree a0)$(
	alloc kmalloc c0 100)" 'live_peak=1013 small_peak=500' 'the peaks'
many=$(printf '%d+8 ' {0..8999}; printf '%d- ' {0..8999})
makes "$(for i in {1..9000}; do alloc kmalloc "${i}0" 8; done
	for i in {1..9000}; do free kfree "${i}0"; done)" "${many% }" \
	'more blocks than the tables begin with'

alloc='kmalloc: call_site=f+0x1/0x2 ptr=ff0 bytes_req=64 bytes_alloc=64'
makes "$alloc\n" '0+64' 'without context (nocontext-info)'
makes "   a-1   0d..1.   12us : $alloc\n" '0+64' 'latency-format'
makes "   a-1   0d..1.   12us+: $alloc\n" '0+64' 'latency-format, a delay'
makes "   a-1   [000] d..1.    123456: $alloc\n" '0+64' "a counter's time"
makes "   a-1   (   1) [000] d..1.  0.1: $alloc\n" '0+64' 'with record-tgid'
makes "   a: b 1: c-1   [000]   0.1: $alloc\n" '0+64' "a task's odd name"
makes "   kfree: x-1   [000]   0.1: $alloc\n" '0+64' "an event's name as task"
makes "   a-1   [000]   0.1: kmalloc: call_site=f [m] ptr=ff0 bytes_req=1\n" \
	'0+1' 'a call site in a module'
makes "$at$alloc\r\n" '0+64' "lines that end as DOS's"
makes "$at$alloc" '0+64' 'a last line without its end'
makes "${at}tracing_mark_write: $alloc\n" '' "another event's text"
makes "${at}schedule <-worker_thread\n" '' "the function tracer's lines"
makes " a-1 [000] 0.1: <stack trace>\n<stack trace>\n => f\n\n" '' \
	'stack traces and empty lines'
lost="CPU:1 [LOST 7 EVENTS]\n$at$alloc\n"
counts "$lost" 'events=1 allocs=1' 'lost events'
verdict "$(printf '%b' "$lost" | "$tmp/trace2ops" 2>&1 >"$tmp/ops" | grep -c \
	'warning: the trace lost 7 events')" 1 'which are told'

nan='which is no number'
refuses "#\n$at${alloc/ptr=ff0/}\n" 'line 2: kmalloc without ptr=' 'no ptr'
refuses "$(free kfree a0)${at}kfree: call_site=f\n" \
	'line 2: kfree without ptr=' 'no ptr to free'
refuses "$at${alloc/ptr=ff0/ptr=(____ptrval____)}\n" \
	"line 1: kmalloc with ptr=(____ptrval____), $nan" 'ptr not hashed'
refuses "$at${alloc/ptr=ff0/ptr=ffx}\n" \
	"line 1: kmalloc with ptr=ffx, $nan" 'ptr with a letter'
refuses "$at${alloc/ptr=ff0/ptr=}\n" "line 1: kmalloc with ptr=, $nan" \
	'ptr without a value'
refuses "$at${alloc/=64/=-64}\n" \
	"line 1: kmalloc with bytes_req=-64, $nan" 'a negative size'
refuses "$at${alloc/=64/=0x40}\n" \
	"line 1: kmalloc with bytes_req=0x40, $nan" 'a size in hex'
refuses "$at${alloc/=64/=99999999999999999999}\n" \
	"line 1: kmalloc with bytes_req=99999999999999999999, $nan" \
	'a size of 67 bits'
refuses "$at${alloc/=64/=4294967295}\n" \
	'line 1: kmalloc with bytes_req=4294967295, which is too much' \
	'a size of 4 GiB'
refuses "$at$alloc\nhello, world\n" 'line 2: no event of a trace' 'prose'
refuses "$at$alloc\n${at%502: }\n" 'line 2: no event of a trace' 'half a line'
refuses "${at}kmal\n" 'line 1: no event of a trace' 'half a name'
refuses "#\n\0\n" 'line 2: not text' 'a binary file'

echo "1..$number"
exit "$failed"
