# Meson and Ninja do the work. Each target first brings what it needs from Debian's packages (tools/setup).
# `make help` says what there is.

BUILD  := build
PREFIX := /usr/local
# Debian's own: its modules are the ones that the tests use.
PYTHON := /usr/bin/python3

.DEFAULT_GOAL := build
.PHONY: help build demo test bench bench-cluster bench-addresses bench-failover bench-store soak soak-store fuzz sim sim-bugs format check-format tidy man install clean
MAKEFLAGS += --no-print-directory

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build/nines
	@tools/setup build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) >/dev/null
	@ninja -C $(BUILD) nines

demo: build ## three machines with a store under traffic: a shop dies, then the primary's machine (ends by itself without a terminal)
	@tools/setup demo
	@demo/run

test: ## all tests and checks; `make test ONLY="unit system"` runs some stages, PYTEST="-k reload" some tests
	@tools/setup test
	@$(PYTHON) tools/test $(ONLY)

bench: build ## beside HAProxy and nginx, one pinned worker each: SECONDS=5 ROUNDS=3 ONLY="keep-alive-128"
	@tools/setup bench
	@$(PYTHON) bench/run --rounds $(or $(ROUNDS),3) --seconds $(or $(SECONDS),5) --only "$(ONLY)" --proxies "$(PROXIES)"

bench-cluster: build ## elections, proposals and rest of three nodes beside etcd, as root: WHAT="elections --runs 20"
	@tools/setup bench
	@$(PYTHON) bench/cluster $(or $(WHAT),all)

bench-addresses: build ## what clients lose when a virtual address moves, beside keepalived, as root: RUNS=20 ONLY="node dead"
	@tools/setup bench
	@$(PYTHON) bench/addresses --runs $(or $(RUNS),20) --only "$(ONLY)"

bench-failover: build ## what clients of a replicated Redis lose and wait for, beside Sentinel, and of the store, as root: WHAT="run --runs 20", "store --runs 20", "soak --faults 200"
	@tools/setup bench
	@$(PYTHON) bench/failover $(or $(WHAT),all)

bench-store: build ## the embedded store beside Redis and etcd: SECONDS=4 ROUNDS=3 ONLY="sync restart"
	@tools/setup bench
	@$(PYTHON) bench/store --seconds $(or $(SECONDS),4) --rounds $(or $(ROUNDS),3) --only "$(ONLY)"

soak: build ## a million requests, and what memory they cost: REQUESTS=1000000
	@tools/setup bench
	@$(PYTHON) bench/run soak --requests $(or $(REQUESTS),1000000)

soak-store: build ## the store under FAULTS=1000 random faults in sequence, what its clients saw judged for linearizability, as root; SEED=7
	@tools/setup test
	@FAULTS=$(or $(FAULTS),1000) SEED=$(SEED) $(PYTHON) -B -m pytest -q -s -p no:cacheprovider test/system/test_store_soak.py

fuzz: ## every parser's fuzz target for SECONDS=60 each
	@tools/setup fuzz
	@tools/fuzz $(or $(SECONDS),60)

sim: ## simulated clusters: SEEDS=1000 from FIRST=1 on, each twice; ONLY="cluster", "cores", "groups" or "store"; STORY=17 tells one
	@tools/setup build
	@$(PYTHON) tools/sim --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1) --story "$(STORY)" $(ONLY)

sim-bugs: ## plants each bug of test/sim/bugs and says which seed finds it; ONLY="vote-forgotten"
	@tools/setup build
	@SEEDS=$(or $(SEEDS),100000) $(PYTHON) tools/sim-bugs $(ONLY)

format: ## lay out all C files as .clang-format says
	@tools/setup format
	@git ls-files '*.[ch]' | xargs clang-format -i

check-format: ## name the C files that are not laid out so
	@tools/setup format
	@tools/check-format

tidy: ## clang-tidy over all C files
	@tools/setup test
	@tools/check-tidy

man: build ## the manual pages, in build/man
	@tools/setup man
	@tools/man $(BUILD)/man

install: man ## the program, its pages and its systemd unit, into PREFIX=/usr/local (DESTDIR is heeded)
	@install -D -m 755 $(BUILD)/nines $(DESTDIR)$(PREFIX)/bin/nines
	@install -D -m 644 $(BUILD)/man/nines.1 $(DESTDIR)$(PREFIX)/share/man/man1/nines.1
	@install -D -m 644 $(BUILD)/man/nines.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/nines.yaml.5
	@sed 's#/usr/local#$(PREFIX)#' packaging/nines.service | \
		install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/nines.service

clean: ## remove all builds
	@rm -rf build build-*
