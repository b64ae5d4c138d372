#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/noselfconn-firewall: every program of a host or network namespace, by a rule of the packet
# filter. With GUARD=firewall the other files test what the rule refuses; here is the command itself.

load helpers

all_rules() {
    on here sh -c 'iptables-save; ip6tables-save' | grep -v '^#'
}

assert_refused_by() { # PROGRAM ARGUMENT...
    run on here "$@"
    assert_refused
}

@test "on refuses a self-connection, off lets it happen again" {
    set_source_ports 50000
    on here "$firewall" on
    assert_refused_by connect 127.0.0.1 50000
    assert_refused_by connect ::1 50000
    on here "$firewall" off
    run on here connect 127.0.0.1 50000
    assert_connected_to_itself
    run on here connect ::1 50000
    assert_connected_to_itself
}

@test "status says whether it is on, and counts what was refused" {
    run -1 on here "$firewall" status
    assert_output $'IPv4: off\nIPv6: off'
    on here "$firewall" on
    set_source_ports 50000
    on here connect 127.0.0.1 50000
    on here connect ::1 50000
    on here connect ::ffff:127.0.0.1 50000
    run -0 on here "$firewall" status
    assert_output $'IPv4: on, refused: 2\nIPv6: on, refused: 1'
}

@test "off leaves the rules as they were, byte for byte" {
    local before
    on here iptables -A OUTPUT -o lo -j ACCEPT
    on here iptables -A OUTPUT -p tcp -m comment --comment 'another "rule"' -j ACCEPT
    on here ip6tables -A INPUT -p tcp --dport 80 -j DROP
    before=$(all_rules)
    on here "$firewall" on
    run all_rules
    refute_output "$before"
    on here "$firewall" off
    run all_rules
    assert_output "$before"
    on here "$firewall" off
    run all_rules
    assert_output "$before"
}

@test "both rules come first, once, and on puts them there again" {
    local command
    on here "$firewall" on
    on here "$firewall" on
    set_source_ports 50000
    on here connect 127.0.0.1 50000
    for command in iptables ip6tables; do
        on here $command -I OUTPUT -o lo -j ACCEPT
    done
    run -1 on here "$firewall" status
    assert_line 'IPv4: on, refused: 1; but a rule before it may accept a self-connection'
    assert_line 'Put it first: noselfconn-firewall on'
    on here "$firewall" on
    run -0 on here "$firewall" status
    for command in iptables ip6tables; do
        run -0 on here $command -S OUTPUT
        assert_line --index 1 --partial 'noselfconn-firewall'
        assert_line --index 2 '-A OUTPUT -o lo -j ACCEPT'
        assert_equal ${#lines[@]} 3
    done
}
