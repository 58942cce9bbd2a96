# SPDX-License-Identifier: GPL-2.0-only
#
# Makes one TAP stream of those of several programs. The results of a program
# that died, or that did not say all it had planned, fail.

function flush_run(   what)
{
	if (run == "")
		return
	what = ""
	if (status != 0 && !bad)
		what = "ended with status " status
	else if (seen != plan && !bad)
		what = "planned " plan " results, got " seen + 0
	if (what != "") {
		printf "%s", kept
		print "not ok " ++n " - " run ": " what
		failed++
	}
	run = ""
}

BEGIN { print "TAP version 13" }

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
		printf "%s", kept
		print "not ok " n " - " run ": " name
	} else {
		print "ok " n " - " run ": " name
	}
	kept = ""
	next
}

# What a program says besides belongs to its next result.
{ kept = kept (/^#/ ? "" : "# ") $0 "\n" }

END {
	flush_run()
	print "1.." n + 0
	exit failed > 0
}
