#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/noselfconn-audit: what is connected to itself, what can be, and how to prevent it.

load helpers

audit=${BATS_TEST_DIRNAME%/*}/scripts/noselfconn-audit

# A process that is connected to itself until the test ends.
stay_connected_to_itself() { # ADDRESS
    set_source_ports 50000
    background "connected-$1" on here python3 -c '
import socket, sys, time
client = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
client.connect((sys.argv[1], 50000))
time.sleep(60)' "$1"
    eventually is_established "$1"
    set_source_ports 32768 60999
}

is_established() { # ADDRESS
    on here ss -Htn 'sport = :50000' | awk '$4 == $5 && $1 == "ESTAB"' | grep -F "$1"
}

@test "where nothing is at risk it says so, and exits with 0" {
    run -0 on here "$audit"
    assert_output 'ephemeral ports: 32768 to 60999; reserved: none
connect() prefers the even ones, bind() to port 0 the odd ones
connected to themselves now: 0
listening on an ephemeral port, at risk while the server is down: 0'
}

@test "a socket that is connected to itself is shown, with its process" {
    stay_connected_to_itself 127.0.0.1
    run -1 on here "$audit"
    assert_line 'connected to themselves now: 1'
    assert_line --regexp '^  127\.0\.0\.1:50000 ESTABLISHED \(python3, pid [0-9]+\)$'
}

@test "a socket that is connected to itself over IPv6 is shown, with its process" {
    local address
    for address in ::1 2001:db8::1:0:0:1; do
        new_host
        [ $address = ::1 ] || own_address $address
        stay_connected_to_itself $address
        run -1 on here "$audit"
        assert_line --regexp "^  \[$address\]:50000 ESTABLISHED \(python3, pid [0-9]+\)$"
    done
}

@test "an address is shown as others show it: every byte, the longest run of zeros, IPv4 in IPv6 as IPv4" {
    local address
    for address in 127.18.52.86 2001:db8:10:203:a0:0:b0c:d0e 2001:db8:0:1:: ::ffff:127.18.52.87; do
        case $address in ::ffff:*) ;; *:*) own_address $address ;; esac
        background "server-$address" on here python3 -c '
import socket, sys, time
server = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
server.bind((sys.argv[1], 40000))
server.listen()
time.sleep(60)' $address
    done
    eventually four_listen
    run -1 on here "$audit"
    assert_line --partial '  127.18.52.86:40000 ('
    assert_line --partial '  127.18.52.87:40000 ('
    assert_line --partial '  [2001:db8:10:203:a0:0:b0c:d0e]:40000 ('
    assert_line --partial '  [2001:db8:0:1::]:40000 ('
}

four_listen() {
    [ "$(on here ss -Hltn 'sport = :40000' | wc -l)" -eq 4 ]
}

@test "what a self-connection has left behind is shown, without a process" {
    set_source_ports 50000
    run unprotected connect 127.0.0.1 50000
    assert_connected_to_itself
    set_source_ports 32768 60999
    run -1 on here "$audit"
    assert_line '  127.0.0.1:50000 TIME-WAIT (process not visible)'
}

@test "a connection to another socket is not one to itself, though the ports are the same" {
    server 50000 127.0.0.2
    set_source_ports 50000
    background client on here connect --bind 127.0.0.1 --bind-port 50000 --say hello 127.0.0.2 50000
    eventually grep -q answer "$BATS_TEST_TMPDIR/client"
    run on here "$audit"
    assert_line 'connected to themselves now: 0'
}

@test "a server on an ephemeral port is at risk while it is down; on another or a reserved one it is not" {
    server 40000
    server 30000
    run -1 on here "$audit"
    assert_line 'listening on an ephemeral port, at risk while the server is down: 1'
    assert_line --regexp '^  127\.0\.0\.1:40000 \(socat, pid [0-9]+\)$'
    assert_line 'For a port, what the odds are and how to reserve it: noselfconn-audit 40000'
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<39999-40001 >/dev/null
    run -0 on here "$audit"
    assert_line 'ephemeral ports: 32768 to 60999; reserved: 39999-40001'
}

@test "for a port it tells the odds in the default range, and the time until the first hit" {
    run -1 on here "$audit" 40000
    assert_line 'port 40000: can self-connect: 1 attempt in 14,116'
    assert_line '  expected after 3.9 hours at 1 attempt a second, 23.5 minutes at 10, 2.4 minutes at 100'
    run -1 on here "$audit" 40001
    assert_line --index 0 'port 40001: can self-connect: 1 attempt in 14,116, of clients that bind() to port 0 before they connect;'
    assert_line --index 1 '  of others none, until all even ports of the range are in use'
    run -0 on here "$audit" 80 32767 61000
    assert_output 'port 80: cannot self-connect: it is not an ephemeral port, 32768 to 60999
port 32767: cannot self-connect: it is not an ephemeral port, 32768 to 60999
port 61000: cannot self-connect: it is not an ephemeral port, 32768 to 60999'
    run -1 on here "$audit" 80 40000
    run -0 on here "$audit" 1
}

@test "its figures are written for people, at each size" {
    local last port odds time
    while read -r last port odds time; do
        set_source_ports 40000 "$last"
        run -1 on here "$audit" "$port"
        assert_line --index 0 "port $port: can self-connect: 1 attempt in $odds"
        assert_line --index 1 --partial "  expected after $time at 1 attempt a second,"
    done <<'SIZES'
40000 40000 1 1.0 seconds
40237 40000 119 119.0 seconds
40239 40000 120 2.0 minutes
41999 40000 1,000 16.7 minutes
54399 40000 7,200 2.0 hours
SIZES
    set_source_ports 40000 40098
    run -1 on here "$audit" 40098
    assert_line --index 0 'port 40098: can self-connect, but only while the ports below it are in use'
    refute_output --partial expected
}

# In a range, with some ports of it reserved, what the audit says of a port lies within a tenth of what
# 100,000 attempts measure.
odds_hold() { # RANGE RESERVED PORT [OPTION-OF-ATTEMPTS]
    local said hits
    # shellcheck disable=SC2086 # two ports
    set_source_ports $1
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<"$2" >/dev/null
    run -1 on here "$audit" --json "$3"
    [[ $output =~ \"attempts\":([0-9.]+) ]] && said=${BASH_REMATCH[1]}
    run -0 unprotected attempts "${@:4}" "$3" 100000
    [[ $output =~ self-connected\ ([0-9]+) ]] && hits=${BASH_REMATCH[1]}
    echo "range $1, reserved $2, port $3 ${*:4}: said 1 in $said, measured $hits of 100,000"
    awk -v said="$said" -v hits="$hits" 'BEGIN { exit !(said * hits > 90000 && said * hits < 110000) }'
}

# Twelve shapes, and what bind() does in three.
# bats test_tags=long
@test "its odds are those that are measured" {
    odds_hold '40000 40099' '' 40050
    odds_hold '40000 40099' 40048 40050
    odds_hold '40000 40099' 40040-40048 40050
    odds_hold '40000 40099' 40010-40049 40050
    odds_hold '40000 40099' 40030-40049,40060-40070 40050
    odds_hold '40000 40099' 40000-40010 40050
    odds_hold '40000 40099' 40080-40099 40000
    odds_hold '40000 40099' "$(seq -s, 40000 2 40098)" 40051
    odds_hold '40000 40009' 40000,40002,40004,40006,40008 40005
    odds_hold '40000 40098' 40090-40096 40098
    odds_hold '40001 40100' 40020-40049 40051
    odds_hold '40000 40019' 40004-40008 40010
    odds_hold '40000 40099' '' 40051 --bind
    odds_hold '40000 40099' 40047,40049 40051 --bind
    odds_hold '40000 40099' 40080-40099 40001 --bind
}

# The model, of which the test above shows that it is right; the last column tells who has these odds:
# connect(), or only bind().
@test "for each shape of range and reservation it tells the same odds" {
    local range reserved port odds clients
    while read -r range reserved port odds clients; do
        set_source_ports "${range%-*}" "${range#*-}"
        [ "$reserved" != - ] || reserved=
        [ "$reserved" != even ] || reserved=$(seq -s, 40000 2 40098)
        on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<"$reserved" >/dev/null
        run -1 on here "$audit" --json "$port"
        assert_output --partial "\"attempts\":$odds,\"clients\":\"$clients\""
    done <<'SHAPES'
32768-60999 - 40000 14116.0 connect
32768-60999 32768-32867 32868 3127.1 connect
32768-60999 60000-60999 32768 3027.1 connect
40000-40099 - 40051 50.0 bind
40000-40099 40048 40050 26.6 connect
40000-40099 40040-40048 40050 11.7 connect
40000-40099 40010-40049 40050 7.9 connect
40000-40099 40030-40049,40060-40070 40050 9.6 connect
40000-40099 40000-40010 40050 47.4 connect
40000-40099 40080-40099 40000 10.2 connect
40000-40099 even 40051 50.0 connect
40000-40009 40000,40002,40004,40006,40008,40005 40007 2.5 connect
40000-40098 40090-40096 40098 14.8 connect
40000-40098 40090-40098 40002 12.7 connect
40000-40098 - 40098 null connect
40001-40100 40020-40049 40051 9.1 connect
40000-40019 40004-40008 40010 2.8 connect
40000-40099 40047,40049 40051 16.7 bind
40000-40099 40080-40099 40001 4.5 bind
40000-40000 - 40000 1.0 connect
40000-40001 - 40001 1.0 bind
SHAPES
}

# bats test_tags=long
@test "a port of the other parity is not chosen while one of the preferred is free, as it says" {
    set_source_ports 40000 40099
    run -1 on here "$audit" 40051
    assert_output --partial 'of others none, until all even ports of the range are in use'
    run -0 unprotected attempts 40051 100000
    assert_output --partial 'self-connected 0'
}

# What the manual page says of them: the audit cannot see them.
# bats test_tags=long
@test "sockets with IP_LOCAL_PORT_RANGE use both parities" {
    local port hits
    for port in 40010 40011; do
        run -0 unprotected attempts --local-range 40000-40049 $port 100000
        [[ $output =~ self-connected\ ([0-9]+) ]] && hits=${BASH_REMATCH[1]}
        [ "$hits" -gt 1800 ] && [ "$hits" -lt 2200 ]
    done
}

@test "the command that it prints reserves the port, beside those that are reserved already" {
    local command
    set_source_ports 40000 40001
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<39000,39002 >/dev/null
    run unprotected attempts 40000 1000
    refute_output --partial 'self-connected 0'
    run -1 on here "$audit" 40000
    assert_line --partial 'To reserve it,'
    command=$(sed -n 's/^  sudo \(sysctl .*\)/\1/p' <<<"$output")
    assert_line "  echo 'net.ipv4.ip_local_reserved_ports = 39000,39002,40000' | sudo tee /etc/sysctl.d/50-reserved-ports.conf"
    # shellcheck disable=SC2086 # several words
    run -0 on here $command
    run -0 on here "$audit" 40000 39002
    assert_line 'port 40000: cannot self-connect: it is reserved'
    run on here cat /proc/sys/net/ipv4/ip_local_reserved_ports
    assert_output 39000,39002,40000
    run unprotected attempts 40000 1000
    assert_output --partial 'self-connected 0'
}

@test "for several ports it prints one command that reserves them all, beside those that are reserved already" {
    local command
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<39000-39002,40002 >/dev/null
    run -1 on here "$audit" 40000 40001
    assert_line --partial 'To reserve them,'
    run -1 on here "$audit" 40000 80 40002 40001 40000
    assert_equal "$(grep -c 'sudo sysctl' <<<"$output")" 1
    assert_line --partial 'To reserve them,'
    command=$(sed -n 's/^  sudo \(sysctl .*\)/\1/p' <<<"$output")
    # shellcheck disable=SC2086 # several words
    run -0 on here $command
    run on here cat /proc/sys/net/ipv4/ip_local_reserved_ports
    assert_output 39000-39002,40000-40002
    run -0 on here "$audit" 40000 40001
    refute_output --partial sysctl
}

@test "options come before or after ports, but not after --" {
    local expected
    run -1 on here "$audit" --json 40000
    expected=$output
    run -1 on here "$audit" 40000 --json
    assert_output "$expected"
    run -1 on here "$audit" --json -- 40000
    assert_output "$expected"
    run -125 on here "$audit" 40000 -- --json
    assert_output --partial 'not a port: --json'
}

# A server whose name has what JSON and terminals take for their own: a letter with a backslash, a
# quote, an escape sequence, a line's end, and bytes that are no text.
server_with_odd_name() {
    cat >"$BATS_TEST_TMPDIR/odd.py" <<'EOF'
import ctypes, socket, time
server = socket.create_server(("127.0.0.1", 40000))
ctypes.CDLL(None).prctl(15, b'a\\"\x1b[1m\x7f\nb \xff\\')
time.sleep(60)
EOF
    background odd on here python3 "$BATS_TEST_TMPDIR/odd.py"
    eventually has_odd_name
}

has_odd_name() {
    LC_ALL=C grep -qs "^a.*1m" "/proc/$(listening_process 40000)/comm"
}

# Debian's four, by the name of awk, in the environment's locale and in one with a decimal comma.
@test "JSON is valid, and no control character reaches the terminal, whatever a process is called, with every awk" {
    local awk locale expected folder=$BATS_TEST_TMPDIR/bin
    mkdir "$folder"
    localedef -i de_DE -f UTF-8 "$BATS_TEST_TMPDIR/de_DE.UTF-8"
    export LOCPATH=$BATS_TEST_TMPDIR
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<39998 >/dev/null
    server_with_odd_name
    for awk in mawk gawk busybox original-awk; do
        ln -sf "$(command -v $awk)" "$folder/awk"
        for locale in C.UTF-8 de_DE.UTF-8; do
            LC_ALL=$locale PATH=$folder:$PATH run -1 on here "$audit" --json 40000
            assert_output --partial '"attempts":7528.'
            expected=${expected:-$output}
            assert_output "$expected"
            LC_ALL=$locale PATH=$folder:$PATH run -1 on here "$audit" --json
            python3 - "$output" <<'EOF'
import json, sys
(listening,) = json.loads(sys.argv[1])["listening"]
assert listening["command"] == 'a\\"?[1m?', listening
EOF
            LC_ALL=$locale PATH=$folder:$PATH run -1 on here "$audit"
            assert_line --regexp '^  127\.0\.0\.1:40000 \(a\\"\?\[1m\?, pid [0-9]+\)$'
        done
    done
}

@test "a process is shown by its whole name, spaces and all" {
    cp "$(readlink -f "$(command -v python3)")" "$BATS_TEST_TMPDIR/my  own server"
    background spaces on here "$BATS_TEST_TMPDIR/my  own server" -c '
import socket, time
server = socket.create_server(("127.0.0.1", 40000))
time.sleep(60)'
    eventually listens 40000
    run -1 on here "$audit"
    assert_line --regexp '^  127\.0\.0\.1:40000 \(my  own server, pid [0-9]+\)$'
}

@test "the ends of the range and of what is reserved belong to them" {
    set_source_ports 40000 40009
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<40003-40005 >/dev/null
    run -1 on here "$audit" --json 39999 40000 40002 40003 40004 40005 40006 40009 40010
    python3 - "$output" <<'EOF'
import json, sys
ports = json.loads(sys.argv[1])["ports"]
assert [p["port"] for p in ports if p["can_self_connect"]] == [40000, 40002, 40006, 40009]
assert [p["port"] for p in ports if not p["can_self_connect"] and p["reserved"]] == [40003, 40004, 40005]
EOF
}

@test "only what listens counts as listening" {
    set_source_ports 50000 50009
    server 50008
    lose_syns_to 50001
    background pending on here connect --nonblock --wait 127.0.0.1 50001
    background client on here socat TCP4:127.0.0.1:50008 EXEC:'sleep 60'
    eventually is_served
    run -1 on here "$audit"
    assert_line 'listening on an ephemeral port, at risk while the server is down: 1'
}

is_served() {
    [ -n "$(on here ss -Htn state established 'sport = :50008')" ] &&
        [ -n "$(on here ss -Htn state syn-sent)" ]
}

@test "--json says the same" {
    stay_connected_to_itself 127.0.0.1
    server 40000
    run -1 on here "$audit" --json
    python3 - "$output" <<'EOF'
import json, sys
report = json.loads(sys.argv[1])
assert report["range"] == [32768, 60999] and report["connect_prefers"] == "even"
(connected,) = report["self_connected"]
assert connected["endpoint"] == "127.0.0.1:50000" and connected["state"] == "ESTABLISHED"
assert connected["command"] == "python3" and connected["pid"] > 0
(listening,) = report["listening"]
assert listening["port"] == 40000 and listening["command"] == "socat"
assert report["ports"] == [] and "reserve" not in report
EOF
    stay_connected_to_itself ::1
    server 40002
    run -1 on here "$audit" --json 40000
    python3 - "$output" <<'EOF'
import json, sys
report = json.loads(sys.argv[1])
assert sorted(one["endpoint"] for one in report["self_connected"]) == ["127.0.0.1:50000", "[::1]:50000"]
assert sorted(one["port"] for one in report["listening"]) == [40000, 40002]
assert report["reserve"] == "net.ipv4.ip_local_reserved_ports=40000"
EOF
    run -0 on here "$audit" --json 80
    python3 - "$output" <<'EOF'
import json, sys
assert "reserve" not in json.loads(sys.argv[1])
EOF
    run -1 on here "$audit" --json 40000 80
    python3 - "$output" <<'EOF'
import json, sys
report = json.loads(sys.argv[1])
first, second = report["ports"]
assert first["can_self_connect"] and first["attempts"] == 14116
assert report["reserve"] == "net.ipv4.ip_local_reserved_ports=40000"
assert not second["can_self_connect"] and not second["reserved"]
EOF
}

@test "--sockets prints what is connected to itself, a line each, and counts no server at risk" {
    server 40000
    run -0 on here "$audit" --sockets
    assert_output ''
    stay_connected_to_itself 127.0.0.1
    run -1 on here "$audit" --sockets
    assert_output --regexp '^127\.0\.0\.1:50000 ESTABLISHED \(python3, pid [0-9]+\)$'
}

is_openmetrics() {
    on here python3 -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
sys.exit(not all(family.documentation for family in parse(sys.stdin.read())))'
}

@test "--openmetrics counts both, and keeps Prometheus' rules" {
    run -0 on here "$audit" --openmetrics
    assert_line 'noselfconn_self_connected_sockets{state="ESTABLISHED"} 0'
    assert_line 'noselfconn_listeners_at_risk 0'
    server 40000
    server 40002
    stay_connected_to_itself 127.0.0.1
    run -1 on here "$audit" --openmetrics
    assert_line 'noselfconn_self_connected_sockets{state="ESTABLISHED"} 1'
    assert_line 'noselfconn_self_connected_sockets{state="TIME-WAIT"} 0'
    assert_line 'noselfconn_listeners_at_risk 2'
    assert_equal "${lines[-1]}" '# EOF'
    refute_output --partial '"CLOSED"'
    refute_output --partial '"LISTEN"'
    is_openmetrics <<<"$output"
    run ! is_openmetrics <<<"${output/ 1/ one}"
}

# A minute is how long TIME-WAIT lasts: what was closed since the last look is still there.
@test "once a minute from cron, as libnoselfconn(7) has it" {
    local log metrics=$BATS_TEST_TMPDIR/metrics
    mkdir "$BATS_TEST_TMPDIR/bin" "$metrics"
    ln -s "$audit" "$BATS_TEST_TMPDIR/bin/noselfconn-audit"
    printf '#!/bin/sh\nprintf "%%s: " "$*"; cat\n' >"$BATS_TEST_TMPDIR/bin/logger"
    chmod +x "$BATS_TEST_TMPDIR/bin/logger"
    set_source_ports 50000
    on here connect 127.0.0.1 50000
    log=$(crontab_command --sockets)
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 on here sh -c "$log"
    assert_output '-e -t self-connection: 127.0.0.1:50000 TIME-WAIT (process not visible)'
    run -0 on here sh -c "$(crontab_command --openmetrics | sed "s|/var/lib/prometheus/node-exporter|$metrics|g
        s|noselfconn-audit |$audit |")"
    run -0 cat "$metrics/noselfconn.prom"
    assert_line 'noselfconn_self_connected_sockets{state="TIME-WAIT"} 1'
}

# The command of the manual's crontab line with that option.
crontab_command() { # OPTION
    sed -n "s/^\* \* \* \* \* [a-z]* \(noselfconn-audit $1 .*\)/\1/p" "$root/scripts/man/libnoselfconn.7"
}

@test "that line writes into the host's log only where there is something to say" {
    local log=$BATS_TEST_TMPDIR/log
    : >"$log"
    background host-log on here socat -u "UNIX-RECV:$log.socket" "OPEN:$log,append"
    eventually test -S "$log.socket"
    logger -e -t self-connection --socket "$log.socket" </dev/null
    echo found | logger -e -t self-connection --socket "$log.socket"
    eventually grep -q found "$log"
    run -0 grep -c self-connection "$log"
    assert_output 1
}

@test "cron finds it where make install puts it, and no empty file takes the place of the metrics" {
    local metrics=$BATS_TEST_TMPDIR/metrics command
    run -0 grep -x 'PATH=/usr/local/bin:/usr/bin:/bin' "$root/scripts/man/libnoselfconn.7"
    mkdir "$metrics"
    echo before >"$metrics/noselfconn.prom"
    command=$(crontab_command --openmetrics | sed "s|/var/lib/prometheus/node-exporter|$metrics|g")
    PATH=/usr/bin:/bin run ! sh -c "$command"
    run -0 cat "$metrics/noselfconn.prom"
    assert_output before
    PATH=/usr/bin:/bin run -0 sh -c "$(crontab_command --sockets | sed 's/logger.*/cat/')"
    assert_output --partial 'noselfconn-audit: not found'
}

@test "for a port it says who holds it, also when it is a connection to elsewhere" {
    set_source_ports 50000
    server 631
    background client on here python3 -c '
import socket, time
client = socket.create_connection(("127.0.0.1", 631))
time.sleep(60)'
    eventually is_connected_to 631
    run unprotected python3 -c 'import socket; socket.create_server(("0.0.0.0", 50000))'
    assert_output --partial 'Address already in use'
    run -1 on here "$audit" 50000
    assert_line '  held by:'
    assert_line --regexp '^    127\.0\.0\.1:50000 to 127\.0\.0\.1:631 ESTABLISHED \(python3, pid [0-9]+\)$'
    assert_line '  A server can bind it when these are gone: stop the process; TIME-WAIT lasts a minute.'
    run -1 on here "$audit" --sockets 50000 50002
    assert_output --regexp '^127\.0\.0\.1:50000 to 127\.0\.0\.1:631 ESTABLISHED \(python3, pid [0-9]+\)$'
    run -1 on here "$audit" --json 50000
    python3 - "$output" <<'EOF'
import json, sys
(holder,) = json.loads(sys.argv[1])["ports"][0]["held_by"]
assert holder["local"] == "127.0.0.1:50000" and holder["peer"] == "127.0.0.1:631"
assert holder["state"] == "ESTABLISHED" and holder["command"] == "python3"
EOF
    run -0 on here "$audit" --sockets 50002
    assert_output ''
}

is_connected_to() { # PORT
    [ -n "$(on here ss -Htn state established "dport = :$1")" ]
}

@test "for a server's port it names the server, not its connections" {
    server 40000
    background client on here socat TCP4:127.0.0.1:40000 EXEC:'sleep 60'
    eventually is_connected_to 40000
    run -1 on here "$audit" 40000
    assert_line --regexp '^    127\.0\.0\.1:40000 LISTEN \(socat, pid [0-9]+\)$'
    refute_output --partial ESTABLISHED
    refute_output --partial 'A server can bind'
}

@test "of many sockets that hold a port it shows ten" {
    set_source_ports 50000
    background many on here python3 -c '
import socket, time
servers = [socket.create_server(("127.0.0.%d" % i, 631)) for i in range(1, 14)]
clients = [socket.create_connection(("127.0.0.%d" % i, 631)) for i in range(1, 14)]
print("ready", flush=True)
time.sleep(60)'
    eventually grep -q ready "$BATS_TEST_TMPDIR/many"
    run -1 on here "$audit" --sockets 50000
    assert_equal ${#lines[@]} 11
    assert_line 'and 3 more sockets'
}

@test "--free prints a port that is free, and that no client gets as its source port" {
    : >"$BATS_TEST_TMPDIR/ports"
    set_source_ports 1100 65535
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<40000-40001 >/dev/null
    background taken on here python3 -c '
import socket, time
servers = [socket.create_server(("127.0.0.1", port)) for port in range(1024, 1100)]
servers.append(socket.create_server(("::1", 40000), family=socket.AF_INET6))
print("ready", flush=True)
time.sleep(60)'
    eventually grep -q ready "$BATS_TEST_TMPDIR/taken"
    run -0 on here "$audit" --free
    assert_output 40001
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<40000 >/dev/null
    run -125 on here "$audit" --free
    assert_line 'noselfconn-audit: every port outside the ephemeral range is in use'
    set_source_ports 32768 60999
    while [ "$(grep -c . "$BATS_TEST_TMPDIR/ports")" -lt 4 ]; do
        on here "$audit" --free >>"$BATS_TEST_TMPDIR/ports"
    done
    [ "$(sort -u "$BATS_TEST_TMPDIR/ports" | wc -l)" -gt 1 ]
}

@test "--processes says which processes with a TCP socket have the library, are traced, or neither" {
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
@test "--processes and --openmetrics know the rules of noselfconn-firewall" {
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
    # Without the right to ask iptables nothing is said of them.
    run on here setpriv --inh-caps=-all --bounding-set=-all "$audit" --processes
    assert_line 'Whether the rules of noselfconn-firewall are on, root can see.'
}

@test "where sysctl(8) is missing it prints a command that does without" {
    local folder=$BATS_TEST_TMPDIR/bin program
    mkdir "$folder"
    for program in awk cat cut dirname grep ls od readlink sed sh sort tr; do
        ln -s "$(command -v $program)" "$folder/$program"
    done
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<39000 >/dev/null
    # The script looks in /usr/sbin by itself.
    run -1 on here unshare --mount sh -c "mount -t tmpfs none /usr/sbin && PATH=$folder exec $audit 40000"
    assert_line '  echo 39000,40000 | sudo tee /proc/sys/net/ipv4/ip_local_reserved_ports'
    on here sh -c "$(sed -n 's/ | sudo tee \(.proc.*\)/ >\1/p' <<<"$output")"
    run -0 on here "$audit" 40000
}

@test "two forms at once, and ports with one that has none, are 125 and the usage" {
    run -125 "$audit" --json --sockets
    assert_output --partial 'not together: --json and --sockets'
    run -125 "$audit" --free 40000
    assert_output --partial 'no ports with --free: 40000'
    run -125 "$audit" 40000 --openmetrics
    assert_output --partial 'no ports with --openmetrics: 40000'
    run -1 on here "$audit" --json 40000 --json
    assert_output --partial '"port":40000'
}

@test "--help and --version" {
    local help
    for help in --help -h; do
        run -0 "$audit" $help
        assert_line --index 0 'usage: noselfconn-audit [--json | --sockets] [--] [PORT]...'
    done
    run -0 "$audit" --version
    assert_output --regexp '^noselfconn-audit [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "what it cannot write is a failure, not an audit that found nothing" {
    local arguments
    for arguments in '' --help --version --json --openmetrics 40000; do
        # shellcheck disable=SC2016,SC2086 # for the inner shell; words
        run -125 --separate-stderr on here sh -c 'exec "$0" "$@" >/dev/full' "$audit" $arguments
        assert_regex "$stderr" 'noselfconn-audit: cannot write to standard output$'
    done
}

@test "without an awk that works it fails with 125" {
    local folder=$BATS_TEST_TMPDIR/bin
    mkdir "$folder"
    printf '#!/bin/sh\nexit 2\n' >"$folder/awk"
    chmod +x "$folder/awk"
    PATH=$folder:$PATH run -125 "$audit"
    assert_output --partial 'noselfconn-audit: cannot audit: awk ended with status 2'
}

@test "what is no port, and an unknown option, are 125 and the usage" {
    local argument
    for argument in 0 65536 123456 http -1 --nonsense ''; do
        run -125 --separate-stderr "$audit" "$argument"
        assert_equal "$output" ''
        assert_regex "$stderr" '^noselfconn-audit: .*usage: noselfconn-audit'
    done
}

@test "where /proc does not tell, it fails with 125" {
    run -125 on here unshare --mount sh -c "mount -t tmpfs none /proc/sys && exec $audit"
    assert_output --partial 'noselfconn-audit: cannot read /proc/sys/net/ipv4/ip_local_port_range'
}

@test "an ordinary user is told as much, of the processes the own ones" {
    stay_connected_to_itself 127.0.0.1
    run -1 on here setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$audit"
    assert_line --partial '127.0.0.1:50000 ESTABLISHED'
}

@test "it runs in every POSIX shell and awk at hand" {
    local shell awk expected folder=$BATS_TEST_TMPDIR/bin
    server 40000
    run -1 on here "$audit"
    expected=$output
    mkdir "$folder"
    for awk in mawk gawk busybox original-awk; do
        ln -sf "$(command -v $awk)" "$folder/awk"
        for shell in dash 'bash --posix' 'busybox sh'; do
            # shellcheck disable=SC2086 # several words
            PATH=$folder:$PATH run -1 on here $shell "$audit"
            assert_output "$expected"
        done
    done
}
