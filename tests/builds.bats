#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=builds
# Builds without a warning in old and new Debians (make check-builds). debootstrap needs root.

load helpers

setup_file() {
    [ "$EUID" -eq 0 ] || fail 'run it as root: debootstrap wants that'
}

setup() {
    :
}

teardown() {
    rm -rf "$BATS_TEST_TMPDIR/debian"
}

# An empty Debian in $debian, with gcc, libc6-dev and make alone, and the sources in its /src.
new_debian() { # RELEASE
    local mirror
    debian=$BATS_TEST_TMPDIR/debian
    # shellcheck disable=SC2016 # apt's own variable
    mirror=$(apt-get indextargets --format '$(SITE)' | grep '/debian/\?$' | head -n 1)
    debootstrap --variant=minbase --include=gcc,libc6-dev,make "$1" "$debian" "$mirror" \
        >"$BATS_TEST_TMPDIR/debootstrap" 2>&1 || fail "$(tail -n 5 "$BATS_TEST_TMPDIR/debootstrap")"
    mkdir "$debian/src"
    cp -R "$root/Makefile" "$root/shim" "$root/scripts" "$debian/src"
}

# shellcheck disable=SC2016 # for the inner shell
in_debian() { # COMMAND...
    unshare --mount --pid --fork --kill-child --propagation private sh -c \
        'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" &&
            exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' \
        "$debian" "$@"
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

protects() {
    run -0 in_debian /src/build/noselfconn --check
}

builds_in_an_empty_debian() { # RELEASE
    new_debian "$1"
    builds CFLAGS='-O2 -Werror'
    protects
    builds_with_all_options
}

builds_with_clang_and_lld() {
    add clang lld
    builds_with_all_options CC=clang
    builds CC=gcc CFLAGS='-O2 -Werror' LDFLAGS=-fuse-ld=lld
    protects
}

builds_with_musl() {
    add musl-tools
    builds CC=musl-gcc CFLAGS='-O2 -Werror'
    protects
}

@test "builds in an empty Debian 11 with gcc, libc6-dev and make alone" {
    builds_in_an_empty_debian bullseye
}

@test "builds in an empty Debian 12, also with clang, lld and musl-gcc" {
    builds_in_an_empty_debian bookworm
    builds_with_clang_and_lld
    builds_with_musl
}

@test "builds in an empty Debian 13, also with clang, and with 64-bit time for i386 and armhf" {
    local compiler time='-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64'
    builds_in_an_empty_debian trixie
    builds_with_clang_and_lld
    add gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-i686-linux-gnu libc6-dev-i386-cross
    for compiler in arm-linux-gnueabihf-gcc i686-linux-gnu-gcc; do
        builds CC=$compiler CFLAGS='-O2 -Werror'
        builds CC=$compiler CFLAGS="-O2 -Werror $time"
    done
}

@test "builds in an empty Debian sid, also with the newest gcc and clang, lld and musl-gcc" {
    local newest
    builds_in_an_empty_debian sid
    builds_with_clang_and_lld
    builds_with_musl
    for newest in gcc clang; do
        newest=$(in_debian apt-cache pkgnames "$newest-" | grep -xE "$newest-[0-9]+" | sort -V | tail -n 1)
        echo "# $newest" >&3
        add "$newest"
        builds CC="$newest" CFLAGS='-O2 -Werror'
        builds CC="$newest" CFLAGS='-O2 -std=gnu23 -Werror'
    done
}
