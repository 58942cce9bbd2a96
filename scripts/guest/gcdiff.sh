#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: the answers of samples/graph to the scripts in this directory.
set -e
insmod obmalloc.ko
insmod graph.ko
exec 3<>/sys/kernel/debug/obm_graph/run
cat scripts >&3
cat <&3 >/tmp/answers
exec 3>&-
rmmod graph
rmmod obmalloc
