#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Long runs over Linux's default ephemeral range, in which about one attempt in 14,000 self-connects. connect()
# prefers the parity of the range's lower bound, bind() to port 0 the other one.

# bats file_tags=long

load helpers

setup() {
    new_host
    set_source_ports 32768 60999
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
}

# Of 300,000 attempts about 20 have to be refused self-connections. None would happen once in 10^9 runs.
nothing_gets_through() { # ARGUMENT...
    run -0 protected attempts "$@" 300000
    assert_output 'attempts 300000 refused 300000 self-connected 0 other 0'
    [ "$(grep -c action=refused "$NOSELFCONN_LOG")" -ge 1 ]

    run -0 unprotected attempts --until-hit "$@" 300000
    assert_output --regexp ' self-connected 1 other 0$'
}

@test "300,000 attempts at a port of the preferred parity never self-connect" {
    nothing_gets_through 40000
}

@test "300,000 attempts from sockets bound to port 0 never self-connect" {
    nothing_gets_through --bind 40001
}
