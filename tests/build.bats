#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `make`, and what it promises.

# bats file_tags=shipped

load helpers

# A copy of the sources, to build in.
setup() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -R "$root/Makefile" "$root/shim" "$root/scripts" "$copy/"
}

teardown() {
    :
}

@test "gcc and clang build it without a warning" {
    local compiler
    for compiler in gcc clang; do
        run -0 make -C "$copy" --always-make CC=$compiler CFLAGS='-O2 -Werror'
        refute_output --partial warning
        [ -f "$copy/build/libnoselfconn.so" ]
    done
}

@test "each compiler's library refers to the same symbols, optimised or not" {
    local compiler level expected
    expected=$(nm --dynamic --format=just-symbols "$library")
    for compiler in gcc clang; do
        for level in -O1 -O2 -O3; do
            make -C "$copy" --silent --always-make CC=$compiler CFLAGS=$level
            run -0 nm --dynamic --format=just-symbols "$copy/build/libnoselfconn.so"
            assert_output "$expected"
        done
    done
}

@test "it builds nothing outside build/" {
    local before
    before=$(find "$copy" -type f | sort)
    make -C "$copy" --silent
    run find "$copy" -type f -not -path "$copy/build/*"
    assert_equal "$(sort <<<"$output")" "$before"
    run find "$copy/build" -type f
    assert_output "$copy/build/libnoselfconn.so"
}

@test "CC, CFLAGS and LDFLAGS are honoured" {
    run -0 make -C "$copy" --dry-run CC=my-cc CFLAGS=-Omine LDFLAGS=-Wl,--mine
    assert_output --regexp '(^|.*)my-cc .*-Omine .*-Wl,--mine'
}

@test "a C compiler and make are enough" {
    local tool
    mkdir "$BATS_TEST_TMPDIR/bin"
    for tool in sh mkdir make cc as ld; do
        ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/bin/$tool"
    done
    run -0 env -i PATH="$BATS_TEST_TMPDIR/bin" make -C "$copy"
    [ -f "$copy/build/libnoselfconn.so" ]
}

@test "the same source gives the same bytes, wherever it is built" {
    cp -R "$copy" "$BATS_TEST_TMPDIR/another copy"
    make -C "$copy" --silent
    make -C "$BATS_TEST_TMPDIR/another copy" --silent
    cmp "$copy/build/libnoselfconn.so" "$BATS_TEST_TMPDIR/another copy/build/libnoselfconn.so"
}

@test "install puts everything below DESTDIR, uninstall removes it" {
    local stage=$BATS_TEST_TMPDIR/stage
    make -C "$copy" --silent install DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib64
    run find "$stage" -type f -printf '%m %P\n'
    assert_equal "$(sort <<<"$output")" '644 usr/lib64/libnoselfconn.so
644 usr/share/bash-completion/completions/noselfconn
644 usr/share/bash-completion/completions/noselfconn-audit
644 usr/share/man/man1/noselfconn-audit.1
644 usr/share/man/man1/noselfconn.1
644 usr/share/man/man7/libnoselfconn.7
644 usr/share/zsh/site-functions/_noselfconn
755 usr/bin/noselfconn
755 usr/bin/noselfconn-audit'
    grep -qx 'library=/usr/lib64/libnoselfconn.so' "$stage/usr/bin/noselfconn"
    grep -qx 'preload=libnoselfconn.so' "$stage/usr/bin/noselfconn"
    make -C "$copy" --silent uninstall DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib64
    run find "$stage" -type f
    assert_output ''
}

@test "where the loader looks for libraries, the bare name is enough" {
    make -C "$copy" --silent install PREFIX="$BATS_TEST_TMPDIR/prefix" LIBDIR="$BATS_TEST_TMPDIR/prefix/lib" LDCONFIG=:
    export LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/prefix/lib
    LD_PRELOAD=libnoselfconn.so run -0 cat /proc/self/maps
    assert_output --partial "$BATS_TEST_TMPDIR/prefix/lib/libnoselfconn.so"
}

@test "make help lists every target" {
    local target
    run -0 make -C "$copy" help
    while read -r target; do
        case $target in
        test-programs | bare | 'tsan asan') ;; # parts of others
        *) assert_line --regexp "^$target " ;;
        esac
    done < <(sed -n 's/^\.PHONY: //p' "$copy/Makefile")
}
