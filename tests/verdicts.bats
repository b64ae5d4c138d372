#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the launcher says of a command: protected, not protected, or cannot tell; and that it is so.

load helpers

launcher=$root/build/noselfconn

says_protected() { # COMMAND...
    run -0 --separate-stderr on here "$launcher" --check "$@"
    assert_output --partial 'can be protected: '
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

# Is protected, and is then refused.
is_refused_under_it() { # COMMAND...
    set_source_ports 50000
    run on here "$launcher" "$@"
    assert_refused
}

executable() { # NAME [LINE]...: in the test's folder
    printf '%s\n' "${@:2}" >"$BATS_TEST_TMPDIR/$1"
    chmod +x "$BATS_TEST_TMPDIR/$1"
}

@test "a Go program without its note is known by its build information" {
    local program=$BATS_TEST_TMPDIR/dial
    GO111MODULE=off GOCACHE=$root/build/go go build -ldflags=-buildid= -o "$program" "$root/tests/programs/dial.go"
    run -0 readelf --notes "$program"
    refute_output --partial 'Go '
    says_truly 'cannot protect a Go program: ' "$program"
}

@test "commands that drop the environment" {
    says_truly 'cannot protect what env runs without this LD_PRELOAD: connect' env -i PATH="$PATH" connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env -u LD_PRELOAD connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env -uLD_PRELOAD connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env -u OTHER -u LD_PRELOAD connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env --unset=LD_PRELOAD connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env --unset LD_PRELOAD connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env LD_PRELOAD= connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env OTHER=1 LD_PRELOAD= connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env --ignore-environment PATH="$PATH" connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env - PATH="$PATH" connect 127.0.0.1 50000
    says_truly 'cannot protect what env runs' env -S "-i PATH=$PATH connect 127.0.0.1 50000"
    says_truly 'cannot protect what .*setpriv runs: --reset-env' \
        setpriv --reset-env "$root/build/tests/connect" 127.0.0.1 50000
    says_truly 'cannot protect what .*setpriv runs: --reset-env' \
        setpriv --reset "$root/build/tests/connect" 127.0.0.1 50000
    says_truly 'cannot tell about what .*bwrap runs' bwrap --bind / / --clearenv "$root/build/tests/connect" 127.0.0.1 50000
}

@test "what BusyBox is told to be is judged as that" {
    says_truly 'cannot protect what env runs' busybox env -i "$root/build/tests/connect" 127.0.0.1 50000
    says 'cannot tell about what chroot runs' busybox chroot / true
    is_refused_under_it busybox env "$root/build/tests/connect" 127.0.0.1 50000
    is_refused_under_it busybox sh -c "exec $root/build/tests/connect 127.0.0.1 50000"
    says_protected busybox
    executable script '#!/bin/busybox sh'
    says_protected "$BATS_TEST_TMPDIR/script"
}

# bats test_tags=root
@test "sudo and su with a login drop it, too, and it says where to put the launcher" {
    says_truly 'cannot protect what .*/sudo runs' sudo "$root/build/tests/connect" 127.0.0.1 50000
    says 'cannot protect what .*/sudo runs' sudo true
    assert_regex "$stderr" 'Put noselfconn after it: sudo noselfconn COMMAND'
    set_source_ports 50000
    run --separate-stderr on here sudo "$launcher" "$root/build/tests/connect" 127.0.0.1 50000
    assert_refused
    says_truly 'cannot protect what .*/su runs' su - root -c "$root/build/tests/connect 127.0.0.1 50000"
    says_truly 'cannot protect what .*/su runs' su -lc "$root/build/tests/connect 127.0.0.1 50000" root
    says_truly 'cannot protect what .*/su runs' su --log -c "$root/build/tests/connect 127.0.0.1 50000" root
}

@test "what env hands on is judged by the command that it runs" {
    is_refused_under_it env NAME=value connect 127.0.0.1 50000
    is_refused_under_it env -u OTHER -C / connect 127.0.0.1 50000
    says_protected env
    # A command with the name of a variable is none.
    ln -s "$(type -P true)" "$BATS_TEST_TMPDIR/LD_PRELOAD"
    says_protected env "PATH=$BATS_TEST_TMPDIR:$PATH" LD_PRELOAD
    says 'cannot protect a statically linked program' env NAME=value connect-static
    says 'cannot protect a command that env does not find: nonexistent' env nonexistent
    says 'cannot protect a command that env does not find: connect' env PATH=/nonexistent connect
    says 'cannot tell what env runs' env --unknown-option true
    # shellcheck disable=SC2016 # for env
    says 'cannot tell what env runs' env -S '${SHELL} -c true'
}

@test "scripts whose first line goes through env" {
    local line
    for line in '#!/usr/bin/env -Spython3 -u' '#!/usr/bin/env --split-string=python3 -u' \
        '#!/usr/bin/env -S -u VARIABLE python3' '#!/usr/bin/env -S -C / python3' '#!/usr/bin/env -vS python3' \
        "#!/usr/bin/env -S 'python3' \"-u\"" '#!/usr/bin/env python3' '#! /usr/bin/env python3 '; do
        executable script "$line" 'print("ran")'
        says_protected "$BATS_TEST_TMPDIR/script"
        run -0 --separate-stderr on here "$launcher" "$BATS_TEST_TMPDIR/script"
        assert_output ran
    done
    for line in '-uLD_PRELOAD' '--unset=LD_PRELOAD' 'LD_PRELOAD=' '-iS'; do
        executable script "#!/usr/bin/env -S $line python3"
        [ "$line" != -iS ] || executable script '#!/usr/bin/env -iS python3'
        says 'cannot protect a script whose first line empties the environment' "$BATS_TEST_TMPDIR/script"
        run -0 protected "$BATS_TEST_TMPDIR/script" # it runs, without
    done
    executable script '#!/usr/bin/env python3 -u' # one word, for env
    says 'cannot protect a script whose interpreter is missing: python3 -u' "$BATS_TEST_TMPDIR/script"
    run -127 "$BATS_TEST_TMPDIR/script"
}

# What env does with each line is seen by running it; what the launcher says, beside it.
@test "every option of env that is known is read as env reads it" {
    local line
    for line in '"python3" -u' "'python3' -u" 'python3 # a comment' '-- python3' '--chdir=/ python3' '--chdir / python3' \
        '-C/ python3' '-uX python3' '-u X python3' '--unset=X python3' '--unset X python3' '--debug python3' '-v python3' \
        '--block-signal=USR1 python3' '--default-signal=USR1 python3' '--ignore-signal=USR1 python3' \
        '--list-signal-handling python3' 'A=1 B=2 python3' '"pyth"'"'on3'" '-S python3' '--split-string=python3' \
        '	python3	-u	' '"A=a b" python3' '"A=\"\$\#\\" python3' "A='\\\\\\' \\x' python3" '"A=\t\n\_" python3'; do
        executable script "#!/usr/bin/env -S $line" 'print("ran")'
        run -0 --separate-stderr "$BATS_TEST_TMPDIR/script"
        assert_output ran
        run -0 --separate-stderr "$launcher" --check "$BATS_TEST_TMPDIR/script"
        assert_output --regexp "^can be protected: .*/script, in [^ ]*/python3[^ ]*, by "
        run -0 --separate-stderr "$launcher" "$BATS_TEST_TMPDIR/script"
        assert_output ran
    done
}

@test "what env does not understand, and what depends on a variable, is not guessed" {
    local line
    # shellcheck disable=SC2016 # for env
    for line in '-0 python3' '--null python3' '-x python3' '--unknown python3' "'python3" '"python3' 'py\qthon3' \
        '${PYTHON} x' 'python3\_-u' '-u' '-C' '-S' '--unset' '--chdir' '--split-string' '-S "x' "'--split-string=\"x'" '--unsets X' '-vx python3'; do
        run -125 --separate-stderr "$launcher" env -S "$line"
        assert_regex "$stderr" '^noselfconn: cannot tell what env runs: '
    done
    # Behind the last word there is none, though there was one.
    says 'cannot tell what env runs: ' env -S '' -u
    # As many words as it reads, and as long ones; and one more.
    says_protected env -S "$(printf 'A=%d ' {1..61}) python3"
    says 'cannot tell what env runs: ' env -S "$(printf 'A=%d ' {1..62}) python3"
    says 'cannot tell what env runs: ' env -S "$(printf 'A=%d ' {1..200}) python3"
    says_protected env -S "A=$(printf '%04084d' 0) python3"
    says 'cannot tell what env runs: ' env -S "A=$(printf '%04085d' 0) python3"
    says 'cannot tell what env runs: ' env -S "A=$(printf '%09000d' 0) python3"
    # A folder in a folder, of as many bytes as a path may have, and of one more.
    says 'cannot protect a command that env does not find: ' env -C "/$(printf '%03996d' 0)" env -C "$(printf '%097d' 0)" ./nonexistent
    says 'cannot tell what env runs: ' env -C "/$(printf '%03997d' 0)" env -C "$(printf '%097d' 0)" ./nonexistent
    # shellcheck disable=SC2046 # many words
    says_protected env $(printf 'A=%d ' {1..62}) python3
    # shellcheck disable=SC2046 # many words
    says 'cannot tell what env runs: ' env $(printf 'A=%d ' {1..63}) python3
    # shellcheck disable=SC2046 # many words
    says 'cannot tell what env runs: ' env $(printf 'A=%d ' {1..200}) python3
    # shellcheck disable=SC2046 # many words
    says 'cannot tell what env runs: ' env -S 'A=1 python3' $(printf 'A=%d ' {1..62})
}

@test "the first line is read as far as the kernel reads it" {
    local name padding expected
    # 256 bytes: the last that is seen of a name that ends there, and one more.
    padding=$(printf '%0250d' 0 | tr 0 /)
    executable script "#!${padding:0:245}/bin/sh" 'echo ran'
    run -0 "$BATS_TEST_TMPDIR/script"
    run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_output ran
    executable script "#!${padding:0:250}/bin/sh" 'echo ran'
    says 'cannot protect a script without an interpreter: ' "$BATS_TEST_TMPDIR/script"
    for name in ' /bin/sh' '	/bin/sh	-e ' '/bin/sh'; do
        executable script "#!$name" 'echo ran'
        run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
        assert_output ran
    done
    # One line, without an end.
    printf '#!/bin/true' >"$BATS_TEST_TMPDIR/script"
    run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
    for name in '' ' ' '	'; do
        executable script "#!$name" 'echo ran'
        says 'cannot protect a script without an interpreter: ' "$BATS_TEST_TMPDIR/script"
    done
    # No line end, and no argument; env runs the script, which env runs.
    printf '#!/usr/bin/env' >"$BATS_TEST_TMPDIR/script"
    says 'cannot protect a script whose interpreters are scripts without end' "$BATS_TEST_TMPDIR/script"
    # A name of one letter, and an argument that goes on.
    cd "$BATS_TEST_TMPDIR"
    ln -s /bin/echo x
    executable script "#!x $(printf '%0300d' 0)"
    run -0 ./script
    expected=$output
    run -0 "$launcher" ./script
    assert_output "$expected"
    # Of an argument that is cut, the kernel passes what it sees.
    executable script "#!/bin/echo $(printf '%0300d' 0)"
    run -0 "$BATS_TEST_TMPDIR/script"
    expected=$output
    run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_output "$expected"
}

@test "a name that is too long, an empty name, and a command without PATH" {
    run -126 "$launcher" "/$(printf '%05000d' 0)"
    assert_output --partial 'File name too long'
    run -127 "$launcher" ''
    run -0 env -u PATH "$launcher" true
    PATH=/nonexistent run -127 "$launcher" true
}

@test "-h is --help" {
    run -0 "$launcher" -h
    assert_line --index 0 'usage: noselfconn [OPTION]... [--] COMMAND [ARG]...'
}

@test "a script whose interpreter is sudo" {
    executable sudo
    cp /bin/true "$BATS_TEST_TMPDIR/sudo"
    executable script "#!$BATS_TEST_TMPDIR/sudo"
    says 'cannot protect what .*/sudo runs: it empties the environment' "$BATS_TEST_TMPDIR/script"
}

@test "an interpreter that is not executable is 126, as by the kernel" {
    touch "$BATS_TEST_TMPDIR/interpreter"
    executable script "#!$BATS_TEST_TMPDIR/interpreter"
    run -126 env "$BATS_TEST_TMPDIR/script"
    run -126 --separate-stderr "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_regex "$stderr" 'not an executable file: .*/interpreter, the interpreter of '
    run -126 "$launcher" --force "$BATS_TEST_TMPDIR/script"
}

@test "the name of an interpreter is relative to the current folder, and is not looked for in PATH" {
    cd "$BATS_TEST_TMPDIR"
    executable script '#!python3' 'print("ran")'
    says 'cannot protect a script whose interpreter is missing: .*: #!python3' ./script
    ln -s "$(command -v python3)" python3
    run -0 "$launcher" ./script
    assert_output ran
}

@test "a carriage return at the end of the first line is shown" {
    executable script $'#!/bin/sh\r'
    says 'cannot protect a script whose interpreter is missing: .*: #!/bin/sh\\r' "$BATS_TEST_TMPDIR/script"
    assert_regex "$stderr" 'remove those'
    executable script $'#!/usr/bin/env python3\r'
    says 'cannot protect a script whose interpreter is missing: python3\\r' "$BATS_TEST_TMPDIR/script"
    assert_regex "$stderr" 'remove those'
    executable script $'#!/usr/bin/env -S python3\r' 'print("ran")' # env itself takes it for a blank
    run -0 "$BATS_TEST_TMPDIR/script"
    run -0 "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_output ran
}

# A user namespace has a list of its own since Linux 6.7: that of the machine stays as it is.
@test "what the kernel gives to a program that it was told of is not judged as a script or program, nor given to the shell" {
    local inside='
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
        echo ":letters:E::letters::/bin/cat:" >/proc/sys/fs/binfmt_misc/register
        echo ":bytes:M::noselfconn test::/bin/cat:" >/proc/sys/fs/binfmt_misc/register
        "$@"'
    executable text.letters 'echo wrong'
    executable magic 'noselfconn test' 'echo wrong'
    executable script.letters '#!/bin/sh' 'echo wrong'
    executable other 'echo right'
    cp "$(type -P true)" "$BATS_TEST_TMPDIR/program.letters"
    run -125 on here unshare --user --map-root-user --mount sh -c "$inside" sh "$launcher" "$BATS_TEST_TMPDIR/program.letters"
    assert_output --partial 'cannot tell whether this can be protected: '
    for file in text.letters magic script.letters; do
        run -125 on here unshare --user --map-root-user --mount sh -c "$inside" sh "$launcher" "$BATS_TEST_TMPDIR/$file"
        assert_output --partial 'cannot tell whether this can be protected: '
        run -0 on here unshare --user --map-root-user --mount sh -c "$inside" sh "$launcher" --force "$BATS_TEST_TMPDIR/$file"
        assert_line 'echo wrong' # by cat
    done
    run -0 on here unshare --user --map-root-user --mount sh -c "$inside" sh "$launcher" "$BATS_TEST_TMPDIR/other"
    assert_output right
    # A kernel that knows of no such programs.
    # shellcheck disable=SC2016 # for the inner shell
    run -0 on here unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /proc/sys/fs && exec "$@"' sh \
        "$launcher" "$BATS_TEST_TMPDIR/other"
    assert_output right
    printf 'MZ\0\0' >"$BATS_TEST_TMPDIR/program.exe"
    chmod +x "$BATS_TEST_TMPDIR/program.exe"
    says 'cannot tell whether this can be protected: .*: neither a program nor a script' "$BATS_TEST_TMPDIR/program.exe"
    run -126 "$launcher" --force "$BATS_TEST_TMPDIR/program.exe"
}

# A folder like the kernel's, with entries as it shows them; bytes at an offset, under a mask.
@test "the kernel's list of such programs is read as it is meant, and what cannot be read is passed over" {
    local list=$BATS_TEST_TMPDIR/list name expected
    mkdir "$list"
    printf 'enabled\ninterpreter /bin/cat\nflags: \noffset 2\nmagic 20404060\nmask ff0ff0ff\n' >"$list/masked"
    printf 'disabled\ninterpreter /bin/cat\nflags: \noffset 0\nmagic 6f6666\n' >"$list/off"
    printf 'enabled\ninterpreter /bin/cat\nflags: \nextension .text\n' >"$list/name"
    printf 'enabled\ninterpreter /bin/cat\nflags: \noffset 250\nmagic 0102030405060708\n' >"$list/far"
    printf 'enabled\ninterpreter /bin/cat\nflags: \noffset 248\nmagic 1112131415161718\n' >"$list/edge"
    printf 'enabled\ninterpreter /bin/cat\nflags: \noffset 0\nmagic %0512x\nmask %0510xff\n' 65 0 >"$list/long"
    for name in {1..40}; do
        printf 'disabled\noffset 0\nmagic 00\n' >"$list/$name"
    done
    printf 'enabled\noffset 257\nmagic 00\nmask 00\n' >"$list/beyond"
    printf 'enabled\noffset 18446744073709551615\nmagic 00\nmask 00\n' >"$list/outside"
    printf 'enabled\noffset 0\nmagic 737461747573\n' >"$list/status"
    printf 'enabled\noffset 0\nmagic 7265676973746572\n' >"$list/register"
    ln -s /nonexistent "$list/gone"
    executable masked ': 0@`'
    executable masked-otherwise ': p`'
    executable not-masked ': 0Aa'
    executable off 'off || :'
    executable short ':'
    executable status 'status || :'
    executable register 'register || :'
    executable file.text ':'
    executable file.textual ':'
    executable text ':'
    printf ':%247s\x11\x12\x13\x14\x15\x16\x17\x18' '' >"$BATS_TEST_TMPDIR/edge"
    printf ':%246s\x11\x12\x13\x14\x15\x16\x17\x18\x18' '' >"$BATS_TEST_TMPDIR/before-edge"
    printf ':%247s\x10\x12\x13\x14\x15\x16\x17\x18' '' >"$BATS_TEST_TMPDIR/edge-otherwise"
    printf ':%254sA' '' >"$BATS_TEST_TMPDIR/long"
    printf ':%254sB' '' >"$BATS_TEST_TMPDIR/long-otherwise"
    chmod +x "$BATS_TEST_TMPDIR"/{edge,before-edge,edge-otherwise,long,long-otherwise}
    printf ': 0@`' >"$BATS_TEST_TMPDIR/masked"
    printf ': \x2f\x40\x4f\x60' >"$BATS_TEST_TMPDIR/not-masked"
    printf ': \x20\xf0\x4f\x60' >"$BATS_TEST_TMPDIR/masked-otherwise"
    while read -r name expected; do
        # shellcheck disable=SC2016 # for the inner shell
        run --separate-stderr on here unshare --user --map-root-user --mount sh -c \
            'ulimit -n 20; mount --bind "$0" /proc/sys/fs/binfmt_misc && exec "$@"' "$list" "$launcher" --check "$BATS_TEST_TMPDIR/$name"
        assert_equal "$name: ${output%%:*}${stderr%% whether*}" "$name: $expected"
    done <<'END'
masked can be protected
masked-otherwise noselfconn: cannot tell
not-masked can be protected
off can be protected
edge noselfconn: cannot tell
before-edge can be protected
edge-otherwise can be protected
long noselfconn: cannot tell
long-otherwise can be protected
short can be protected
status can be protected
register can be protected
file.text noselfconn: cannot tell
file.textual can be protected
text can be protected
END
}

@test "a login shell empties the environment, another command by the same program does not" {
    says 'cannot protect what .*runuser runs: a login empties' runuser -l nobody
    says_protected runuser nobody -c true
    says_protected runuser -- nobody -l
}

# Known by their names: each is a copy of another program here.
@test "every program that is known not to hand on the preload, with and without the options that make it one" {
    local command verdict why remedy
    cd "$BATS_TEST_TMPDIR" || return
    while IFS='|' read -r command verdict why remedy; do
        cp "$(type -P true)" "${command%% *}"
        # shellcheck disable=SC2086 # several words
        run "$launcher" --check ./$command
        if [ "$verdict" = protected ]; then
            assert_output --regexp "^can be protected: ./${command%% *}, in "
        else
            assert_output "noselfconn: $verdict ./${command%% *} runs: $why"$'\n'"$remedy"
        fi
    done <<'END'
sudo true|cannot protect what|it empties the environment|Put noselfconn after it: sudo noselfconn COMMAND
doas|cannot protect what|it empties the environment|Put noselfconn after it: doas noselfconn COMMAND
pkexec true|cannot protect what|it empties the environment|Put noselfconn after it: pkexec noselfconn COMMAND
su -|cannot protect what|a login empties the environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
su root -l|cannot protect what|a login empties the environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
su --login root|cannot protect what|a login empties the environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
su root -c true|protected
su root --logi|cannot protect what|a login empties the environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
su root --logins|protected
su -plc true|cannot protect what|a login empties the environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
su -pcl|protected
su -cl root|protected
su -sl|protected
su -gl|protected
su -Gl|protected
su -wl|protected
su -ul|cannot protect what|a login empties the environment|Put noselfconn after it: su - USER -c 'noselfconn COMMAND'
su l login|protected
su|protected
su root -- -l|protected
runuser -|cannot protect what|a login empties the environment|Put noselfconn after it: runuser - USER -c 'noselfconn COMMAND'
runuser -pl|cannot protect what|a login empties the environment|Put noselfconn after it: runuser - USER -c 'noselfconn COMMAND'
runuser -ul true|protected
runuser -u root true|protected
setpriv --reset-env true|cannot protect what|--reset-env empties the environment|Put noselfconn after it: setpriv ... noselfconn COMMAND
setpriv --reset true|cannot protect what|--reset-env empties the environment|Put noselfconn after it: setpriv ... noselfconn COMMAND
setpriv --reset-envs true|protected
setpriv -d true|protected
setpriv --no-new-privs true|protected
systemd-run true|cannot protect what|the service manager starts it, with an environment of its own|Put noselfconn after it: systemd-run ... noselfconn COMMAND
run0 true|cannot protect what|the service manager starts it, with an environment of its own|Put noselfconn after it: run0 noselfconn COMMAND
bwrap true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: bwrap ... noselfconn COMMAND
firejail true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: firejail ... noselfconn COMMAND
unshare -fR / true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: unshare ... noselfconn COMMAND
unshare --root=/ true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: unshare ... noselfconn COMMAND
unshare -mR -n cat -|protected
unshare --net -wR true|protected
nsenter -t 1 -m true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: nsenter ... noselfconn COMMAND
nsenter -nm true|protected
nsenter -r|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: nsenter ... noselfconn COMMAND
nsenter --mount=/ true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: nsenter ... noselfconn COMMAND
nsenter --target 1 --all|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: nsenter ... noselfconn COMMAND
nsenter --target 1 --net true|protected
chroot / true|cannot tell about what|it finds the library only where the new root has it, too|Install it there, and put noselfconn after it: chroot FOLDER noselfconn COMMAND
sud|protected
sudox|protected
END
}

@test "a loader that is called with a program, and static programs that start others: cannot tell" {
    local loader name
    cd "$BATS_TEST_TMPDIR" || return
    loader=$(readelf --program-headers "$root/build/tests/connect" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    says 'cannot tell whether this can be protected: .*: it is a loader' "$loader" "$root/build/tests/connect"
    for name in ld.so ld-musl-x86_64.so.1; do
        cp "$loader" "$name"
        says 'cannot tell whether this can be protected: .*: it is a loader' "./$name" true
    done
    for name in lx.so xld.so ldd program; do
        cp "$loader" "$name"
        says 'cannot protect a statically linked program: ' "./$name" true
    done
    cp "$root/build/tests/connect-static" ld.so
    says 'cannot protect a statically linked program: ' ./ld.so true
    for name in busybox toybox gosu su-exec tini-static dumb-init; do
        cp "$root/build/tests/connect-static" "$name"
        says 'cannot tell whether this can be protected: .*: it is statically linked, but may start' "./$name" nobody true
        cp "$root/build/tests/dial-static" "$name"
        says 'cannot tell whether this can be protected: .*: it is statically linked, but may start' "./$name" nobody true
    done
    cp "$root/build/tests/connect-static" busyboxes
    says 'cannot protect a statically linked program: ' ./busyboxes true
    cp "$root/build/tests/dial-static" dial
    says 'cannot protect a Go program: ' ./dial true
}

# The program says whether the kernel gave it rights that its caller does not have (getauxval(3), AT_SECURE):
# only then does the loader ignore LD_PRELOAD.
# bats test_tags=root
@test "a program is refused for the rights that it gives exactly if the kernel gives them" {
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
            assert_output --partial 'for it the loader ignores LD_PRELOAD'
        else
            assert_output --partial 'can be protected: '
        fi
        run "${as[@]}" "$folder/noselfconn" --trace --check "$folder/place/program"
        if [[ $given -eq 1 && -z $by ]]; then
            assert_output --partial 'traced, it would not get those rights'
        else
            assert_output --partial 'can be protected: '
        fi
    done <<'END'
user root:root 755 - suid 0
user root:root 4755 - suid 1
user nobody:root 4755 - suid 0
user root:root 2755 - suid 1
user root:nogroup 2755 - suid 0
user root:root 2745 - suid 0
user root:root 755 cap_net_raw=ep suid 1
user root:root 4755 - nosuid 0
user root:root 2755 - nosuid 0
user root:root 755 cap_net_raw=ep nosuid 0
user root:root 4755 - suid 0 --no-new-privs
user root:root 2755 - suid 0 --no-new-privs
user root:root 755 cap_net_raw=ep suid 1 --no-new-privs
user root:root 755 cap_net_raw=p suid 1
user root:root 755 cap_syslog=p suid 1
user root:root 755 cap_net_raw=p suid 0 --no-new-privs
user root:root 755 cap_net_raw=i suid 0
root root:root 4755 - suid 0
root nobody:root 4755 - suid 1
root root:nogroup 2755 - suid 1
root root:root 755 cap_net_raw=ep suid 0
END
    rm -rf "$folder"
}

# An installation of one's own, whose folder the loader does not know. What is built for it stays, for the
# counters of the coverage.
install_in() { # FOLDER [VARIABLE=VALUE]...
    make --silent -C "$root" BUILD="$root/build/installs/$BATS_TEST_NUMBER" install DESTDIR= PREFIX="$1" LDCONFIG=: "${@:2}"
}

@test "installed where the loader does not look, it takes the path, and says nothing else" {
    install_in "$BATS_TEST_TMPDIR/prefix" LIBDIR="$BATS_TEST_TMPDIR/opt/lib"
    launcher=$BATS_TEST_TMPDIR/prefix/bin/noselfconn
    run -0 --separate-stderr "$launcher" printenv LD_PRELOAD
    assert_output "$BATS_TEST_TMPDIR/opt/lib/libnoselfconn.so"
    assert_equal "$stderr" ''
    is_refused_under_it connect 127.0.0.1 50000
    is_refused_under_it connect-musl 127.0.0.1 50000
}

@test "installed where the loader looks, it takes the bare name, but the path for who does not look there" {
    install_in "$BATS_TEST_TMPDIR/prefix" LIBDIR="$BATS_TEST_TMPDIR/prefix/lib"
    launcher=$BATS_TEST_TMPDIR/prefix/bin/noselfconn
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/prefix/lib run -0 "$launcher" printenv LD_PRELOAD
    assert_output libnoselfconn.so
    run -0 "$launcher" printenv LD_PRELOAD
    assert_output "$BATS_TEST_TMPDIR/prefix/lib/libnoselfconn.so"
}

# While programs start, again and again.
@test "make install replaces the library at once: no program starts without it" {
    local prefix=$BATS_TEST_TMPDIR/prefix i unprotected=0
    install_in "$prefix" LIBDIR="$prefix/lib"
    background installs bash -c "for i in {1..20}; do make --silent -C '$root' BUILD='$root/build/installs/$BATS_TEST_NUMBER' \
        install-library DESTDIR= PREFIX='$prefix' LIBDIR='$prefix/lib' LDCONFIG=:; done"
    installs=$!
    for ((i = 0; i < 300; i++)); do
        LD_PRELOAD=$prefix/lib/libnoselfconn.so grep -q libnoselfconn /proc/self/maps || unprotected=$((unprotected + 1))
    done
    wait "$installs"
    assert_equal "$unprotected" 0
    run output_of installs
    assert_output ''
}

@test "a missing shared library, a missing loader and a foreign processor are called by their names" {
    local folder=$BATS_TEST_TMPDIR
    cp "$root/build/tests/needs.so" "$folder/libneeds.so"
    echo 'int needed(void); int main(void) { return needed(); }' >"$folder/main.c"
    gcc -o "$folder/needy" "$folder/main.c" -L"$folder" -lneeds
    says 'cannot protect a program that lacks a shared library: ' "$folder/needy"
    assert_regex "$stderr" needs.so
    gcc -o "$folder/lost" "$folder/main.c" "$folder/libneeds.so" -Wl,--dynamic-linker=/nonexistent/ld.so
    says 'cannot protect a program whose loader is missing: .*: /nonexistent/ld.so' "$folder/lost"
}

@test "so are those of musl, and libraries that only LD_LIBRARY_PATH names are found" {
    local folder=$BATS_TEST_TMPDIR
    mkdir "$folder/aside"
    echo 'int needed(void); int needed(void) { return 0; }' >"$folder/needs.c"
    echo 'int needed(void); int main(void) { return needed(); }' >"$folder/main.c"
    for compiler in gcc musl-gcc; do
        $compiler -shared -fPIC -o "$folder/aside/libneeds.so" "$folder/needs.c"
        $compiler -o "$folder/needy" "$folder/main.c" -L"$folder/aside" -lneeds
        says 'cannot protect a program that lacks a shared library: ' "$folder/needy"
        assert_regex "$stderr" libneeds.so
        LD_LIBRARY_PATH=$folder/aside says_protected "$folder/needy"
        says_protected env LD_LIBRARY_PATH="$folder/aside" "$folder/needy"
        LD_LIBRARY_PATH=$folder/aside says 'cannot protect a program that lacks a shared library: ' \
            env -u LD_LIBRARY_PATH "$folder/needy"
    done
}

# bats test_tags=root
@test "a caller that is setuid or setgid itself" {
    local ids folder
    folder=$(mktemp -d) # where the other user finds it
    chmod 755 "$folder"
    cp "$launcher" "$library" "$folder"
    for ids in 'os.setresuid(65534, 0, 0)' 'os.setresgid(65534, 0, 0)'; do
        run -125 on here python3 -c "import os, sys; $ids; os.execv(sys.argv[1], sys.argv[1:])" "$folder/noselfconn" true
        assert_line --partial 'cannot protect a program for a setuid or setgid caller: '
    done
    rm -rf "$folder"
}

@test "an interpreter that is a folder or a pipe is not an executable file" {
    local interpreter
    mkfifo -m 755 "$BATS_TEST_TMPDIR/pipe"
    for interpreter in "$BATS_TEST_TMPDIR/pipe" "$BATS_TEST_TMPDIR"; do
        executable script "#!$interpreter"
        run -126 env "$BATS_TEST_TMPDIR/script"
        run -126 --separate-stderr "$launcher" "$BATS_TEST_TMPDIR/script"
        assert_regex "$stderr" "^noselfconn: not an executable file: $interpreter, the interpreter of "
    done
}

@test "an interpreter that could drop the environment does so only by its option" {
    # The memory that malloc(3) hands out holds no zeros here, which could end a list by chance.
    export MALLOC_PERTURB_=165
    executable script "#!$(type -P setpriv)"
    says_protected "$BATS_TEST_TMPDIR/script"
    executable script "#!$(type -P setpriv) --reset-env"
    says 'cannot protect what .*setpriv runs: ' "$BATS_TEST_TMPDIR/script"
}

# Not by run's own standard input, which would be a pipe then.
@test "standard input may be closed" {
    local arguments
    for arguments in true '--check true' --check; do
        # shellcheck disable=SC2016,SC2086 # for the inner shell; words
        run -0 on here sh -c 'exec "$0" "$@" <&-' "$launcher" $arguments
    done
}

@test "what a terminal would not show is shown: of any name, control characters" {
    executable script $'#!/bin/\001\177\033[1msh'
    says 'cannot protect a script whose interpreter is missing: .*: #!/bin/\\x01\\x7f\\x1b\[1msh' "$BATS_TEST_TMPDIR/script"
    executable script $'#!/bin/\x1f \tx'
    says 'cannot protect a script whose interpreter is missing: .*: #!/bin/\\x1f' "$BATS_TEST_TMPDIR/script"
    run -127 "$launcher" $'\e[1m\r\tnone\n~'
    assert_output $'noselfconn: command not found: \\x1b[1m\\r\tnone\n~'
    # Of a longer message, 16,383 bytes.
    run -127 "$launcher" "$(printf '\001%.0s' {1..17000})"
    assert_equal "$output" "noselfconn: command not found: $(printf '\\x01%.0s' {1..16364})"
}

@test "where no process or memory is to be had, it says so" {
    run -125 on here deny clone fail "$launcher" true
    assert_output --partial 'noselfconn: cannot start a process: '
    run -125 on here strace -qq -o /dev/null -e inject=pipe2:error=EMFILE "$launcher" true
    assert_output 'noselfconn: cannot start a process: Too many open files'
    run -125 on here deny clone fail "$launcher" --check
    assert_output --partial 'cannot tell: the attempt with the library failed otherwise'
    LD_PRELOAD=$(preload no-memory) run -125 on here "$launcher" true
    assert_output 'noselfconn: out of memory'
}

@test "a program or a loader that cannot be looked at is not guessed" {
    local call program loader
    program=$(type -P true)
    loader=$(readelf --program-headers "$program" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    for call in openat:error=EACCES pread64:error=EIO newfstatat:error=EIO:when=2 fstatfs:error=EIO; do
        run -125 --separate-stderr strace -qq -o /dev/null -P "$program" -e inject="$call" "$launcher" --check true
        assert_regex "$stderr" "^noselfconn: cannot tell whether this can be protected, for it cannot be read: $program: "
    done
    run -125 --separate-stderr strace -qq -o /dev/null -P "$loader" -e inject=newfstatat:error=EIO "$launcher" --check true
    assert_regex "$stderr" "noselfconn: cannot tell whether this can be protected: $program: its loader"
}

# Another one would have its words on the output of the command.
@test "a loader whose words cannot be caught is not started" {
    local which
    for which in 1 2; do
        run -125 on here strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=execve,dup2 \
            -e inject=dup2:error=EMFILE:when=$which "$launcher" true
        refute_output --partial '=>'
        run -1 grep 'ld-linux.*--list' "$BATS_TEST_TMPDIR/trace"
    done
}

@test "a loader that others may write is not asked, and does not run" {
    executable loader '#!/bin/sh' "touch $BATS_TEST_TMPDIR/ran"
    chmod 777 "$BATS_TEST_TMPDIR/loader"
    echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/main.c"
    gcc -o "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/main.c" -Wl,--dynamic-linker="$BATS_TEST_TMPDIR/loader"
    says 'cannot tell whether this can be protected: .* may be written by others' "$BATS_TEST_TMPDIR/program"
    [ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

@test "a file that lies about its size is read within a second" {
    python3 - "$root/build/tests/connect" "$BATS_TEST_TMPDIR/liar" <<'PYTHON'
import struct, sys
program = bytearray(open(sys.argv[1], "rb").read())
offset, = struct.unpack_from("<Q", program, 32)
count, = struct.unpack_from("<H", program, 56)
for i in range(count):
    if struct.unpack_from("<I", program, offset + 56 * i)[0] == 4:  # PT_NOTE
        struct.pack_into("<Q", program, offset + 56 * i + 32, 2**63 - 1)
open(sys.argv[2], "wb").write(program)
PYTHON
    chmod +x "$BATS_TEST_TMPDIR/liar"
    run timeout 1 "$launcher" --check "$BATS_TEST_TMPDIR/liar"
    [ "$status" -ne 124 ]
    printf '\177ELF' >"$BATS_TEST_TMPDIR/liar"
    says 'cannot tell whether this can be protected: .*: it is a broken program' "$BATS_TEST_TMPDIR/liar"
}

# Its own proof.

@test "--check proves itself with a log, with another preload missing, in an unknown locale, with few ports left" {
    run -0 on here "$launcher" --log stderr --check
    LD_PRELOAD=/nonexistent.so run -0 on here "$launcher" --check
    LC_ALL=xx_XX.unknown run -0 on here "$launcher" --check
    assert_line --partial 'works: '
    set_source_ports 50000
    run -0 on here "$launcher" --check
    server 50000
    run -0 on here "$launcher" --check
    assert_line --partial 'works: '
}

@test "--check says where it cannot make the comparison" {
    local call
    run -125 on here strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=bind -e inject=bind:error=EADDRINUSE "$launcher" --check
    assert_output --partial 'cannot tell: without the library a self-connection on 127.0.0.1 ended otherwise: Address already in use'
    assert_equal "$(grep -c 'htons(200[0-9][0-9])' "$BATS_TEST_TMPDIR/trace")" 100
    assert_equal "$(grep -c 'bind(' "$BATS_TEST_TMPDIR/trace")" 101
    run -125 on here strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=bind -e inject=bind:error=ENOBUFS "$launcher" --check
    assert_output --partial 'ended otherwise: No buffer space available'
    assert_equal "$(grep -c 'bind(' "$BATS_TEST_TMPDIR/trace")" 1
    run -125 on here strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=connect -e inject=connect:error=ENETDOWN "$launcher" --check
    assert_output --partial 'ended otherwise: Network is down'
    for call in setsockopt getsockname; do
        run -125 on here strace -qq -o /dev/null -e inject=$call:error=ENOBUFS "$launcher" --check
        assert_output --partial 'ended otherwise: No buffer space available'
    done
    for call in bind connect; do
        LD_PRELOAD=$(preload no-network) NO_NETWORK=$call run -125 on here "$launcher" --check
        assert_output 'noselfconn: cannot tell: the attempt with the library failed otherwise'
    done
    LD_PRELOAD=$(preload no-network) run -0 on here "$launcher" --check
    # With the library in it the list is longer than the kernel lets a string be (execve(2)).
    LD_PRELOAD=$(printf '/%0131050d' 0) run -125 on here "$launcher" --check
    assert_line 'noselfconn: cannot tell: this program cannot be started once more, under the library'
    on here ip link set lo down
    run -125 on here "$launcher" --trace --check
    assert_output --partial 'cannot tell: '
}

@test "--check proves itself where SIGCHLD is ignored" {
    run -0 on here env --ignore-signal=CHLD "$launcher" --check
    assert_line --partial 'works: '
    run -0 on here env --ignore-signal=CHLD "$launcher" grep SigIgn /proc/self/status
    assert_output --regexp '1....$' # as it was: signal 17
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

# The environment of the command.

# As env(1) shows it, but for the variable that the launcher sets.
@test "the environment is the caller's, byte for byte and in its order" {
    local i
    local -a odd=('=empty name' 'no equals' 'discovery.type=single' 'a b=c' 'NEWLINE=a
b' 'BASH_FUNC_f%%=() { echo f; }' 'dup=1' 'dup=2' 'version=x' 'check=x' 'library=x' 'program=x' 'force=x' 'status=x' 'line=x'
        'list=x' 'shell=x' 'name-with-dash=1' '1digit=2' 'EMPTY=' 'high='$'\xff')
    for ((i = 0; i < 100; i++)); do
        odd+=("variable.$i=value $i")
    done
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
    # What is set stays where it was.
    python3 "$BATS_TEST_TMPDIR/exec.py" A=1 LD_PRELOAD= NOSELFCONN_MODE=off LD_PRELOAD=again B=2 -- \
        "$launcher" --observe --log stderr /bin/cat /proc/self/environ | tr '\0' '\n' >"$BATS_TEST_TMPDIR/found"
    run cat "$BATS_TEST_TMPDIR/found"
    assert_output "A=1
LD_PRELOAD=$library
NOSELFCONN_MODE=observe
B=2
NOSELFCONN_LOG=stderr"
    # None at all.
    python3 "$BATS_TEST_TMPDIR/exec.py" -- "$launcher" /bin/cat /proc/self/environ | tr '\0' '\n' >"$BATS_TEST_TMPDIR/found"
    run cat "$BATS_TEST_TMPDIR/found"
    assert_output "LD_PRELOAD=$library"
}

@test "it works for every kind of caller" {
    local caller
    set_source_ports 50000
    # shellcheck disable=SC2016 # for the callers
    for caller in 'dash -c' 'bash -c' 'busybox sh -c' 'mksh -c'; do
        # shellcheck disable=SC2086 # several words
        run on here $caller '"$0" connect 127.0.0.1 50000' "$launcher"
        assert_refused
    done
    run on here python3 -c 'import subprocess, sys; subprocess.run(sys.argv[1:])' "$launcher" connect 127.0.0.1 50000
    assert_refused
    # shellcheck disable=SC2016
    run on here perl -e 'system @ARGV' "$launcher" connect 127.0.0.1 50000
    assert_refused
    run on here env -i "$launcher" "$root/build/tests/connect" 127.0.0.1 50000 # as systemd does
    assert_refused
}
