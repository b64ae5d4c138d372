# SPDX-License-Identifier: MIT
# The tests, the proofs and the style checks. Included by ../Makefile.

TEST_CFLAGS = -std=c11 -pthread $(WARNINGS) $(CPPFLAGS) $(CFLAGS)
TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/tests/%,$(wildcard tests/programs/*.c))
TEST_OBJECTS := $(patsubst tests/objects/%.c,$(BUILD)/tests/%.so,$(wildcard tests/objects/*.c))
# Traced as static programs (GUARD=tracer in tests/helpers.bash).
STATIC_PROGRAMS = $(addprefix build/static/,attempts connect contract quick raw \
	signals threads untouched waiting)
SCRIPTS = scripts/noselfconn scripts/noselfconn-audit scripts/noselfconn-firewall tests/install-test-tools \
	scripts/packaging/forget-preload scripts/packaging/make-deb tests/soak tests/count tests/fresh tests/cbmc tests/proofs/prove tests/kernels/boot tests/kernels/guest .ci/run
# Most tests wait. In place (tests/setup_suite.bash) they share the machine's ports and run one at a time.
JOBS = $$($(OWN_HOST) true 2>/dev/null && command -v parallel >/dev/null && echo $$(($$(nproc) * 2)) || echo 1)
OWN_HOST = unshare --net $(if $(filter 0,$(shell id -u)),,--user --map-root-user)
# INSTRUMENT: compiler flags for an instrumented library. OTHER_TESTS then excludes tests of the shipped file.
INSTRUMENT =
OTHER_TESTS =
# The tests that also run traced.
TRACED_TESTS = $(addprefix tests/,contract.bats elsewhere.bats fastopen.bats ladder.bats lookalikes.bats \
	processes.bats settings.bats untouched.bats)
# The tests that also run under the packet filter's rule.
FIREWALL_TESTS = $(addprefix tests/,contract.bats elsewhere.bats fastopen.bats ladder.bats lookalikes.bats \
	untouched.bats)
# A user namespace gives no right to steer packets, say. Steering needs two processors.
ROOT_TESTS = $(if $(filter 0,$(shell id -u)),,$(comma)!root)$(if $(filter 1,$(shell nproc)),$(comma)!two-processors)
comma = ,
# GNU parallel would otherwise keep a folder in the user's home.
BATS = PARALLEL_HOME=$(CURDIR)/build/parallel bats --jobs $(JOBS) --timing

# Prefixes of Debian's cross compilers: those of `make check`, and those of `make check-arch` alone.
ARCHITECTURES = i686-linux-gnu aarch64-linux-gnu s390x-linux-gnu
MORE_ARCHITECTURES = arm-linux-gnueabihf riscv64-linux-gnu powerpc64le-linux-gnu \
	mips64el-linux-gnuabi64

.PHONY: check
check: all ## run the tests
	tests/install-test-tools --check
	$(MAKE) --no-print-directory test-programs $(ARCHITECTURES:%=architecture-%)
	@mkdir -p build/parallel
	@tests/count "$(BATS) --filter-tags '!more-architectures,!deb,!rpm,!suites,!clients,!builds$(ROOT_TESTS)$(OTHER_TESTS)' tests" \
		"GUARD=tracer $(BATS) --filter-tags '!library,!long$(ROOT_TESTS)$(OTHER_TESTS)' $(TRACED_TESTS)" \
		"GUARD=firewall $(BATS) --filter-tags '!library,!severing,!long$(ROOT_TESTS)$(OTHER_TESTS)' $(FIREWALL_TESTS)"

QUICK_TESTS = $(addprefix tests/,contract.bats elsewhere.bats in-place.bats ladder.bats lookalikes.bats \
	untouched.bats)
.PHONY: check-quick
check-quick: all ## run the tests of the library's decisions, in less than 40 seconds
	tests/install-test-tools --check quick
	$(MAKE) --no-print-directory --jobs 4 $(filter-out %/uring,$(TEST_PROGRAMS)) $(TEST_OBJECTS)
	@mkdir -p build/parallel
	@tests/count "$(BATS) --filter-tags '!long,!tools$(ROOT_TESTS)$(OTHER_TESTS)' $(QUICK_TESTS)"

.PHONY: check-suites
check-suites: all ## run small test suites with the library, and those of CPython, Go and libuv traced
	tests/install-test-tools --check suites
	bats --timing tests/suites.bats

.PHONY: check-clients
check-clients: all ## run the tests of clients that need large packages
	tests/install-test-tools --check clients
	$(MAKE) --no-print-directory test-programs
	bats --timing --filter-tags clients tests

.PHONY: check-builds
check-builds: ## build in empty Debians with many compilers, linkers and C libraries; as root
	tests/install-test-tools --check builds
	@mkdir -p build/parallel
	$(BATS) tests/builds.bats

.PHONY: check-fresh
check-fresh: ## run the README's commands in an empty Debian, as root and as an ordinary user; as root
	tests/install-test-tools --check fresh
	tests/fresh

.PHONY: check-arch
check-arch: all $(BUILD)/tests/connect build/tests/raw-i386 ## run the tests of every architecture
	tests/install-test-tools --check arch
	$(MAKE) --no-print-directory $(ARCHITECTURES:%=architecture-%) \
		$(MORE_ARCHITECTURES:%=architecture-%)
	@mkdir -p build/parallel
	$(BATS) tests/architectures.bats

.PHONY: check-deb
check-deb: all ## test the Debian packages in a new Debian in a folder; as root
	tests/install-test-tools --check deb
	$(MAKE) --no-print-directory test-programs
	bats --timing --filter-tags deb tests/deb.bats

.PHONY: check-rpm
check-rpm: all ## test the RPM packages, and the source archive
	tests/install-test-tools --check rpm
	$(MAKE) --no-print-directory test-programs
	bats --timing tests/rpm.bats

# The least share of covered lines, in percent.
COVERED_LINES = 97

# An instrumented library needs libc: manners.bats tests the shipped one in programs without it.
# Programs of other users add to the counters of one's own: in a folder that they can reach, to files that exist.
.PHONY: coverage
coverage: ## run the tests instrumented and print the covered lines and branches of shim/
	tests/install-test-tools --check proof
	set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; chmod 755 "$$copy"; \
	cp -R shim tests scripts Makefile README.md "$$copy"; cd "$$copy"; \
	measured() { $(MAKE) --no-print-directory "$$@" OTHER_TESTS=',!shipped' INSTRUMENT="-O0 --coverage \
		-fprofile-update=atomic -fno-exceptions -Wl,--wrap=execvp,--wrap=_exit $(CURDIR)/tests/coverage.c"; }; \
	measured all test-programs; \
	find build -name '*.gcno' | sed 's/no$$/da/' | while read -r counters; do :>"$$counters"; chmod 666 "$$counters"; done; \
	measured check; \
	gcovr --exclude-directories '.*-gnu$$' --filter shim/ --print-summary --fail-under-line $(COVERED_LINES)

.PHONY: prove
prove: ## prove the decisions of the library and the tracer for every answer of the kernel; break each proof
	tests/install-test-tools --check prove
	tests/cbmc tests/proofs/prove

.PHONY: mutants
mutants: all ## list the small changes to FILE that TESTS=names do not notice; SAMPLE=number
	$(MAKE) --no-print-directory test-programs
	tests/mutants $(FILE) $(TESTS)

SOAK ?= 3600

.PHONY: soak
soak: all $(BUILD)/tests/attempts ## attempt for an hour, while servers come and go; SOAK=seconds
	$(OWN_HOST) --mount tests/soak $(SOAK)

# In a network namespace, whose loopback has no other traffic.
ROUNDS ?= 15

.PHONY: bench
bench: all $(BUILD)/tests/empty.so ## measure what each guard costs; ROUNDS=number
	tests/install-test-tools --check proof
	@mkdir -p build/bench
	gcc -D_GNU_SOURCE $(TEST_CFLAGS) -o build/bench/calls tests/bench/calls.c
	GO111MODULE=off GOCACHE=$(CURDIR)/build/go CGO_ENABLED=0 go build -o build/bench/busy tests/bench/busy.go
	$(OWN_HOST) sh -c 'ip link set lo up && tests/bench/bench $(ROUNDS)'

.PHONY: test-programs
test-programs: $(TEST_PROGRAMS) $(TEST_OBJECTS) $(addprefix build/tests/,dial dial-pie dial-static connect-musl \
	connect-static connect-i386 raw-i386 connect-asan threads-tsan own-connect) $(STATIC_PROGRAMS) bare tsan

# The library for a process without dlsym and secure_getenv.
.PHONY: bare
bare:
	$(MAKE) --no-print-directory BUILD=build/bare build/bare/libnoselfconn.so \
		CPPFLAGS='-Ddlsym=no_dlsym -Dsecure_getenv=no_secure_getenv'

.PHONY: tsan
tsan:
	$(MAKE) --no-print-directory BUILD=build/tsan build/tsan/libnoselfconn.so CC=gcc INSTRUMENT='-g -fsanitize=thread'

# The files for tests/kernels/boot.
KERNEL_PROGRAMS = attempts connect contract quick raw waiting
for-kernels-%:
	$(MAKE) --no-print-directory CC=$*-gcc BUILD=build/$* programs-for-kernels
.PHONY: programs-for-kernels
programs-for-kernels: all $(KERNEL_PROGRAMS:%=$(BUILD)/tests/%) $(KERNEL_PROGRAMS:%=$(BUILD)/static/%) $(BUILD)/tests/slow.so

.PHONY: check-kernels
check-kernels: ## run the contract and more on other kernels, under QEMU; KERNELS=names of tests/kernels/list
	tests/install-test-tools --check kernels
	$(MAKE) --no-print-directory programs-for-kernels build/tests/raw-i386 \
		$(patsubst %,for-kernels-%,$(filter-out mips%,$(ARCHITECTURES) $(MORE_ARCHITECTURES)))
	tests/kernels/boot $(KERNELS)

# The library and its test programs for another processor, in build/PREFIX/.
architecture-%:
	$(MAKE) --no-print-directory CC=$*-gcc BUILD=build/$* build/$*/libnoselfconn.so build/$*/noselfconn \
		build/$*/tests/connect build/$*/tests/contract build/$*/tests/cancel

$(BUILD)/tests/%: tests/programs/%.c tests/programs/common.h Makefile
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(TEST_CFLAGS) $(SANITIZERS) $(LDFLAGS) -o $@ $< $(LDLIBS)

$(BUILD)/tests/uring: LDLIBS = -luring

$(BUILD)/static/%: tests/programs/%.c tests/programs/common.h Makefile
	@mkdir -p $(@D)
	$(CC) -static -D_GNU_SOURCE $(TEST_CFLAGS) -o $@ $<

# A test program built by another COMMAND, as NAME-SUFFIX.
define OTHER_BUILD # SUFFIX, COMMAND
build/tests/%-$(1): tests/programs/%.c tests/programs/common.h Makefile
	@mkdir -p $$(@D)
	$(2) -D_GNU_SOURCE $$(TEST_CFLAGS) $$(LDFLAGS) -o $$@ $$<
endef
$(eval $(call OTHER_BUILD,musl,musl-gcc))
$(eval $(call OTHER_BUILD,static,musl-gcc -static))
$(eval $(call OTHER_BUILD,i386,i686-linux-gnu-gcc -static))
$(eval $(call OTHER_BUILD,asan,gcc -fsanitize=address))
$(eval $(call OTHER_BUILD,tsan,gcc -fsanitize=thread))

# A program that exports its own connect().
build/tests/own-connect: tests/programs/connect.c tests/objects/slow.c tests/programs/common.h Makefile
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(TEST_CFLAGS) -Wno-pedantic $(LDFLAGS) -rdynamic -o $@ $< tests/objects/slow.c

# Dynamic; with a loader but without libc; static.
build/tests/dial build/tests/dial-pie build/tests/dial-static: tests/programs/dial.go Makefile
	@mkdir -p $(@D)
	GO111MODULE=off GOCACHE=$(CURDIR)/build/go $(GO_OPTIONS) go build $(GO_FLAGS) -o $@ $<
build/tests/dial-pie build/tests/dial-static: GO_OPTIONS = CGO_ENABLED=0
build/tests/dial-pie: GO_FLAGS = -buildmode=pie

$(BUILD)/tests/%.so: tests/objects/%.c tests/programs/common.h Makefile
	@mkdir -p $(@D)
	$(CC) -D_DEFAULT_SOURCE $(TEST_CFLAGS) -fPIC -shared $(LDFLAGS) -o $@ $<

# cppcheck 2.17 knows no variable in a named register, and tells which branches it leaves out.
CPPCHECK_CANNOT_READ = syntaxError:shim/library/system_call.h normalCheckLevelMaxBranches
.PHONY: lint
lint: ## check layout and style: clang-format, clang-tidy, cppcheck, shellcheck, shfmt
	tests/install-test-tools --check lint
	clang-format --dry-run --Werror $(wildcard shim/*/*.[ch] tests/*.c tests/*/*.[ch])
	clang-tidy --quiet --warnings-as-errors='*' $(LIBRARY_SOURCES) -- -std=c11 -D_DEFAULT_SOURCE $(WARNINGS)
	clang-tidy --quiet --warnings-as-errors='*' $(LAUNCHER_SOURCES) -- -std=c11 -D_DEFAULT_SOURCE \
		-DVERSION='"0"' -DINSTALLED_LIBRARY='""' $(WARNINGS)
	clang-tidy --quiet --warnings-as-errors='*' $(wildcard tests/programs/*.c) tests/bench/calls.c -- \
		-D_GNU_SOURCE $(TEST_CFLAGS)
	clang-tidy --quiet --warnings-as-errors='*' $(wildcard tests/objects/*.c) -- \
		-D_DEFAULT_SOURCE $(TEST_CFLAGS)
	cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
		--error-exitcode=1 $(CPPCHECK_CANNOT_READ:%=--suppress=%) shim tests
	shellcheck $(SCRIPTS) tests/*.bats tests/*.bash
	shfmt -i 4 -d $(SCRIPTS)
	shfmt -i 4 -ln bats -d tests/*.bats tests/*.bash
	shellcheck scripts/completion/noselfconn.bash
	shfmt -i 4 -ln bash -d scripts/completion/noselfconn.bash
	pyflakes3 scripts/demo tests/container tests/mutants tests/programs/deny tests/bench/bench
	mandoc -T lint -W warning scripts/man/*.[178]
