# SPDX-License-Identifier: MIT
# `make help` lists what there is. Everything that is built lands in build/.

PREFIX = /usr/local
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR = $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH))
BINDIR = $(PREFIX)/bin

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

.PHONY: all
all: build/libnoselfconn.so

build/libnoselfconn.so: shim/exports.map $(wildcard shim/*.[ch]) Makefile
	@mkdir -p build
	$(CC) $(SHIM_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -o $@ $(filter %.c,$^)
