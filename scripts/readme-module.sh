#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the module that README.md shows, from the README's own text:
#
#   readme-module.sh stock-6.12|stock-6.1|uml|debug|kcsan [BUILT]
#
# A fenced block that follows a line <!-- file: NAME --> becomes the file NAME.
# "make" is then run on the Makefile among them, told by KDIR where the
# kernel's headers are and by OBMALLOC where a built obmalloc is: BUILT, which
# build.sh printed, or else built now. Prints the directory with the result.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# extract README DIR
extract() {
	awk -v dir="$2" '
		match($0, /^<!-- file: [A-Za-z0-9_.-]+ -->$/) {
			name = $3; next
		}
		name != "" && !inside && /^```/ { inside = 1; next }
		inside && /^```/ {
			close(dir "/" name); inside = 0; name = ""; next
		}
		inside { print > (dir "/" name); next }
		name != "" && NF { name = "" }
	' "$1"
}

main() {
	local kernel=${1:-} built dir log kdir
	local -a arch=()

	case $kernel in
	stock-*)	kdir=$("$OBM_TOP/scripts/kernel.sh" \
				stock "${kernel#stock-}")/kdir ;;
	uml)		kdir=$("$OBM_TOP/scripts/kernel.sh" uml)
			arch=(ARCH=um) ;;
	debug | kcsan)	kdir=$("$OBM_TOP/scripts/kernel.sh" "$kernel") ;;
	*)		die "usage: readme-module.sh" \
				"stock-6.12|stock-6.1|uml|debug|kcsan" ;;
	esac
	cache_init
	built=${2:-$("$OBM_TOP/scripts/build.sh" "$kernel")}
	dir=$OBM_CACHE/build/$(checkout_id)/$kernel-readme
	log=$(log_file "readme-$(checkout_id)-$kernel")
	lock "build-readme-$(checkout_id)-$kernel"
	rm -rf "$dir"
	mkdir -p "$dir"
	extract "$OBM_TOP/README.md" "$dir"
	[[ -s $dir/Makefile ]] ||
		die "README.md names no Makefile (<!-- file: Makefile -->)"
	slowly "building the README's module for $kernel" "$log" \
		make -C "$dir" KDIR="$kdir" OBMALLOC="$built" \
		KCFLAGS=-Werror "${arch[@]}"
	! grep -E '(^|[ :])(warning|WARNING): ' "$log" >&2 ||
		die "the README's module warned" "$log"
	compgen -G "$dir/*.ko" >/dev/null ||
		die "the README's Makefile made no module" "$log"
	printf '%s\n' "$dir"
}

main "$@"
