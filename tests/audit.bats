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

is_connected_to() { # PORT
    [ -n "$(on here ss -Htn state established "dport = :$1")" ]
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
    for address in 127.0.0.1 ::1 2001:db8::1:0:0:1; do
        new_host
        case $address in *:*) shown="\[$address\]" ;; *) shown=${address//./\\.} ;; esac
        [ $address != 2001:db8::1:0:0:1 ] || own_address $address
        stay_connected_to_itself $address
        run -1 on here "$audit"
        assert_line 'connected to themselves now: 1'
        assert_line --regexp "^  $shown:50000 ESTABLISHED \(python3, pid [0-9]+\)$"
        run -1 on here "$audit" --sockets
        assert_output --regexp "^$shown:50000 ESTABLISHED \(python3, pid [0-9]+\)$"
    done
    # Without capabilities it cannot see other users' processes.
    run -1 on here setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$audit"
    assert_line --partial ':50000 ESTABLISHED'
}

@test "IPv6 addresses are printed by RFC 5952" {
    local address family
    for address in 127.18.52.86 2001:db8:10:203:a0:0:b0c:d0e 2001:db8:0:1:: ::ffff:127.18.52.87; do
        case $address in ::ffff:*) ;; *:*) own_address $address ;; esac
        case $address in *:*) family=socket.AF_INET6 ;; *) family=socket.AF_INET ;; esac
        python "server-$address" "server = socket.socket($family); server.bind(('$address', 40000)); server.listen()"
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
    background client on here socat TCP4:127.0.0.1:40000 EXEC:'sleep 60'
    eventually is_connected_to 40000
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
32768-60999 none 80 cannot self-connect: it is not an ephemeral port, 32768 to 60999
32768-60999 none 32767 cannot self-connect: it is not an ephemeral port, 32768 to 60999
32768-60999 none 61000 cannot self-connect: it is not an ephemeral port, 32768 to 60999
40000-40009 40003-40005 40000 can self-connect: about 1 attempt in 4.9
40000-40009 40003-40005 40002 can self-connect: about 1 attempt in 4.9
40000-40009 40003-40005 40003 cannot self-connect: it is reserved
40000-40009 40003-40005 40005 cannot self-connect: it is reserved
40000-40009 40003-40005 40009 can self-connect: about 1 attempt in 5 of clients that bind() to port 0
40000-40009 40000,40002,40004,40006,40008 40005 can self-connect: about 1 attempt in 5
40001-40010 none 40003 can self-connect: about 1 attempt in 5
40000-40098 none 40096 can self-connect: about 1 attempt in 49
40000-40098 none 40097 can self-connect: about 1 attempt in 49 of clients that bind() to port 0
40000-40098 none 40098 can self-connect, but only while the ports below it are in use
40000-40000 none 40000 can self-connect: about 1 attempt in 1
3000-45000 40000 4000 can self-connect: about 1 attempt in 21000
SHAPES
    run -1 on here "$audit" 80 4000
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
        echo "range $range, reserved $reserved, port $port $option: the audit says 1 in $said, measured $hits of 100,000"
        awk -v said="$said" -v hits="$hits" 'BEGIN { exit !(said * hits > 90000 && said * hits < 110000) }'
    done <<'END'
40000-40099 none 40050
40000-40099 40048 40050
40000-40099 40040-40048 40050
40000-40099 40030-40049,40060-40070 40050
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
    run on here cat /proc/sys/net/ipv4/ip_local_reserved_ports
    assert_output 4000,39000-39002,40000-40001
    run -0 on here "$audit" 4000 40001
    refute_output --partial sudo
}

# The name has spaces, backslash escapes, a quote, an escape sequence, a newline and invalid UTF-8.
@test "no control character of a process name reaches the terminal" {
    needs_a_namespace
    local shell awk folder=$BATS_TEST_TMPDIR/bin
    mkdir "$folder"
    python odd "import ctypes
server = socket.create_server(('127.0.0.1', 40000))
ctypes.CDLL(None).prctl(15, b'a  b\\\\\"\\x1b[1m\\n\\xff')"
    for awk in mawk gawk busybox original-awk; do
        ln -sf "$(command -v $awk)" "$folder/awk"
        for shell in dash 'bash --posix' 'busybox sh'; do
            # shellcheck disable=SC2086 # several words
            LC_ALL=C.UTF-8 PATH=$folder:$PATH run -1 on here $shell "$audit"
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
    assert_line 'noselfconn_listeners_at_risk 0'
    server 40000
    server 40002
    run -1 on here "$audit" --openmetrics
    assert_line 'noselfconn_self_connected_sockets{state="ESTABLISHED"} 0'
    assert_line 'noselfconn_listeners_at_risk 2'
    stay_connected_to_itself 127.0.0.1
    run -1 on here "$audit" --openmetrics
    assert_line 'noselfconn_self_connected_sockets{state="ESTABLISHED"} 1'
    assert_line 'noselfconn_self_connected_sockets{state="TIME-WAIT"} 0'
    assert_equal "${lines[-1]}" '# EOF'
    refute_output --partial '"CLOSED"'
    refute_output --partial '"LISTEN"'
    is_openmetrics <<<"$output"
    run ! is_openmetrics <<<"${output/ 1/ one}"
}

# The command of the crontab line with that option in libnoselfconn(7).
crontab_command() { # OPTION
    sed -e :a -e '/\\$/{' -e N -e 's/\\\n//' -e ba -e '}' "$root/scripts/man/libnoselfconn.7" |
        sed -n "s/^\* \* \* \* \* [a-z]* \(noselfconn-audit $1 .*\)/\1/p"
}

@test "the crontab lines of libnoselfconn(7) log self-connections and write metrics" {
    local metrics=$BATS_TEST_TMPDIR/metrics write
    mkdir "$metrics"
    printf '#!/bin/sh\nprintf "%%s: " "$*"; cat\n' >"$BATS_TEST_TMPDIR/logger"
    chmod +x "$BATS_TEST_TMPDIR/logger"
    run -0 grep -x 'PATH=/usr/local/bin:/usr/bin:/bin' "$root/scripts/man/libnoselfconn.7"
    PATH=$BATS_TEST_TMPDIR:/usr/bin:/bin
    write=$(crontab_command --openmetrics | sed "s|/var/lib/prometheus/node-exporter|$metrics|g")
    echo old >"$metrics/noselfconn.prom"
    # A failing audit is logged and keeps the old metrics.
    run ! on here sh -c "$write"
    run -0 cat "$metrics/noselfconn.prom"
    assert_output old
    run -0 on here sh -c "$(crontab_command --sockets)"
    assert_output --partial 'noselfconn-audit: not found'
    ln -s "$audit" "$BATS_TEST_TMPDIR/noselfconn-audit"
    set_source_ports 50000
    on here "$root/build/tests/connect" 127.0.0.1 50000
    run -0 on here sh -c "$(crontab_command --sockets)"
    assert_output '-e -t self-connection: 127.0.0.1:50000 TIME-WAIT (process not visible)'
    run -0 on here sh -c "$write"
    run -0 cat "$metrics/noselfconn.prom"
    assert_line 'noselfconn_self_connected_sockets{state="TIME-WAIT"} 1'
}

@test "the audit of a port lists the sockets that hold it" {
    local expected
    set_source_ports 50000
    server 631
    python client "client = socket.create_connection(('127.0.0.1', 631))"
    run unprotected python3 -c 'import socket; socket.create_server(("0.0.0.0", 50000))'
    assert_output --partial 'Address already in use'
    run -1 on here "$audit" 50000
    assert_line '  held by:'
    assert_line --regexp '^    127\.0\.0\.1:50000 to 127\.0\.0\.1:631 ESTABLISHED \(python3, pid [0-9]+\)$'
    assert_line '  A server can bind it when these are gone: stop the process; TIME-WAIT lasts a minute.'
    run -1 on here "$audit" --sockets 50000 50002
    assert_output --regexp '^127\.0\.0\.1:50000 to 127\.0\.0\.1:631 ESTABLISHED \(python3, pid [0-9]+\)$'
    expected=$output
    run -1 on here "$audit" 50000 --sockets -- 50002
    assert_output "$expected"
    run -0 on here "$audit" --sockets 50002
    assert_output ''
    # For a server's port the server is listed, not its connections.
    run -0 on here "$audit" 631
    assert_line --regexp '^    127\.0\.0\.1:631 LISTEN \(socat, pid [0-9]+\)$'
    refute_output --partial ESTABLISHED
    refute_output --partial 'A server can bind'
}

@test "the audit prints ten sockets that hold a port and counts the others" {
    set_source_ports 50000
    python many 'servers = [socket.create_server(("127.0.0.%d" % i, 631)) for i in range(1, 14)]
clients = [socket.create_connection(("127.0.0.%d" % i, 631)) for i in range(1, 14)]'
    run -1 on here "$audit" --sockets 50000
    assert_equal ${#lines[@]} 11
    assert_line 'and 3 more sockets'
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
    background bare on here python3 -c "$serve" 40000
    eventually listens 40000
    run -1 on here "$audit" --processes
    assert_line --index 0 --regexp '^python3, pid [0-9]+: is not protected$'
    kill "$(listening_process 40000)"
    background loaded on here env LD_PRELOAD="$library" python3 -c "$serve" 40002
    background traced on here "$root/build/noselfconn" --trace python3 -c "$serve" 40004
    eventually listens 40002
    eventually listens 40004
    run -0 on here "$audit" --processes
    assert_line --regexp '^python3, pid [0-9]+: has the library$'
    assert_line --regexp '^python3, pid [0-9]+: is traced by noselfconn$'
    refute_output --partial 'not protected'
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
--nonsense:unknown option: --nonsense
--free --sockets:--free and --sockets exclude each other
--free 40000:--free takes no port: 40000
40000 --openmetrics:--openmetrics takes no port: 40000
MISTAKES
    run -125 "$audit" ''
}

@test "the audit fails with 125 if it cannot write its output" {
    local arguments
    for arguments in '' --help --version --openmetrics 40000; do
        # shellcheck disable=SC2016,SC2086 # for the inner shell; words
        run -125 --separate-stderr on here sh -c 'exec "$0" "$@" >/dev/full' "$audit" $arguments
        assert_regex "$stderr" 'noselfconn-audit: cannot write to standard output$'
    done
}

@test "the audit fails with 125 if it cannot read /proc, and if awk fails" {
    needs_a_namespace
    local fails message folder=$BATS_TEST_TMPDIR/bin
    run -125 on here unshare --mount sh -c "mount -t tmpfs none /proc/sys && exec $audit"
    assert_output --partial 'noselfconn-audit: cannot read /proc/sys/net/ipv4/ip_local_port_range'
    run -125 on here unshare --mount sh -c "mount -t tmpfs none /proc && exec $audit"
    assert_output --partial 'noselfconn-audit: cannot read /proc/net/tcp'
    mkdir "$folder"
    while read -r fails message; do
        printf '#!/bin/sh\ncase $* in *%s*) exit 2 ;; esac\nexec mawk "$@"\n' "$fails" >"$folder/awk"
        chmod +x "$folder/awk"
        PATH=$folder:$PATH run -125 on here "$audit"
        assert_output --partial "noselfconn-audit: $message"
    done <<'END'
/proc/net/tcp6 cannot read all of /proc
form= awk failed with status 2
END
}
