#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Connections that differ from a self-connection in one detail are not refused. Rungs are those of the ladder in
# shim/library/guard.c.

load helpers

# Rungs 2 and 4: the port and the address.

@test "a pending connection from another port or address is not refused, even if it differs in one bit" {
    local source_port destination options
    prepare() {
        own_address 192.0.2.1
        own_address 2001:db8::1
        case $destination in 2001:*) own_address "$destination" ;; esac
        set_source_ports "$source_port"
        lose_syns_to 50000
    }
    while read -r source_port destination options; do
        new_host
        # shellcheck disable=SC2086 # several words
        the_same_with_and_without connect --nonblock $options "$destination" 50000
        assert_line 'connect: EINPROGRESS'
        assert_line --regexp "^local: .*:$source_port$"
        assert_line 'state: SYN_SENT'
    done <<'EOF'
50002 127.0.0.1
50000 127.0.0.2 --bind 127.0.0.1 --late-port
50000 2001:db9::1 --bind 2001:db8::1 --late-port
50000 2001:db8:0:1::1 --bind 2001:db8::1 --late-port
50000 2001:db8::1:0:1 --bind 2001:db8::1 --late-port
50000 2001:db8:: --bind 2001:db8::1 --late-port
50000 :: --bind 2001:db8::1 --late-port
50000 :: --bind ::ffff:192.0.2.1 --late-port
EOF
}

@test "a live server on the same port of another loopback address is reached" {
    prepare() {
        set_source_ports 50000
        server 50000 127.0.0.2
    }
    the_same_with_and_without connect --bind 127.0.0.1 --bind-port 50000 --say hello 127.0.0.2 50000
    assert_line 'local: 127.0.0.1:50000'
    assert_line 'peer: 127.0.0.2:50000'
    assert_line 'heard: answer-hello'
}

syn_is_sent() {
    [ -n "$(on here ss -Htan state syn-sent)" ]
}

# Two sockets connect to each other without a listener. The RST for the first one's SYN is dropped, so that it
# is still pending when the second one connects.
@test "a simultaneous open of 127.0.0.1 and 127.0.0.2 on one port is not refused" {
    local with
    for with in unprotected protected; do
        new_host
        filter here 'tcp flags & rst == rst drop'
        background first "$with" connect --bind 127.0.0.1 --bind-port 50000 --say 'from the first' 127.0.0.2 50000
        eventually syn_is_sent
        run -0 "$with" connect --bind 127.0.0.2 --bind-port 50000 --say 'from the second' 127.0.0.1 50000
        assert_line 'connect: 0'
        assert_line 'heard: from the first'
        eventually grep -q heard "$BATS_TEST_TMPDIR/first"
        run output_of first
        assert_line 'connect: 0'
        assert_line 'heard: from the second'
    done
}

# Rung 3: the protocol.

@test "a UDP socket may connect to itself" {
    the_same_with_and_without connect --protocol udp --bind 127.0.0.1 --bind-port 50000 \
        --say hello 127.0.0.1 50000
    assert_connected_to_itself
    assert_line 'heard: hello'
}

# The port of a raw socket's endpoint is its protocol (raw(7)).
# bats test_tags=tools
@test "a raw socket of protocol 6 (TCP) or 262 (MPTCP) may connect to itself" {
    the_same_with_and_without python3 -c '
import socket
for protocol in 6, 262:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    s.connect(("127.0.0.1", protocol))
    print(s.getsockname(), s.getpeername()[0])'
    assert_output "('127.0.0.1', 6) 127.0.0.1
('127.0.0.1', 262) 127.0.0.1"
}

# Rung 5: the segments.

@test "a server behind a redirect that waits for a request is reached" {
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    the_same_with_and_without connect --say hello 127.0.0.1 50000
    assert_connected_to_itself # by its endpoints
    assert_line 'heard: answer-hello'
}

# By TCP no line is lost. The MPTCP server announces another address, and can deliver the line late.
# bats test_tags=long
@test "200 connections each to servers behind a redirect that close, reset, greet, half-close or wait are made" {
    local client behaviour address heard port=50000
    redirect 50000-59999 49000
    on here ip mptcp endpoint add 127.0.0.2 dev lo signal
    for client in '' --nonblock '--protocol mptcp' '--protocol mptcp --nonblock'; do
        for behaviour in close line reset half-close delay; do
            case $behaviour in close | reset) heard=0 ;; *) heard=200 ;; esac
            for address in 127.0.0.1 ::1; do
                # shellcheck disable=SC2086 # several words
                run -0 protected timeout 60 quick $client $behaviour $address $port 200
                port=$((port + 200))
                assert_output --regexp '^connects 200 refused 0 heard [0-9]+$'
                case $client in
                *mptcp*) [ "${output##* }" -ge $((heard * 9 / 10)) ] ;;
                *) assert_equal "${output##* }" "$heard" ;;
                esac
            done
        done
    done
}

# connect() returns 300 ms after the server's action. An MPTCP server announces an address by a segment without data.
# bats test_tags=library
@test "a server behind a redirect is reached if it has sent, closed, reset or announced before connect() returns" {
    local behaviour heard option
    while read -r behaviour heard option; do
        new_host
        on here ip mptcp endpoint add 127.0.0.2 dev lo signal
        redirect 50000-59999 49000
        # shellcheck disable=SC2086 # several words
        run -0 on here env LD_PRELOAD="$library:$(preload slow)" quick $option "$behaviour" 127.0.0.1 50000 1
        assert_output "connects 1 refused 0 heard $heard"
    done <<'EOF'
close 0
line 1
reset 0
half-close 1
pause 1 --protocol mptcp
EOF
    # The control: a server without MPTCP announces nothing.
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" connect --protocol mptcp \
        --bind 127.0.0.1 --bind-port 48000 127.0.0.1 48000
    assert_refused
}
