#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The RPM packages and the source archive.

# bats file_tags=rpm

load helpers

version=$(sed -n 's/^VERSION = //p' "${BATS_TEST_DIRNAME%/*}/Makefile")
packages=("libnoselfconn-$version-1.x86_64.rpm" "noselfconn-$version-1.x86_64.rpm")
export SOURCE_DATE_EPOCH=1795132800

setup_file() {
    make --silent -C "${BATS_TEST_DIRNAME%/*}" rpm >/dev/null
}

in_tree() { # FOLDER COMMAND...
    # shellcheck disable=SC2016 # for the inner shell
    on here unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/bin:/bin "$@"' "$@"
}

@test "the RPM packages are the same byte for byte in any folder" {
    builds_reproducibly rpm "${packages[@]}"
}

@test "building and installing the RPM packages does not run ldconfig on the host" {
    printf '#!/bin/sh\necho "ldconfig $*" >>%s/called\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/ldconfig"
    chmod +x "$BATS_TEST_TMPDIR/ldconfig"
    PATH=$BATS_TEST_TMPDIR:$PATH
    make --silent -C "$root" rpm >/dev/null
    rpm --root "$BATS_TEST_TMPDIR/tree" --install --nodeps "${packages[@]/#/$root/build/}" 2>/dev/null
    [ ! -e "$BATS_TEST_TMPDIR/called" ]
    make --silent -C "$root" install-library PREFIX="$BATS_TEST_TMPDIR/prefix" # the control
    grep -qx 'ldconfig ' "$BATS_TEST_TMPDIR/called"
}

@test "the RPM tools require the library, and the library no libc" {
    run -0 rpm -qp --requires "$root/build/${packages[1]}"
    assert_line "libnoselfconn = $version-1"
    run -0 rpm -qp --requires "$root/build/${packages[0]}"
    refute_output --partial libc.so
}

# bats test_tags=root
@test "the RPM packages work, and only their removal deletes the library from /etc/ld.so.preload" {
    local file tree=$BATS_TEST_TMPDIR/tree
    mkdir -p "$tree/etc" "$tree/proc"
    rpm --root "$tree" --install --nodeps "${packages[@]/#/$root/build/}" 2>/dev/null
    # This host's libc, and the tools of the removal script.
    for file in $(ldd "$root/build/tests/connect" | grep -o '/[^ ]*'); do
        install -D "$file" "$tree$file"
    done
    install -D "$root/build/tests/connect" "$tree/bin/connect"
    install -D /usr/local/lib/noselfconn-tests/busybox "$tree/bin/busybox"
    for file in cp env grep mv readlink sed sh; do
        ln -s busybox "$tree/bin/$file"
    done
    echo /usr/lib64 >"$tree/etc/ld.so.conf" # Debian's loader does not search it by default
    ldconfig -r "$tree"
    run -0 in_tree "$tree" noselfconn --check
    assert_output --partial 'works: a real self-connection'
    set_source_ports 50000
    run -0 in_tree "$tree" env LD_PRELOAD=libnoselfconn.so connect 127.0.0.1 50000
    assert_refused
    run -0 in_tree "$tree" connect 127.0.0.1 50000
    assert_connected_to_itself
    printf 'libother.so\nlibnoselfconn.so\n# a note\n' >"$tree/etc/ld.so.preload"
    rpm --root "$tree" --upgrade --force --nodeps "${packages[@]/#/$root/build/}" 2>/dev/null
    grep -qx libnoselfconn.so "$tree/etc/ld.so.preload"
    rpm --root "$tree" --erase noselfconn libnoselfconn
    assert_equal "$(<"$tree/etc/ld.so.preload")" $'libother.so\n# a note'
    run -1 grep -rl selfconn "$tree/usr"
}

@test "make dist makes the same archive each time, and the packages build from it" {
    local archive=build/libnoselfconn-$version.tar.gz
    mkdir "$BATS_TEST_TMPDIR/sources"
    cd "$BATS_TEST_TMPDIR/sources"
    cp -R "$root/shim" "$root/scripts" "$root/tests" "$root/Makefile" "$root/README.md" .
    git init --quiet
    git add .
    git -c user.name=somebody -c user.email=somebody commit --quiet --message all
    make --silent dist
    mv "$archive" ..
    sleep 1
    make --silent dist
    cmp "$archive" "../${archive#*/}"
    rpmbuild -ta --nodeps --quiet --define "_topdir $BATS_TEST_TMPDIR/rpm" "$archive"
    [ -e "$BATS_TEST_TMPDIR/rpm/RPMS/x86_64/${packages[0]}" ]
    tar -xf "$archive"
    cd "libnoselfconn-$version"
    make --silent deb >/dev/null
    [ -e "build/noselfconn_${version}_$(dpkg --print-architecture).deb" ]
    run -0 on here build/noselfconn --check
}
