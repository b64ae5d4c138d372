#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

# bats file_tags=shipped

load helpers

setup() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -R "$root/Makefile" "$root/shim" "$root/scripts" "$copy/"
}

teardown() {
    :
}

@test "gcc, clang and musl-gcc build a launcher that works, without a warning" {
    local compiler
    for compiler in gcc clang musl-gcc; do
        run -0 make -C "$copy" --always-make CC=$compiler CFLAGS='-O2 -Werror'
        refute_output --partial warning
        run -0 "$copy/build/noselfconn" --check connect
    done
}

@test "CC, CFLAGS and LDFLAGS are honoured" {
    run -0 make -C "$copy" --dry-run CC=my-cc CFLAGS=-Omine LDFLAGS=-Wl,--mine
    assert_line --regexp '^my-cc .*-Omine .*-Wl,--mine.*/libnoselfconn\.so '
    assert_line --regexp '^my-cc .*-Omine .*-Wl,--mine.*/noselfconn '
    refute_line --regexp ' [\\]$'
}

@test "every program, manual page and package has the Makefile's version" {
    local version
    version=$(sed -n 's/^VERSION = //p' "$copy/Makefile")
    run -0 "$root/build/noselfconn" --version
    assert_output "noselfconn $version"
    run -0 "$copy/scripts/noselfconn-audit" --version
    assert_output "noselfconn-audit $version"
    run -0 "$copy/scripts/noselfconn-firewall" --version
    assert_output "noselfconn-firewall $version"
    run grep -rhoE "(VERSION = |Version: +|\.IP |> - )$version" "$root/shim" "$root/scripts" "$root/Makefile"
    assert_equal "$(LC_ALL=C sort <<<"$output")" ".IP $version
> - $version
VERSION = $version
Version:        $version"
}

@test "a C compiler and make are enough, and nothing outside build/ is written" {
    local tool before
    mkdir "$BATS_TEST_TMPDIR/bin"
    for tool in sh mkdir make cc as ld; do
        ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/bin/$tool"
    done
    before=$(find "$copy" | sort)
    run -0 env -i PATH="$BATS_TEST_TMPDIR/bin" make -C "$copy"
    [ -e "$copy/build/libnoselfconn.so" ]
    [ -e "$copy/build/noselfconn" ]
    assert_equal "$(find "$copy" -not -path "$copy/build*" | sort)" "$before"
}

@test "install writes only below DESTDIR, uninstall removes everything" {
    local stage=$BATS_TEST_TMPDIR/stage
    make -C "$copy" --silent install DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib64
    run find "$stage" -type f -printf '%m %P\n'
    assert_equal "$(sort <<<"$output")" '644 usr/lib/systemd/system/noselfconn-firewall.service
644 usr/lib64/libnoselfconn.so
644 usr/share/bash-completion/completions/noselfconn
644 usr/share/bash-completion/completions/noselfconn-audit
644 usr/share/bash-completion/completions/noselfconn-firewall
644 usr/share/man/man1/noselfconn-audit.1
644 usr/share/man/man1/noselfconn.1
644 usr/share/man/man7/libnoselfconn.7
644 usr/share/man/man8/noselfconn-firewall.8
755 usr/bin/noselfconn
755 usr/bin/noselfconn-audit
755 usr/sbin/noselfconn-firewall'
    run -125 "$stage/usr/bin/noselfconn" true
    assert_line "noselfconn: the library is missing: $stage/usr/bin/libnoselfconn.so, /usr/lib64/libnoselfconn.so"
    run -0 cat "$stage/usr/lib/systemd/system/noselfconn-firewall.service"
    assert_line 'ExecStart=/usr/sbin/noselfconn-firewall on'
    make -C "$copy" --silent uninstall DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib64
    run find "$stage" -type f
    assert_output ''
}

@test "make install writes nothing in the checkout, and each launcher finds the library of its LIBDIR" {
    local before prefix=$BATS_TEST_TMPDIR/unbuilt
    before=$(find "$copy" | sort)
    run -0 make -C "$copy" --silent install PREFIX="$prefix" LDCONFIG=:
    assert_equal "$(find "$copy" | sort)" "$before"
    make -C "$copy" --silent
    before=$(find "$copy" -printf '%p %T@\n' | sort)
    run -0 make -C "$copy" install DESTDIR="$BATS_TEST_TMPDIR/default"
    cmp "$copy/build/noselfconn" "$BATS_TEST_TMPDIR/default/usr/local/bin/noselfconn"
    run -0 make -C "$copy" --silent install PREFIX="$BATS_TEST_TMPDIR/built" LDCONFIG=:
    assert_equal "$(find "$copy" -printf '%p %T@\n' | sort)" "$before"
    for prefix in "$prefix" "$BATS_TEST_TMPDIR/built"; do
        run -0 "$prefix/bin/noselfconn" printenv LD_PRELOAD
        assert_output --regexp "^$prefix/lib/.*libnoselfconn\.so$"
    done
}

# Puts an ldconfig into PATH that prints $cache.
fake_ldconfig() {
    printf '#!/bin/sh\ncat <<EOF\n%s\nEOF\n' "$cache" >"$BATS_TEST_TMPDIR/ldconfig"
    chmod +x "$BATS_TEST_TMPDIR/ldconfig"
    [[ $PATH == "$BATS_TEST_TMPDIR:"* ]] || PATH=$BATS_TEST_TMPDIR:$PATH
}

@test "make install replaces the library atomically while programs start" {
    local prefix=$BATS_TEST_TMPDIR/prefix i
    local install="make --silent -C '$copy' install-library PREFIX='$prefix' LIBDIR='$prefix/lib' LDCONFIG=:"
    bash -c "$install"
    background installs bash -c "for i in {1..20}; do $install; done"
    for ((i = 0; i < 300; i++)); do
        LD_PRELOAD=$prefix/lib/libnoselfconn.so grep -q libnoselfconn /proc/self/maps || fail 'a program ran without the library'
    done
    wait "$!"
}

@test "install reports a LIBDIR that the loader does not search" {
    local folder=$BATS_TEST_TMPDIR/lib cache='	libc.so.6 (libc6) => /lib/libc.so.6'
    fake_ldconfig
    run -0 make -C "$copy" --silent install-library LIBDIR="$folder" LDCONFIG=:
    assert_output "install: the loader does not search $folder: LD_PRELOAD=libnoselfconn.so finds nothing
Give the whole path, or, as root: echo $folder >>/etc/ld.so.conf.d/noselfconn.conf && ldconfig"
    cache="	libnoselfconn.so (libc6) => $folder/libnoselfconn.so"
    fake_ldconfig
    run -0 make -C "$copy" --silent install-library LIBDIR="$folder" LDCONFIG=:
    assert_output ''
}

@test "uninstall removes the library of every word size, but of no other prefix" {
    local folder prefix=$BATS_TEST_TMPDIR/prefix cache=
    for folder in "$prefix/lib" "$prefix/lib32" "$BATS_TEST_TMPDIR/other"; do
        mkdir -p "$folder"
        touch "$folder/libnoselfconn.so"
        cache+="	libnoselfconn.so (libc6) => $folder/libnoselfconn.so"$'\n'
    done
    fake_ldconfig
    run -0 make -C "$copy" --silent uninstall PREFIX="$prefix" LIBDIR="$prefix/lib" LDCONFIG=: AS_ROOT='true ||'
    run find "$BATS_TEST_TMPDIR" -name libnoselfconn.so -not -path "$copy/*"
    assert_output "$BATS_TEST_TMPDIR/other/libnoselfconn.so"
}

loader_configuration() {
    find /etc/ld.so.* -type f -exec grep -c '' {} +
    ldconfig -p | grep libnoselfconn || :
}

# bats test_tags=root
@test "install runs ldconfig, and uninstall removes only its lines from /etc/ld.so.preload" {
    needs_a_namespace
    local before
    before=$(loader_configuration)
    mkdir "$BATS_TEST_TMPDIR/etc"
    make --silent -C "$copy" build/libnoselfconn.so
    # shellcheck disable=SC2016 # for the inner shell
    run -0 unshare --mount bash -e -c '
        copy=$1 folder=$2 prefix=$2/prefix
        cp -a /etc/. "$folder/etc"
        mount --bind "$folder/etc" /etc
        [ ! -d /var/cache/ldconfig ] || mount -t tmpfs none /var/cache/ldconfig
        install="PREFIX=$prefix LIBDIR=$prefix/lib"
        echo "$prefix/lib" >/etc/ld.so.conf.d/test.conf
        make --silent -C "$copy" install-library $install
        LD_PRELOAD=libnoselfconn.so grep -q "$prefix/lib/libnoselfconn.so" /proc/self/maps
        for line in libnoselfconn.so "$prefix/lib/libnoselfconn.so"; do
            make --silent -C "$copy" install-library $install
            printf "%s\n" libm.so.6 "$line" "# libnoselfconn.so" >/etc/ld.so.preload
            make --silent -C "$copy" install-library $install DESTDIR="$folder/stage"
            make --silent -C "$copy" uninstall $install DESTDIR="$folder/stage"
            grep -qxF "$line" /etc/ld.so.preload
            make --silent -C "$copy" uninstall $install
            cat /etc/ld.so.preload
            [ -z "$(find "$prefix" -type f)" ]
            ! ldconfig -p | grep -q "$prefix"
        done' bash "$copy" "$BATS_TEST_TMPDIR"
    refute_output --partial 'cannot be preloaded'
    assert_equal "$(grep -v '^rm ' <<<"$output")" $'libm.so.6\n# libnoselfconn.so\nlibm.so.6\n# libnoselfconn.so'
    assert_equal "$(loader_configuration)" "$before"
}

# The packages' removal script, with its /etc/ld.so.preload elsewhere.
@test "a removal, but no upgrade, deletes only the library from /etc/ld.so.preload, and keeps its mode" {
    local there when before after list=$BATS_TEST_TMPDIR/ld.so.preload cache
    install -m 604 /dev/null "$BATS_TEST_TMPDIR/elsewhere"
    ln -s elsewhere "$list"
    sed "s|@library@|/usr/lib/here/libnoselfconn.so|; s|/etc/ld.so.preload|$list|" \
        "$root/scripts/packaging/forget-preload" >"$BATS_TEST_TMPDIR/script"
    while IFS='|' read -r there when before after; do
        printf %b "$before" >"$list"
        cache="	libnoselfconn.so (libc6) => /lib/here/libnoselfconn.so${there:+
	libnoselfconn.so (libc6) => /lib/there/libnoselfconn.so}"
        fake_ldconfig
        dash "$BATS_TEST_TMPDIR/script" "$when"
        assert_equal "$when $before: $(<"$list")" "$when $before: $(printf %b "$after")"
        assert_equal "$(readlink "$list") $(stat -c %a "$BATS_TEST_TMPDIR/elsewhere")" 'elsewhere 604'
    done <<'END'
|remove|libnoselfconn.so\n|
|0|libother.so\n/usr/lib/here/libnoselfconn.so\n# libnoselfconn.so\n\n/lib/here/libnoselfconn.so|libother.so\n# libnoselfconn.so\n
|remove|liba.so:libnoselfconn.so:/usr/lib/here/libnoselfconn.so libb.so\tlibc.so # all\nlibnoselfconn.so # this\n|liba.so libb.so\tlibc.so # all\n # this\n
|remove|/usr/$LIB/libnoselfconn.so\n/opt/libnoselfconn.so\nlibnoselfconn.so.1\n|/opt/libnoselfconn.so\nlibnoselfconn.so.1
|remove|  libother.so:x\n|  libother.so:x
the library of another processor|remove|libnoselfconn.so\n/lib/here/libnoselfconn.so\n/lib/there/libnoselfconn.so|libnoselfconn.so\n/lib/there/libnoselfconn.so
|upgrade|libnoselfconn.so\n  libother.so:x\n|libnoselfconn.so\n  libother.so:x
|1|libnoselfconn.so\n|libnoselfconn.so
||libnoselfconn.so\n|libnoselfconn.so
|failed-upgrade|libnoselfconn.so\n|libnoselfconn.so
END
}
