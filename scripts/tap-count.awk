# SPDX-License-Identifier: GPL-2.0-only
#
# Counts the leaf results of TAP or KTAP: "PASSED FAILED SKIPPED" on one line,
# and before it "fail: ..." for each failure. Nesting is by indentation or by
# the "# " that kselftest's runner puts before a test's own output; a result
# that follows deeper ones sums them up and counts only if it fails when none
# of them did. A plan (1..N) that the results do not match is a failure.

# By depth: results and failures that no result above has summed up yet; the
# plan, which may come first or last, and the results of its document.
# seen[], bad[], plan[], done[]

function failure(text)
{
	failed++
	print "fail: " text
}

function forget(depth,   d)
{
	for (d in seen)
		if (d + 0 >= depth) {
			delete seen[d]
			delete bad[d]
		}
	forget_plan(depth)
}

function forget_plan(depth,   d)
{
	for (d in done)
		if (d + 0 >= depth)
			delete done[d]
	for (d in plan)
		if (d + 0 >= depth)
			delete plan[d]
}

# What array holds at this depth and below.
function below(depth, array,   d, n)
{
	n = 0
	for (d in array)
		if (d + 0 >= depth)
			n += array[d]
	return n
}

# A plan at this depth or below that did not come true, as text.
function broken_plan(depth,   d)
{
	for (d in plan)
		if (d + 0 >= depth && plan[d] != done[d] + 0)
			return "planned " plan[d] " results, got " \
				(done[d] + 0)
	return ""
}

function result(depth, ok, text,   broken, skip)
{
	skip = text ~ /# *SKIP/
	if (below(depth + 1, seen) > 0) {
		broken = skip ? "" : broken_plan(depth + 1)
		if (broken != "")
			failure(text ": " broken)
		else if (!ok && below(depth + 1, bad) == 0)
			failure(text)
		ok = ok && broken == ""
	} else if (!ok) {
		failure(text)
	} else if (skip) {
		skipped++
	} else {
		passed++
	}
	forget(depth + 1)
	seen[depth]++
	done[depth]++
	if (!ok)
		bad[depth]++
}

{
	sub(/\r$/, "")
	match($0, /^[# \t]*/)
	depth = RLENGTH
	line = substr($0, RLENGTH + 1)
}

# Another document begins where one may have ended.
line ~ /^K?TAP version / {
	broken = broken_plan(depth)
	if (broken != "")
		failure("before another plan: " broken)
	forget_plan(depth)
}

line ~ /^1\.\.[0-9]+/ {
	sub(/^1\.\./, "", line)
	plan[depth] = line + 0
}

line ~ /^ok [0-9]+/ { result(depth, 1, line) }
line ~ /^not ok [0-9]+/ { result(depth, line ~ /# *(TODO|XFAIL)/, line) }

END {
	broken = broken_plan(0)
	if (broken != "")
		failure("end of output: " broken)
	print passed + 0, failed + 0, skipped + 0
}
