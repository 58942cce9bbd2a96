#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Gets the kernels that obmalloc is built and tested with into the cache. None
# of them is installed on this machine. Each command prints one directory:
#
#   kernel.sh stock 6.12|6.1   Debian's kernel: vmlinuz, config, modules/ and
#                              kdir/, the headers tree for "make -C kdir M="
#   kernel.sh clang 6.12|6.1   the same kernel's kdir, made to suit clang
#   kernel.sh source 6.12|6.1  the unpacked linux-source package (KSRC)
#   kernel.sh uml              User Mode Linux built from the 6.12 source
#   kernel.sh uml-bench        the same without debugging options, to take times
#   kernel.sh debug            a kernel for QEMU with KASAN, lockdep, kmemleak
#   kernel.sh kcsan            one with KCSAN, for modules' accesses alone
#   kernel.sh busybox          a static busybox for the guests
#
# A directory is complete once it holds the file .complete, so that what an
# interrupted command left is made anew, never used.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

usage() {
	sed -n '/^#   kernel.sh/,/^# A dir/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
	exit 2
}

complete() {
	[[ -e $1/.complete ]]
}

# fresh_dir DIR: an empty directory beside DIR, to be renamed when filled.
fresh_dir() {
	rm -rf "$1" "$1.partial"
	mkdir -p "$1.partial"
}

finish_dir() {
	touch "$1.partial/.complete"
	mv "$1.partial" "$1"
}

# The newest complete directory of a pattern, for machines without a network.
newest_cached() {
	local dir last=

	while IFS= read -r dir; do
		if complete "$dir"; then
			last=$dir
		fi
	done < <({ compgen -G "$1" || true; } | sort -V)
	printf '%s\n' "$last"
}

# --- Debian's stock kernels -------------------------------------------------

# The newest amd64 image package of a series: the meta packages differ between
# Debian releases, the names of the images do not.
stock_image() {
	apt-cache pkgnames "linux-image-$1." |
		sed -n "/^linux-image-${1//./\\.}\.[^ ]*-amd64\$/p" |
		sed '/-\(cloud\|rt\)-amd64$/d' | sort -V | tail -n 1
}

# The headers' own packages, by their dependencies: -common, linux-kbuild, ...
stock_headers() {
	apt-cache depends --recurse --no-recommends --no-suggests \
		--no-conflicts --no-breaks --no-replaces --no-enhances \
		"linux-headers-$1" 2>/dev/null |
		sed -n '/^linux-\(headers\|kbuild\|compiler\)-[^ ]*$/p' |
		sort -u
}

# Prefixes the absolute paths of an extracted headers tree with its new place.
stock_relocate() {
	local root=$1 final=$2 release=$3 link to

	sed -i "s|^include /usr/src/|include $final/headers/usr/src/|" \
		"$root/headers/usr/src/linux-headers-$release/Makefile"
	while IFS= read -r link; do
		to=$(readlink "$link")
		if [[ $to == /usr/* ]]; then
			ln -sfn "$final/headers$to" "$link"
		fi
	done < <(find "$root/headers" -type l)
	ln -s "headers/usr/src/linux-headers-$release" "$root/kdir"
}

# What the headers' tools need of this machine: a compiler, libelf, pahole.
stock_needs() {
	local deb

	for deb in "$1"/linux-{headers,kbuild,compiler}-*.deb; do
		if [[ -e $deb ]]; then
			dpkg-deb -f "$deb" Depends
		fi
	done | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/[ \t]//g' |
		grep -vE '^(linux-|$)' | sort -u
}

stock_fetch() {
	local dir=$1 image=$2 part=$1.partial release=${2#linux-image-} deb
	local -a headers

	mapfile -t headers < <(stock_headers "$release")
	((${#headers[@]})) || die "no headers package for $image"
	fresh_dir "$dir"
	mkdir "$part/debs"
	fetch_debs "$part/debs" "$image" "${headers[@]}"
	stock_needs "$part/debs" >"$part/needs"
	for deb in "$part"/debs/linux-image-*.deb; do
		dpkg-deb -x "$deb" "$part/image"
	done
	for deb in "$part"/debs/linux-{headers,kbuild,compiler}-*.deb; do
		if [[ -e $deb ]]; then
			dpkg-deb -x "$deb" "$part/headers"
		fi
	done
	mv "$part/image/boot/vmlinuz-$release" "$part/vmlinuz"
	mv "$part/image/boot/config-$release" "$part/config"
	mv "$part/image/boot/System.map-$release" "$part/System.map"
	find "$part/image" -type d -path "*/lib/modules/$release" -prune \
		-exec mv {} "$part/modules" \;
	stock_relocate "$part" "$dir" "$release"
	echo "$release" >"$part/release"
	rm -rf "$part/debs" "$part/image"
	[[ -s $part/vmlinuz && -e $part/kdir/Module.symvers ]] ||
		die "$image and its headers are not laid out as expected"
	finish_dir "$dir"
}

stock() {
	local series=$1 image dir version

	[[ " $OBM_KERNELS " == *" $series "* ]] || usage
	image=$(stock_image "$series")
	if [[ -z $image ]]; then
		dir=$(newest_cached "$OBM_CACHE/stock/$series.*")
		if [[ -z $dir ]]; then
			apt_update
			image=$(stock_image "$series")
			[[ -n $image ]] || die "no Debian kernel $series in this" \
				"machine's package sources"
		fi
	fi
	if [[ -n $image ]]; then
		version=$(candidate "$image")
		dir=$OBM_CACHE/stock/$(as_name "$version")
	fi
	if ! complete "$dir"; then
		(
			lock "stock-$series"
			complete "$dir" || stock_fetch "$dir" "$image"
		)
	fi
	mapfile -t needs <"$dir/needs"
	# shellcheck disable=SC2086
	need_packages make:make ${OBM_ALSO_NEED:-} "${needs[@]}"
	printf '%s\n' "$dir"
}

# --- Debian's headers for clang ---------------------------------------------

# What Debian's configuration asks of gcc and clang does not offer, and what
# the kernel does for clang instead. A kernel configured with clang says so.
CLANG_OFF="CC_IS_GCC CC_HAS_NAMED_AS USE_X86_SEG_SUPPORT FTRACE_MCOUNT_USE_CC
	HAVE_OBJTOOL_NOP_MCOUNT RETHUNK MITIGATION_RETHUNK SLS MITIGATION_SLS"
CLANG_ON="CC_IS_CLANG CC_HAS_AUTO_VAR_INIT_ZERO_ENABLER
	FTRACE_MCOUNT_USE_OBJTOOL"

clang_config() {
	local dir=$1 version name
	local conf=$dir/include/config/auto.conf
	local header=$dir/include/generated/autoconf.h

	version=$(clang -dM -E -x c /dev/null | awk '
		/__clang_major__/ { a = $3 } /__clang_minor__/ { b = $3 }
		/__clang_patchlevel__/ { c = $3 }
		END { printf "%d%02d%02d", a, b, c }')
	for name in $CLANG_OFF; do
		sed -i "/^CONFIG_$name=/d" "$conf"
		sed -i "/^#define CONFIG_$name /d" "$header"
	done
	for name in $CLANG_ON; do
		echo "CONFIG_$name=y" >>"$conf"
		echo "#define CONFIG_$name 1" >>"$header"
	done
	sed -i "s/^\(CONFIG_GCC_VERSION\)=.*/\1=0/
		s/^\(CONFIG_CLANG_VERSION\)=.*/\1=$version/
		s/^\(CONFIG_CC_IMPLICIT_FALLTHROUGH=.*\)=5/\1/" "$conf"
	sed -i "s/^\(#define CONFIG_GCC_VERSION\) .*/\1 0/
		s/^\(#define CONFIG_CLANG_VERSION\) .*/\1 $version/" "$header"
}

# A sibling of the headers, because their links are relative to their place.
clang_kdir() {
	local stock dir hash

	need_packages clang:clang ld.lld:lld llvm-ar:llvm
	stock=$(stock "$1")
	hash=$(echo "$CLANG_OFF $CLANG_ON" | sha256sum)
	dir=$(readlink -f "$stock/kdir")
	dir+=-clang-$(clang -dumpversion)-${hash:0:6}
	if ! complete "$dir"; then
		(
			lock "clang-$1"
			complete "$dir" && exit
			fresh_dir "$dir"
			cp -a "$stock/kdir/." "$dir.partial/"
			clang_config "$dir.partial"
			finish_dir "$dir"
		)
	fi
	printf '%s\n' "$dir"
}

# --- Kernel source ----------------------------------------------------------

source_unpack() {
	local dir=$1 pkg=$2 part=$1.partial tarball=/usr/src/$2.tar.xz

	need_packages xz:xz-utils
	fresh_dir "$dir"
	if installed "$pkg" && [[ -e $tarball ]]; then
		slowly "unpacking $pkg" "$(log_file "$pkg")" \
			tar -C "$part" --strip-components=1 -xJf "$tarball"
	else
		mkdir "$part/debs"
		fetch_debs "$part/debs" "$pkg"
		slowly "unpacking $pkg" "$(log_file "$pkg")" bash -c '
			set -o pipefail
			dpkg-deb --fsys-tarfile "$1"/debs/*.deb |
			tar -xO "./usr/src/$2.tar.xz" |
			tar -C "$1" --strip-components=1 -xJ' \
			- "$part" "$pkg"
		rm -rf "$part/debs"
	fi
	[[ -e $part/scripts/checkpatch.pl ]] || die "$pkg is not a kernel"
	finish_dir "$dir"
}

source_version() {
	if installed "$1" && [[ -e /usr/src/$1.tar.xz ]]; then
		dpkg-query -W -f='${Version}' "$1"
	else
		candidate "$1"
	fi
}

ksource() {
	local pkg=linux-source-$1 version dir

	[[ " $OBM_KERNELS " == *" $1 "* ]] || usage
	version=$(source_version "$pkg")
	dir=$(newest_cached "$OBM_CACHE/src/$pkg-*")
	if [[ -z $version && -z $dir ]]; then
		apt_update
		version=$(source_version "$pkg")
		[[ -n $version ]] ||
			die "no package $pkg in this machine's package sources"
	fi
	if [[ -n $version ]]; then
		dir=$OBM_CACHE/src/$pkg-$(as_name "$version")
	fi
	if ! complete "$dir"; then
		(
			lock "source-$1"
			complete "$dir" || source_unpack "$dir" "$pkg"
		)
	fi
	printf '%s\n' "$dir"
}

# --- Kernels that we build --------------------------------------------------

# Every line of a fragment must hold in the configuration made from it.
config_holds() {
	local fragment=$1 config=$2 line name bad=0

	while IFS= read -r line; do
		case $line in
		CONFIG_*=n)
			name=${line%=n}
			grep -q "^$name=" "$config" || continue ;;
		CONFIG_*=*)
			grep -qxF "$line" "$config" && continue ;;
		*)	continue ;;
		esac
		msg "$fragment: '$line' did not hold"
		bad=1
	done <"$fragment"
	return $bad
}

# config_make KSRC DIR BASE FRAGMENT MAKE-ARG...: BASE is allnoconfig (the
# fragment says everything) or another target on top of which it is laid.
config_make() {
	local ksrc=$1 dir=$2 base=$3 fragment=$4

	shift 4
	if [[ $base == allnoconfig ]]; then
		make -C "$ksrc" O="$dir" "$@" \
			KCONFIG_ALLCONFIG="$fragment" allnoconfig
	else
		make -C "$ksrc" O="$dir" "$@" "$base"
		cat "$fragment" >>"$dir/.config"
		make -C "$ksrc" O="$dir" "$@" olddefconfig
	fi
	config_holds "$fragment" "$dir/.config"
}

# built NAME FRAGMENT BASE MAKE-ARG... -- TARGET...: a kernel of the 6.12
# source in $OBM_CACHE/NAME/<version>-<hash>. Kbuild's output directory cannot
# be renamed (it knows its name), hence the stamp; an interrupted build goes on
# where it stopped.
built() {
	local name=$1 fragment=$2 base=$3 ksrc dir hash log
	local -a args=()

	shift 3
	while [[ $1 != -- ]]; do
		args+=("$1")
		shift
	done
	shift
	need_packages gcc:build-essential make:build-essential flex:flex \
		bison:bison bc:bc perl:perl
	ksrc=$(ksource 6.12)
	hash=$(printf '%s\n' "$(sha256sum <"$fragment")" "$base" "${args[*]}" \
		"$(gcc --version | head -n 1)" | sha256sum)
	dir=$OBM_CACHE/$name/$(basename "$ksrc")-${hash:0:12}
	if ! complete "$dir"; then
		(
			lock "$name"
			complete "$dir" && exit
			mkdir -p "$dir"
			log=$(log_file "$name-config")
			config_make "$ksrc" "$dir" "$base" "$fragment" \
				"${args[@]}" >"$log" 2>&1 </dev/null ||
				die "configuring $name failed" "$log"
			slowly "building the $name kernel" \
				"$(log_file "$name-build")" \
				make -C "$ksrc" O="$dir" "${args[@]}" \
				-j"$(nproc)" "$@"
			touch "$dir/.complete"
		)
	fi
	printf '%s\n' "$dir"
}

uml() {
	built uml "$OBM_TOP/scripts/config/uml.config" allnoconfig ARCH=um -- \
		linux modules
}

uml_bench() {
	built uml-bench "$OBM_TOP/scripts/config/uml-bench.config" \
		allnoconfig ARCH=um -- linux modules
}

debug() {
	need_packages libelf-dev
	built debug "$OBM_TOP/scripts/config/debug.config" allnoconfig \
		ARCH=x86 -- bzImage modules
}

# Whose barriers KCSAN must hear of though their accesses are not watched: what a
# module calls to lock, to wait, to be called back. mm and sched say it of
# themselves.
KCSAN_BARRIERS="spinlock mutex rwsem tree update srcutree workqueue
	kthread smp irq_work hrtimer timer softirq llist task_work notifier"

# The kernel's own accesses are not watched: its races are not ours to find, and
# the same time holds several times the operations.
kcsan() {
	need_packages libelf-dev
	# shellcheck disable=SC2086
	built kcsan "$OBM_TOP/scripts/config/kcsan.config" allnoconfig \
		ARCH=x86 KCSAN_SANITIZE=n $(printf \
		'KCSAN_INSTRUMENT_BARRIERS_%s.o=y ' $KCSAN_BARRIERS) -- \
		bzImage modules
}

# --- Guests' user space -----------------------------------------------------

# Extracted even where it could be installed: busybox-static would replace the
# busybox package that this machine may depend on.
busybox() {
	local dir

	dir=$(newest_cached "$OBM_CACHE/busybox")
	if [[ -z $dir ]]; then
		dir=$OBM_CACHE/busybox
		(
			lock busybox
			complete "$dir" && exit
			fresh_dir "$dir"
			if installed busybox-static; then
				cp /bin/busybox "$dir.partial/busybox"
			else
				[[ -n $(candidate busybox-static) ]] ||
					apt_update
				fetch_debs "$dir.partial" busybox-static
				dpkg-deb -x "$dir.partial"/*.deb \
					"$dir.partial/root"
				find "$dir.partial/root" -name busybox \
					-type f -perm -100 -exec \
					cp {} "$dir.partial/busybox" \;
				rm -rf "$dir.partial/root" "$dir.partial"/*.deb
			fi
			[[ -x $dir.partial/busybox ]] ||
				die "busybox-static holds no busybox"
			finish_dir "$dir"
		)
	fi
	printf '%s\n' "$dir"
}

cache_init
case ${1:-} in
stock)		[[ $# == 2 ]] || usage; stock "$2" ;;
clang)		[[ $# == 2 ]] || usage; clang_kdir "$2" ;;
source)		[[ $# == 2 ]] || usage; ksource "$2" ;;
uml)		uml ;;
uml-bench)	uml_bench ;;
debug)		debug ;;
kcsan)		kcsan ;;
busybox)	busybox ;;
*)		usage ;;
esac
