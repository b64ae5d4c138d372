#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=builds
# It builds without a warning wherever the legacy client lives. As root, since debootstrap wants that.
# Run by make check-builds.

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

# A mirror's list of sid may be older than apt likes.
add() { # PACKAGE...
    cp /etc/resolv.conf "$debian/etc/"
    in_debian apt-get -qq -o Acquire::Check-Valid-Until=false update
    in_debian apt-get -qq install -y --no-install-recommends "$@" >/dev/null 2>&1 || fail "cannot install: $*"
}

builds() { # MAKE'S-VARIABLE...
    in_debian make -C /src clean >/dev/null
    run in_debian make -C /src "$@"
    [ "$status" -eq 0 ] || fail "does not build with $*: $output"
    refute_output --partial warning
}

# With the standards, the levels of optimisation, and what distributions build with.
builds_with_all_options() { # MAKE'S-VARIABLE...
    local options fortify='-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3' lto=()
    for options in '-O0 -std=gnu11' '-O1 -std=gnu17' "-O2 -std=gnu2x $fortify" -O3; do
        builds "$@" CFLAGS="$options -Werror"
    done
    # clang's own object files need its own linker.
    [[ $* != *clang* ]] || lto=(LDFLAGS=-fuse-ld=lld)
    builds "$@" "${lto[@]}" CFLAGS="-O2 -flto $fortify -Werror"
}

# What was built there refuses a real self-connection.
protects() {
    run -0 in_debian /src/build/noselfconn --check
}

builds_in_an_empty_debian() { # RELEASE
    new_debian "$1"
    builds CFLAGS='-O2 -Werror'
    protects
    builds_with_all_options
}

@test "in an empty Debian 11, with gcc, libc6-dev and make alone" {
    builds_in_an_empty_debian bullseye
}

@test "in an empty Debian 12, with gcc, libc6-dev and make alone" {
    builds_in_an_empty_debian bookworm
}

@test "in an empty Debian 13, with gcc, libc6-dev and make alone" {
    builds_in_an_empty_debian trixie
}

@test "in an empty Debian sid, with gcc, libc6-dev and make alone" {
    builds_in_an_empty_debian sid
}

builds_with_compilers() { # COMPILER...
    local compiler
    for compiler; do
        case $compiler in
        clang-*) add "$compiler" "lld-${compiler#clang-}" ;;
        *) add "$compiler" ;;
        esac
        echo "# $compiler" >&3
        builds_with_all_options CC="$compiler"
    done
}

@test "with gcc 12 and clang 14 to 16, of Debian 12" {
    new_debian bookworm
    builds_with_compilers gcc-12 clang-14 clang-15 clang-16
}

@test "with gcc 13 and clang 17 and 18, of Debian 13" {
    new_debian trixie
    builds_with_compilers gcc-13 clang-17 clang-18
}

@test "with every newer gcc and clang, of Debian sid" {
    local -a compilers
    new_debian sid
    add gcc # reads the lists of packages
    mapfile -t compilers < <(in_debian apt-cache pkgnames |
        awk -F- '/^gcc-[0-9]+$/ && $2 >= 14 || /^clang-[0-9]+$/ && $2 >= 19' | sort -V)
    [[ ${compilers[*]} == *clang*gcc* ]]
    builds_with_compilers "${compilers[@]}"
}

@test "with lld, old and new, which takes no version script with absent symbols" {
    local release
    for release in bookworm sid; do
        new_debian "$release"
        add clang lld
        builds CC=clang CFLAGS='-O2 -Werror' LDFLAGS=-fuse-ld=lld
        builds CC=gcc CFLAGS='-O2 -Werror' LDFLAGS=-fuse-ld=lld
        protects
        rm -rf "$debian"
    done
}

@test "with musl-gcc, old and new" {
    local release
    for release in bookworm sid; do
        new_debian "$release"
        add musl-tools
        builds CC=musl-gcc CFLAGS='-O2 -Werror'
        protects
        rm -rf "$debian"
    done
}

@test "for i386 and armhf with 64-bit time, which is armhf's own since Debian 13" {
    local time='-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64'
    new_debian trixie
    add gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-i686-linux-gnu libc6-dev-i386-cross
    builds CC=arm-linux-gnueabihf-gcc CFLAGS='-O2 -Werror'
    builds CC=arm-linux-gnueabihf-gcc CFLAGS="-O2 -Werror $time"
    builds CC=i686-linux-gnu-gcc CFLAGS='-O2 -Werror'
    builds CC=i686-linux-gnu-gcc CFLAGS="-O2 -Werror $time"
}
