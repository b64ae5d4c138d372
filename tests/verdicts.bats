#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the launcher says of a command: it loads the library, it does not, or the launcher cannot tell; and
# that it is so.

load helpers

launcher=$root/build/noselfconn

says_yes() { # COMMAND...
    run -0 --separate-stderr on here "$launcher" --check "$@"
    assert_output --partial ' loads the library; what it starts is not checked'
    assert_equal "$stderr" ''
}

# Does not run it, and says why and what to do.
says() { # PATTERN COMMAND...
    run -125 --separate-stderr on here "$launcher" "${@:2}"
    assert_equal "$output" ''
    assert_regex "$stderr" "^noselfconn: $1"
    [ "$(wc -l <<<"$stderr")" -ge 2 ]
}

# And with the library in LD_PRELOAD it does connect to itself.
says_truly() { # PATTERN COMMAND...
    says "$@"
    set_source_ports 50000
    run -0 --separate-stderr protected "${@:2}"
    assert_connected_to_itself
    new_host
}

# Runs it after one line, and --check ends with 1.
cannot_tell() { # PATTERN COMMAND...
    run --separate-stderr on here "$launcher" "${@:2}"
    assert_equal "$(grep -c ^noselfconn: <<<"$stderr")" 1
    assert_regex "$stderr" "(^|"$'\n'")noselfconn: cannot tell whether this loads the library: $1"
    run -1 --separate-stderr on here "$launcher" --check "${@:2}"
    assert_regex "$stderr" "^noselfconn: cannot tell whether this loads the library: $1"
    assert_equal "$output" ''
}

is_refused_under_it() { # COMMAND...
    set_source_ports 50000
    run on here "$launcher" "$@"
    assert_refused
}

executable() { # NAME [LINE]...: in the test's folder
    printf '%s\n' "${@:2}" >"$BATS_TEST_TMPDIR/$1"
    chmod +x "$BATS_TEST_TMPDIR/$1"
}

# The positive controls of these are in reach.bats: each connects to itself in spite of the library.
@test "it refuses static programs and Go programs, and names --trace first" {
    local program why
    while read -r program why; do
        says "cannot preload into .*/$program: $why"$'\nTo protect it, run it traced: noselfconn --trace COMMAND\nTo run it unprotected: noselfconn --force COMMAND$' \
            "$program" 127.0.0.1 50000
    done <<'END'
connect-static it is statically linked
dial it is a Go program, which calls the kernel without libc
dial-pie it is a Go program, which calls the kernel without libc
dial-static it is a Go program, which calls the kernel without libc
END
    says_yes "$launcher" # it holds the signs of Go as constants
}

@test "a Go program without its note is known by its build information" {
    local program=$BATS_TEST_TMPDIR/dial mode
    for mode in exe pie; do # in the latter it is behind megabytes of relocated data
        GO111MODULE=off GOCACHE=$root/build/go go build -buildmode=$mode -ldflags=-buildid= -o "$program" "$root/tests/programs/dial.go"
        run -0 readelf --notes "$program"
        refute_output --partial 'Go '
        says_truly 'cannot preload into .*: it is a Go program' "$program"
    done
}

@test "it refuses commands that drop LD_PRELOAD" {
    local how
    for how in '-i' '-' '-u LD_PRELOAD' '--unset=LD_PRELOAD' 'LD_PRELOAD=' '-u OTHER LD_PRELOAD=x' '-S -i'; do
        # shellcheck disable=SC2086 # several words
        says_truly 'cannot preload into .*/connect: env drops LD_PRELOAD' env $how "$root/build/tests/connect" 127.0.0.1 50000
    done
    says_truly 'cannot preload into .*/connect: env drops' busybox env -i "$root/build/tests/connect" 127.0.0.1 50000
    executable script '#!/usr/bin/env -S -i sh' 'echo ran'
    says 'cannot preload into .*/dash: env drops LD_PRELOAD' "$BATS_TEST_TMPDIR/script"
    run -0 protected "$BATS_TEST_TMPDIR/script" # it runs, without
}

@test "what env hands on is judged by the command that it runs" {
    is_refused_under_it env NAME=value connect 127.0.0.1 50000
    is_refused_under_it env -u OTHER -C / connect 127.0.0.1 50000
    is_refused_under_it env LD_PRELOAD="$root/build/tests/empty.so:$library" connect 127.0.0.1 50000
    is_refused_under_it busybox env "$root/build/tests/connect" 127.0.0.1 50000
    is_refused_under_it busybox sh -c "exec $root/build/tests/connect 127.0.0.1 50000"
    says_yes env
    says_yes busybox
    executable script '#!/bin/busybox sh'
    says_yes "$BATS_TEST_TMPDIR/script"
    says 'cannot preload into .*/connect-static: it is statically linked' env -S "-u X env NAME=value connect-static"
    says 'refused sudo: ' env NAME=value sudo true
}

# The launcher adds one line to what env says itself, and ends as env does.
@test "what env makes of its arguments is left to env" {
    local arguments
    while read -r arguments; do
        # shellcheck disable=SC2086 # several words
        run --separate-stderr env $arguments
        local ended=$status said=$stderr
        # shellcheck disable=SC2086
        run -"$ended" --separate-stderr "$launcher" env $arguments
        assert_equal "$stderr" "noselfconn: cannot tell whether this loads the library: env: it starts no command
$said"
    done <<'END'
nonexistent
--unknown-option true
-u
-S ${
PATH=/nonexistent connect
END
}

@test "a script is judged by its interpreter, env's choice included" {
    local line
    for line in '#!/bin/sh' '#! /bin/sh -e' '#!/usr/bin/env sh' '#!/usr/bin/env -S NAME=value sh -e' '#!/usr/bin/env -vS sh' ''; do
        executable script "$line" 'echo ran'
        says_yes "$BATS_TEST_TMPDIR/script"
        run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
        assert_line ran
    done
    for line in "#!$root/build/tests/connect-static" '#!/usr/bin/env -S connect-static'; do
        executable script "$line"
        says 'cannot preload into .*/connect-static: it is statically linked' "$BATS_TEST_TMPDIR/script"
    done
    cp "$(type -P true)" "$BATS_TEST_TMPDIR/sudo"
    executable script "#!$BATS_TEST_TMPDIR/sudo"
    says 'refused sudo: ' "$BATS_TEST_TMPDIR/script"
}

@test "a script that the kernel cannot run ends as under env(1), and says what its first line names" {
    local line ended
    cd "$BATS_TEST_TMPDIR"
    mkfifo -m 755 pipe
    touch file
    ln -s script loop
    while IFS='|' read -r ended line; do
        executable script "#!$line" 'echo ran'
        run -"$ended" env ./script
        run -"$ended" --separate-stderr "$launcher" ./script
        assert_equal "$output" ''
        [ "$ended" -ne 127 ] || assert_regex "$stderr" "^noselfconn: cannot run ./script: its interpreter is missing: #!${line/python3/python3}"
        [ "$ended" -ne 126 ] || assert_regex "$stderr" '^noselfconn: cannot run ./script: '
        run -"$ended" "$launcher" --force ./script
    done <<END
127|/nonexistent/interpreter
127|python3
126|$BATS_TEST_TMPDIR/pipe
126|$BATS_TEST_TMPDIR
126|$BATS_TEST_TMPDIR/file
126|$BATS_TEST_TMPDIR/loop
END
}

# A user namespace has a list of its own since Linux 6.7: that of the machine stays as it is.
@test "of a file that binfmt_misc hands to a program, that program is judged" {
    needs_a_namespace
    # shellcheck disable=SC2016 # for the inner shell
    local inside='
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
        echo ":letters:E::letters::$1:" >/proc/sys/fs/binfmt_misc/register
        shift; "$@"'
    executable text.letters 'the text'
    run -0 on here unshare --user --map-root-user --mount sh -c "$inside" sh /bin/cat "$launcher" "$BATS_TEST_TMPDIR/text.letters"
    assert_output 'the text'
    run -125 on here unshare --user --map-root-user --mount sh -c "$inside" sh "$root/build/tests/connect-static" \
        "$launcher" "$BATS_TEST_TMPDIR/text.letters"
    assert_output --partial 'connect-static: it is statically linked'
}

# Known by their names: each is a copy of another program here.
@test "runners: each is refused with its own remedy" {
    local name why remedy rows=0
    cd "$BATS_TEST_TMPDIR"
    while IFS='|' read -r name why remedy; do
        cp "$(type -P true)" "$name"
        run -125 "$launcher" "./$name" --option
        assert_output "noselfconn: refused $name: $why
$remedy"
        rows=$((rows + 1))
    done <<'END'
sudo|it starts its command with another environment|Put noselfconn after it: sudo noselfconn COMMAND
doas|it starts its command with another environment|Put noselfconn after it: doas noselfconn COMMAND
pkexec|it starts its command with another environment|Put noselfconn after it: pkexec noselfconn COMMAND
su|it starts its command with another environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
mptcpize|it replaces LD_PRELOAD|Put noselfconn after it: mptcpize run noselfconn COMMAND
chroot|it changes the root, where the library may be missing|Install noselfconn there, and put it after: chroot FOLDER noselfconn COMMAND
schroot|it changes the root, where the library may be missing|Install noselfconn there, and put it after: schroot -c NAME -- noselfconn COMMAND
bwrap|it changes the root, where the library may be missing|Install noselfconn there, and put it after: bwrap ... noselfconn COMMAND
flatpak|it changes the root, where the library may be missing|Install noselfconn there, and put it after: flatpak run --command=noselfconn APP COMMAND
systemd-nspawn|it changes the root, where the library may be missing|Install noselfconn there, and put it after: systemd-nspawn -D FOLDER noselfconn COMMAND
proot|it changes the root, where the library may be missing|Install noselfconn there, and put it after: proot -r FOLDER noselfconn COMMAND
systemd-run|it has the service manager start its command|Put noselfconn after it: systemd-run noselfconn COMMAND
run0|it has the service manager start its command|Put noselfconn after it: run0 noselfconn COMMAND
machinectl|it has the service manager start its command|Install noselfconn there, and put it after: machinectl shell NAME noselfconn COMMAND
docker|it runs its command in a container|Install noselfconn there, and put it after: docker run IMAGE noselfconn COMMAND
podman|it runs its command in a container|Install noselfconn there, and put it after: podman run IMAGE noselfconn COMMAND
lxc|it runs its command in a container|Install noselfconn there, and put it after: lxc exec NAME -- noselfconn COMMAND
kubectl|it runs its command on another host|Install noselfconn there, and put it after: kubectl exec POD -- noselfconn COMMAND
ssh|it runs its command on another host|Install noselfconn there, and put it after: ssh HOST noselfconn COMMAND
tmux|it has its server start commands|Put noselfconn after it: tmux new-window noselfconn COMMAND
screen|it has its server start commands|Put noselfconn after it: screen noselfconn COMMAND
END
    assert_equal "$rows" "$(grep -c '^    {"' "$root/shim/launcher/runners.c")"
    for name in sud sudox env.sh; do
        cp "$(type -P true)" "$name"
        says_yes "./$name"
    done
    ln -sf /bin/busybox su
    says 'refused su: ' ./su
    says 'refused chroot: ' busybox chroot / true
    cp "$(type -P true)" sudo
    says 'refused sudo: ' env ./sudo
    executable flatpak '#!/usr/bin/env python3'
    says 'refused flatpak: ' ./flatpak
}

@test "with --trace only runners are refused whose commands the tracer does not see" {
    local name
    cd "$BATS_TEST_TMPDIR"
    for name in sudo su mptcpize chroot bwrap; do
        cp "$(type -P true)" "$name"
        run "$launcher" --trace --check "./$name"
        assert_output --regexp "^./$name can be traced, with all that it starts$|^noselfconn: cannot trace: ptrace|^noselfconn: cannot trace: process_vm_readv"
    done
    for name in proot systemd-run docker kubectl ssh tmux; do
        cp "$(type -P true)" "$name"
        run -125 "$launcher" --trace "./$name"
        assert_output --partial "noselfconn: refused $name: "
    done
}

# A stand-in for tox 3 and 4, which give their commands no other variables than these name.
@test "tox is told to pass the library and its settings on" {
    executable tox '#!/bin/sh' 'printenv TOX_TESTENV_PASSENV TOX_OVERRIDE'
    unset TOX_TESTENV_PASSENV TOX_OVERRIDE
    says_yes "$BATS_TEST_TMPDIR/tox"
    run -0 "$launcher" "$BATS_TEST_TMPDIR/tox"
    assert_output 'LD_PRELOAD NOSELFCONN_*
testenv.pass_env+=LD_PRELOAD;testenv.pass_env+=NOSELFCONN_*'
    TOX_TESTENV_PASSENV=OTHER TOX_OVERRIDE=testenv.deps=x run -0 "$launcher" "$BATS_TEST_TMPDIR/tox"
    assert_output 'OTHER LD_PRELOAD NOSELFCONN_*
testenv.deps=x;testenv.pass_env+=LD_PRELOAD;testenv.pass_env+=NOSELFCONN_*'
}

@test "what is advised is protected, as typed" {
    local typed
    PATH=$root/build:$PATH
    while read -r typed; do
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        run --separate-stderr on here ${typed//PATH/"PATH=$PATH"} 127.0.0.1 50000
        assert_refused
        new_host
    done <<'END'
noselfconn --trace connect-static
noselfconn --trace env -i PATH connect
env -i PATH noselfconn connect
chroot / noselfconn connect
bwrap --dev-bind / / noselfconn connect
END
}

# bats test_tags=root
@test "sudo and su drop the library, and the remedy works" {
    says_truly 'refused sudo: ' sudo "$root/build/tests/connect" 127.0.0.1 50000
    says_truly 'refused su: ' su - root -c "$root/build/tests/connect 127.0.0.1 50000"
    set_source_ports 50000
    run --separate-stderr on here sudo "$launcher" "$root/build/tests/connect" 127.0.0.1 50000
    assert_refused
    run --separate-stderr on here su - root -c "$launcher $root/build/tests/connect 127.0.0.1 50000"
    assert_refused
}

@test "what a program starts is not checked, unless it is traced" {
    # shellcheck disable=SC2016 # for the inner shell
    local start='env -i "$0" 127.0.0.1 50000'
    set_source_ports 50000
    run -0 --separate-stderr on here "$launcher" sh -c "$start" "$root/build/tests/connect"
    assert_connected_to_itself
    new_host
    set_source_ports 50000
    run on here "$launcher" --trace sh -c "$start" "$root/build/tests/connect"
    assert_refused
}

@test "loaders that are called by hand, and static programs that start others: cannot tell" {
    local loader name
    cd "$BATS_TEST_TMPDIR"
    loader=$(readelf --program-headers "$root/build/tests/connect" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    cannot_tell '.*: it may start what is not static' "$loader" "$(type -P true)"
    for name in busybox gosu su-exec tini tini-static dumb-init; do
        cp "$root/build/tests/connect-static" "$name"
        cannot_tell '.*: it may start what is not static' "./$name" 127.0.0.1 50000
    done
    cp "$root/build/tests/dial-static" gosu
    cannot_tell '.*: it may start what is not static' ./gosu
    for name in busyboxes xld.so; do
        cp "$root/build/tests/connect-static" "$name"
        says 'cannot preload into .*: it is statically linked' "./$name" true
    done
}

# The program says whether the kernel gave it rights that its caller does not have (getauxval(3), AT_SECURE):
# only then does the loader ignore LD_PRELOAD.
# bats test_tags=root
@test "a program is refused for the rights that it gives exactly if the kernel gives them" {
    needs_a_namespace
    local folder caller by given
    local -a as
    # shellcheck disable=SC2016 # for the inner shell
    local place_it='
        mount -t tmpfs -o "mode=755,$place" tmpfs "$folder/place"
        cp "$folder/program" "$folder/place"
        chown "$owner" "$folder/place/program"
        chmod "$mode" "$folder/place/program"
        [ "$capability" = - ] || setcap "$capability" "$folder/place/program"
        exec "$@"'
    folder=$(mktemp -d) # where the other user finds it
    mkdir "$folder/place"
    chmod 755 "$folder" "$folder/place"
    cp "$launcher" "$library" "$folder"
    printf '%s\n' '#include <stdio.h>' '#include <sys/auxv.h>' \
        'int main(void) { return printf("%lu\n", getauxval(AT_SECURE)) < 0; }' >"$folder/main.c"
    gcc -o "$folder/program" "$folder/main.c"
    export folder owner mode capability place
    while read -r caller owner mode capability place given by; do
        as=(on here unshare --mount sh -ec "$place_it" sh)
        [ "$caller" = root ] || as+=(setpriv --reuid nobody --regid nogroup --clear-groups)
        [ -z "$by" ] || as+=(setpriv "$by")
        run -0 "${as[@]}" "$folder/place/program"
        assert_equal "$caller $owner $mode $capability $place $output" "$caller $owner $mode $capability $place $given"
        run "${as[@]}" "$folder/noselfconn" --check "$folder/place/program"
        if [ "$given" -eq 1 ]; then
            assert_output --partial 'so its loader ignores LD_PRELOAD'
        else
            assert_output --partial ' loads the library'
        fi
        run "${as[@]}" "$folder/noselfconn" --trace --check "$folder/place/program"
        if [[ $given -eq 1 && -z $by ]]; then
            assert_output --partial 'traced it would not get those rights'
        else
            assert_output --partial ' can be traced'
        fi
    done <<'END'
user root:root 755 - suid 0
user root:root 4755 - suid 1
user nobody:root 4755 - suid 0
user root:root 2755 - suid 1
user root:nogroup 2755 - suid 0
user root:root 755 cap_net_raw=ep suid 1
user root:root 4755 - nosuid 0
user root:root 755 cap_net_raw=ep nosuid 0
user root:root 4755 - suid 0 --no-new-privs
user root:root 755 cap_net_raw=ep suid 1 --no-new-privs
user root:root 755 cap_net_raw=p suid 1
user root:root 755 cap_net_raw=p suid 0 --no-new-privs
user root:root 755 cap_net_raw=i suid 0
root root:root 4755 - suid 0
root nobody:root 4755 - suid 1
root root:nogroup 2755 - suid 1
END
    rm -rf "$folder"
}

@test "AddressSanitizer's runtime comes first, and the caller's list last" {
    local program=$BATS_TEST_TMPDIR/program runtime
    printf '%s\n' '#include <stdio.h>' '#include <stdlib.h>' \
        'int main(void) { return puts(getenv("LD_PRELOAD")) < 0; }' >"$program.c"
    gcc -fsanitize=address -o "$program" "$program.c"
    runtime=$(ldd "$program" | sed -n 's/.*libasan.* => \(.*\) (.*/\1/p')
    LD_PRELOAD=$(preload empty) run -0 "$launcher" "$program"
    assert_output "$runtime:$library:$(preload empty)"
}

# bats test_tags=root
@test "a static setuid program is not advised to be traced" {
    local folder
    folder=$(mktemp -d) # where the other user finds it
    chmod 755 "$folder"
    cp "$launcher" "$library" "$root/build/tests/connect-static" "$folder"
    chmod u+s "$folder/connect-static"
    run -125 as_an_ordinary_user "$folder/noselfconn" "$folder/connect-static"
    assert_output "noselfconn: cannot preload into $folder/connect-static: it is statically linked
Reserve the port instead: noselfconn-audit PORT says how."
    run -125 "$launcher" "$folder/connect-static"
    assert_line 'To protect it, run it traced: noselfconn --trace COMMAND'
    rm -rf "$folder"
}

# An installation of one's own, whose folder the loader does not know. What is built for it stays, for the
# counters of the coverage.
install_in() { # FOLDER [VARIABLE=VALUE]...
    make --silent -C "$root" BUILD="$root/build/installs/$BATS_TEST_NUMBER" install DESTDIR= PREFIX="$1" LDCONFIG=: "${@:2}"
}

@test "installed where the loader does not look, it takes the path, and says what to do only when it is asked" {
    install_in "$BATS_TEST_TMPDIR/prefix" LIBDIR="$BATS_TEST_TMPDIR/opt/lib"
    launcher=$BATS_TEST_TMPDIR/prefix/bin/noselfconn
    run -0 --separate-stderr "$launcher" printenv LD_PRELOAD
    assert_output "$BATS_TEST_TMPDIR/opt/lib/libnoselfconn.so"
    assert_equal "$stderr" ''
    is_refused_under_it connect 127.0.0.1 50000
    is_refused_under_it connect-musl 127.0.0.1 50000
    run -0 on here "$launcher" --check
    assert_line "  echo '$BATS_TEST_TMPDIR/opt/lib' | sudo tee /etc/ld.so.conf.d/noselfconn.conf && sudo ldconfig"
    # Where it looks, the bare name.
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/opt/lib run -0 "$launcher" printenv LD_PRELOAD
    assert_output libnoselfconn.so
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/opt/lib run -0 on here "$launcher" --check
    refute_output --partial ldconfig
}

@test "a missing loader is called by its name" {
    local folder=$BATS_TEST_TMPDIR
    echo 'int main(void) { return 0; }' >"$folder/main.c"
    gcc -o "$folder/lost" "$folder/main.c" -Wl,--dynamic-linker=/nonexistent/ld.so
    run -127 env "$folder/lost"
    run -127 --separate-stderr "$launcher" "$folder/lost"
    assert_regex "$stderr" "^noselfconn: cannot run $folder/lost: its loader is missing"
}

@test "a missing shared library is called by its name, with musl, too; and libraries that only LD_LIBRARY_PATH names are found" {
    local folder=$BATS_TEST_TMPDIR
    mkdir "$folder/aside"
    echo 'int needed(void); int needed(void) { return 0; }' >"$folder/needs.c"
    echo 'int needed(void); int main(void) { return needed(); }' >"$folder/main.c"
    for compiler in gcc musl-gcc; do
        $compiler -shared -fPIC -o "$folder/aside/libneeds.so" "$folder/needs.c"
        $compiler -o "$folder/needy" "$folder/main.c" -L"$folder/aside" -lneeds
        says 'cannot preload into .*: its loader, .*, does not find a shared library' "$folder/needy"
        assert_regex "$stderr" libneeds.so
        LD_LIBRARY_PATH=$folder/aside says_yes "$folder/needy"
        says_yes env LD_LIBRARY_PATH="$folder/aside" "$folder/needy"
        LD_LIBRARY_PATH=$folder/aside says 'cannot preload into .*: its loader, .*, does not find a shared library' \
            env -u LD_LIBRARY_PATH "$folder/needy"
    done
}

# bats test_tags=root
@test "a caller that is setuid or setgid itself" {
    needs_a_namespace
    local ids folder
    folder=$(mktemp -d) # where the other user finds it
    chmod 755 "$folder"
    cp "$launcher" "$library" "$folder"
    for ids in 'os.setresuid(65534, 0, 0)' 'os.setresgid(65534, 0, 0)'; do
        run -125 on here python3 -c "import os, sys; $ids; os.execv(sys.argv[1], sys.argv[1:])" "$folder/noselfconn" true
        assert_line --partial 'so its loader ignores LD_PRELOAD'
    done
    rm -rf "$folder"
}

@test "what a terminal would not show is shown: of any name, control characters" {
    executable script $'#!/bin/\001\177\033[1msh\r'
    run -127 "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_output "noselfconn: cannot run $BATS_TEST_TMPDIR/script: its interpreter is missing: #!/bin/\\x01\\x7f\\x1b[1msh\\x0d
Install it, or correct the first line; \\x0d there is a carriage return."
    run -127 "$launcher" $'\e[1m\r\tnone\n~'
    assert_output $'noselfconn: command not found: \\x1b[1m\\x0d\tnone\n~'
    # Of a longer message, 16,383 bytes.
    run -126 "$launcher" "$(printf '\001%.0s' {1..17000})"
    assert_equal "$output" "noselfconn: cannot run $(printf '\\x01%.0s' {1..16372})"
}

@test "where no process is to be had, it cannot tell, and without memory it fails" {
    local -a without_processes=(strace -qq -o /dev/null -e inject='?vfork,?clone,?clone3:error=EAGAIN')
    run -0 on here "${without_processes[@]}" "$launcher" printenv LD_PRELOAD
    assert_output "noselfconn: cannot tell whether this loads the library: printenv: no process can be started
$library"
    run -0 on here strace -qq -o /dev/null -e inject=pipe2:error=EMFILE "$launcher" true
    assert_output --partial 'true: no process can be started'
    run -0 on here strace -qq -o /dev/null -e inject='?clone,?clone3:error=EAGAIN' "$launcher" true
    assert_output --partial 'true: no process can be started'
    run -1 on here "${without_processes[@]}" "$launcher" --check
    assert_output --partial 'cannot tell: '
    LD_PRELOAD="$(preload no-memory) $(printf '/%0300d' 0)" run -125 on here "$launcher" true
    assert_line 'noselfconn: out of memory'
}

# Its own proof.
@test "--check proves itself with a log, with another preload missing, in an unknown locale, with one port" {
    run -0 on here "$launcher" --log stderr --check
    LD_PRELOAD=/nonexistent.so run -0 on here "$launcher" --check
    run -0 on here env --ignore-signal=CHLD LC_ALL=xx_XX.unknown "$launcher" --check
    assert_line --partial 'works: '
    set_source_ports 50000
    run -0 on here "$launcher" --check
}

@test "--check says where it cannot make the comparison" {
    local call
    for call in bind setsockopt getsockname connect; do
        run -1 on here strace -qq -o /dev/null -e inject=$call:error=ENOBUFS "$launcher" --check
        assert_output --partial 'cannot self-connect on 127.0.0.1 without the library: No buffer space available'
    done
    for call in bind connect; do
        LD_PRELOAD=$(preload no-network) NO_NETWORK=$call run -1 on here "$launcher" --check
        assert_output --partial 'noselfconn: cannot tell: unexpected error with the library: '
    done
    LD_PRELOAD=$(preload no-network) run -0 on here "$launcher" --check
    # With the library in it the list is longer than the kernel lets a string be (execve(2)).
    LD_PRELOAD=$(printf '/%0131050d' 0) run -1 on here "$launcher" --check
    assert_output --partial 'cannot start this program again'
    on here ip link set lo down
    run -1 on here "$launcher" --trace --check
    assert_output --partial 'cannot tell: '
}

@test "--check leaves nothing behind that the audit would report" {
    set_source_ports 40000 40099
    run -0 on here "$launcher" --check
    NOSELFCONN_MODE=off run -125 on here "$launcher" --check
    run -0 on here "$root/scripts/noselfconn-audit"
    assert_line 'connected to themselves now: 0'
}

# bats test_tags=root,shipped
@test "--check proves itself where /etc/ld.so.preload is in force" {
    needs_a_namespace
    local folder=$BATS_TEST_TMPDIR/root file
    for file in "$launcher" $(ldd "$launcher" | grep -o '/[^ ]*'); do
        install -D "$file" "$folder$file"
    done
    install -D "$library" "$folder$library"
    install -d "$folder/etc" "$folder/proc"
    echo "$library" >"$folder/etc/ld.so.preload"
    # shellcheck disable=SC2016 # for the inner shell
    run -0 on here unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$folder" "$launcher" --check
    assert_line --partial 'works: '
}

# As env(1) shows it, but for the variable that the launcher sets.
@test "the environment is the caller's, byte for byte and in its order, but for what is set" {
    local -a odd=('=empty name' 'no equals' 'discovery.type=single' 'a b=c' 'NEWLINE=a
b' 'BASH_FUNC_f%%=() { echo f; }' 'dup=1' 'dup=2' 'version=x' 'check=x' 'library=x' 'program=x' 'force=x' 'status=x' 'line=x'
        'list=x' 'shell=x' 'name-with-dash=1' '1digit=2' 'EMPTY=' 'high='$'\xff')
    # By a system call, since shells and env(1) clean up.
    cat >"$BATS_TEST_TMPDIR/exec.py" <<'PYTHON'
import ctypes, sys
libc = ctypes.CDLL(None)
count = sys.argv.index("--")
environment, command = [a.encode("utf-8", "surrogateescape") for a in sys.argv[1:count]], [a.encode() for a in sys.argv[count + 1:]]
strings = lambda items: (ctypes.c_char_p * (len(items) + 1))(*items, None)
libc.execve(command[0], strings(command), strings(environment))
PYTHON
    python3 "$BATS_TEST_TMPDIR/exec.py" "${odd[@]}" -- /bin/cat /proc/self/environ >"$BATS_TEST_TMPDIR/expected"
    printf 'LD_PRELOAD=%s\0' "$library" >>"$BATS_TEST_TMPDIR/expected"
    python3 "$BATS_TEST_TMPDIR/exec.py" "${odd[@]}" -- "$launcher" /bin/cat /proc/self/environ >"$BATS_TEST_TMPDIR/found"
    cmp "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/found"
    # What is set comes last, and is set once.
    python3 "$BATS_TEST_TMPDIR/exec.py" A=1 LD_PRELOAD= NOSELFCONN_MODE=off LD_PRELOAD=again B=2 -- \
        "$launcher" --observe --log stderr /bin/cat /proc/self/environ | tr '\0' '\n' >"$BATS_TEST_TMPDIR/found"
    run cat "$BATS_TEST_TMPDIR/found"
    assert_output "A=1
B=2
NOSELFCONN_MODE=observe
NOSELFCONN_LOG=stderr
LD_PRELOAD=$library"
}
