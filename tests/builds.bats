#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=builds
# Builds without a warning in old and new Debians (make check-builds). debootstrap needs root.

load helpers

setup() {
    debian=$BATS_TEST_TMPDIR/debian
}

teardown() {
    rm -rf "$debian"
}

# A mirror's list of sid may have expired.
add() { # PACKAGE...
    cp /etc/resolv.conf "$debian/etc/"
    in_debian apt-get -qq -o Acquire::Check-Valid-Until=false update
    in_debian apt-get -qq install -y --no-install-recommends "$@" >/dev/null 2>&1 || fail "cannot install: $*"
}

builds() { # MAKE'S-VARIABLE...
    in_debian make -C /src clean >/dev/null
    run in_debian make --jobs 2 -C /src "$@"
    [ "$status" -eq 0 ] || fail "does not build with $*: $output"
    refute_output --partial warning
}

builds_with_all_options() { # MAKE'S-VARIABLE...
    local options fortify='-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3' lto=()
    for options in '-O0 -std=gnu11' '-O1 -std=gnu17' "-O2 -std=gnu2x $fortify" -O3; do
        builds "$@" CFLAGS="$options -Werror"
    done
    # clang's LTO objects need lld.
    [[ $* != *clang* ]] || lto=(LDFLAGS=-fuse-ld=lld)
    builds "$@" "${lto[@]}" CFLAGS="-O2 -flto $fortify -Werror"
}

builds_in_an_empty_debian() { # RELEASE
    new_debian "$1" gcc,libc6-dev,make
    mkdir "$debian/src"
    cp -R "$root/Makefile" "$root/shim" "$root/scripts" "$debian/src"
    builds_with_all_options
    in_debian /src/build/noselfconn --check
}

builds_with_clang_lld_and_musl() {
    add clang lld musl-tools
    builds_with_all_options CC=clang
    builds CC=gcc CFLAGS='-O2 -Werror' LDFLAGS=-fuse-ld=lld
    in_debian /src/build/noselfconn --check
    builds CC=musl-gcc CFLAGS='-O2 -Werror'
    in_debian /src/build/noselfconn --check
}

@test "builds in an empty Debian 11 with gcc, libc6-dev and make alone" {
    builds_in_an_empty_debian bullseye
}

@test "builds in an empty Debian 12, also with clang, lld and musl-gcc" {
    builds_in_an_empty_debian bookworm
    builds_with_clang_lld_and_musl
}

@test "builds in an empty Debian 13, also with clang, lld, musl-gcc, and with 64-bit time for i386 and armhf" {
    local compiler time='-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64'
    builds_in_an_empty_debian trixie
    builds_with_clang_lld_and_musl
    add gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-i686-linux-gnu libc6-dev-i386-cross
    for compiler in arm-linux-gnueabihf-gcc i686-linux-gnu-gcc; do
        builds CC=$compiler CFLAGS='-O2 -Werror'
        builds CC=$compiler CFLAGS="-O2 -Werror $time"
    done
}

@test "builds in an empty Debian sid, also with the newest gcc and clang, lld and musl-gcc" {
    local newest
    builds_in_an_empty_debian sid
    builds_with_clang_lld_and_musl
    for newest in gcc clang; do
        newest=$(in_debian apt-cache pkgnames "$newest-" | grep -xE "$newest-[0-9]+" | sort -V | tail -n 1)
        echo "# $newest" >&3
        add "$newest"
        builds CC="$newest" CFLAGS='-O2 -Werror'
        builds CC="$newest" CFLAGS='-O2 -std=gnu23 -Werror'
    done
}
