# SPDX-License-Identifier: GPL-2.0-only
#
# Makes one TAP stream of those of several programs. The results of a program
# that died, or that did not say all it had planned, fail.

# Held back, because the plan goes first.
function say(text)
{
	out = out text "\n"
}

function flush_run(   what)
{
	if (run == "")
		return
	what = ""
	if (status != 0 && !bad)
		what = "ended with status " status
	else if (seen != plan && !bad)
		what = "planned " plan " results, got " seen + 0
	# What follows a failure explains it, a stack perhaps.
	if (bad || what != "")
		out = out kept
	if (what != "") {
		say("not ok " ++n " - " run ": " what)
		failed++
	}
	run = ""
}

FNR == 1 {
	flush_run()
	run = $0
	sub(/^# run: /, "", run)
	status = "unknown"
	plan = "nothing"
	seen = bad = 0
	kept = ""
	next
}

/^TAP version/ { next }
/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0; next }
/^# status: / { status = $3; next }

/^(not )?ok [0-9]+/ {
	name = $0
	sub(/^(not )?ok [0-9]+( - )?/, "", name)
	seen++
	n++
	if (/^not/) {
		bad++
		failed++
		out = out kept
		say("not ok " n " - " run ": " name)
	} else {
		say("ok " n " - " run ": " name)
	}
	kept = ""
	next
}

# What a program says besides belongs to its next result.
{ kept = kept (/^#/ ? "" : "# ") $0 "\n" }

END {
	flush_run()
	printf "TAP version 13\n1..%d\n%s", n, out
	exit failed > 0
}
