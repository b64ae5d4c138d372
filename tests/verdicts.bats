#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The launcher's verdict on a command is right: it loads the library, it does not, or the launcher cannot tell.

load helpers

launcher=$root/build/noselfconn

says_yes() { # COMMAND...
    run -0 --separate-stderr on here "$launcher" --check "$@"
    assert_output --partial ' loads the library; what it starts is not checked'
    assert_equal "$stderr" ''
}

# The launcher refuses the command and prints the reason and a remedy.
says() { # PATTERN COMMAND...
    run -125 --separate-stderr on here "$launcher" "${@:2}"
    assert_equal "$output" ''
    assert_regex "$stderr" "^noselfconn: $1"
    [ "$(wc -l <<<"$stderr")" -ge 2 ]
}

# The verdict is right: with LD_PRELOAD the command connects to itself.
says_truly() { # PATTERN COMMAND...
    says "$@"
    set_source_ports 50000
    run -0 --separate-stderr protected "${@:2}"
    assert_connected_to_itself
    new_host
}

# The launcher prints one line and runs the command; --check exits with 1.
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

# The positive controls are in reach.bats.
@test "static programs and Go programs are refused with the advice to use --trace" {
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
    says_yes "$launcher" # it contains the marks of Go programs as constants
}

@test "a Go program without its ELF note is recognised by its build information" {
    local program=$BATS_TEST_TMPDIR/dial mode
    for mode in exe pie; do # in the latter it is behind megabytes of relocated data
        GO111MODULE=off GOCACHE=$root/build/go go build -buildmode=$mode -ldflags=-buildid= -o "$program" "$root/tests/programs/dial.go"
        run -0 readelf --notes "$program"
        refute_output --partial 'Go '
        says_truly 'cannot preload into .*: it is a Go program' "$program" 50000
    done
}

@test "commands that drop LD_PRELOAD are refused" {
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

@test "the verdict on env(1) is that on the command it runs" {
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

@test "errors of env(1) are its own, with its exit status" {
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

@test "the verdict on a script is that on its interpreter, or on the command of #!/usr/bin/env" {
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

@test "a script that the kernel cannot run fails as under env(1), and the message shows its first line" {
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

# Since Linux 6.7 each user namespace has its own binfmt_misc handlers.
@test "the verdict on a file registered with binfmt_misc is that on its handler" {
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

# The launcher knows runners by name: each is a copy of another program here.
@test "each known runner is refused with the reason and its own remedy" {
    local name remedy
    cd "$BATS_TEST_TMPDIR"
    while read -r name; do
        cp "$(type -P true)" "$name"
        remedy="(Put noselfconn after it|Install noselfconn there, and put it after): $name .*noselfconn [A-Z]+( COMMAND)?'?"
        says "refused $name: it [A-Z_a-z ,']+"$'\n'"$remedy$" "./$name" --option
    done < <(sed -n 's/^    {"\([a-z0-9-]*\)", .*/\1/p' "$root/shim/launcher/runners.c")
    [ -e screen ]
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

@test "--trace refuses only runners whose commands it cannot trace" {
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

# The stand-in for tox 3 and 4 passes on only the variables that these two settings name.
@test "tox passes the library and its settings on to its commands" {
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

@test "each advised command line works as printed" {
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
@test "sudo and su drop LD_PRELOAD, and the remedy works" {
    says_truly 'refused sudo: ' sudo "$root/build/tests/connect" 127.0.0.1 50000
    says_truly 'refused su: ' su - root -c "$root/build/tests/connect 127.0.0.1 50000"
    set_source_ports 50000
    run --separate-stderr on here sudo "$launcher" "$root/build/tests/connect" 127.0.0.1 50000
    assert_refused
    run --separate-stderr on here su - root -c "$launcher $root/build/tests/connect 127.0.0.1 50000"
    assert_refused
}

@test "the launcher cannot tell for loaders and for static programs that start others" {
    local loader name
    cd "$BATS_TEST_TMPDIR"
    loader=$(readelf --program-headers "$root/build/tests/connect" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    cannot_tell '.*: it may start dynamic programs' "$loader" "$(type -P true)"
    for name in busybox gosu su-exec tini tini-static dumb-init; do
        cp "$root/build/tests/connect-static" "$name"
        cannot_tell '.*: it may start dynamic programs' "./$name" 127.0.0.1 50000
    done
    cp "$root/build/tests/dial-static" gosu
    cannot_tell '.*: it may start dynamic programs' ./gosu
    for name in busyboxes xld.so; do
        cp "$root/build/tests/connect-static" "$name"
        says 'cannot preload into .*: it is statically linked' "./$name" true
    done
}

# The loader ignores LD_PRELOAD exactly if the kernel sets AT_SECURE (getauxval(3)), which the program prints.
# bats test_tags=root
@test "a setuid, setgid or capability program is refused exactly if the kernel sets AT_SECURE" {
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
    public_folder
    mkdir "$folder/place"
    printf '%s\n' '#include <stdio.h>' '#include <sys/auxv.h>' \
        'int main(void) { return printf("%lu\n", getauxval(AT_SECURE)) < 0; }' | gcc -x c -o "$folder/program" -
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
}

# bats test_tags=root
@test "the refusal of a static setuid program does not advise --trace" {
    local folder
    public_folder "$root/build/tests/connect-static"
    chmod u+s "$folder/connect-static"
    run -125 as_an_ordinary_user "$folder/noselfconn" "$folder/connect-static"
    assert_output "noselfconn: cannot preload into $folder/connect-static: it is statically linked
Reserve the port instead: noselfconn-audit PORT says how."
    run -125 "$launcher" "$folder/connect-static"
    assert_line 'To protect it, run it traced: noselfconn --trace COMMAND'
}

# Keeps the build: `make coverage` reads its counters later.
install_in() { # FOLDER [VARIABLE=VALUE]...
    make --silent -C "$root" BUILD="$root/build/installs/$BATS_TEST_NUMBER" install DESTDIR= PREFIX="$1" LDCONFIG=: "${@:2}"
}

@test "outside the loader's folders the launcher preloads the path, and --check advises ldconfig" {
    install_in "$BATS_TEST_TMPDIR/prefix" LIBDIR="$BATS_TEST_TMPDIR/opt/lib"
    launcher=$BATS_TEST_TMPDIR/prefix/bin/noselfconn
    run -0 --separate-stderr "$launcher" printenv LD_PRELOAD
    assert_output "$BATS_TEST_TMPDIR/opt/lib/libnoselfconn.so"
    assert_equal "$stderr" ''
    is_refused_under_it connect 127.0.0.1 50000
    is_refused_under_it connect-musl 127.0.0.1 50000
    run -0 on here "$launcher" --check
    assert_line "  echo '$BATS_TEST_TMPDIR/opt/lib' | sudo tee /etc/ld.so.conf.d/noselfconn.conf && sudo ldconfig"
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/opt/lib run -0 "$launcher" printenv LD_PRELOAD
    assert_output libnoselfconn.so
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/opt/lib run -0 on here "$launcher" --check
    refute_output --partial ldconfig
}

@test "a missing loader is reported" {
    echo 'int main(void) { return 0; }' | gcc -x c -o "$BATS_TEST_TMPDIR/lost" - -Wl,--dynamic-linker=/nonexistent/ld.so
    run -127 env "$BATS_TEST_TMPDIR/lost"
    run -127 --separate-stderr "$launcher" "$BATS_TEST_TMPDIR/lost"
    assert_regex "$stderr" "^noselfconn: cannot run $BATS_TEST_TMPDIR/lost: its loader is missing"
}

# bats test_tags=root
@test "a missing /proc is reported" {
    needs_a_namespace
    # shellcheck disable=SC2016 # for the inner shell
    run -125 on here unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$0" --check' "$launcher"
    assert_line 'Is /proc mounted?'
}

@test "the message for a missing shared library names it, and LD_LIBRARY_PATH is searched, by glibc and musl" {
    local folder=$BATS_TEST_TMPDIR
    mkdir "$folder/aside"
    for compiler in gcc musl-gcc; do
        echo 'int needed = 1;' | $compiler -shared -fPIC -x c -o "$folder/aside/libneeds.so" -
        echo 'extern int needed; int main(void) { return needed; }' |
            $compiler -o "$folder/needy" -x c - -L"$folder/aside" -lneeds
        says 'cannot preload into .*: its loader, .*, does not find a shared library' "$folder/needy"
        assert_regex "$stderr" libneeds.so
        LD_LIBRARY_PATH=$folder/aside says_yes "$folder/needy"
        says_yes env LD_LIBRARY_PATH="$folder/aside" "$folder/needy"
        LD_LIBRARY_PATH=$folder/aside says 'cannot preload into .*: its loader, .*, does not find a shared library' \
            env -u LD_LIBRARY_PATH "$folder/needy"
    done
}

# bats test_tags=root
@test "a setuid or setgid caller is refused" {
    needs_a_namespace
    local ids folder
    public_folder
    for ids in 'os.setresuid(65534, 0, 0)' 'os.setresgid(65534, 0, 0)'; do
        run -125 on here python3 -c "import os, sys; $ids; os.execv(sys.argv[1], sys.argv[1:])" "$folder/noselfconn" true
        assert_line --partial 'so its loader ignores LD_PRELOAD'
    done
}

@test "messages show control characters of names as escapes" {
    executable script $'#!/bin/\001\177\033[1msh\r'
    run -127 "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_output "noselfconn: cannot run $BATS_TEST_TMPDIR/script: its interpreter is missing: #!/bin/\\x01\\x7f\\x1b[1msh\\x0d
Install it, or correct the first line; \\x0d there is a carriage return."
    run -127 "$launcher" $'\e[1m\r\tnone\n~'
    assert_output $'noselfconn: command not found: \\x1b[1m\\x0d\tnone\n~'
    # A message is cut at 16,383 bytes.
    run -126 "$launcher" "$(printf '\001%.0s' {1..17000})"
    assert_equal "$output" "noselfconn: cannot run $(printf '\\x01%.0s' {1..16372})"
}

@test "the launcher cannot tell if it cannot start a process, and fails without memory" {
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

@test "--check reports which step of its test failed" {
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
    # With the library, LD_PRELOAD exceeds MAX_ARG_STRLEN (execve(2)).
    LD_PRELOAD=$(printf '/%0131050d' 0) run -1 on here "$launcher" --check
    assert_output --partial 'cannot start this program again'
}

@test "--check leaves no self-connection for the audit to report" {
    set_source_ports 40000 40099
    run -0 on here "$launcher" --check
    NOSELFCONN_MODE=off run -125 on here "$launcher" --check
    run -0 on here "$root/scripts/noselfconn-audit" --sockets
}

@test "the launcher passes the environment on byte for byte, in its order" {
    local -a odd=('=empty name' 'no equals' 'a b=c' $'NEWLINE=a\nb' 'BASH_FUNC_f%%=() { echo f; }' 'dup=1' 'dup=2'
        'name-with-dash=1' '1digit=2' 'EMPTY=' 'high='$'\xff')
    with_environment "${odd[@]}" -- /bin/cat /proc/self/environ >"$BATS_TEST_TMPDIR/expected"
    printf 'LD_PRELOAD=%s\0' "$library" >>"$BATS_TEST_TMPDIR/expected"
    with_environment "${odd[@]}" -- "$launcher" /bin/cat /proc/self/environ >"$BATS_TEST_TMPDIR/found"
    cmp "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/found"
    # Variables of the launcher come last, once each.
    with_environment A=1 LD_PRELOAD= NOSELFCONN_MODE=off LD_PRELOAD=again B=2 -- \
        "$launcher" --observe --log stderr /bin/cat /proc/self/environ | tr '\0' '\n' >"$BATS_TEST_TMPDIR/found"
    assert_equal "$(<"$BATS_TEST_TMPDIR/found")" "A=1
B=2
NOSELFCONN_MODE=observe
NOSELFCONN_LOG=stderr
LD_PRELOAD=$library"
}

# By execve(), since shells and env(1) drop odd entries.
with_environment() { # ENTRY... -- COMMAND...
    python3 -c '
import ctypes, os, sys
words = [os.fsencode(word) for word in sys.argv[1:]]
end = words.index(b"--")
strings = lambda words: (ctypes.c_char_p * (len(words) + 1))(*words, None)
ctypes.CDLL(None).execve(words[end + 1], strings(words[end + 1:]), strings(words[:end]))' "$@"
}
