#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each system call of the library fails in turn.

load helpers

setup() {
    new_host
    set_source_ports 50000
    log=$BATS_TEST_TMPDIR/log
}

# Fails the COUNTth call of CALL, or with COUNT+ that and all later ones.
failing() { # CALL ERROR COUNT COMMAND...
    traced -e trace="$1" -e inject="$1:error=$2:when=$3" "${@:4}"
}

# Fails a call of the log's.
failing_on_log() { # CALL ERROR COMMAND...
    traced -P "$log" -E "NOSELFCONN_LOG=$log" -e trace="$1" -e inject="$1:error=$2" "${@:3}"
}

@test "if getsockname fails, the program's result and errno stand" {
    run -0 failing getsockname ENOBUFS 1 connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_connected_to_itself
    setup
    run -0 failing getsockname ENOBUFS 1 connect --nonblock 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    # The control: the second call is the program's.
    setup
    run -0 failing getsockname ENOBUFS 2 connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    assert_line 'local: E#105'
}

protocol=1 type=2 counters=3 both_looks=3..4 error=6 timeout=7

# UDP and raw sockets are never pending.
@test "if protocol or type cannot be read, an established connection stands as undecided, a pending one is refused" {
    local option error
    export NOSELFCONN_LOG=$log
    for option in $protocol $type; do
        for error in EPERM ENOPROTOOPT; do # ENOPROTOOPT before Linux 2.6.32
            setup
            run -0 failing getsockopt $error "$option" connect 127.0.0.1 50000
            assert_line --index 0 'connect: 0'
            assert_connected_to_itself
            assert_regex "$(tail -n 1 "$log")" 'endpoint=127\.0\.0\.1:50000 mode=enforce action=undecided$'
            setup
            run failing getsockopt $error "$option" connect --nonblock --wait 127.0.0.1 50000
            assert_refused
        done
    done
}

@test "if the second connect() cannot be made, the call fails at once" {
    local how
    for how in "getsockopt EPERM $timeout connect" 'setsockopt EPERM 1 connect' \
        'connect EADDRNOTAVAIL 3 connect --nonblock' 'connect EINTR 3 connect --nonblock'; do
        setup
        # shellcheck disable=SC2086 # several words
        run failing $how 127.0.0.1 50000
        assert_line --index 0 'connect: ECONNREFUSED'
        assert_refused
    done
}

as_int() { # NUMBER: prints its bytes for strace
    perl -e 'print unpack "H*", pack "L", shift' "$1"
}

# Replaces ARGUMENT's bytes in the answers of getsockopt() to the library's calls WHEN.
answering() { # WHEN ARGUMENT BYTES COMMAND...
    traced -e trace=getsockopt -e "inject=getsockopt:poke_exit=@arg$2=$3:when=$1" "${@:4}"
}

@test "an SCTP stream connected to itself stays connected" {
    run -0 answering $protocol 4 "$(as_int 132)" connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_connected_to_itself
    # The control: the number of TCP.
    setup
    run answering $protocol 4 "$(as_int 6)" connect 127.0.0.1 50000
    assert_refused
}

behind_a_redirect() {
    setup
    server 50100
    redirect 50000 50100
}

# TCP_INFO has 104 bytes since Linux 2.6, the segment counters since 4.2. gVisor fills in the state alone,
# qemu-user four arbitrary bytes.
@test "a connection is refused if TCP_INFO fails or lacks the segment counters" {
    local answer only_the_state
    only_the_state=01$(printf '00%.0s' {1..231})
    run failing getsockopt ENOBUFS $counters connect --nonblock --wait 127.0.0.1 50000
    assert_refused
    behind_a_redirect
    run failing getsockopt ENOBUFS $counters+ connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    for answer in "4 $only_the_state" "5 $(as_int 4)" "5 $(as_int 104)" "5 $(as_int 140)" "5 $(as_int 143)"; do
        # shellcheck disable=SC2086 # two words
        run answering $both_looks $answer connect 127.0.0.1 50000
        assert_equal "$answer ${lines[0]}" "$answer connect: ECONNREFUSED"
    done
}

@test "a redirected server is reached if TCP_INFO lacks the sent bytes, or fails at the first look" {
    behind_a_redirect
    run failing getsockopt ENOBUFS $counters connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    behind_a_redirect
    run answering $both_looks 5 "$(as_int 144)" connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
}

# Linux 6.18 gives no such answer after the fallback.
@test "an MPTCP connection that fell back to TCP is refused" {
    local call=$((counters + 2)) flags
    for flags in 01000000 03000000; do
        run traced -e trace=getsockopt \
            -e "inject=getsockopt:retval=0:poke_exit=@arg4=0000000000000000$flags:when=$call" \
            connect --protocol mptcp 127.0.0.1 50000
        assert_line --index 0 'connect: ECONNREFUSED'
    done
    # The control: without the flag the peer is an MPTCP server.
    run traced -e trace=getsockopt \
        -e "inject=getsockopt:retval=0:poke_exit=@arg4=000000000000000002000000:when=$call" \
        connect --protocol mptcp 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
}

@test "if SO_ERROR cannot be read, the connection is refused and the next connect() works" {
    run failing getsockopt ENOBUFS $error connect 127.0.0.1 50000
    assert_refused
    # The control: the program's call follows the library's last one.
    run failing getsockopt ENOBUFS $((timeout + 1)) connect 127.0.0.1 50000
    assert_line 'state: E#105'
}

# Some kernels answer EBUSY while another thread waits in the socket.
@test "if the first disconnect fails, the waiting thread is woken and the socket is as after a refusal" {
    run -0 traced -e trace=connect,shutdown,sched_yield -e inject=connect:error=EBUSY:when=2..50 \
        connect 127.0.0.1 50000
    assert_refused
    assert_equal "$(grep -c AF_UNSPEC "$BATS_TEST_TMPDIR/trace")" 50
    assert_equal "$(grep -c SHUT_RD "$BATS_TEST_TMPDIR/trace")" 49
    assert_equal "$(grep -c sched_yield "$BATS_TEST_TMPDIR/trace")" 49
}

@test "if every disconnect fails, the connection is refused and shut down, or at least refused" {
    run -0 failing connect EBUSY 2+ connect --say hello 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    refute_line 'state: ESTABLISHED'
    assert_line 'send: EPIPE'
    assert_equal "$(grep -c AF_UNSPEC "$BATS_TEST_TMPDIR/trace")" 101
    setup
    run unprotected connect --say hello 127.0.0.1 50000
    assert_line 'heard: hello'
    setup
    run -0 traced -e trace=connect,shutdown,setsockopt -e inject=connect:error=EBUSY:when=2+ \
        -e inject=shutdown:error=ENOTCONN -e inject=setsockopt:error=EPERM connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
}

# The SYN arrives at its retransmission, after a second.
state_later() { # [STRACE-OPTION]...
    setup
    lose_syns_to 50000
    background later traced -e trace=connect,shutdown,setsockopt -e inject=connect:error=EBUSY:when=2+ \
        -e inject=shutdown:error=EBUSY "$@" python3 -c '
import socket, time
s = socket.socket()
s.setblocking(False)
print("errno", s.connect_ex(("127.0.0.1", 50000)), flush=True)
time.sleep(3)
print("state", s.getsockopt(socket.IPPROTO_TCP, 11, 1)[0])'
    eventually grep -q 'errno 111' "$BATS_TEST_TMPDIR/later"
    on here nft delete table inet test
    eventually grep -q state "$BATS_TEST_TMPDIR/later"
    output_of later
}

@test "if every disconnect of a pending connection fails, it is never established" {
    run -0 state_later
    assert_line 'state 2' # SYN_SENT
    # The control: without the filter it is.
    run -0 state_later -e inject=setsockopt:error=EPERM
    assert_line 'state 1' # ESTABLISHED
}

@test "if a call for the log fails, the connection is refused as without a log" {
    local call error expected
    run protected connect 127.0.0.1 50000
    assert_refused
    expected=$output
    while read -r call error; do
        run -0 failing_on_log "$call" "$error" connect 127.0.0.1 50000
        assert_output "$expected"
        [ "$call" = close ] || [ ! -s "$log" ]
        rm -f "$log"
    done <<'END'
openat EIO
write EIO
write EINTR
write EAGAIN
write ENOSPC
close EIO
END
    for call in ppoll rt_sigprocmask rt_sigpending clock_gettime getpid gettid prctl; do
        NOSELFCONN_LOG=$log run -0 failing $call EIO 1+ connect 127.0.0.1 50000
        assert_output "$expected"
    done
    # After these failures the line has a zero in place of the value.
    run cat "$log"
    assert_line --partial 'time=1970-01-01T00:00:00.000Z '
}
