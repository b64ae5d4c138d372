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
    eventually is_established
    set_source_ports 32768 60999
}

is_established() {
    [ -n "$(on here ss -Htn 'sport = :50000' | awk '$4 == $5 && $1 == "ESTAB"')" ]
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
    run -0 on here "$audit" 80 32767 61000
    assert_output 'port 80: cannot self-connect: it is not an ephemeral port, 32768 to 60999
port 32767: cannot self-connect: it is not an ephemeral port, 32768 to 60999
port 61000: cannot self-connect: it is not an ephemeral port, 32768 to 60999'
    run -1 on here "$audit" 80 40000
}

# That many attempts, of which one in ODDS is expected to hit: within a third of that.
measured_odds_are() { # ODDS PORT [OPTION]
    local expected hits attempts=100000
    expected=$((attempts / $1))
    run -0 unprotected attempts "${@:3}" "$2" $attempts
    [[ $output =~ self-connected\ ([0-9]+) ]] && hits=${BASH_REMATCH[1]}
    echo "expected $expected, measured $hits"
    [ "$hits" -gt $((expected * 2 / 3)) ]
    [ "$hits" -lt $((expected * 4 / 3)) ]
}

@test "its odds are those that are measured" {
    set_source_ports 40000 40999
    run -1 on here "$audit" 40500 40501
    assert_line 'port 40500: can self-connect: 1 attempt in 500'
    assert_line --partial 'port 40501: can self-connect: 1 attempt in 500, of clients that bind()'
    measured_odds_are 500 40500
    measured_odds_are 500 40501 --bind
    run -0 unprotected attempts 40501 100000
    assert_output --partial 'self-connected 0'
}

@test "its odds are those that are measured where the ports below are reserved" {
    set_source_ports 40000 40999
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<40496,40498 >/dev/null
    run -1 on here "$audit" 40500
    assert_line 'port 40500: can self-connect: 1 attempt in 167'
    measured_odds_are 167 40500
}

@test "the command that it prints reserves the port, beside those that are reserved already" {
    local command
    set_source_ports 40000 40001
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<39000,39002 >/dev/null
    run unprotected attempts 40000 1000
    refute_output --partial 'self-connected 0'
    run -1 on here "$audit" 40000
    command=$(sed -n 's/^    sudo \(sysctl .*\)/\1/p' <<<"$output")
    assert_line "    echo 'net.ipv4.ip_local_reserved_ports = 39000,39002,40000' | sudo tee /etc/sysctl.d/50-reserved-ports.conf"
    # shellcheck disable=SC2086 # several words
    run -0 on here $command
    run -0 on here "$audit" 40000 39002
    assert_line 'port 40000: cannot self-connect: it is reserved'
    run on here cat /proc/sys/net/ipv4/ip_local_reserved_ports
    assert_output 39000,39002,40000
    run unprotected attempts 40000 1000
    assert_output --partial 'self-connected 0'
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
assert report["ports"] == []
EOF
    run -1 on here "$audit" --json 40000 80
    python3 - "$output" <<'EOF'
import json, sys
first, second = json.loads(sys.argv[1])["ports"]
assert first["can_self_connect"] and first["attempts"] == 14116
assert first["reserve"] == "net.ipv4.ip_local_reserved_ports=40000"
assert not second["can_self_connect"] and not second["reserved"]
EOF
}

@test "--help and --version" {
    run -0 "$audit" --help
    assert_line --index 0 'usage: noselfconn-audit [--json] [PORT]...'
    run -0 "$audit" --version
    assert_output --regexp '^noselfconn-audit [0-9]+\.[0-9]+\.[0-9]+$'
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
    for awk in mawk busybox; do
        ln -sf "$(command -v $awk)" "$folder/awk"
        for shell in dash 'bash --posix' 'busybox sh'; do
            # shellcheck disable=SC2086 # several words
            PATH=$folder:$PATH run -1 on here $shell "$audit"
            assert_output "$expected"
        done
    done
}
