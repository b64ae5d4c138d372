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

# A repository in which the present sources are committed.
committed() { # FOLDER
    mkdir -p "$1"
    cp -R "$root/shim" "$root/scripts" "$root/tests" "$root/Makefile" "$root/README.md" "$1"
    git -C "$1" init --quiet
    git -C "$1" add .
    GIT_AUTHOR_DATE=@$SOURCE_DATE_EPOCH GIT_COMMITTER_DATE=@$SOURCE_DATE_EPOCH \
        git -C "$1" -c user.name=somebody -c user.email=somebody commit --quiet --message all
}

# Installs the packages into a folder with this host's libc and the tools of the removal script.
install_in() { # FOLDER
    local file
    mkdir -p "$1"
    rpm --root "$1" --install --nodeps "${packages[@]/#/$root/build/}" 2>/dev/null
    for file in "$root/build/tests/connect" $(ldd "$root/build/tests/connect" | grep -o '/[^ ]*'); do
        install -D "$file" "$1$file"
    done
    install -D "$root/build/tests/connect" "$1/bin/connect"
    install -D /usr/local/lib/noselfconn-tests/busybox "$1/bin/busybox"
    for file in awk cp env mv readlink sh; do
        ln -s busybox "$1/bin/$file"
    done
    # Debian's loader does not search this folder by default.
    mkdir -p "$1/etc"
    echo /usr/lib64 >"$1/etc/ld.so.conf"
    ldconfig -r "$1"
}

in_tree() { # FOLDER COMMAND...
    mkdir -p "$1/proc"
    # shellcheck disable=SC2016 # for the inner shell
    on here unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/bin:/bin "$@"' "$@"
}

@test "the RPM packages are the same byte for byte in any folder" {
    local folder package
    for folder in one another; do
        mkdir -p "$BATS_TEST_TMPDIR/$folder"
        cp -R "$root/shim" "$root/scripts" "$root/Makefile" "$root/README.md" "$BATS_TEST_TMPDIR/$folder"
        make --silent -C "$BATS_TEST_TMPDIR/$folder" rpm >/dev/null
        sleep 1
    done
    for package in "${packages[@]}"; do
        cmp "$BATS_TEST_TMPDIR/one/build/$package" "$BATS_TEST_TMPDIR/another/build/$package"
    done
}

@test "rpmlint reports only explained filters" {
    run -0 rpmlint --config "$root/scripts/packaging/rpmlint.toml" "${packages[@]/#/$root/build/}" "$root/scripts/packaging/noselfconn.spec"
    assert_output --partial '2 packages and 1 specfiles checked; 0 errors, 0 warnings'
    # The control: without the filters it reports errors.
    run ! rpmlint "${packages[@]/#/$root/build/}"
}

@test "the RPM packages have the version of the sources, and the tools require the library" {
    run -0 rpm -qp --requires "$root/build/${packages[1]}"
    assert_line "libnoselfconn = $version-1"
    run -0 rpm -qp --requires "$root/build/${packages[0]}"
    refute_output --partial libc.so
}

# bats test_tags=root
@test "the RPM packages work installed into an empty folder" {
    local tree=$BATS_TEST_TMPDIR/tree
    install_in "$tree"
    run -0 in_tree "$tree" noselfconn --check
    assert_output --partial 'works: a real self-connection'
    set_source_ports 50000
    run -0 --separate-stderr in_tree "$tree" noselfconn connect 127.0.0.1 50000 # prints that it cannot tell without /proc
    assert_refused
    run -0 in_tree "$tree" env LD_PRELOAD=libnoselfconn.so connect 127.0.0.1 50000
    assert_refused
    run -0 in_tree "$tree" connect 127.0.0.1 50000
    assert_connected_to_itself
}

# bats test_tags=root
@test "a removal, but no upgrade, deletes only the library from /etc/ld.so.preload" {
    local tree=$BATS_TEST_TMPDIR/tree
    install_in "$tree"
    printf 'libother.so\nlibnoselfconn.so\n# a note\n' >"$tree/etc/ld.so.preload"
    rpm --root "$tree" --upgrade --force --nodeps "${packages[@]/#/$root/build/}" 2>/dev/null
    run -0 cat "$tree/etc/ld.so.preload"
    assert_line libnoselfconn.so
    rpm --root "$tree" --erase noselfconn libnoselfconn
    run -0 cat "$tree/etc/ld.so.preload"
    assert_output $'libother.so\n# a note'
    run -1 grep -rl selfconn "$tree/usr"
}

@test "make dist makes the same archive each time, and the packages build from it" {
    local archive=libnoselfconn-$version.tar.gz
    committed "$BATS_TEST_TMPDIR/one"
    committed "$BATS_TEST_TMPDIR/another"
    make --silent -C "$BATS_TEST_TMPDIR/one" dist
    sleep 1
    make --silent -C "$BATS_TEST_TMPDIR/another" dist
    cmp "$BATS_TEST_TMPDIR/one/build/$archive" "$BATS_TEST_TMPDIR/another/build/$archive"
    tar -C "$BATS_TEST_TMPDIR" -xf "$BATS_TEST_TMPDIR/one/build/$archive"
    cd "$BATS_TEST_TMPDIR/libnoselfconn-$version"
    make --silent all deb rpm >/dev/null 2>&1
    make --silent build/tests/connect build/tests/empty.so
    [ -x build/noselfconn ] && [ -e "build/noselfconn_${version}_$(dpkg --print-architecture).deb" ]
    [ -e "build/${packages[1]}" ]
    set_source_ports 50000
    run -0 on here build/noselfconn build/tests/connect 127.0.0.1 50000
    assert_refused
    # The other packagers' way.
    rpmbuild -ta --nodeps --quiet --define "_topdir $BATS_TEST_TMPDIR/rpm" "$BATS_TEST_TMPDIR/one/build/$archive"
    [ -e "$BATS_TEST_TMPDIR/rpm/RPMS/x86_64/${packages[0]}" ]
}
