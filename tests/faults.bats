#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each system call that the library makes fails in turn: what the program sees then.

load helpers

setup() {
    new_host
    set_source_ports 50000
    log=$BATS_TEST_TMPDIR/log
}

# Runs a command protected, and lets one of its system calls fail: the COUNTth, or COUNT+ for that
# and all later ones.
failing() { # CALL ERROR COUNT COMMAND...
    traced -e trace="$1" -e inject="$1:error=$2:when=$3" "${@:4}"
}

# The same for a call that is about the log alone.
failing_on_log() { # CALL ERROR COMMAND...
    traced -P "$log" -E "NOSELFCONN_LOG=$log" -e trace="$1" -e inject="$1:error=$2" "${@:3}"
}

# What cannot be known is left as it is, with the errno of the program's own call.
@test "getsockname fails: the result of the call stands" {
    run -0 failing getsockname ENOBUFS 1 connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_connected_to_itself
    new_host
    set_source_ports 50000
    run -0 failing getsockname ENOBUFS 1 connect --nonblock 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    # The control: the second one is the program's own.
    new_host
    set_source_ports 50000
    run -0 failing getsockname ENOBUFS 2 connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    assert_line 'local: E#105'
}

# Which of the library's getsockopt() calls is which.
protocol=1 type=2 counters=3 both_looks=3..4 error=6 timeout=7

@test "the protocol, or the type, cannot be read: a connection that was made at once stands, and the log says so" {
    local option error
    export NOSELFCONN_LOG=$log
    for option in $protocol $type; do
        for error in ENOBUFS ENOPROTOOPT; do # the second as before Linux 2.6.32
            new_host
            set_source_ports 50000
            run -0 failing getsockopt $error "$option" connect 127.0.0.1 50000
            assert_line --index 0 'connect: 0'
            assert_connected_to_itself
        done
    done
    run cat "$log"
    assert_line --index 3 --regexp 'endpoint=127\.0\.0\.1:50000 mode=enforce action=undecided$'
}

# UDP and raw sockets never wait.
@test "the protocol, or the type, cannot be read: a connection that was pending is refused" {
    local option
    for option in $protocol $type; do
        new_host
        set_source_ports 50000
        run failing getsockopt EPERM "$option" connect --nonblock --wait 127.0.0.1 50000
        assert_refused
    done
}

@test "the kernel cannot be made to refuse it: the call fails at once" {
    local how
    for how in "getsockopt EPERM $timeout connect" 'setsockopt EPERM 1 connect' \
        'connect EADDRNOTAVAIL 3 connect --nonblock' 'connect EINTR 3 connect --nonblock'; do
        new_host
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        run failing $how 127.0.0.1 50000
        assert_line --index 0 'connect: ECONNREFUSED'
        assert_refused
    done
}

# Before Linux 5.6.
@test "on a kernel without MPTCP a program that goes without it is refused" {
    run -0 on here deny mptcp fail env LD_PRELOAD="$library" python3 -c '
import socket
try:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError as error:
    print("MPTCP", error.errno)
    s = socket.socket()
print(s.connect_ex(("127.0.0.1", 50000)))'
    assert_output $'MPTCP 93\n111'
}

@test "a stream of another protocol, SCTP say, is left alone" {
    run -0 traced -e trace=getsockopt -e "inject=getsockopt:poke_exit=@arg4=$(as_int 132):when=$protocol" \
        connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_connected_to_itself
    # The control: the number of TCP.
    new_host
    set_source_ports 50000
    run traced -e trace=getsockopt -e "inject=getsockopt:poke_exit=@arg4=$(as_int 6):when=$protocol" \
        connect 127.0.0.1 50000
    assert_refused
}

@test "the counters cannot be read: refused, since nobody else is proven" {
    run failing getsockopt ENOBUFS $counters+ connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    run failing getsockopt ENOBUFS $counters connect --nonblock --wait 127.0.0.1 50000
    assert_refused
}

@test "the counters cannot be read at first: a server is known by the second look" {
    server 50100
    redirect 50000 50100
    run failing getsockopt ENOBUFS $counters connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
}

as_int() { # NUMBER: its bytes, for strace
    perl -e 'print unpack "H*", pack "L", shift' "$1"
}

# A client of a real server behind a redirect, told of its counters no more than BYTES.
told_of_the_first() { # BYTES
    traced -e trace=getsockopt -e "inject=getsockopt:poke_exit=@arg5=$(as_int "$1"):when=$both_looks" \
        connect 127.0.0.1 50000
}

# Each kernel's answer is as long as it has counters: 104 bytes since 2.6, the segments since 4.2.
@test "the kernel does not count segments: refused, since nobody else is proven" {
    server 50100
    redirect 50000 50100
    local bytes
    for bytes in 104 140 143; do
        run told_of_the_first $bytes
        assert_line --index 0 'connect: ECONNREFUSED'
    done
}

@test "the kernel counts segments, and not the bytes that were sent: a server is known by its SYN-ACK" {
    server 50100
    redirect 50000 50100
    run told_of_the_first 144
    assert_line --index 0 'connect: 0'
}

# As gVisor does, and qemu-user, which answers with four bytes of something.
@test "the kernel fills in the state alone, or not even that: refused" {
    local bytes
    bytes=01$(perl -e 'print "00" x 231')
    run traced -e trace=getsockopt -e "inject=getsockopt:poke_exit=@arg4=$bytes:when=$both_looks" \
        connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    run told_of_the_first 4
    assert_line --index 0 'connect: ECONNREFUSED'
}

# On 6.18 there is no such answer after the fallback.
@test "the kernel says that MPTCP has fallen back to TCP: refused" {
    local call=$((counters + 2)) flags
    for flags in 01000000 03000000; do
        run traced -e trace=getsockopt \
            -e "inject=getsockopt:retval=0:poke_exit=@arg4=0000000000000000$flags:when=$call" \
            connect --protocol mptcp 127.0.0.1 50000
        assert_line --index 0 'connect: ECONNREFUSED'
    done
    # The control: without that flag it is a server that speaks MPTCP.
    run traced -e trace=getsockopt \
        -e "inject=getsockopt:retval=0:poke_exit=@arg4=000000000000000002000000:when=$call" \
        connect --protocol mptcp 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
}

@test "the pending error cannot be taken away: refused, and the next connect() works" {
    run failing getsockopt ENOBUFS $error connect 127.0.0.1 50000
    assert_refused
    # The control: after the library's last one comes the program's.
    run failing getsockopt ENOBUFS $((timeout + 1)) connect 127.0.0.1 50000
    assert_line 'state: E#105'
}

# As some kernels do while another thread waits in the socket (EBUSY).
@test "the kernel declines to disconnect at first: the other thread is woken, and it is as after a refusal" {
    run -0 traced -e trace=connect,shutdown,sched_yield -e inject=connect:error=EBUSY:when=2..50 \
        connect 127.0.0.1 50000
    assert_refused
    assert_equal "$(grep -c AF_UNSPEC "$BATS_TEST_TMPDIR/trace")" 50
    assert_equal "$(grep -c SHUT_RD "$BATS_TEST_TMPDIR/trace")" 49
    assert_equal "$(grep -c sched_yield "$BATS_TEST_TMPDIR/trace")" 49
}

@test "the kernel never disconnects: refused, shut down, and no segment is taken in any more" {
    run -0 failing connect EBUSY 2+ connect --say hello 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    refute_line 'state: ESTABLISHED'
    assert_line 'send: EPIPE'
    assert_equal "$(grep -c AF_UNSPEC "$BATS_TEST_TMPDIR/trace")" 101
    new_host
    set_source_ports 50000
    run unprotected connect --say hello 127.0.0.1 50000
    assert_line 'heard: hello'
}

# The SYN comes through when it is sent again, after a second.
state_later() { # [STRACE-OPTION]...
    new_host
    set_source_ports 50000
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

@test "the kernel never disconnects a pending one: it does not come about later" {
    run -0 state_later
    assert_line 'state 2' # SYN_SENT
    # The control: without the filter it does.
    run -0 state_later -e inject=setsockopt:error=EPERM
    assert_line 'state 1' # ESTABLISHED
}

@test "neither disconnect nor shutdown nor the filter works: refused all the same" {
    run -0 traced -e trace=connect,shutdown,setsockopt -e inject=connect:error=EBUSY:when=2+ \
        -e inject=shutdown:error=ENOTCONN -e inject=setsockopt:error=EPERM connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
}

@test "every call for the log fails in turn: refused, with the same results as without a log" {
    local call expected
    run protected connect 127.0.0.1 50000
    assert_refused
    expected=$output
    for call in openat write close; do
        run -0 failing_on_log $call EIO connect 127.0.0.1 50000
        assert_output "$expected"
    done
    for call in ppoll rt_sigprocmask rt_sigpending clock_gettime getpid gettid prctl; do
        NOSELFCONN_LOG=$log run -0 failing $call EIO 1+ connect 127.0.0.1 50000
        assert_output "$expected"
    done
    # Of these a failure leaves the line, and what is not known zero.
    run cat "$log"
    assert_line --partial 'time=1970-01-01T00:00:00.000Z '
}

@test "a log line that is not written for an interrupt or for lack of space is lost, and nothing else" {
    local error expected
    run protected connect 127.0.0.1 50000
    expected=$output
    for error in EINTR EAGAIN ENOSPC; do
        run -0 failing_on_log write $error connect 127.0.0.1 50000
        assert_output "$expected"
        [ ! -s "$log" ]
    done
    # The control.
    NOSELFCONN_LOG=$log run -0 protected connect 127.0.0.1 50000
    [ -s "$log" ]
}

@test "a sandbox that denies getsockname or getsockopt leaves a program as it was" {
    local call
    for call in getsockname getsockopt; do
        new_host
        set_source_ports 50000
        run -0 protected deny $call fail connect 127.0.0.1 50000
        assert_line --index 0 'connect: 0'
        set_source_ports 50002
        server 50100
        run -0 protected deny $call fail connect --say hello 127.0.0.1 50100
        assert_line --index 0 'connect: 0'
        assert_line 'heard: answer-hello'
    done
}

# As shim/README.md says: such a sandbox has to allow the two calls.
@test "a sandbox that kills on getsockname kills at the first TCP connection" {
    set_source_ports 50002 50009
    server 50100
    run -159 protected deny getsockname kill nc.traditional -z 127.0.0.1 50100
    run -0 unprotected deny getsockname kill nc.traditional -z 127.0.0.1 50100
    run -159 protected deny getsockopt kill nc.traditional -s 127.0.0.1 -p 50000 -z 127.0.0.1 50000
    run -0 protected deny getsockopt kill nc.traditional -z 127.0.0.1 50100
}
