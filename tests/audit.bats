#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/noselfconn-audit lists self-connections and servers at risk.

load helpers

audit=${BATS_TEST_DIRNAME%/*}/scripts/noselfconn-audit

python() { # NAME STATEMENTS
    background "$1" on here python3 -c "import socket, time
$2
print('ready', flush=True)
time.sleep(60)"
    eventually grep -q ready "$BATS_TEST_TMPDIR/$1"
}

reserve() { # LIST
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<"$1" >/dev/null
}

stay_connected_to_itself() { # ADDRESS
    set_source_ports 50000
    python "connected-$1" "client = socket.socket(socket.AF_INET6 if ':' in '$1' else socket.AF_INET)
client.connect(('$1', 50000))"
    set_source_ports 32768 60999
}

@test "the audit of a host without risk exits with 0" {
    run -0 on here "$audit"
    assert_output 'ephemeral ports: 32768 to 60999; reserved: none
connect() prefers the even ones, bind() to port 0 the odd ones
connected to themselves now: 0
listening on an ephemeral port, at risk while the server is down: 0'
}

@test "the audit shows a self-connected socket with its process" {
    local address shown
    own_address 2001:db8::1:0:0:1
    for address in 127.0.0.1 ::1 2001:db8::1:0:0:1; do
        case $address in *:*) shown="\[$address\]" ;; *) shown=${address//./\\.} ;; esac
        stay_connected_to_itself $address
        run -1 on here "$audit"
        assert_line --regexp "^  $shown:50000 ESTABLISHED \(python3, pid [0-9]+\)$"
    done
    assert_line 'connected to themselves now: 3'
    run -1 on here "$audit" --sockets
    assert_equal ${#lines[@]} 3
    assert_line --regexp '^127\.0\.0\.1:50000 ESTABLISHED \(python3, pid [0-9]+\)$'
    # Without capabilities it cannot see other users' processes.
    run -1 on here setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$audit"
    assert_line --partial ':50000 ESTABLISHED'
}

@test "IPv6 addresses are printed by RFC 5952" {
    local address
    for address in 127.18.52.86 2001:db8:10:203:a0:0:b0c:d0e 2001:db8:0:1:: ::ffff:127.18.52.87; do
        case $address in ::ffff:*) ;; *:*) own_address $address ;; esac
        python "server-$address" "server = socket.socket(socket.AF_INET6 if ':' in '$address' else socket.AF_INET)
server.bind(('$address', 40000)); server.listen()"
    done
    run -1 on here "$audit"
    for address in 127.18.52.86 127.18.52.87 '[2001:db8:10:203:a0:0:b0c:d0e]' '[2001:db8:0:1::]'; do
        assert_line --partial "  $address:40000 ("
    done
}

@test "only servers on unreserved ephemeral ports are listed as at risk" {
    server 40000
    server 30000 127.0.0.2
    background same-port on here connect --bind 127.0.0.1 --bind-port 30000 --say hello 127.0.0.2 30000
    eventually grep -q answer "$BATS_TEST_TMPDIR/same-port"
    lose_syns_to 50001
    background pending on here connect --nonblock --wait 127.0.0.1 50001
    python client "client = socket.create_connection(('127.0.0.1', 40000))"
    run -1 on here "$audit"
    assert_line 'listening on an ephemeral port, at risk while the server is down: 1'
    assert_line --regexp '^  127\.0\.0\.1:40000 \(socat, pid [0-9]+\)$'
    assert_line 'To see the odds of a port and how to reserve it: noselfconn-audit 40000'
    run -0 on here "$audit" --sockets # equal ports are not enough
    assert_output ''
    reserve 39999-40001
    run -0 on here "$audit"
    assert_line 'ephemeral ports: 32768 to 60999; reserved: 39999-40001'
}

@test "the audit prints the odds for each shape of range and reservation" {
    local range reserved port expected
    while read -r range reserved port expected; do
        # shellcheck disable=SC2086 # two ports
        set_source_ports ${range/-/ }
        reserve "${reserved#none}"
        run on here "$audit" "$port"
        assert_line --index 0 "port $((10#$port)): $expected"
        case $expected in cannot*) assert_success ;; *) assert_failure 1 ;; esac
    done <<'SHAPES'
32768-60999 none 40000 can self-connect: about 1 attempt in 14116
3000-45000 none 04000 can self-connect: about 1 attempt in 21000
32768-60999 none 40001 can self-connect: about 1 attempt in 14116 of clients that bind() to port 0
32768-60999 none 32767 cannot self-connect: it is not an ephemeral port, 32768 to 60999
32768-60999 none 61000 cannot self-connect: it is not an ephemeral port, 32768 to 60999
40000-40009 40003-40005 40000 can self-connect: about 1 attempt in 4.9
40000-40009 40003-40005 40003 cannot self-connect: it is reserved
40000-40009 40003-40005 40005 cannot self-connect: it is reserved
40000-40009 40003-40005 40009 can self-connect: about 1 attempt in 5 of clients that bind() to port 0
40000-40009 40000,40002,40004,40006,40008 40005 can self-connect: about 1 attempt in 5
40001-40010 none 40003 can self-connect: about 1 attempt in 5
40000-40098 none 40097 can self-connect: about 1 attempt in 49 of clients that bind() to port 0
40000-40098 none 40098 can self-connect, but only while the ports below it are in use
3000-45000 40000 4000 can self-connect: about 1 attempt in 21000
SHAPES
}

# The printed odds are within a tenth of those measured in 100,000 attempts.
# bats test_tags=long
@test "the printed odds match measured ones" {
    local range reserved port option said hits
    while read -r range reserved port option; do
        # shellcheck disable=SC2086 # two ports
        set_source_ports ${range/-/ }
        reserve "${reserved#none}"
        run -1 on here "$audit" "$port"
        [[ $output =~ about\ 1\ attempt\ in\ ([0-9.]+) ]] && said=${BASH_REMATCH[1]}
        run -0 unprotected attempts ${option:+"$option"} "$port" 100000
        [[ $output =~ self-connected\ ([0-9]+) ]] && hits=${BASH_REMATCH[1]}
        awk -v said="$said" -v hits="$hits" 'BEGIN { exit !(said * hits > 90000 && said * hits < 110000) }' ||
            fail "range $range, reserved $reserved, port $port $option: the audit says 1 in $said, measured $hits of 100,000"
    done <<'END'
40000-40099 none 40050
40000-40099 40040-40048 40050
40000-40099 40080-40099 40000
40000-40009 40000,40002,40004,40006,40008 40005
40000-40098 40090-40096 40098
40001-40100 40020-40049 40051
40000-40099 none 40051 --bind
40000-40099 40080-40099 40001 --bind
END
}

@test "the printed command keeps the existing reservations" {
    set_source_ports 4000 40001
    reserve 39000-39002,40000
    run -1 on here "$audit" 4000
    assert_line --partial 'To reserve it,'
    assert_line "  echo 'net.ipv4.ip_local_reserved_ports = 39000-39002,40000,4000' | sudo tee /etc/sysctl.d/50-reserved-ports.conf"
    run -1 on here "$audit" 4000 80 40000 40001 4000
    assert_line --partial 'To reserve them,'
    on here sh -c "$(sed -n 's/ | sudo tee \(.proc.*\)/ >\1/p' <<<"$output")"
    run -0 on here "$audit" 4000 40001
    assert_output $'port 4000: cannot self-connect: it is reserved\nport 40001: cannot self-connect: it is reserved'
    run -0 on here cat /proc/sys/net/ipv4/ip_local_reserved_ports
    assert_output 4000,39000-39002,40000-40001
}

# The name has spaces, backslash escapes, a quote, an escape sequence, a newline and invalid UTF-8.
@test "no control character of a process name reaches the terminal, in every shell and awk" {
    needs_a_namespace
    local shell awk
    python odd "import ctypes
server = socket.create_server(('127.0.0.1', 40000))
ctypes.CDLL(None).prctl(15, b'a  b\\\\\"\\x1b[1m\\n\\xff')"
    PATH=$BATS_TEST_TMPDIR:$PATH
    for awk in mawk gawk busybox original-awk; do
        ln -sf "$(command -v $awk)" "$BATS_TEST_TMPDIR/awk"
        for shell in dash 'bash --posix' 'busybox sh'; do
            # shellcheck disable=SC2086 # several words
            run -1 on here $shell "$audit"
            assert_line --regexp '^  127\.0\.0\.1:40000 \(a  b\\"\?\[1m\??\??, pid [0-9]+\)$'
        done
    done
}

is_openmetrics() {
    on here python3 -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
sys.exit(not all(family.documentation for family in parse(sys.stdin.read())))'
}

@test "--openmetrics counts self-connections and servers at risk in Prometheus' format" {
    needs_a_namespace
    run -0 on here "$audit" --openmetrics
    server 40000
    server 40002
    run -1 on here "$audit" --openmetrics
    assert_line 'noselfconn_self_connected_sockets{state="ESTABLISHED"} 0'
    assert_line 'noselfconn_listeners_at_risk 2'
    stay_connected_to_itself 127.0.0.1
    run -1 on here "$audit" --openmetrics
    assert_line 'noselfconn_self_connected_sockets{state="ESTABLISHED"} 1'
    assert_line 'noselfconn_self_connected_sockets{state="TIME-WAIT"} 0'
    refute_output --regexp '"CLOSED"|"LISTEN"'
    is_openmetrics <<<"$output"
    run ! is_openmetrics <<<"${output/ 1/ one}"
}

# The command of the crontab line with that option in libnoselfconn(7).
crontab_command() { # OPTION
    sed -e :a -e '/\\$/{' -e N -e 's/\\\n//' -e ba -e '}' "$root/scripts/man/libnoselfconn.7" |
        sed -n "s/^\* \* \* \* \* [a-z]* \(noselfconn-audit $1 .*\)/\1/p"
}

@test "the crontab lines of libnoselfconn(7) log self-connections and write metrics" {
    local metrics=$BATS_TEST_TMPDIR/noselfconn.prom write log
    printf '#!/bin/sh\nprintf "%%s: " "$*"; cat\n' >"$BATS_TEST_TMPDIR/logger"
    chmod +x "$BATS_TEST_TMPDIR/logger"
    run -0 grep -x 'PATH=/usr/local/bin:/usr/bin:/bin' "$root/scripts/man/libnoselfconn.7"
    PATH=$BATS_TEST_TMPDIR:/usr/bin:/bin
    log=$(crontab_command --sockets)
    write=$(crontab_command --openmetrics | sed "s|/var/lib/prometheus/node-exporter|$BATS_TEST_TMPDIR|g")
    # A failing audit is logged and keeps the old metrics.
    echo old >"$metrics"
    run ! on here sh -c "$write"
    assert_equal "$(<"$metrics")" old
    run -0 on here sh -c "$log"
    assert_output --partial 'noselfconn-audit: not found'
    ln -s "$audit" "$BATS_TEST_TMPDIR/noselfconn-audit"
    set_source_ports 50000
    on here "$root/build/tests/connect" 127.0.0.1 50000
    run -0 on here sh -c "$log"
    assert_output '-e -t self-connection: 127.0.0.1:50000 TIME-WAIT (process not visible)'
    run -0 on here sh -c "$write"
    grep -qxF 'noselfconn_self_connected_sockets{state="TIME-WAIT"} 1' "$metrics"
}

@test "the audit of a port lists the sockets that hold it, ten at most" {
    local expected='127\.0\.0\.1:50000 to 127\.0\.0\.1:631 ESTABLISHED \(python3, pid [0-9]+\)'
    set_source_ports 50000
    server 631
    python client "client = socket.create_connection(('127.0.0.1', 631))"
    run -1 on here python3 -c 'import socket; socket.create_server(("0.0.0.0", 50000))'
    assert_output --partial 'Address already in use'
    run -1 on here "$audit" 50000
    assert_line '  held by:'
    assert_line --regexp "^    $expected$"
    assert_line '  A server can bind it when these are gone: stop the process; TIME-WAIT lasts a minute.'
    run -1 on here "$audit" 50000 --sockets -- 50002
    assert_output --regexp "^$expected$"
    run -0 on here "$audit" --sockets 50002
    assert_output ''
    # For a server's port the server is listed, not its connections.
    run -0 on here "$audit" 631
    assert_line --regexp '^    127\.0\.0\.1:631 LISTEN \(socat, pid [0-9]+\)$'
    refute_output --partial ESTABLISHED
    refute_output --partial 'A server can bind'
    python many 'servers = [socket.create_server(("127.0.0.%d" % i, 632)) for i in range(1, 13)]
clients = [socket.create_connection(("127.0.0.%d" % i, 632)) for i in range(1, 13)]'
    run -1 on here "$audit" --sockets 50000
    assert_equal "${#lines[@]} ${lines[10]}" '11 and 3 more sockets'
}

@test "--free prints a random free port outside the clients' source ports" {
    local ports=
    set_source_ports 1100 65535
    reserve 40000-40001
    python taken 'servers = [socket.create_server(("127.0.0.1", port)) for port in range(1024, 1100)]
servers.append(socket.create_server(("::1", 40000), family=socket.AF_INET6))'
    run -0 on here "$audit" --free
    assert_output 40001
    reserve 40000
    run -125 on here "$audit" --free
    assert_line 'noselfconn-audit: every port outside the ephemeral range is in use'
    set_source_ports 32768 60999
    for _ in 1 2 3 4; do
        ports+=$(on here "$audit" --free)$'\n'
    done
    [ "$(sort -u <<<"$ports" | grep -c .)" -gt 1 ]
}

@test "--processes shows which processes have the library, are traced, or neither" {
    needs_a_namespace
    local serve='
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)'
    background loaded on here env LD_PRELOAD="$library" python3 -c "$serve" 40000
    background traced on here "$root/build/noselfconn" --trace python3 -c "$serve" 40001
    eventually listens 40000
    eventually listens 40001
    run -0 on here "$audit" --processes
    assert_line --regexp '^python3, pid [0-9]+: has the library$'
    assert_line --regexp '^python3, pid [0-9]+: is traced by noselfconn$'
    refute_output --partial 'not protected'
    server 40002
    run -1 on here "$audit" --processes
    assert_line --regexp '^socat, pid [0-9]+: is not protected$'
}

# bats test_tags=root
@test "--processes and --openmetrics show the rules of noselfconn-firewall" {
    needs_a_namespace
    server 40000
    run -1 on here "$audit" --openmetrics
    assert_line 'noselfconn_firewall_on{family="IPv4"} 0'
    on here "$firewall" on
    set_source_ports 50000
    on here connect 127.0.0.1 50000
    run -0 on here "$audit" --processes
    assert_line --regexp '^socat, pid [0-9]+: is not protected$'
    assert_line 'The rules of noselfconn-firewall are on: they protect every process.'
    run on here "$audit" --openmetrics
    assert_line 'noselfconn_firewall_on{family="IPv6"} 1'
    assert_line 'noselfconn_firewall_refused{family="IPv4"} 1'
    assert_line 'noselfconn_firewall_refused{family="IPv6"} 0'
    is_openmetrics <<<"$output"
    run on here setpriv --inh-caps=-all --bounding-set=-all "$audit" --processes
    assert_line 'Cannot tell whether the rules of noselfconn-firewall are on. Run as root: noselfconn-firewall status'
}

@test "a wrong command line is 125 and the usage" {
    local arguments message
    while IFS=: read -r arguments message; do
        # shellcheck disable=SC2086 # several words
        run -125 --separate-stderr "$audit" $arguments
        assert_equal "$output" ''
        assert_regex "$stderr" "^noselfconn-audit: $message.usage: noselfconn-audit"
    done <<'MISTAKES'
0:not a port: 0
65536:not a port: 65536
123456:not a port: 123456
http:not a port: http
-1:unknown option: -1
--free --sockets:--free and --sockets exclude each other
40000 --openmetrics:--openmetrics takes no port: 40000
MISTAKES
}

@test "the audit fails with 125 if it cannot write its output or read /proc" {
    needs_a_namespace
    local command
    for command in "$audit" "$audit --help" "$audit --version" "$audit 40000"; do
        run -125 --separate-stderr on here sh -c "$command >/dev/full"
        assert_regex "$stderr" 'noselfconn-audit: cannot write to standard output$'
    done
    run -125 on here unshare --mount sh -c "mount -t tmpfs none /proc/sys && exec $audit"
    assert_output --partial 'noselfconn-audit: cannot read /proc/sys/net/ipv4/ip_local_port_range'
    run -125 on here unshare --mount sh -c "mount -t tmpfs none /proc && exec $audit"
    assert_output --partial 'noselfconn-audit: cannot read /proc/net/tcp'
    printf '#!/bin/sh\ncase $* in */proc/net/tcp6*) exit 2 ;; esac\nexec mawk "$@"\n' >"$BATS_TEST_TMPDIR/awk"
    chmod +x "$BATS_TEST_TMPDIR/awk"
    PATH=$BATS_TEST_TMPDIR:$PATH run -125 on here "$audit"
    assert_output 'noselfconn-audit: cannot read all of /proc'
}
