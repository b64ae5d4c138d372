#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/noselfconn: runs a command under the library, and says so where it cannot.

load helpers

launcher=${BATS_TEST_DIRNAME%/*}/scripts/noselfconn

# A checkout elsewhere: the launcher, and the library where one is asked for.
checkout() { # FOLDER [with-library]
    mkdir -p "$1/scripts" "$1/build"
    cp "$launcher" "$1/scripts/noselfconn"
    [ $# -eq 1 ] || cp "$library" "$1/build/"
}

@test "a command is protected, from any folder" {
    set_source_ports 50000
    cd /
    run on here "$launcher" connect 127.0.0.1 50000
    assert_refused
    cd "${launcher%/*}"
    run on here ./noselfconn connect 127.0.0.1 50000
    assert_refused
    cd "$BATS_TEST_TMPDIR"
    run on here "$launcher" -- connect 127.0.0.1 50000
    assert_refused
    run unprotected connect 127.0.0.1 50000
    assert_connected_to_itself
}

@test "it finds the library when it is called by a symbolic link, and through PATH" {
    ln -s "$launcher" "$BATS_TEST_TMPDIR/guarded"
    PATH=$BATS_TEST_TMPDIR:$PATH run -0 guarded printenv LD_PRELOAD
    assert_output "$library"
}

@test "it works from an installed prefix, which takes nothing from the checkout" {
    local prefix=$BATS_TEST_TMPDIR/prefix
    make --silent -C "$root" install PREFIX="$prefix" LDCONFIG=:
    run -0 "$prefix/bin/noselfconn" printenv LD_PRELOAD
    assert_output --regexp "^$prefix/lib/.*libnoselfconn\.so$"
    cmp "$output" "$library"
    set_source_ports 50000
    run on here "$prefix/bin/noselfconn" connect 127.0.0.1 50000
    assert_refused
    make --silent -C "$root" uninstall PREFIX="$prefix" LDCONFIG=:
    run find "$prefix" -type f
    assert_output ''
}

@test "it keeps what LD_PRELOAD holds, and comes first" {
    local empty=$root/build/tests/empty.so
    LD_PRELOAD=$empty run -0 "$launcher" printenv LD_PRELOAD
    assert_output "$library:$empty"
    LD_PRELOAD="$empty $library" run -0 "$launcher" printenv LD_PRELOAD
    assert_output "$library:$empty"
}

@test "called by itself, it adds the library once" {
    run -0 "$launcher" "$launcher" "$launcher" printenv LD_PRELOAD
    assert_output "$library"
}

@test "it becomes the command: the same process, its exit status, its signals" {
    # shellcheck disable=SC2016 # for the inner shell
    run -0 sh -c 'echo $$; exec "$@"' sh "$launcher" sh -c 'echo $$'
    assert_equal "${lines[0]}" "${lines[1]}"
    run "$launcher" sh -c 'exit 42'
    assert_failure 42
    # shellcheck disable=SC2016
    run "$launcher" sh -c 'kill -TERM $$'
    assert_failure 143
}

@test "it passes arguments, the input and the environment as they are" {
    # shellcheck disable=SC2016
    run -0 env NAME='a  value' "$launcher" sh -c 'printf "<%s>" "$NAME" "$@"; cat' sh \
        '' 'two  words' '*' --help -- $'new\nline' <<<'the input'
    assert_output $'<a  value><><two  words><*><--help><--><new\nline>the input'
}

@test "--help and --version" {
    run -0 --separate-stderr "$launcher" --help
    assert_line --index 0 'usage: noselfconn [--] COMMAND [ARG]...'
    assert_equal "$stderr" ''
    run -0 --separate-stderr "$launcher" --version
    assert_output --regexp '^noselfconn [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "without a command, or with an unknown option, it fails with 125 and the usage" {
    local arguments
    for arguments in '' '--' '--nonsense true'; do
        # shellcheck disable=SC2086 # several words
        run -125 --separate-stderr "$launcher" $arguments
        assert_equal "$output" ''
        assert_regex "$stderr" '^noselfconn: .*usage: noselfconn'
    done
}

@test "a command that does not exist is 127, as by env(1)" {
    local command
    for command in nonexistent /nonexistent/command; do
        run -127 env "$command"
        run -127 --separate-stderr "$launcher" "$command"
        assert_equal "$stderr" "noselfconn: command not found: $command"
    done
}

@test "a command that cannot be executed is 126, as by env(1)" {
    local command
    touch "$BATS_TEST_TMPDIR/a-file"
    for command in "$BATS_TEST_TMPDIR/a-file" "$BATS_TEST_TMPDIR"; do
        run -126 env "$command"
        run -126 --separate-stderr "$launcher" "$command"
        assert_equal "$stderr" "noselfconn: not an executable file: $command"
    done
    PATH=$BATS_TEST_TMPDIR:$PATH run -126 "$launcher" a-file
    assert_output "noselfconn: not an executable file: $BATS_TEST_TMPDIR/a-file"
}

@test "a file in PATH that cannot be executed does not hide one that can" {
    touch "$BATS_TEST_TMPDIR/printenv"
    PATH=$BATS_TEST_TMPDIR:$PATH run -0 "$launcher" printenv LD_PRELOAD
    assert_output "$library"
}

@test "a command is found in the last folder of PATH" {
    printf '#!/bin/sh\necho here\n' >"$BATS_TEST_TMPDIR/last-command"
    chmod +x "$BATS_TEST_TMPDIR/last-command"
    PATH=$PATH:$BATS_TEST_TMPDIR run -0 "$launcher" last-command
    assert_output here
}

@test "an empty entry of PATH is the current folder, also at its end" {
    local path
    cd "$BATS_TEST_TMPDIR"
    printf '#!/bin/sh\necho here\n' >local-command
    chmod +x local-command
    for path in "$PATH:" ":$PATH" "$PATH::/nonexistent"; do
        PATH=$path run -0 "$launcher" local-command
        assert_output here
    done
}

@test "a command whose name looks like an option runs after --" {
    ln -s /usr/bin/printenv "$BATS_TEST_TMPDIR/-x"
    PATH=$BATS_TEST_TMPDIR:$PATH run -0 "$launcher" -- -x LD_PRELOAD
    assert_output "$library"
}

@test "a shell builtin's name runs the program of that name" {
    run -0 "$launcher" printf '%s' text
    assert_output text
    run -127 "$launcher" cd /
}

@test "a missing library is an error before anything runs" {
    checkout "$BATS_TEST_TMPDIR/unbuilt"
    run -125 --separate-stderr "$BATS_TEST_TMPDIR/unbuilt/scripts/noselfconn" touch "$BATS_TEST_TMPDIR/ran"
    assert_equal "$output" ''
    assert_regex "$stderr" "^noselfconn: the library is missing: $BATS_TEST_TMPDIR/unbuilt/build/libnoselfconn.so"
    assert_regex "$stderr" "'make'"
    [ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

@test "a path that the loader cannot take is an error before anything runs" {
    local folder
    # shellcheck disable=SC2016 # a dollar sign in the name
    for folder in 'a folder' 'a:folder' 'a$LIB'; do
        checkout "$BATS_TEST_TMPDIR/$folder" with-library
        # The control: the loader does ignore it.
        run env LD_PRELOAD="$BATS_TEST_TMPDIR/$folder/build/libnoselfconn.so" true
        assert_output --partial 'cannot be preloaded'
        run -125 --separate-stderr "$BATS_TEST_TMPDIR/$folder/scripts/noselfconn" touch "$BATS_TEST_TMPDIR/ran"
        assert_regex "$stderr" '^noselfconn: the loader cannot preload a path with white space'
        [ ! -e "$BATS_TEST_TMPDIR/ran" ]
    done
}

@test "it runs in every POSIX shell at hand" {
    local shell
    for shell in dash 'bash --posix' 'busybox sh'; do
        # shellcheck disable=SC2086 # several words
        LD_PRELOAD=$root/build/tests/empty.so run -0 $shell "$launcher" printenv LD_PRELOAD
        assert_output "$library:$root/build/tests/empty.so"
        # shellcheck disable=SC2086
        run -127 $shell "$launcher" nonexistent
    done
}
