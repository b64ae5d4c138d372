# SPDX-License-Identifier: MIT
# `make help` lists the targets. Everything is built in build/.

VERSION = 0.1.0

BUILD = build

PREFIX = /usr/local
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR = $(PREFIX)/lib$(MULTIARCH:%=/%)
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
UNITDIR = $(PREFIX)/lib/systemd/system
MANDIR = $(PREFIX)/share/man
BASHDIR = $(PREFIX)/share/bash-completion/completions
# Only root can update the loader's cache.
LDCONFIG = $(AS_ROOT) ldconfig
AS_ROOT = test "$$(id -u)" -ne 0 ||

CFLAGS = -O2
WARNINGS = -Wall -Wextra -Wpedantic
# musl comes without kernel headers: it uses the machine's.
KERNEL_HEADERS = $(if $(findstring musl-gcc,$(CC)),-idirafter /usr/include \
	-idirafter /usr/include/$(MULTIARCH))
COMMON_CFLAGS = -std=c11 -D_DEFAULT_SOURCE $(WARNINGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(KERNEL_HEADERS)
# -fexceptions: a cancelled thread unwinds through our frames (pthread_cancel(3)).
# -fno-stack-protector: on i386 it needs __stack_chk_fail_local, which -nostdlib leaves out.
# No DT_NEEDED: the process brings its own libc. Symbols are bound at load, since lazy binding is not
# safe in a signal handler. One read-only segment and the GNU hash alone need fewer system calls to load.
# With 64-bit times on 32 bit the headers would rename sendmsg(), whose other name interpose.c defines.
LIBRARY_CFLAGS = $(COMMON_CFLAGS) -fPIC -fvisibility=hidden -fexceptions -fno-stack-protector \
	-shared -nostdlib -Wl,-soname,libnoselfconn.so \
	-Wl,-z,now -Wl,-z,noseparate-code -Wl,--hash-style=gnu -U_TIME_BITS -U_FILE_OFFSET_BITS
LIBRARY_SOURCES := $(wildcard shim/library/*.c)
HARDENING =
# SANITIZE=1 builds the launcher and the test programs with AddressSanitizer and
# UndefinedBehaviorSanitizer, but not the library: programs that load it lack their runtimes.
SANITIZERS = $(if $(SANITIZE),-g -O1 -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined)
LAUNCHER_CFLAGS = $(COMMON_CFLAGS) $(HARDENING) $(SANITIZERS) -DVERSION='"$(VERSION)"' \
	-DINSTALLED_LIBRARY='"$(LIBDIR)/libnoselfconn.so"'
# The tracer uses the library's guard.c.
LAUNCHER_SOURCES := $(wildcard shim/launcher/*.c shim/tracer/*.c) \
	$(addprefix shim/library/,endpoint.c guard.c report.c settings.c)
HEADERS := $(wildcard shim/*/*.h)

.PHONY: all
all: $(BUILD)/libnoselfconn.so $(BUILD)/noselfconn ## build the library and the launcher (the default)

$(BUILD)/libnoselfconn.so: $(LIBRARY_SOURCES) $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(LIBRARY_CFLAGS) -o $@ $(LIBRARY_SOURCES) $(INSTRUMENT)

$(BUILD)/noselfconn: $(LAUNCHER_SOURCES) $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(LAUNCHER_CFLAGS) -o $@ $(LAUNCHER_SOURCES) $(INSTRUMENT)

.PHONY: demo
demo: all ## show telnet connect to itself, then refused by the library
	scripts/demo

# By rename, so that a program that starts meanwhile finds the old or the new library.
PUT = put() { mkdir -p "$$(dirname "$$3")" && cp "$$2" "$$3.new" && chmod "$$1" "$$3.new" && mv -f "$$3.new" "$$3"; }; put
DOCUMENTED = $(MANDIR)/man1/noselfconn.1 $(MANDIR)/man1/noselfconn-audit.1 \
	$(MANDIR)/man7/libnoselfconn.7 $(MANDIR)/man8/noselfconn-firewall.8 \
	$(BASHDIR)/noselfconn $(BASHDIR)/noselfconn-audit $(BASHDIR)/noselfconn-firewall
INSTALLED = $(LIBDIR)/libnoselfconn.so $(BINDIR)/noselfconn $(BINDIR)/noselfconn-audit \
	$(SBINDIR)/noselfconn-firewall $(UNITDIR)/noselfconn-firewall.service $(DOCUMENTED)

# Root must not leave its files in a user's build/: missing files, or those for another LIBDIR, are built
# elsewhere. $(1): the files to build; $(2): the target that copies them.
QUIETLY = $(MAKE) --silent --no-print-directory
WITH_BUILD = @if $(QUIETLY) --question $(1:%=$(BUILD)/%) $(3); then $(QUIETLY) $(2); else \
	trap 'rm -rf "$$build"' EXIT && build=$$(mktemp -d) && \
	$(QUIETLY) BUILD="$$build" $(1:%="$$build"/%) $(2); fi

.PHONY: copy-all copy-library
.PHONY: install
install: ## install everything: PREFIX, LIBDIR, BINDIR, SBINDIR, UNITDIR, MANDIR, BASHDIR, DESTDIR
	$(call WITH_BUILD,libnoselfconn.so noselfconn,copy-all,&& grep -qF '$(LIBDIR)/libnoselfconn.so' $(BUILD)/noselfconn)
copy-all: copy-library
	@$(PUT) 755 $(BUILD)/noselfconn $(DESTDIR)$(BINDIR)/noselfconn
	@$(PUT) 755 scripts/noselfconn-audit $(DESTDIR)$(BINDIR)/noselfconn-audit
	@$(PUT) 755 scripts/noselfconn-firewall $(DESTDIR)$(SBINDIR)/noselfconn-firewall
	@sed 's|@sbindir@|$(SBINDIR)|' scripts/packaging/noselfconn-firewall.service | \
		{ $(PUT) 644 /dev/stdin $(DESTDIR)$(UNITDIR)/noselfconn-firewall.service; }
	@$(PUT) 644 scripts/man/noselfconn.1 $(DESTDIR)$(MANDIR)/man1/noselfconn.1
	@$(PUT) 644 scripts/man/noselfconn-audit.1 $(DESTDIR)$(MANDIR)/man1/noselfconn-audit.1
	@$(PUT) 644 scripts/man/libnoselfconn.7 $(DESTDIR)$(MANDIR)/man7/libnoselfconn.7
	@$(PUT) 644 scripts/man/noselfconn-firewall.8 $(DESTDIR)$(MANDIR)/man8/noselfconn-firewall.8
	@$(PUT) 644 scripts/completion/noselfconn.bash $(DESTDIR)$(BASHDIR)/noselfconn
	@$(PUT) 644 scripts/completion/noselfconn.bash $(DESTDIR)$(BASHDIR)/noselfconn-audit
	@$(PUT) 644 scripts/completion/noselfconn.bash $(DESTDIR)$(BASHDIR)/noselfconn-firewall

.PHONY: install-library
install-library: ## install the library alone, for another word size, say
	$(call WITH_BUILD,libnoselfconn.so,copy-library)
copy-library:
	@$(PUT) 644 $(BUILD)/libnoselfconn.so $(DESTDIR)$(LIBDIR)/libnoselfconn.so
	$(if $(DESTDIR),,$(LDCONFIG))
	@$(if $(DESTDIR),,$(IS_FOUND) || printf '%s\n' 'install: the loader does not search $(LIBDIR): \
	LD_PRELOAD=libnoselfconn.so finds nothing' 'Give the whole path, or, as root: echo $(LIBDIR) \
	>>/etc/ld.so.conf.d/noselfconn.conf && ldconfig' | tr -d '\011' >&2)

# Prints the library if the loader's cache has it, or if there is no cache, as with musl.
LIST_LIBRARIES = PATH=$$PATH:/usr/sbin:/sbin ldconfig -p
IS_FOUND = ! $(LIST_LIBRARIES) >/dev/null 2>&1 || \
	$(LIST_LIBRARIES) | grep -q '$(patsubst /usr/%,/%,$(LIBDIR))/libnoselfconn\.so$$'

.PHONY: uninstall
uninstall: ## remove the installed files of each word size, and the lines in /etc/ld.so.preload
	$(if $(DESTDIR),,for library in $$($(LIST_LIBRARIES) 2>/dev/null | sed -n 's|.* => \($(PREFIX)/.*/libnoselfconn\.so\)$$|\1|p' | \
			grep -vxF '$(LIBDIR)/libnoselfconn.so') '$(LIBDIR)/libnoselfconn.so'; do \
		{ $(AS_ROOT) sed "s|@library@|$$library|" scripts/packaging/forget-preload | sh -s remove; } && \
		rm -f "$$library" && { $(LDCONFIG); } || exit 1; done)
	rm -f $(INSTALLED:%=$(DESTDIR)%)

# Reproducible packages: every date in them is the commit's.
deb rpm: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)

.PHONY: deb
deb: all ## build the Debian packages in build/
	scripts/packaging/make-deb

.PHONY: rpm
rpm: ## build the RPM packages in build/; on Debian with its rpm
	rpmbuild -bb --build-in-place --noprep --nodeps --quiet --define '_topdir $(CURDIR)/build/rpm' \
		--define 'packager libnoselfconn authors <libnoselfconn@noselfconn.invalid>' \
		--define '_rpmdir $(CURDIR)/build' --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
		scripts/packaging/noselfconn.spec

.PHONY: dist
dist: ## build a source archive of the last commit in build/
	@mkdir -p build
	git archive --prefix=libnoselfconn-$(VERSION)/ --output=build/libnoselfconn-$(VERSION).tar HEAD
	gzip -9nf build/libnoselfconn-$(VERSION).tar

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

include $(wildcard tests/tests.mk)
