#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A blocked self-connection is indistinguishable from a refused connection. The program `contract` prints every
# result, event, option and state from the call until the descriptor is used again; both outputs have to be equal.

load helpers

# The source port is pinned: to the destination port for a self-connection, to another for a refusal.
contract_from() { # SOURCE-PORT unprotected|protected ARGUMENT...
    new_host
    prepare
    set_source_ports "$1"
    run "$2" contract "${@:3}" 50000 "$1" 50010
}

keep_the_contract() { # ARGUMENTS...
    local arguments refusal
    for arguments; do
        echo "contract $arguments"
        # shellcheck disable=SC2086 # several words
        contract_from 50002 unprotected $arguments
        assert_line 'the client heard: pong'
        refusal=$output
        # shellcheck disable=SC2086
        contract_from 50000 protected $arguments
        diff <(echo "$refusal") <(echo "$output")
        # shellcheck disable=SC2086
        contract_from 50000 unprotected $arguments
        assert_line 'state: ESTABLISHED'
        assert_line 'a server on the source port, without SO_REUSEADDR: EADDRINUSE'
    done
}

# Blocking, non-blocking, and with SO_SNDTIMEO.
keep_the_contract_however_they_wait() { # ARGUMENTS...
    keep_the_contract "$@" "${@/#/--nonblock }" "${@/#/--send-timeout 5250 }"
}

@test "the contract holds for TCP over IPv4, IPv6 and IPv4 by an IPv6 socket" {
    keep_the_contract_however_they_wait 127.0.0.1 ::1 ::ffff:127.0.0.1
}

@test "the contract holds for a wildcard address" {
    keep_the_contract 0.0.0.0 :: ::ffff:0.0.0.0 '--nonblock 0.0.0.0' '--nonblock ::' '--nonblock ::ffff:0.0.0.0'
}

@test "the contract holds for MPTCP over IPv4 and IPv6" {
    keep_the_contract_however_they_wait '--protocol mptcp 127.0.0.1' '--protocol mptcp ::1'
}

@test "the contract holds if the program learns of the refusal by a second connect()" {
    keep_the_contract_however_they_wait '--again 127.0.0.1'
    keep_the_contract '--again --nonblock --protocol mptcp ::1'
}

@test "the contract holds for a bound socket" {
    keep_the_contract '--bind 127.0.0.1' '--bind --nonblock ::1' '--bind --protocol mptcp --nonblock 127.0.0.1' \
        '--bind --by sendto 127.0.0.1'
}

@test "the contract holds for TCP Fast Open" {
    keep_the_contract '--by sendto 127.0.0.1' '--by sendmsg ::1' '--by sendmmsg 127.0.0.1' \
        '--nonblock --by sendto ::1' '--nonblock --by sendmsg 127.0.0.1' '--nonblock --by sendmmsg 127.0.0.1'
}

@test "the contract holds for TCP Fast Open with data in the SYN" {
    prepare() {
        on here tee /proc/sys/net/ipv4/tcp_fastopen <<<5 >/dev/null # 1: client, 4: without a cookie
    }
    keep_the_contract '--by sendto 127.0.0.1' '--by sendmsg ::1' '--by sendmmsg 127.0.0.1' \
        '--nonblock --by sendto ::1' '--nonblock --by sendmsg 127.0.0.1'
}

# They depend on the peer's largest window, which the kernel keeps until the next connect() (tcp_disconnect,
# tcp_connect_init). After a blocking Fast Open send there is none.
@test "the contract holds for SIOCOUTQ and TCP_NOTSENT_LOWAT" {
    keep_the_contract_however_they_wait '--queue 127.0.0.1'
}

# bats test_tags=severing
@test "a blocking Fast Open send differs from a refusal in SIOCOUTQ and TCP_NOTSENT_LOWAT alone" {
    local refusal changed='/^epoll, reg/d; /^poll, /d; /^unsent: /d'
    contract_from 50002 unprotected --queue --by sendto 127.0.0.1
    refusal=$output
    contract_from 50000 protected --queue --by sendto 127.0.0.1
    assert_line 'unsent: 100004'
    diff <(sed "$changed" <<<"$refusal") <(sed "$changed" <<<"$output")
}

# Linux 6.1 answers EOPNOTSUPP, 6.12 connects.
@test "the contract holds for TCP Fast Open with MPTCP" {
    local arguments='--protocol mptcp --by sendto 127.0.0.1' bare
    # shellcheck disable=SC2086 # several words
    contract_from 50000 unprotected $arguments
    if [[ $output != *'result: -1 E#95'* ]]; then # EOPNOTSUPP
        keep_the_contract "$arguments"
        return
    fi
    bare=$output
    # shellcheck disable=SC2086
    contract_from 50000 protected $arguments
    assert_equal "$output" "$bare"
}

# Some firewalls drop port 0. A blocking call would then wait for minutes.
# bats test_tags=severing
@test "the call fails at once if a firewall drops port 0" {
    local arguments
    for arguments in '' --nonblock '--protocol mptcp --nonblock' '--send-timeout 60000'; do
        new_host
        filter here 'tcp dport 0 drop'
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        refused_instead_of_connected_to_itself timeout 20 connect $arguments 127.0.0.1 50000
    done
}

# bats test_tags=severing
@test "a live server to which port 0 is redirected is not reached" {
    local option
    for option in '' --nonblock; do
        new_host
        server 50100
        redirect 0 50100
        set_source_ports 50000
        # shellcheck disable=SC2086 # no word where there is no option
        refused_instead_of_connected_to_itself connect $option 127.0.0.1 50000
    done
}

# A negative SO_SNDTIMEO reads as zero and makes every call non-blocking. Restored as zero, calls would wait forever.
# bats test_tags=tools,severing
@test "a call that does not wait on a blocking socket is refused at once, and a negative SO_SNDTIMEO stays" {
    local client='
import socket, struct
def attempt(s, call, *arguments):
    try: call(*arguments); error = 0
    except OSError as failure: error = failure.errno
    print(error, s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
s = socket.socket()
attempt(s, s.sendto, b"hello", socket.MSG_FASTOPEN | socket.MSG_DONTWAIT, ("127.0.0.1", 50000))
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", -1, 0))
for port in 50000, 50100: attempt(s, s.connect, ("127.0.0.1", port))'
    server 50100
    set_source_ports 50002
    run -0 unprotected python3 -c "$client"
    assert_output --partial $'115 111\n115 111\n' # EINPROGRESS, ECONNREFUSED
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output $'111 0\n111 0\n115 0'
}

# Sets each option in turn and prints the options that differ between a refusal by the kernel and a blocked
# self-connection, except those that differ between two refusals.
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
    if refused and refused[0][-1] == 111:  # the set option did not keep segments from being sent
        results, blocked = attempt(50000, *setting)
        if results != refused[0]: print("results", setting, results)
        differing |= {option for option in OPTIONS if blocked[option] != refused[1][option]}
print("differing:", *sorted("%d/%d" % option for option in differing))'

# bats test_tags=tools,long
@test "only the socket options listed in shim/README.md differ from a refusal" {
    needs_a_namespace
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

# For the connection and its end.
# bats test_tags=tools,severing
@test "a client with signal-driven I/O gets two more signals than for a refusal" {
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
