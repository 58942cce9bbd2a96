#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: loads obmalloc and each KUnit module, with marks in the kernel
# log between which a module's results stand. Every module must go again.

mark() {
	echo "obm-test: $*" >/dev/kmsg
}

failed=0
complain() {
	echo "error: $*"
	failed=1
}

insmod module/obmalloc.ko || exit 1
for module in kunit/*.ko; do
	name=$(basename "$module" .ko)
	mark begin "$name"
	insmod "$module" || complain "insmod $module"
	mark end "$name"
	rmmod "$name" || complain "rmmod $name"
done
rmmod obmalloc || complain "rmmod obmalloc: a suite left something behind"
exit $failed
