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
    run --separate-stderr on here "$@"
    assert_refused
}

executable() { # NAME [LINE]...: in the test's folder
    printf '%s\n' "${@:2}" >"$BATS_TEST_TMPDIR/$1"
    chmod +x "$BATS_TEST_TMPDIR/$1"
}

# The positive controls are in reach.bats.
@test "static programs and Go programs are refused with the advice to use --trace" {
    local program why='it is statically linked'
    for program in connect-static dial dial-pie dial-static; do
        says "cannot preload into .*/$program: $why"$'\nTo protect it, run it traced: noselfconn --trace COMMAND\nTo run it unprotected: noselfconn --force COMMAND$' \
            "$program" 127.0.0.1 50000
        why='it is a Go program, which calls the kernel without libc'
    done
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
    for how in -i '-u LD_PRELOAD' LD_PRELOAD= '-u OTHER LD_PRELOAD=x' '-S -i'; do
        # shellcheck disable=SC2086 # several words
        says_truly 'cannot preload into .*/connect: env drops LD_PRELOAD' env $how "$root/build/tests/connect" 127.0.0.1 50000
    done
    says_truly 'cannot preload into .*/connect: env drops' busybox env -i "$root/build/tests/connect" 127.0.0.1 50000
    executable script '#!/usr/bin/env -S -i sh'
    says 'cannot preload into .*/dash: env drops LD_PRELOAD' "$BATS_TEST_TMPDIR/script"
}

@test "the verdict on env(1) is that on the command it runs" {
    is_refused_under_it "$launcher" env -u OTHER -C / NAME=value connect 127.0.0.1 50000
    is_refused_under_it "$launcher" env LD_PRELOAD="$root/build/tests/empty.so:$library" connect 127.0.0.1 50000
    is_refused_under_it "$launcher" busybox env "$root/build/tests/connect" 127.0.0.1 50000
    is_refused_under_it "$launcher" busybox sh -c "exec $root/build/tests/connect 127.0.0.1 50000"
    says_yes env
    says_yes busybox
    says 'cannot preload into .*/connect-static: it is statically linked' env -S "-u X env NAME=value connect-static"
    says 'refused sudo: ' env NAME=value sudo true
}

@test "errors of env(1) are its own, with its exit status" {
    local arguments said ended
    for arguments in nonexistent '--unknown-option true' -u; do
        # shellcheck disable=SC2086 # several words
        said=$(env $arguments 2>&1) || ended=$?
        # shellcheck disable=SC2086
        run -"$ended" --separate-stderr "$launcher" env $arguments
        assert_equal "$stderr" "noselfconn: cannot tell whether this loads the library: env: it starts no command
$said"
    done
}

@test "the verdict on a script is that on its interpreter, or on the command of #!/usr/bin/env" {
    local line
    for line in '#!/bin/sh' '#! /bin/busybox sh' '#!/usr/bin/env -S NAME=value sh -e' ''; do
        executable script "$line" 'echo ran'
        says_yes "$BATS_TEST_TMPDIR/script"
        run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
        assert_output ran
    done
    for line in "#!$root/build/tests/connect-static" '#!/usr/bin/env -S connect-static'; do
        executable script "$line"
        says 'cannot preload into .*/connect-static: it is statically linked' "$BATS_TEST_TMPDIR/script"
    done
    executable flatpak '#!/usr/bin/env python3'
    says 'refused flatpak: ' "$BATS_TEST_TMPDIR/flatpak"
    cp "$(type -P true)" "$BATS_TEST_TMPDIR/sudo"
    executable script "#!$BATS_TEST_TMPDIR/sudo"
    says 'refused sudo: ' "$BATS_TEST_TMPDIR/script"
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
    for name in sud sudox env.sh; do
        cp "$(type -P true)" "$name"
        says_yes "./$name"
    done
    says 'refused screen: ' env ./screen
    says 'refused chroot: ' busybox chroot / true
    ln -sf /bin/busybox su
    says 'refused su: ' ./su
}

@test "--trace refuses only runners whose commands it cannot trace" {
    local name
    cd "$BATS_TEST_TMPDIR"
    for name in sudo mptcpize chroot; do
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
    run -0 "$launcher" "$BATS_TEST_TMPDIR/tox"
    assert_output 'LD_PRELOAD NOSELFCONN_*
testenv.pass_env+=LD_PRELOAD;testenv.pass_env+=NOSELFCONN_*'
    TOX_TESTENV_PASSENV=OTHER TOX_OVERRIDE=testenv.deps=x run -0 "$launcher" "$BATS_TEST_TMPDIR/tox"
    assert_output 'OTHER LD_PRELOAD NOSELFCONN_*
testenv.deps=x;testenv.pass_env+=LD_PRELOAD;testenv.pass_env+=NOSELFCONN_*'
}

# bats test_tags=root
@test "sudo and su drop LD_PRELOAD, and the remedy works" {
    local client="$root/build/tests/connect 127.0.0.1 50000"
    # shellcheck disable=SC2086 # several words
    says_truly 'refused sudo: ' sudo $client
    says_truly 'refused su: ' su - root -c "$client"
    # shellcheck disable=SC2086
    is_refused_under_it sudo "$launcher" $client
    is_refused_under_it su - root -c "$launcher $client"
}

@test "each advised command line works as printed" {
    local typed
    PATH=$root/build:$PATH
    while read -r typed; do
        # shellcheck disable=SC2086 # several words
        is_refused_under_it ${typed//PATH/"PATH=$PATH"} 127.0.0.1 50000
        new_host
    done <<'END'
noselfconn --trace connect-static
noselfconn --trace env -i PATH connect
env -i PATH noselfconn connect
chroot / noselfconn connect
bwrap --dev-bind / / noselfconn connect
END
}

@test "the launcher cannot tell for loaders and for static programs that start others" {
    local loader name
    cd "$BATS_TEST_TMPDIR"
    loader=$(readelf --program-headers "$root/build/tests/connect" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    cannot_tell '.*: it may start dynamic programs' "$loader" "$(type -P true)"
    for name in busybox su-exec tini tini-static dumb-init; do
        cp "$root/build/tests/connect-static" "$name"
        cannot_tell '.*: it may start dynamic programs' "./$name" 127.0.0.1 50000
    done
    cp "$root/build/tests/dial-static" gosu
    cannot_tell '.*: it may start dynamic programs' ./gosu
    cp busybox busyboxes
    says 'cannot preload into .*: it is statically linked' ./busyboxes true
}

# The loader ignores LD_PRELOAD exactly if the kernel sets AT_SECURE (getauxval(3)), which the program prints.
# bats test_tags=root
@test "a setuid, setgid or capability program is refused exactly if the kernel sets AT_SECURE" {
    needs_a_namespace
    local folder caller by given ids
    local -a as
    # shellcheck disable=SC2016 # for the inner shell
    local place_it='
        mount -t tmpfs -o "mode=755,$place" tmpfs "$folder/place"
        install -o "${owner%:*}" -g "${owner#*:}" -m "$mode" "$folder/program" "$folder/place"
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
        case $given in
        1) assert_output --partial 'so its loader ignores LD_PRELOAD' ;;
        *) assert_output --partial ' loads the library' ;;
        esac
        run "${as[@]}" "$folder/noselfconn" --trace --check "$folder/place/program"
        case $given$by in
        1) assert_output --partial 'traced it would not get those rights' ;;
        *) assert_output --partial ' can be traced' ;;
        esac
    done <<'END'
user root:root 4755 - suid 1
user nobody:root 4755 - suid 0
user root:root 2755 - suid 1
user root:root 755 cap_net_raw=ep suid 1
user root:root 4755 - nosuid 0
user root:root 755 cap_net_raw=p nosuid 0
user root:root 4755 - suid 0 --no-new-privs
user root:root 755 cap_net_raw=ep suid 1 --no-new-privs
user root:root 755 cap_net_raw=p suid 1
user root:root 755 cap_net_raw=p suid 0 --no-new-privs
user root:root 755 cap_net_raw=i suid 0
root root:root 4755 - suid 0
root nobody:root 4755 - suid 1
END
    # A caller with other effective ids.
    for ids in 'os.setresuid(65534, 0, 0)' 'os.setresgid(65534, 0, 0)'; do
        run -125 on here python3 -c "import os, sys; $ids; os.execv(sys.argv[1], sys.argv[1:])" "$folder/noselfconn" true
        assert_line --partial 'so its loader ignores LD_PRELOAD'
    done
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

@test "outside the loader's folders the launcher preloads the path, and --check advises ldconfig" {
    local folder=$BATS_TEST_TMPDIR/opt/lib
    # Keeps the build: `make coverage` reads its counters later.
    make --silent -C "$root" BUILD="$root/build/installs/$BATS_TEST_NUMBER" install DESTDIR= LDCONFIG=: \
        PREFIX="$BATS_TEST_TMPDIR/prefix" LIBDIR="$folder"
    launcher=$BATS_TEST_TMPDIR/prefix/bin/noselfconn
    run -0 --separate-stderr "$launcher" printenv LD_PRELOAD
    assert_equal "$output$stderr" "$folder/libnoselfconn.so"
    is_refused_under_it "$launcher" connect 127.0.0.1 50000
    is_refused_under_it "$launcher" connect-musl 127.0.0.1 50000
    run -0 on here "$launcher" --check
    assert_line "  echo '$folder' | sudo tee /etc/ld.so.conf.d/noselfconn.conf && sudo ldconfig"
    export LD_LIBRARY_PATH=$folder
    run -0 "$launcher" printenv LD_PRELOAD
    assert_output libnoselfconn.so
    run -0 on here "$launcher" --check
    refute_output --partial ldconfig
}

@test "a missing interpreter or loader is reported, and the message shows a script's first line" {
    local file message force
    cd "$BATS_TEST_TMPDIR"
    executable script '#!/nonexistent/interpreter -e'
    executable name '#!python3'
    echo 'int main(void) { return 0; }' | gcc -x c -o lost - -Wl,--dynamic-linker=/nonexistent/ld.so
    while read -r file message; do
        run -127 env "./$file"
        for force in '' --force; do
            run -127 --separate-stderr "$launcher" $force "./$file"
            assert_regex "$stderr" "^noselfconn: cannot run ./$file: its $message"$'\nInstall it'
        done
    done <<'END'
script interpreter is missing: #!/nonexistent/interpreter -e
name interpreter is missing: #!python3
lost loader is missing
END
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

@test "messages show control characters of names as escapes" {
    executable script $'#!/bin/\001\177\033[1msh\r'
    run -127 "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_output "noselfconn: cannot run $BATS_TEST_TMPDIR/script: its interpreter is missing: #!/bin/\\x01\\x7f\\x1b[1msh\\x0d
Install it, or correct the first line; \\x0d there is a carriage return."
    run -127 "$launcher" $'\e[1m\tnone\n~'
    assert_output $'noselfconn: command not found: \\x1b[1m\tnone\n~'
}

@test "the launcher cannot tell if it cannot start a process" {
    local calls
    for calls in '?vfork,?clone,?clone3:error=EAGAIN' pipe2:error=EMFILE '?clone,?clone3:error=EAGAIN'; do
        run -0 on here strace -qq -o /dev/null -e inject="$calls" "$launcher" printenv LD_PRELOAD
        assert_line --regexp '^noselfconn: cannot tell whether this loads the library: .*printenv: no process can be started$'
        assert_line "$library"
        [[ $calls != *vfork* ]] || run -1 on here strace -qq -o /dev/null -e inject="$calls" "$launcher" --check
        assert_output --partial 'cannot tell'
    done
}

@test "--check reports which step of its test failed" {
    local call
    for call in bind setsockopt getsockname connect; do
        run -1 on here strace -qq -o /dev/null -e inject=$call:error=ENOBUFS "$launcher" --check
        assert_output --partial 'cannot self-connect on 127.0.0.1 without the library: No buffer space available'
    done
    cp "$launcher" "$BATS_TEST_TMPDIR"
    echo 'extern int *__errno_location(void); int connect(void) { *__errno_location() = 100; return -1; }' |
        gcc -shared -fPIC -o "$BATS_TEST_TMPDIR/libnoselfconn.so" -x c - -fno-builtin
    run -1 on here "$BATS_TEST_TMPDIR/noselfconn" --check
    assert_output 'noselfconn: cannot tell: unexpected error with the library: Network is down'
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

# By execve(): shells and env(1) drop such entries. Of two LD_PRELOAD, getenv(3) takes the first, the loader the last.
@test "the launcher keeps the environment's order and odd entries, and sets its variables once" {
    run -0 --separate-stderr python3 -c '
import ctypes, os, sys
strings = lambda words: (ctypes.c_char_p * (len(words) + 1))(*words, None)
arguments = [os.fsencode(word) for word in sys.argv[1:]]
ctypes.CDLL(None).execve(arguments[0], strings(arguments), strings([b"=empty name", b"no equals", b"twice=1", b"high=\xff",
    b"LD_PRELOAD=", b"NOSELFCONN_MODE=off", b"LD_PRELOAD=again", b"NEWLINE=a\nb", b"twice=2"]))' \
        "$launcher" --observe --log stderr /bin/sh -c "tr '\\0' '|' </proc/self/environ"
    assert_output $'=empty name|no equals|twice=1|high=\xff|NEWLINE=a\nb|twice=2|'"NOSELFCONN_MODE=observe|NOSELFCONN_LOG=stderr|LD_PRELOAD=$library|"
}
