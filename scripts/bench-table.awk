# SPDX-License-Identifier: GPL-2.0-only
#
# The table of a benchmark, from bench/targets.csv and a guest's results:
#
#   awk -v guest=stock|uml -f bench-table.awk targets.csv results.csv
#
# Exits 0 whether targets are met or missed: a missed one stays in the table.

BEGIN {
	FS = ","
	line = "%-13s %5s %-23s %13s %-10s %13s %7s %7s  %s\n"
}

/^#/ || /^case,/ { next }

FNR == NR {
	if ($6 == guest)
		targets[++nr_targets] = $0
	next
}

{ results[$1, $2, $3, $4] = $5 }

# "<=0.20", "<1" or ">=1"
function verdict(ratio, target,		limit) {
	if (target == "-")
		return ""
	limit = target
	gsub(/[<>=]/, "", limit)
	if (target ~ /^<=/)
		return ratio <= limit ? "met" : "MISSED"
	if (target ~ /^</)
		return ratio < limit ? "met" : "MISSED"
	return ratio >= limit ? "met" : "MISSED"
}

function figure(value) {
	if (value == "")
		return "-"
	return value < 100000 ? sprintf("%.2f", value) : sprintf("%.0f", value)
}

# The rivals' best figure; sets who.
function best(name, size, metric, rivals, target,	list, nr, i, value, least) {
	nr = split(rivals, list, " ")
	who = rivals
	if (rivals == "1")
		return 1
	least = ""
	for (i = 1; i <= nr; i++) {
		if ((name, list[i], size, metric) in results)
			value = results[name, list[i], size, metric]
		else if ((list[i], "obmalloc", size, metric) in results)
			value = results[list[i], "obmalloc", size, metric]
		else
			continue
		if (least == "" || (target ~ /^>/ ? value > least : value < least)) {
			least = value
			who = list[i]
		}
	}
	return least
}

END {
	printf line, "case", "size", "metric", "obmalloc", "rival", "its figure",
		"ratio", "target", ""
	for (t = 1; t <= nr_targets; t++) {
		split(targets[t], field, ",")
		name = field[1]; size = field[2]; metric = field[3]
		target = field[5]
		own = results[name, "obmalloc", size, metric]
		rival = best(name, size, metric, field[4], target)
		ratio = mark = ""
		if (own == "" || rival == "")
			mark = target == "-" ? "" : "not measured"
		else if (rival + 0 == 0)
			mark = "no figure"
		else {
			ratio = sprintf("%.3f", own / rival)
			mark = verdict(own / rival, target)
		}
		if (own == "" && target == "-")
			continue
		if (mark == "met")
			nr_met++
		else if (mark != "")
			nr_missed++
		printf line, name, size ? size : "", metric, figure(own), who,
			figure(rival), ratio, target, mark
	}
	printf "%d targets met, %d not\n", nr_met, nr_missed
}
