#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/noselfconn runs a command with the library, or reports the reason why it cannot.

load helpers

launcher=${BATS_TEST_DIRNAME%/*}/scripts/noselfconn

checkout() { # FOLDER [with-library]
    mkdir -p "$1/scripts" "$1/build"
    cp "$launcher" "$1/scripts/noselfconn"
    cp "$root/build/noselfconn" "$1/build/"
    [ $# -eq 1 ] || cp "$library" "$1/build/"
}

@test "the launcher protects a command from any folder, by a symbolic link and through PATH" {
    local command
    ln -s "$launcher" "$BATS_TEST_TMPDIR/wrapped"
    PATH=$BATS_TEST_TMPDIR:$PATH
    for command in "cd /; $launcher" "cd ${launcher%/*}; ./noselfconn" "cd $BATS_TEST_TMPDIR; $launcher --" wrapped; do
        set_source_ports 50000
        run on here sh -c "$command connect 127.0.0.1 50000"
        assert_refused
        new_host
    done
    set_source_ports 50000
    run unprotected connect 127.0.0.1 50000
    assert_connected_to_itself
}

# None of these files exist: the loader prints an error and continues.
@test "LD_PRELOAD keeps each entry once, in order, behind the library and AddressSanitizer" {
    local before after
    while IFS='|' read -r before after; do
        LD_PRELOAD=${before//LIBRARY/$library} run -0 --separate-stderr "$launcher" printenv LD_PRELOAD
        assert_equal "$before|$output" "$before|${after//LIBRARY/$library}"
    done <<'END'
|LIBRARY
a.so b.so|LIBRARY:a.so:b.so
 a.so :: b.so: |LIBRARY:a.so:b.so
a.so:LIBRARY:b.so|LIBRARY:a.so:b.so
LIBRARYx|LIBRARY:LIBRARYx
/libnoselfconn.so|LIBRARY:/libnoselfconn.so
b.so libasan.so.99 a.so|libasan.so.99:LIBRARY:b.so:a.so
libasan.so.99:/none/libasan.so.6|libasan.so.99:/none/libasan.so.6:LIBRARY
none/libasan.so/x:xlibasan.so|LIBRARY:none/libasan.so/x:xlibasan.so
none/libclang_rt.asan-x86_64.so|none/libclang_rt.asan-x86_64.so:LIBRARY
END
    run -0 "$launcher" "$launcher" printenv LD_PRELOAD
    assert_output "$library"
}

@test "the launcher execs the command, which keeps its process id, arguments, input, environment, status and signals" {
    # shellcheck disable=SC2016 # for the inner shell
    run -0 sh -c 'echo $$; exec "$@"' sh "$launcher" sh -c 'echo $$'
    assert_equal "${lines[0]}" "${lines[1]}"
    # shellcheck disable=SC2016
    run -0 env NAME='a  value' "$launcher" sh -c 'printf "<%s>" "$NAME" "$@"; cat' sh \
        '' 'two  words' '*' --help -- $'new\nline' <<<'the input'
    assert_output $'<a  value><><two  words><*><--help><--><new\nline>the input'
    run -42 "$launcher" sh -c 'exit 42'
    # shellcheck disable=SC2016
    run -143 "$launcher" sh -c 'kill -TERM $$'
}

@test "a failed write to standard output is an error" {
    local arguments
    for arguments in --help --version '--check true' --check; do
        # shellcheck disable=SC2016,SC2086 # for the inner shell; words
        run -125 --separate-stderr on here sh -c 'exec "$0" "$@" >/dev/full' "$launcher" $arguments
        assert_equal "$stderr" 'noselfconn: cannot write to standard output'
    done
}

@test "--help and the manual have the same synopsis" {
    local synopsis
    run -0 --separate-stderr "$launcher" --help
    assert_equal "$stderr" ''
    synopsis=$(sed '1,/^\.SH SYNOPSIS/d; /^\.SH DESCRIPTION/,$d; /^\.HP/d; s/\\f[BIR]//g; s/\\//g' "$root/scripts/man/noselfconn.1" | xargs)
    assert_equal "$(sed 's/^usage://; /^$/q' <<<"$output" | tr '[:upper:]' '[:lower:]' | xargs)" "$synopsis"
}

@test "a missing command or an unknown option is 125 and the usage" {
    local arguments
    for arguments in '' '--' '--nonsense true' '--log'; do
        # shellcheck disable=SC2086 # several words
        run -125 --separate-stderr "$launcher" $arguments
        assert_equal "$output" ''
        assert_regex "$stderr" '^noselfconn: .*usage: noselfconn'
    done
    run -125 python3 -c 'import ctypes, sys; ctypes.CDLL(None).execve(sys.argv[1].encode(), (ctypes.c_char_p * 1)(), None)' "$launcher"
    assert_line --index 0 'noselfconn: no command given'
}

@test "a missing command is 127, one that cannot be executed 126, as by env(1)" {
    local ended command words
    PATH=$PATH:$BATS_TEST_TMPDIR
    touch "$BATS_TEST_TMPDIR/a-file"
    mkfifo -m 755 "$BATS_TEST_TMPDIR/a-pipe"
    printf '#!%s\n' "$BATS_TEST_TMPDIR/a-file" >"$BATS_TEST_TMPDIR/a-script"
    chmod +x "$BATS_TEST_TMPDIR/a-script"
    while read -r ended command words; do
        run -"$ended" env "$command"
        run -"$ended" --separate-stderr "$launcher" "$command"
        assert_equal "$output|$stderr" "|noselfconn: $words"
    done <<END
127 nonexistent command not found: nonexistent
127 /nonexistent/command command not found: /nonexistent/command
126 $BATS_TEST_TMPDIR cannot run $BATS_TEST_TMPDIR: Permission denied
126 a-file cannot run a-file: Permission denied
126 a-script cannot run a-script: Permission denied
126 a-pipe cannot run a-pipe: Permission denied
END
    run -126 --separate-stderr strace -qq -o /dev/null -e inject=execve:error=E2BIG:when=1+ "$root/build/noselfconn" true
    assert_equal "$output|$stderr" '|noselfconn: cannot run true: Argument list too long'
    # A later executable in PATH is still found.
    touch "$BATS_TEST_TMPDIR/printenv"
    PATH=$BATS_TEST_TMPDIR:$PATH run -0 "$launcher" printenv LD_PRELOAD
    assert_output "$library"
}

@test "the launcher fails before the command starts if it or the library is missing, or the path has special characters" {
    local folder
    checkout "$BATS_TEST_TMPDIR/new"
    run -125 --separate-stderr "$BATS_TEST_TMPDIR/new/scripts/noselfconn" touch "$BATS_TEST_TMPDIR/ran"
    assert_regex "$stderr" "^noselfconn: the library is missing: $BATS_TEST_TMPDIR/new/build/libnoselfconn.so.*'make'"
    rm "$BATS_TEST_TMPDIR/new/build/noselfconn"
    run -125 --separate-stderr "$BATS_TEST_TMPDIR/new/scripts/noselfconn" true
    assert_equal "$stderr" "noselfconn: it is not built yet
Run: make -C $BATS_TEST_TMPDIR/new"
    # shellcheck disable=SC2016 # a dollar sign in the name
    for folder in 'a folder' 'a:folder' 'a$LIB'; do
        checkout "$BATS_TEST_TMPDIR/$folder" with-library
        run -125 --separate-stderr "$BATS_TEST_TMPDIR/$folder/scripts/noselfconn" touch "$BATS_TEST_TMPDIR/ran"
        assert_regex "$stderr" '^noselfconn: cannot preload into .*: its loader, .*, does not load this one'
    done
    [ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

# bats test_tags=root
@test "the launcher cannot tell for an unreadable program, and runs it" {
    local folder
    public_folder
    install -m 711 "$root/build/tests/connect" "$folder/program"
    run -0 as_an_ordinary_user "$folder/noselfconn" "$folder/program" 127.0.0.1 1
    assert_line --index 0 "noselfconn: cannot tell whether this loads the library: $folder/program: it cannot be read"
    assert_line 'connect: ECONNREFUSED'
    run -1 as_an_ordinary_user "$folder/noselfconn" --check "$folder/program"
}

@test "a program of another word size or processor is refused if it has no library" {
    run -126 --separate-stderr "$launcher" "$root/build/aarch64-linux-gnu/tests/connect"
    assert_regex "$stderr" '^noselfconn: cannot run .*/aarch64-linux-gnu/tests/connect: Exec format error$'
    if runs_32_bit; then
        run -125 --separate-stderr "$launcher" "$root/build/i686-linux-gnu/tests/connect"
        assert_regex "$stderr" '^noselfconn: cannot preload into .*: its loader, .*, does not load this one'
        assert_regex "$stderr" 'make install-library CC='
    else
        run -126 "$launcher" "$root/build/i686-linux-gnu/tests/connect"
    fi
}

@test "a text file without a #! line is run by the shell, as by env(1)" {
    local command
    # shellcheck disable=SC2016
    printf 'tr "\\000" "|" </proc/$$/cmdline; echo "$LD_PRELOAD"' >"$BATS_TEST_TMPDIR/text"
    chmod +x "$BATS_TEST_TMPDIR/text"
    PATH=$BATS_TEST_TMPDIR:$PATH
    for command in "$launcher" "env LD_PRELOAD=$library"; do
        # shellcheck disable=SC2086 # a command in words
        run -0 $command text 'two  words' '' 3
        assert_output "/bin/sh|$BATS_TEST_TMPDIR/text|two  words||3|$library"
    done
    : >"$BATS_TEST_TMPDIR/text" # an empty file is a text file
    run -0 "$launcher" text
}

@test "--force runs an unprotected command with a warning" {
    set_source_ports 50000
    run -0 --separate-stderr on here "$launcher" --force connect-static 127.0.0.1 50000
    assert_connected_to_itself
    assert_regex "$stderr" '^noselfconn: cannot preload into .*: it is statically linked
To protect it, run it traced: .*
noselfconn: warning: running it UNPROTECTED, as --force asks$'
    run -0 --separate-stderr on here "$launcher" --force true
    assert_equal "$stderr" ''
}

@test "--check COMMAND prints whether the command can be protected, without running it" {
    run -0 --separate-stderr "$launcher" --check touch "$BATS_TEST_TMPDIR/ran"
    assert_output "$(command -v touch) loads the library; what it starts is not checked"
    assert_equal "$stderr" ''
    run -125 "$launcher" --check connect-static
    run -125 "$launcher" --check --force connect-static
    run -127 "$launcher" --check nonexistent
    [ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

# shellcheck disable=SC2016 # for the inner shell
@test "--check without a command makes a self-connection, which is refused, in odd surroundings too" {
    local surroundings
    run -0 on here "$launcher" --check
    assert_output "works: a real self-connection was refused (it succeeds without the library)
library: $library"
    for surroundings in '"$0" --check <&-' 'LD_PRELOAD=/nonexistent.so "$0" --log stderr --check' \
        'env --ignore-signal=CHLD LC_ALL=xx_XX.unknown "$0" --check'; do
        run -0 on here sh -c "$surroundings" "$launcher"
        assert_line --partial 'works: '
    done
}

@test "--check fails with an inactive library, in another mode and without loopback" {
    local arguments
    needs_tracing
    checkout "$BATS_TEST_TMPDIR/broken"
    cp "$root/build/tests/empty.so" "$BATS_TEST_TMPDIR/broken/build/libnoselfconn.so"
    run -125 on here "$BATS_TEST_TMPDIR/broken/scripts/noselfconn" --check
    assert_output --partial 'NOT PROTECTED: with the library'
    for arguments in --observe '--trace --observe'; do
        # shellcheck disable=SC2086 # several words
        run -125 on here "$launcher" $arguments --check
        assert_line 'NOSELFCONN_MODE=observe and off let self-connections stand.'
    done
    on here ip link set lo down
    for arguments in --check '--check <&-' '--trace --check'; do
        run -1 on here sh -c "\"\$0\" $arguments" "$launcher"
        assert_output --partial 'cannot tell: cannot self-connect on 127.0.0.1 without the '
    done
}

@test "options work alone and together, in each form" {
    local log=$BATS_TEST_TMPDIR/log options expected
    while IFS='|' read -r options expected; do
        set_source_ports 50000
        : >"$log"
        # shellcheck disable=SC2086 # several words
        run --separate-stderr on here "$launcher" ${options//LOG/$log} "$root/build/tests/connect" 127.0.0.1 50000
        case $options in *--observe*) assert_connected_to_itself ;; *) assert_refused ;; esac
        assert_equal "$options|$(cut -d ' ' -f 8- "$log" - <<<"$stderr")" "$options|$expected"
        new_host
    done <<'END'
--log LOG|mode=enforce action=refused
--log=LOG|mode=enforce action=refused
--log stderr|mode=enforce action=refused
--observe|
--observe --log LOG|mode=observe action=allowed
--log=LOG --observe|mode=observe action=allowed
--trace --log LOG|mode=enforce action=refused
--trace --observe|
--log=LOG --observe --trace|mode=observe action=allowed
END
}

@test "--log makes a relative path absolute, and fails before the command starts if the log cannot be written" {
    local log
    cd "$BATS_TEST_TMPDIR"
    run -0 "$launcher" --log log sh -c 'cd /; printenv NOSELFCONN_LOG'
    assert_output "$BATS_TEST_TMPDIR/log"
    install -m 444 /dev/null read-only
    install -d -m 555 sealed
    for log in read-only sealed/log none/log "$PWD" "/$(printf '/%04095d' 0)"; do
        # With its capabilities root could write to the first two.
        run -125 --separate-stderr on here setpriv --inh-caps -all --bounding-set -all "$launcher" --log "$log" touch ran
        assert_regex "$stderr" "^noselfconn: the log cannot be written: $log"$'\n[A-Z]'
    done
    [ ! -e ran ]
}
