# SPDX-License-Identifier: GPL-2.0-only
#
# What a person types. What is built stands in Kbuild.

# DKMS names the kernel on the command line.
KVER	?= $(or $(KERNELRELEASE),$(shell uname -r))
KDIR	?= /lib/modules/$(KVER)/build
KERNEL	?=
TRACE	?=
SUITES	?=
OPS	?=
SEED	?= 1
N	?= 1000

.DEFAULT_GOAL := modules

# KBUILD: kbuild on this directory; W=1, C=2, LLVM=1 reach it by themselves.
KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR)

.PHONY: help
help: ## this list
	@echo 'obmalloc: a CPython-like small-object allocator as a module'
	@echo
	@sed -n 's/^\([a-z_-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | \
		awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'
	@echo
	@echo 'Variables:'
	@echo '  KDIR=DIR             headers to build against [$(KDIR)]'
	@echo '  KERNEL=6.12|6.1      test kernel of run, replay, test-kselftest'
	@echo '  TRACE=FILE[.gz]      recording for replay'
	@echo '  SEED=n N=n           of gcdiff'
	@echo '  SUITES="race ref"    of test-debug, instead of all'
	@echo '  OPS=n                of test-long [1000000000]'
	@echo '  W=1 C=2 LLVM=1       as for any kernel build'
	@echo '  OBM_CACHE=DIR        kernels and builds [~/.cache/obmalloc]'

.PHONY: kdir
kdir:
	@test -e "$(KDIR)/Makefile" || { \
	  echo "No kernel headers in $(KDIR)." >&2; \
	  echo "Install them (Debian: apt install linux-headers-$(KVER))" >&2; \
	  echo "or say where they are: make KDIR=/path/to/kernel/build" >&2; \
	  echo "To only try obmalloc in a virtual machine: make run" >&2; \
	  exit 1; }

.PHONY: modules
modules: kdir ## build the modules against KDIR (the default)
	$(KBUILD) modules

.PHONY: modules_install
modules_install: kdir ## install the built modules (as root)
	$(KBUILD) modules_install

.PHONY: clean
clean: kdir ## remove what was built here; the cache stays
	$(KBUILD) clean
	$(MAKE) -C userspace-test/sim clean

.PHONY: run
run: ## boot a stock Debian kernel in QEMU and show obmalloc at work
	@scripts/run.sh $(or $(KERNEL),6.12)

.PHONY: replay
replay: ## replay a recorded kernel trace: TRACE=file[.gz]
	@test -n "$(TRACE)" || { \
	  echo "usage: make replay TRACE=file[.gz] [KERNEL=6.1]" >&2; exit 2; }
	@scripts/replay --kernel $(or $(KERNEL),6.12) "$(TRACE)"

.PHONY: check
check: ## static checks and the simulator's quick part; no root, a minute
	@scripts/check.sh

.PHONY: test
test: ## everything: simulator, KUnit in UML, kselftest in QEMU
	@scripts/test.sh

.PHONY: test-sim
test-sim: ## the allocator in userspace under sanitizers
	@scripts/test.sh sim

.PHONY: test-kunit
test-kunit: ## the KUnit suites in User Mode Linux
	@scripts/test.sh kunit

.PHONY: test-kselftest
test-kselftest: ## kselftest on stock 6.12 and 6.1, or on KERNEL
	@scripts/test.sh $(addprefix kselftest-,$(or $(KERNEL),6.12 6.1))

.PHONY: test-gcdiff
test-gcdiff: ## 10,000 random scripts: the collector against CPython's
	@scripts/test.sh gcdiff

.PHONY: test-debug
test-debug: ## under KASAN, lockdep, kmemleak; and KCSAN: SUITES="..."
	@OBM_SUITES="$(SUITES)" scripts/test.sh debug kcsan

.PHONY: test-long
test-long: ## a billion operations while the collector runs, or OPS=n
	@scripts/test-long.sh $(OPS)

.PHONY: gcdiff
gcdiff: ## the same with SEED=n and N=n scripts; shows what differs
	@scripts/gcdiff.sh --seed $(SEED) --n $(N)

.PHONY: bench
bench: ## measure against kmem_cache and kmalloc, in VMs: table, plots
	@scripts/bench.sh $(KERNEL)

.PHONY: bench-check
bench-check: ## fail if an instruction count grew by more than 3 %
	@scripts/bench.sh check

.PHONY: bench-baseline
bench-baseline: ## make today's instruction counts the baseline
	@scripts/bench.sh baseline

.PHONY: bench-host
bench-host: ## the benchmark on the running kernel (as root)
	@scripts/bench-host.sh $(KDIR)
