#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A blocked self-connection is indistinguishable from a connection that was refused. The program
# `contract` prints what can be observed from before the call until the descriptor is used again: each
# result, each event, the state. It has to print the same after both.

load helpers

# Each on a new host, with its source port pinned: to the destination port for a self-connection, to
# another one for a refusal by the kernel.
after_a_refusal() { # ARGUMENT...
    new_host
    set_source_ports 50002
    run -0 unprotected contract "$@" 50000 50002 50010
}

after_a_blocked_self_connection() { # ARGUMENT...
    new_host
    set_source_ports 50000
    run -0 protected contract "$@" 50000 50000 50010
}

# The control: the same again, without the library.
after_a_self_connection() { # ARGUMENT...
    new_host
    set_source_ports 50000
    run unprotected contract "$@" 50000 50000 50010
}

keeps_the_contract() { # ARGUMENT...
    local refusal

    after_a_refusal "$@"
    case " $* " in
    *' --nonblock '*) assert_line 'result: -1 EINPROGRESS' ;;
    *) assert_line 'result: -1 ECONNREFUSED' ;;
    esac
    assert_line 'the client heard: pong'
    refusal=$output
    after_a_blocked_self_connection "$@"
    assert_equal "$output" "$refusal"
    after_a_self_connection "$@"
    assert_line 'sockets left on the source port: 1'
    assert_line 'a server on the source port, without SO_REUSEADDR: EADDRINUSE'
}

# By a call that waits, one that does not, and one with SO_SNDTIMEO.
however_it_waits() { # ARGUMENT...
    keeps_the_contract "$@"
    keeps_the_contract --nonblock "$@"
    keeps_the_contract --send-timeout 5000 "$@"
}

@test "the contract over IPv4" {
    however_it_waits 127.0.0.1
}

@test "the contract over IPv6" {
    however_it_waits ::1
}

@test "the contract over IPv4 by an IPv6 socket" {
    however_it_waits ::ffff:127.0.0.1
}

@test "the contract to a wildcard address" {
    keeps_the_contract 0.0.0.0
    keeps_the_contract --nonblock ::
    keeps_the_contract --nonblock ::ffff:0.0.0.0
}

@test "the contract by MPTCP" {
    however_it_waits --protocol mptcp 127.0.0.1
}

@test "the contract by MPTCP over IPv6" {
    however_it_waits --protocol mptcp ::1
}

@test "the contract where the refusal is learned by calling connect() again" {
    however_it_waits --again 127.0.0.1
    keeps_the_contract --again --nonblock --protocol mptcp ::1
}

@test "the contract by TCP Fast Open" {
    keeps_the_contract --by sendto 127.0.0.1
    keeps_the_contract --by sendmsg ::1
    keeps_the_contract --by sendmmsg 127.0.0.1
}

@test "the contract by TCP Fast Open, without blocking" {
    keeps_the_contract --nonblock --by sendto ::1
    keeps_the_contract --nonblock --by sendmsg 127.0.0.1
    keeps_the_contract --nonblock --by sendmmsg 127.0.0.1
}

@test "the contract by a socket that the program bound itself" {
    local arguments
    for arguments in '127.0.0.1' '--nonblock ::1' '--protocol mptcp --nonblock 127.0.0.1' '--by sendto 127.0.0.1'; do
        # shellcheck disable=SC2086 # several words
        after_a_refusal --bind $arguments
        assert_line 'a server on the source port, without SO_REUSEADDR: EADDRINUSE'
        local refusal=$output
        # shellcheck disable=SC2086
        after_a_blocked_self_connection --bind $arguments
        assert_equal "$output" "$refusal"
        # shellcheck disable=SC2086
        after_a_self_connection --bind $arguments
        refute_output --partial ECONNREFUSED
    done
}

# Linux 6.1 cannot, 6.12 can: there is nothing to guard then, and the same to see.
@test "the contract by TCP Fast Open and MPTCP" {
    after_a_self_connection --protocol mptcp --by sendto 127.0.0.1
    if [[ $output != *'result: -1 E#95'* ]]; then # EOPNOTSUPP
        keeps_the_contract --protocol mptcp --by sendto 127.0.0.1
        return
    fi
    local bare=$output
    after_a_blocked_self_connection --protocol mptcp --by sendto 127.0.0.1
    assert_equal "$output" "$bare"
}

@test "a socket that the program bound itself stays bound, as after a refusal" {
    set_source_ports 50002
    run -0 unprotected connect --bind 127.0.0.1 --bind-port 1314 127.0.0.1 50000
    assert_line 'local: 127.0.0.1:1314'
    run protected connect --bind 127.0.0.1 --bind-port 1314 127.0.0.1 1314
    assert_refused
    assert_line 'local: 127.0.0.1:1314'
}

# The kernel computes them from the largest window that a peer has offered, and keeps that until the next
# connect() (tcp_disconnect, tcp_connect_init).
# bats test_tags=tools
@test "SIOCOUTQ, and poll with TCP_NOTSENT_LOWAT, say the same as after a refusal" {
    local client='
import fcntl, select, socket, struct, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, 25, 16384)  # TCP_NOTSENT_LOWAT
print("errno", s.connect_ex(("127.0.0.1", 50000)))
print("queued:", struct.unpack("i", fcntl.ioctl(s, 0x5411, bytes(4)))[0])  # SIOCOUTQ
poll = select.poll()
poll.register(s, select.POLLOUT)
print("poll", [hex(event) for _, event in poll.poll(0)])'
    set_source_ports 50002
    run -0 unprotected python3 -c "$client"
    assert_line "poll ['0x14']"
    local refusal=$output
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_equal "$output" "$refusal"
    run -0 unprotected python3 -c "$client"
    assert_line 'errno 0'
}

# Somewhere a firewall drops port 0. A blocking call would then wait for minutes.
# bats test_tags=severing
@test "where the kernel refuses nothing at port 0, the call fails at once" {
    local arguments
    for arguments in '' --nonblock '--protocol mptcp --nonblock' '--send-timeout 60000'; do
        new_host
        filter here 'tcp dport 0 drop'
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        run protected timeout 20 connect $arguments 127.0.0.1 50000
        assert_line 'connect: ECONNREFUSED'
        assert_refused
        # shellcheck disable=SC2086
        run unprotected connect $arguments 127.0.0.1 50000
        assert_connected_to_itself
    done
}

# bats test_tags=severing
@test "where port 0 is redirected to a live server, nobody is connected to that" {
    local arguments
    server 50100
    redirect 0 50100
    for arguments in '' --nonblock; do
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        run protected connect $arguments 127.0.0.1 50000
        assert_line 'connect: ECONNREFUSED'
        assert_refused
    done
    run unprotected connect 127.0.0.1 50000
    assert_connected_to_itself
}

# bats test_tags=tools
@test "SO_SNDTIMEO is what the program set" {
    local client='
import socket, struct
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 77, 250000))
print("errno", s.connect_ex(("127.0.0.1", 50000)))
print(struct.unpack("ll", s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)))'
    set_source_ports 50000
    run -0 unprotected python3 -c "$client"
    assert_line 'errno 0'
    local timeout=${lines[1]}
    new_host
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output "errno 111"$'\n'"$timeout"
}

# It reads as zero, but means that no call waits. Set again, zero would mean that each waits for ever.
# bats test_tags=tools,severing
@test "a negative SO_SNDTIMEO stays: refused at once, where the kernel lets the program wait" {
    local client='
import socket, struct
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", -1, 0))
for port in 50000, 50100:
    print(s.connect_ex(("127.0.0.1", port)), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))'
    server 50100
    set_source_ports 50002
    run -0 unprotected python3 -c "$client"
    assert_line --index 0 '115 111' # EINPROGRESS, ECONNREFUSED
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output $'111 0\n115 0'
}

# Sets one option after the other, reads all of them after a refusal by the kernel and after a blocked
# self-connection, and prints which differ. It reads none of which two refusals differ, too.
differing_options='
import select, socket, sys
family, host, protocol, blocking = socket.AF_INET, "127.0.0.1", int(sys.argv[2]), sys.argv[3] == "blocking"
if sys.argv[1] == "6": family, host = socket.AF_INET6, "::1"
LEVELS, VALUES = (0, 1, 6, 41, 284), (1, 5000)
UNREAD = {(0, 52), (1, 4), (1, 49), (1, 55), (1, 56), (1, 57), (6, 11), (6, 24), (6, 35), (41, 32), (284, 1), (284, 4)}
OPTIONS = [(level, option) for level in LEVELS for option in range(80) if (level, option) not in UNREAD]
def read(s, level, option):
    try: return s.getsockopt(level, option, 256)
    except OSError as error: return error.errno
def attempt(source_port, *setting):
    open("/proc/sys/net/ipv4/ip_local_port_range", "w").write(f"{source_port} {source_port}")
    with socket.socket(family, socket.SOCK_STREAM, protocol) as s:
        try: setting and s.setsockopt(*setting)
        except OSError: return None
        s.setblocking(blocking)
        results = [s.connect_ex((host, 50000))]
        if not blocking:
            poll = select.poll()
            poll.register(s, select.POLLOUT)
            poll.poll(1000)
            results.append(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return results, {option: read(s, *option) for option in OPTIONS}
differing = set()
for setting in [()] + [(*option, value) for option in OPTIONS if option != (6, 19) for value in VALUES]:  # TCP_REPAIR
    refused = attempt(50002, *setting)
    if refused and refused[0][-1] == 111:  # no option has kept the segments back
        results, blocked = attempt(50000, *setting)
        if results != refused[0]: print("results", setting, results)
        differing |= {option for option in OPTIONS if blocked[option] != refused[1][option]}
print("differing:", *sorted("%d/%d" % option for option in differing))'

# bats test_tags=tools,long
@test "socket options: only those that shim/README.md lists differ from a refusal" {
    local arguments option
    local -A listed=(["1/7"]=SO_SNDBUF ["1/28"]=SO_PEERNAME ["1/42"]=SO_PEEK_OFF ["6/2"]=TCP_MAXSEG
        ["6/10"]=TCP_WINDOW_CLAMP ["6/45"]=TCP_RTO_MIN_US ["6/46"]=TCP_DELACK_MAX_US ["41/6"]=IPV6_2292PKTOPTIONS
        ["41/17"]=IPV6_MULTICAST_IF ["41/18"]=IPV6_MULTICAST_HOPS)
    for arguments in '4 0 blocking' '6 0 nonblocking' '4 262 blocking'; do
        # shellcheck disable=SC2086 # several words
        run -0 protected python3 -c "$differing_options" $arguments
        assert_equal "${#lines[@]}" 1
        for option in ${output#differing:}; do
            [ -n "${listed[$option]-}" ] || fail "$arguments: $option differs"
            grep -qF "\`${listed[$option]}\`" "$root/shim/README.md" || fail "shim/README.md lacks ${listed[$option]}"
        done
    done
    # The control: a self-connection differs in more.
    run -0 unprotected python3 -c "$differing_options" 4 0 blocking
    assert_line --partial 'results ('
}

# The connection and its end come before the refusal.
# bats test_tags=tools,severing
@test "a client with signal-driven I/O gets two signals more than for a refusal" {
    local blocking refused client='
import fcntl, os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
s = socket.socket()
fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(s, fcntl.F_SETSIG, signal.SIGRTMIN)
fcntl.fcntl(s, fcntl.F_SETFL, os.O_ASYNC | int(sys.argv[1]))
s.connect_ex(("127.0.0.1", 50000))
while signal.sigtimedwait({signal.SIGRTMIN}, 0.5): print("signal")'
    for blocking in 0 2048; do # O_NONBLOCK
        set_source_ports 50002
        run -0 unprotected python3 -c "$client" $blocking
        refused=${#lines[@]}
        [ "$refused" -ge 1 ]
        set_source_ports 50000
        run -0 protected python3 -c "$client" $blocking
        assert_equal "${#lines[@]}" $((refused + 2))
    done
}
