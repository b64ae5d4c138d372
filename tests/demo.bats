#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load helpers

demo=${BATS_TEST_DIRNAME%/*}/scripts/demo

@test "the demo shows telnet connected to itself, then refused, then connected to the server" {
    local port="127\.0\.0\.1:([0-9]+)"
    run -0 timeout 300 "$demo"
    assert_line --regexp '^   attempt [0-9]+, port [0-9]+ of those: connected to itself; ss says:$'
    assert_line --regexp "^     ESTAB 0 0 $port $port users:\(\(\"telnet\""
    assert_equal "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    assert_line "   a server on port ${BASH_REMATCH[1]}: cannot start: [Errno 98] Address already in use"
    assert_line --regexp "^     TIME-WAIT 0 0 $port $port$"
    assert_line --regexp '^   [0-9]+ attempts; self-connections refused: [1-9][0-9]*, got through: 0$'
    assert_line --regexp '^   a server on port [0-9]+: started$'
    assert_line '   and telnet hears: Hello from the real server!'
}

# bats test_tags=long
@test "the demo keeps the port range, and leaves sockets only in TIME-WAIT" {
    set_source_ports 40000 40101
    run -0 on here timeout 300 "$demo"
    assert_output --partial 'the range from 40000 to 40101'
    assert_equal "$(on here cat /proc/sys/net/ipv4/ip_local_port_range)" $'40000\t40101'
    run -0 on here ss -Htan state all exclude time-wait
    assert_output ''
}

# The control: a launcher that protects nothing.
@test "the demo fails if a self-connection gets through the launcher" {
    cp -R "$root/scripts" "$BATS_TEST_TMPDIR"
    printf '#!/bin/sh\nexec "$@"\n' >"$BATS_TEST_TMPDIR/scripts/noselfconn"
    run -1 timeout 300 "$BATS_TEST_TMPDIR/scripts/demo"
    assert_line --regexp '^demo: the library refused 0 self-connections, and [1-9][0-9]* got through$'
}

@test "the demo fails if a guard is already active" {
    run -1 timeout 300 env LD_PRELOAD="$library" "$demo"
    assert_line --regexp '^demo: telnet did not connect to itself in [0-9]+ attempts$'
}

@test "without telnet the demo names the package to install" {
    ln -s /usr/bin/python3 "$BATS_TEST_TMPDIR/python3"
    run -1 --separate-stderr env PATH="$BATS_TEST_TMPDIR" "$demo"
    assert_equal "$stderr" $'demo: telnet is missing\nInstall the package telnet: tests/install-test-tools demo'
}

@test "a demo interrupted by SIGINT leaves no client and no file behind" {
    local folder=$BATS_TEST_TMPDIR/tmp
    mkdir "$folder"
    TMPDIR=$folder background demo on here timeout --signal INT --kill-after 20 3 "$demo"
    wait "$!" || :
    run on here ss -Htan state established
    assert_output ''
    run find "$folder" -mindepth 1
    assert_output ''
}
