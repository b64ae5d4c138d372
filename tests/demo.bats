#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/demo prints the truth.

load helpers

demo=${BATS_TEST_DIRNAME%/*}/scripts/demo

@test "the demo shows telnet connected to itself, then refused, then connected to the server" {
    local port="127\.0\.0\.1:([0-9]+)"
    run -0 on here timeout 300 "$demo"
    assert_line --regexp '^   attempt [0-9]+, port [0-9]+ of those: connected to itself; ss says:$'
    assert_line --regexp "^     ESTAB 0 0 $port $port users:\(\(\"telnet\""
    assert_equal "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    assert_line "   a server on port ${BASH_REMATCH[1]}: cannot start: [Errno 98] Address already in use"
    assert_line --regexp "^     TIME-WAIT 0 0 $port $port$"
    assert_line --regexp '^   [0-9]+ attempts; self-connections refused: [1-9][0-9]*, got through: 0$'
    assert_line --regexp '^   a server on port [0-9]+: started$'
    assert_line '   and telnet hears: Hello from the real server!'
    run self_connected_sockets
    refute_output --regexp '^[^T]'
}

fake() { # FILE LINE...
    printf '%s\n' '#!/bin/sh' "${@:2}" >"$1"
    chmod +x "$1"
}

# A copy of the demo whose launcher is a script of one line.
fake_launcher() { # LINE
    cp -R "$root/scripts" "$BATS_TEST_TMPDIR"
    fake "$BATS_TEST_TMPDIR/scripts/noselfconn" "$1"
    demo=$BATS_TEST_TMPDIR/scripts/demo
}

fake_telnet() { # LINE...
    fake "$BATS_TEST_TMPDIR/telnet" "$@"
    PATH=$BATS_TEST_TMPDIR:$PATH
}

@test "the demo fails if a self-connection gets through the launcher" {
    fake_launcher 'exec "$@"'
    run -1 on here timeout 300 "$demo"
    assert_line --regexp '^demo: the library refused 0 self-connections, and [1-9][0-9]* got through$'
}

@test "the demo fails if a guard is already active" {
    run -1 on here timeout 300 env LD_PRELOAD="$library" "$demo"
    assert_line --regexp '^demo: telnet did not connect to itself in [0-9]+ attempts$'
}

# shellcheck disable=SC2016 # for the inner shell
@test "the demo fails if other programs take its ports" {
    fake_telnet 'echo Connected to 127.0.0.1; exec cat'
    run -1 on here timeout 300 "$demo"
    assert_line --regexp '^demo: telnet did not connect to itself in [0-9]+ attempts$'
    refute_output --partial 'connected to itself; ss says'
    # Only the server's port.
    fake_telnet '/usr/bin/telnet "$@"' '[ ! -s "$NOSELFCONN_LOG" ] ||
        setsid timeout 20 socat "TCP-LISTEN:$2,bind=127.0.0.1,reuseaddr,fork" SYSTEM:true >/dev/null 2>&1 &'
    run -1 on here timeout 300 "$demo"
    assert_line --regexp '^demo: a server on port [0-9]+ cannot start: \[Errno 98\] Address already in use$'
}

@test "the demo fails if its client is killed" {
    fake_telnet 'kill -KILL $$'
    run -1 on here timeout 300 "$demo"
    assert_line --regexp '^demo: telnet 127.0.0.1 [0-9]+ did not connect:$'
}

@test "without telnet the demo names the package to install" {
    ln -s /usr/bin/python3 "$BATS_TEST_TMPDIR/python3"
    run -1 --separate-stderr env PATH="$BATS_TEST_TMPDIR" "$demo"
    assert_equal "$stderr" $'demo: telnet is missing\nInstall the package telnet: tests/install-test-tools demo'
}

# shellcheck disable=SC2016 # for the inner shell
@test "a demo interrupted by SIGINT leaves no client and no file behind" {
    local client interrupted folder=$BATS_TEST_TMPDIR/tmp
    mkdir "$folder"
    fake_launcher 'echo $$ $PPID >"$0.started"; exec sleep 100'
    TMPDIR=$folder background demo on here env --default-signal=INT "$demo"
    eventually test -s "$BATS_TEST_TMPDIR/scripts/noselfconn.started"
    read -r client interrupted <"$BATS_TEST_TMPDIR/scripts/noselfconn.started"
    [ -n "$(ls "$folder")" ]
    kill -INT "$interrupted"
    wait "$!" || :
    refute kill -0 "$client"
    assert_equal "$(ls "$folder")" ''
}
