# SPDX-License-Identifier: MIT
# `make help` lists what there is. Everything that is built lands in build/.

BUILD = build

PREFIX = /usr/local
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR = $(PREFIX)/lib$(MULTIARCH:%=/%)
BINDIR = $(PREFIX)/bin
# What the installed launcher puts into LD_PRELOAD: the bare name where the loader looks by itself.
PRELOAD = $(if $(filter /usr /usr/local,$(PREFIX)),,$(LIBDIR)/)libnoselfconn.so
MANDIR = $(PREFIX)/share/man
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/site-functions
# So that the loader finds the library by its bare name; only root can, and only root needs to.
LDCONFIG = test "$$(id -u)" -ne 0 || ldconfig

CFLAGS = -O2
WARNINGS = -Wall -Wextra -Wpedantic
# -fexceptions: a cancelled thread unwinds through our frames (pthread_cancel(3)).
# -fno-stack-protector: its i386 form needs a part of libc that -nostdlib leaves out.
SHIM_CFLAGS = -std=c11 -D_DEFAULT_SOURCE $(WARNINGS) -fPIC -fvisibility=hidden -fexceptions \
	-fno-stack-protector
# One file for every libc: no DT_NEEDED, so the process brings its own. Symbols are bound at load,
# since binding at the first call is not safe in a signal handler. One read-only segment instead of
# three, and the GNU hash alone: fewer system calls to load it.
SHIM_LDFLAGS = -shared -nostdlib -Wl,-soname,libnoselfconn.so -Wl,--version-script=shim/exports.map \
	-Wl,-z,now -Wl,-z,noseparate-code -Wl,--hash-style=gnu

TEST_CFLAGS = -std=c11 -pthread $(WARNINGS) $(CPPFLAGS) $(CFLAGS)
TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/tests/%,$(wildcard tests/programs/*.c))
TEST_OBJECTS := $(patsubst tests/objects/%.c,$(BUILD)/tests/%.so,$(wildcard tests/objects/*.c))
SCRIPTS = scripts/noselfconn scripts/noselfconn-audit scripts/demo scripts/install-test-tools \
	scripts/make-deb tests/soak .ci/run
# Most tests wait more than they compute.
JOBS = $$(($$(nproc) * 2))
# Of a library built otherwise: INSTRUMENT holds the compiler's flags for that, OTHER_TESTS leaves out
# what would no longer hold, the tests of the file as it ships.
INSTRUMENT =
OTHER_TESTS =
# A few tests need real root: no user namespace has the right to steer packets, say.
ROOT_TESTS = $(if $(filter 0,$(shell id -u)),,$(comma)!root)
comma = ,
# GNU parallel would otherwise keep a folder in the user's home.
BATS = PARALLEL_HOME=$(CURDIR)/build/parallel bats --jobs $(JOBS) --timing

# Processors, by the prefix of Debian's cross compilers: those of every test run, and the others.
ARCHITECTURES = i686-linux-gnu aarch64-linux-gnu s390x-linux-gnu
MORE_ARCHITECTURES = arm-linux-gnueabihf riscv64-linux-gnu powerpc64le-linux-gnu

.PHONY: all
all: $(BUILD)/libnoselfconn.so ## build the library (the default)

$(BUILD)/libnoselfconn.so: shim/exports.map $(wildcard shim/*.[ch]) Makefile
	@mkdir -p $(@D)
	$(CC) $(SHIM_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -o $@ $(filter %.c,$^) \
		$(INSTRUMENT)

.PHONY: demo
demo: all ## watch telnet connect to itself, and be refused instead; HOST=1: on the host's own ports
	scripts/demo $(if $(filter 1,$(HOST)),--host)

.PHONY: check
check: all ## run the tests
	scripts/install-test-tools --check
	$(MAKE) --no-print-directory test-programs $(ARCHITECTURES:%=architecture-%)
	@mkdir -p build/parallel
	$(BATS) --filter-tags '!more-architectures,!deb$(ROOT_TESTS)$(OTHER_TESTS)' tests

.PHONY: check-arch
check-arch: ## run the tests of every architecture
	scripts/install-test-tools --check arch
	$(MAKE) --no-print-directory $(ARCHITECTURES:%=architecture-%) \
		$(MORE_ARCHITECTURES:%=architecture-%)
	@mkdir -p build/parallel
	$(BATS) tests/architectures.bats

.PHONY: check-deb
check-deb: all ## test the Debian package, in a new Debian in a folder; as root
	scripts/install-test-tools --check deb
	$(MAKE) --no-print-directory test-programs
	bats --timing --filter-tags deb tests/deb.bats

.PHONY: coverage
coverage: ## run the tests on an instrumented library: all lines and branches of shim/ are reached
	scripts/install-test-tools --check proof
	rm -rf build/coverage
	mkdir -p build/coverage
	cp -R shim tests scripts Makefile README.md build/coverage
	$(MAKE) --no-print-directory -C build/coverage check OTHER_TESTS=',!shipped' \
		INSTRUMENT='-O0 --coverage -fprofile-update=atomic -fno-exceptions'
	cd build/coverage && gcovr --filter shim/ --branches --print-summary --fail-under-line 100 \
		--fail-under-branch 100

# For this many seconds.
FUZZ ?= 60
FUZZ_LIMIT = -max_total_time=$(FUZZ) -print_final_stats=1

.PHONY: fuzz
fuzz: ## compare endpoints of every kind with a reference, for a minute; FUZZ=seconds
	scripts/install-test-tools --check proof
	@mkdir -p build/fuzz/corpus
	clang $(TEST_CFLAGS) -D_DEFAULT_SOURCE -g -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o build/fuzz/endpoint tests/fuzz/endpoint.c shim/endpoint.c
	build/fuzz/endpoint -max_len=262 $(FUZZ_LIMIT) build/fuzz/corpus

.PHONY: mutants
mutants: all ## break the library in every way that a small change can, and see the tests notice
	scripts/install-test-tools --check proof
	$(MAKE) --no-print-directory test-programs
	tests/mutants

# For this many seconds.
SOAK ?= 3600

.PHONY: soak
soak: all $(BUILD)/tests/attempts ## attempt for an hour, while servers come and go; SOAK=seconds
	tests/soak $(SOAK)

# In a network namespace, so that nothing else is on its loopback.
ROUNDS ?= 15
OWN_HOST = unshare --net $(if $(filter 0,$(shell id -u)),,--user --map-root-user)

.PHONY: bench
bench: all $(BUILD)/tests/empty.so ## measure what it costs, beside other preloads; ROUNDS=number
	scripts/install-test-tools --check proof
	@mkdir -p build/bench
	gcc -D_GNU_SOURCE $(TEST_CFLAGS) -o build/bench/calls tests/bench/calls.c
	gcc -D_DEFAULT_SOURCE $(TEST_CFLAGS) -fPIC -shared -o build/bench/textbook.so tests/bench/textbook.c
	$(OWN_HOST) sh -c 'ip link set lo up && tests/bench/bench $(ROUNDS)'
	hyperfine --shell=none --warmup 3 --style basic 'scripts/noselfconn true' true

.PHONY: test-programs
test-programs: $(TEST_PROGRAMS) $(TEST_OBJECTS) $(addprefix build/tests/,dial connect-musl \
	fastopen-musl connect-static connect-asan threads-tsan) bare tsan asan

# The library as it is in a process without dlsym and secure_getenv.
.PHONY: bare
bare:
	$(MAKE) --no-print-directory BUILD=build/bare \
		CPPFLAGS='-Ddlsym=no_dlsym -Dsecure_getenv=no_secure_getenv'

# The library as ThreadSanitizer and AddressSanitizer watch it.
.PHONY: tsan asan
tsan:
	$(MAKE) --no-print-directory BUILD=build/tsan CC=gcc INSTRUMENT='-g -fsanitize=thread'
asan:
	$(MAKE) --no-print-directory BUILD=build/asan CC=gcc INSTRUMENT='-g -fsanitize=address'

# The library, and what its contract is tested with, in build/PREFIX/.
architecture-%:
	$(MAKE) --no-print-directory CC=$*-gcc BUILD=build/$* build/$*/libnoselfconn.so \
		build/$*/tests/connect build/$*/tests/contract build/$*/tests/cancel

$(BUILD)/tests/%: tests/programs/%.c tests/programs/common.h Makefile
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(TEST_CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)

$(BUILD)/tests/uring: LDLIBS = -luring

# The same program built by another COMMAND, as NAME-SUFFIX.
define OTHER_BUILD # SUFFIX, COMMAND
build/tests/%-$(1): tests/programs/%.c tests/programs/common.h Makefile
	@mkdir -p $$(@D)
	$(2) -D_GNU_SOURCE $$(TEST_CFLAGS) $$(LDFLAGS) -o $$@ $$<
endef
$(eval $(call OTHER_BUILD,musl,musl-gcc))
$(eval $(call OTHER_BUILD,static,musl-gcc -static))
$(eval $(call OTHER_BUILD,asan,gcc -fsanitize=address))
$(eval $(call OTHER_BUILD,tsan,gcc -fsanitize=thread))

build/tests/dial: tests/programs/dial.go Makefile
	@mkdir -p $(@D)
	GO111MODULE=off GOCACHE=$(CURDIR)/build/go go build -o $@ $<

$(BUILD)/tests/%.so: tests/objects/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -D_DEFAULT_SOURCE $(TEST_CFLAGS) -fPIC -shared $(LDFLAGS) -o $@ $<

.PHONY: lint
lint: ## check layout and style: clang-format, clang-tidy, cppcheck, shellcheck, shfmt
	scripts/install-test-tools --check lint
	clang-format --dry-run --Werror $(wildcard shim/*.[ch] tests/*/*.[ch])
	clang-tidy --quiet --warnings-as-errors='*' $(wildcard shim/*.c) -- $(SHIM_CFLAGS)
	clang-tidy --quiet --warnings-as-errors='*' $(wildcard tests/programs/*.c) tests/bench/calls.c -- \
		-D_GNU_SOURCE $(TEST_CFLAGS)
	clang-tidy --quiet --warnings-as-errors='*' $(wildcard tests/objects/*.c tests/fuzz/*.c) \
		tests/bench/textbook.c -- \
		-D_DEFAULT_SOURCE $(TEST_CFLAGS)
	cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
		--error-exitcode=1 shim tests
	shellcheck $(SCRIPTS) tests/*.bats tests/*.bash
	shfmt -i 4 -d $(SCRIPTS)
	shfmt -i 4 -ln bats -d tests/*.bats tests/*.bash
	shellcheck scripts/completion.bash
	shfmt -i 4 -ln bash -d scripts/completion.bash
	mandoc -T lint -W warning scripts/*.[17]

INSTALLED = $(LIBDIR)/libnoselfconn.so $(BINDIR)/noselfconn $(BINDIR)/noselfconn-audit \
	$(MANDIR)/man1/noselfconn.1 $(MANDIR)/man1/noselfconn-audit.1 $(MANDIR)/man7/libnoselfconn.7 \
	$(BASHDIR)/noselfconn $(BASHDIR)/noselfconn-audit $(ZSHDIR)/_noselfconn

.PHONY: install
install: all ## install it: PREFIX, LIBDIR, BINDIR, MANDIR, BASHDIR, ZSHDIR, DESTDIR
	install -D -m 644 $(BUILD)/libnoselfconn.so $(DESTDIR)$(LIBDIR)/libnoselfconn.so
	install -D -m 755 scripts/noselfconn-audit $(DESTDIR)$(BINDIR)/noselfconn-audit
	sed -e 's|^library=.*|library=$(LIBDIR)/libnoselfconn.so|' -e 's|^preload=.*|preload=$(PRELOAD)|' \
		scripts/noselfconn >$(DESTDIR)$(BINDIR)/noselfconn
	chmod 755 $(DESTDIR)$(BINDIR)/noselfconn
	install -D -m 644 scripts/noselfconn.1 $(DESTDIR)$(MANDIR)/man1/noselfconn.1
	install -D -m 644 scripts/noselfconn-audit.1 $(DESTDIR)$(MANDIR)/man1/noselfconn-audit.1
	install -D -m 644 scripts/libnoselfconn.7 $(DESTDIR)$(MANDIR)/man7/libnoselfconn.7
	install -D -m 644 scripts/completion.bash $(DESTDIR)$(BASHDIR)/noselfconn
	install -D -m 644 scripts/completion.bash $(DESTDIR)$(BASHDIR)/noselfconn-audit
	install -D -m 644 scripts/completion.zsh $(DESTDIR)$(ZSHDIR)/_noselfconn
	$(if $(DESTDIR),,$(LDCONFIG))

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(INSTALLED:%=$(DESTDIR)%)
	$(if $(DESTDIR),,$(LDCONFIG))

.PHONY: deb
deb: all ## build a Debian package of it, in build/
	scripts/make-deb

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
