#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The Debian packages, in a new Debian in a folder.

# bats file_tags=deb

load helpers

version=$(sed -n 's/^VERSION = //p' "${BATS_TEST_DIRNAME%/*}/Makefile")
suffix=${version}_$(dpkg --print-architecture).deb
packages=("libnoselfconn_$suffix" "noselfconn_$suffix")

setup_file() {
    export debian=$BATS_FILE_TMPDIR/debian
    # shellcheck source=/dev/null
    new_debian "$(. /etc/os-release && echo "$VERSION_CODENAME")" telnet
    make --silent -C "$root" deb >/dev/null
    cp "${packages[@]/#/$root/build/}" "$debian/root"
    find_files >"$BATS_FILE_TMPDIR/files-before"
    in_debian dpkg --install "${packages[@]/#//root/}"
}

find_files() {
    (cd "$debian" && find . -xdev ! -type d ! -path './root/*' ! -path './var/*' ! -path './proc/*' \
        ! -path './run/*' | sort)
}

@test "the Debian packages are the same byte for byte in any folder" {
    builds_reproducibly deb "${packages[@]}"
}

# The library is preloaded, never linked with, and the same file serves glibc and musl. The removal script only
# lists the loader's cache, which the trigger updates. The unit restarts with the services that replace its rules.
@test "lintian reports only explained tags" {
    local explained=shared-library-lacks-version,shared-library-lacks-prerequisites,maintscript-calls-ldconfig
    explained+=,systemd-service-file-refers-to-unusual-wantedby-target
    run -0 lintian --allow-root --fail-on error,warning --suppress-tags "$explained" "${packages[@]/#/$root/build/}"
    assert_output ''
}

@test "the library's package is Multi-Arch: same, and the tools' requires it and the launcher's libc" {
    local libc
    libc=$(in_debian cat /usr/bin/noselfconn | grep -aoE 'GLIBC_2\.[0-9.]+' | sort -Vu | tail -n 1)
    assert_equal "$(dpkg-deb --field "$root/build/${packages[0]}" Multi-Arch)" same
    assert_equal "$(dpkg-deb --field "$root/build/${packages[1]}" Depends)" "libnoselfconn (= $version), libc6 (>= ${libc#GLIBC_})"
}

@test "the packages have the installed files and the README" {
    local file
    make --silent -C "$root" BUILD="$BATS_TEST_TMPDIR/build" install PREFIX=/usr DESTDIR="$BATS_TEST_TMPDIR/stage" \
        LIBDIR="/usr/lib/$(gcc -print-multiarch)"
    run -0 in_debian dpkg --listfiles libnoselfconn noselfconn
    for file in $(find "$BATS_TEST_TMPDIR/stage" -type f -printf '/%P\n') /usr/share/doc/noselfconn/README.md; do
        [[ $'\n'$output$'\n' == *$'\n'"$file"?(.gz)$'\n'* ]] || fail "missing: $file"
    done
}

@test "the installed library, launcher and audit work" {
    local command
    run -0 in_debian noselfconn --check
    assert_output --partial 'works: a real self-connection'
    set_source_ports 50000
    for command in 'env LD_PRELOAD=libnoselfconn.so' noselfconn; do
        # shellcheck disable=SC2086 # several words
        run in_debian $command telnet 127.0.0.1 50000
        assert_output --partial 'Connection refused'
    done
    run in_debian sh -c 'telnet 127.0.0.1 50000 </dev/null'
    assert_output --partial 'Connected to 127.0.0.1'
    run -1 in_debian noselfconn-audit
    assert_line --partial '  127.0.0.1:50000 TIME-WAIT'
}

# With the README's line for packages.
@test "a removal leaves no file and keeps others' entries of /etc/ld.so.preload" {
    local list=$debian/etc/ld.so.preload
    # shellcheck disable=SC2016 # the loader's
    printf '%s\n' '/usr/$LIB/libnoselfconn.so' '# libc.so.6' libm.so.6 >"$list"
    run -0 --separate-stderr in_debian dpkg --install "/root/${packages[0]}"
    assert_equal "$(wc -l <"$list")" 3
    run -0 --separate-stderr in_debian dpkg --purge noselfconn libnoselfconn
    assert_equal "$(<"$list")" $'# libc.so.6\nlibm.so.6'
    refute_regex "$stderr" 'cannot be preloaded'
    rm "$list"
    run -0 diff "$BATS_FILE_TMPDIR/files-before" <(find_files)
}
