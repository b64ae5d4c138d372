#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/noselfconn-firewall: the command. With GUARD=firewall other files test its rule (tests.mk).

load helpers

setup() {
    needs_a_namespace
    new_host
}

# Without the counters of chains and rules.
all_rules() {
    on here sh -c 'iptables-save; ip6tables-save' | sed '/^#/d; s/\[.*\]//'
}

# By IPv4 and IPv6.
assert_refuses_self_connections() {
    local address
    set_source_ports 50000
    for address in 127.0.0.1 ::1; do
        run on here connect $address 50000
        assert_refused
    done
}

# on refuses and counts, off allows and restores the rules byte for byte.
assert_switches() {
    local before address
    on here iptables -A OUTPUT -o lo -j ACCEPT
    on here iptables -A OUTPUT -p tcp -m comment --comment 'another "rule"' -j ACCEPT
    on here iptables -A OUTPUT -p tcp --dport 1 -m comment --comment noselfconn-firewall -j ACCEPT
    on here iptables -A OUTPUT -p tcp --dport 1 -m comment --comment 'noselfconn-firewall of another' -j REJECT
    on here ip6tables -A INPUT -p tcp --dport 80 -j DROP
    before=$(all_rules)
    run -1 on here "$firewall" status
    assert_output $'IPv4: off\nIPv6: off'
    on here "$firewall" on
    assert_refuses_self_connections
    run -0 on here "$firewall" status
    assert_output $'IPv4: on, refused: 1\nIPv6: on, refused: 1'
    for _ in once twice; do
        on here "$firewall" off
        assert_equal "$(all_rules)" "$before"
    done
    for address in 127.0.0.1 ::1; do
        run on here connect $address 50000
        assert_connected_to_itself
    done
}

@test "on refuses and counts self-connections, off allows them and restores the rules byte for byte" {
    assert_switches
}

# Without root iptables-legacy cannot create its lock file.
# bats test_tags=root
@test "the same with iptables-legacy" {
    local command
    mkdir "$BATS_TEST_TMPDIR/legacy"
    for command in ip{,6}tables{,-restore,-save}; do
        ln -s "$(command -v "${command/tables/tables-legacy}")" "$BATS_TEST_TMPDIR/legacy/$command"
    done
    PATH=$BATS_TEST_TMPDIR/legacy:$PATH
    assert_switches
}

@test "on puts both rules first, once, and restores that place" {
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
    for command in iptables ip6tables; do
        run -0 on here $command -S OUTPUT
        assert_line --index 1 --partial 'noselfconn-firewall'
        assert_line --index 2 '-A OUTPUT -o lo -j ACCEPT'
        assert_equal ${#lines[@]} 3
    done
}

@test "the bytecode matches its listing" {
    local family listing
    on here "$firewall" on
    eval "$(sed -n '/^ports=/,/^fail()/p' "$firewall" | sed '$d')"
    for family in ip:code_v4 ip6:code_v6; do
        listing=${family#*:}
        # bpfc expects one instruction a line and labels as jump targets.
        awk -F ' *# ' '{
            sub(/   .*/, "", $2)
            count = split($2, instruction, "; ")
            for (i = 1; i <= count; i++) {
                if (split(instruction[i], part, ", ") == 3)
                    instruction[i] = part[1] ", L" line + 1 + part[2] ", L" line + 1 + part[3]
                print "L" line++ ": " instruction[i]
            }
        }' <<<"${!listing}" >"$BATS_TEST_TMPDIR/listing"
        run -0 bpfc -f xt_bpf -i "$BATS_TEST_TMPDIR/listing"
        on here "${family%:*}tables" -S OUTPUT | grep -F -- "--bytecode \"${output%,}\""
    done
}

@test "a running client, a static program and a Go program are refused" {
    set_source_ports 50000
    background client on here python3 -c '
import socket, struct, time
while True:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    print(client.connect_ex(("127.0.0.1", 50000)), flush=True)
    client.close()
    time.sleep(0.05)'
    eventually grep -qx 0 "$BATS_TEST_TMPDIR/client"
    on here "$firewall" on
    eventually grep -qx 111 "$BATS_TEST_TMPDIR/client"
    run on here connect-static 127.0.0.1 50000
    assert_refused
    run on here dial-static 50000
    assert_output --partial refused
}

# IP_OPTIONS, IPV6_HOPOPTS and IPV6_DSTOPTS move the ports within the packet.
@test "a SYN with IPv4 options or IPv6 extension headers is refused" {
    local client='
import socket, sys
address, *options = sys.argv[1:]
client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
for option in options:
    level, name, value = option.split(",")
    client.setsockopt(int(level), int(name), bytes.fromhex(value))
print(client.connect_ex((address, 50000)))' options result
    for options in '127.0.0.1 0,4,01010100' '::1 41,54,0000010400000000' '::1 41,59,0000010400000000' \
        '::1 41,54,00011e0c000000000000000000000000 41,59,0000010400000000'; do
        for result in 0 111; do
            new_host # without sockets in TIME-WAIT
            set_source_ports 50000
            [ $result = 0 ] || on here "$firewall" on
            # shellcheck disable=SC2086 # several words
            run -0 on here python3 -c "$client" $options
            assert_output $result
        done
    done
}

# In a VRF a self-connection's SYN leaves by the VRF's device. IP_TRANSPARENT makes such a SYN without a VRF, which
# not every kernel has.
@test "a SYN to itself that leaves by another interface than lo is refused" {
    neighbour
    on here ip address add 2001:db8::1/64 dev cable nodad
    on here "$firewall" on
    on here python3 -c '
import socket
for family, level, transparent, address in (socket.AF_INET, 0, 19, "192.0.2.2"), (socket.AF_INET6, 41, 75, "2001:db8::2"):
    client = socket.socket(family)
    client.setsockopt(level, transparent, 1)
    client.bind((address, 50000))
    client.setblocking(False)
    client.connect_ex((address, 50000))'
    run -0 on here "$firewall" status
    assert_output $'IPv4: on, refused: 1\nIPv6: on, refused: 1'
}

# TCP_FASTOPEN_CONNECT: connect() succeeds at once, and the first send makes the SYN.
@test "a deferred Fast Open connection is refused at its first send" {
    local refusal
    on here sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen'
    set_source_ports 50002
    run on here connect --fast-open --say hello 127.0.0.1 50000
    refusal=${output//:50002/:SOURCE}
    on here "$firewall" on
    set_source_ports 50000
    run on here connect --fast-open --say hello 127.0.0.1 50000
    assert_equal "${output//:50000/:SOURCE}" "$refusal"
    run on here "$firewall" status
    assert_line --regexp '^IPv4: on, refused: [1-9]'
}

# Docker publishes a port by its own chain in nat and drops packets in conntrack state INVALID.
@test "the rules work beside nftables chains and chains like Docker's, and off leaves those" {
    local before
    on here iptables -t nat -N DOCKER
    on here iptables -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
    on here iptables -t nat -A DOCKER -p tcp --dport 50000 -j DNAT --to-destination 127.0.0.1:631
    on here iptables -A INPUT -m conntrack --ctstate INVALID -j DROP
    on here iptables -A INPUT -i lo -j ACCEPT
    on here iptables -P INPUT DROP
    on here ip6tables -P OUTPUT ACCEPT # makes an empty table
    on here nft 'add table inet mine; add chain inet mine leaving { type filter hook output priority -10; }; add rule inet mine leaving oifname lo accept'
    before=$(all_rules)
    on here "$firewall" on
    server 631
    set_source_ports 50000
    run -0 on here connect --say hello 127.0.0.1 50000
    assert_line 'heard: answer-hello'
    set_source_ports 50002
    run on here connect 127.0.0.1 50002
    assert_refused
    on here "$firewall" off
    assert_equal "$(all_rules)" "$before"
}

# It gets copies of the machine's files.
# bats test_tags=root
@test "the rules work beside ufw and survive its reload, and ufw's rules stay byte for byte" {
    local before
    on here "$firewall" on
    # shellcheck disable=SC2016 # for the inner shell
    run -0 on here unshare --mount sh -ec 'mount -t tmpfs none /run
        for folder in /etc/ufw /etc/default /lib/ufw; do
            cp -a "$folder" /run/copy && mount -t tmpfs none "$folder" && cp -a /run/copy/. "$folder" && rm -r /run/copy
        done
        ufw --force enable
        ufw reload
        "$0" status' "$firewall"
    assert_line 'IPv4: on, refused: 0'
    assert_line 'IPv6: on, refused: 0'
    assert_refuses_self_connections
    on here "$firewall" off
    before=$(all_rules)
    on here "$firewall" on
    on here "$firewall" off
    assert_equal "$(all_rules)" "$before"
}

# firewalld runs on its own D-Bus. Its reload removes every iptables rule.
# bats test_tags=root
@test "the manual's commands keep the rules across a firewalld reload, and off restores firewalld's" {
    local backend tools=/usr/local/lib/noselfconn-tests/usr
    for backend in nftables iptables; do
        new_host
        # shellcheck disable=SC2016 # for the inner shell
        PATH=$tools/bin:$PATH run -0 on here timeout 120 unshare --mount sh -ec '
            mount -t tmpfs none /run
            mkdir /run/dbus /run/config
            echo "FirewallBackend=$1" >/run/config/firewalld.conf
            dbus-daemon --session --address=unix:path=/run/dbus/system_bus_socket --fork --nopidfile
            "$2/sbin/firewalld" --nofork --nopid --log-target console --default-config "$2/lib/firewalld" \
                --system-config /run/config >/run/log 2>&1 &
            until firewall-cmd --state; do sleep 0.2; done
            iptables -P OUTPUT ACCEPT # makes an empty table where there is none
            ip6tables -P OUTPUT ACCEPT
            nft list ruleset >/run/before
            "$3" on
            "$3" off
            nft list ruleset | diff /run/before -
            "$3" on
            firewall-cmd --reload
            "$3" status || echo taken out
            "$3" on
            eval "$4"
            firewall-cmd --reload
            "$3" status' sh "$backend" "$tools" "$firewall" "$(sed -n '/^iptables -S/,/ ipv6$/p' "$root/scripts/man/noselfconn-firewall.8")" 3>&-
        # With nftables: Debian 12's does, Debian 13's does not.
        [ $backend = nftables ] || assert_line 'taken out'
        assert_equal "${lines[-2]} ${lines[-1]}" 'IPv4: on, refused: 0 IPv6: on, refused: 0'
        assert_refuses_self_connections
    done
}

# A command that shadows the real one in PATH.
fake() { # NAME SCRIPT
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

@test "the IPv4 rule stays as it was if IPv6 fails" {
    local step before
    on here iptables -A OUTPUT -o lo -j ACCEPT
    for step in ip6tables:on ip6tables-restore:on ip6tables:off; do
        [ $step != ip6tables:off ] || on here "$firewall" on
        before=$(all_rules)
        fake ${step%:*} 'echo "out of luck" >&2; exit 1'
        PATH=$BATS_TEST_TMPDIR/bin:$PATH run -125 on here "$firewall" ${step#*:}
        rm "$BATS_TEST_TMPDIR/bin/${step%:*}"
        assert_output "noselfconn-firewall: ${step%:*}: out of luck"
        assert_equal "$(all_rules)" "$before"
    done
    # A rule that was on stays on.
    on here ip6tables -F OUTPUT
    on here iptables -I OUTPUT -o lo -j ACCEPT
    fake ip6tables-restore 'exit 1'
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -125 on here "$firewall" on
    run on here "$firewall" status
    assert_output $'IPv4: on, refused: 0\nIPv6: off'
}

@test "missing iptables, privilege or module is reported, and no rule is changed" {
    run -125 on here unshare --mount sh -c "mount -t tmpfs none /usr/sbin && PATH=/usr/bin:/bin exec $firewall on"
    assert_output $'noselfconn-firewall: cannot find iptables\nInstall the package iptables.'
    run -125 on here setpriv --inh-caps=-all --bounding-set=-net_admin "$firewall" on
    assert_line --index 0 --partial 'noselfconn-firewall: iptables: '
    assert_line --index 1 --partial 'with CAP_NET_ADMIN'
    # The message of iptables 1.8.9 without xt_bpf (Linux 6.1, tests/kernels/guest).
    fake iptables-restore 'echo "line 3: RULE_INSERT failed (No such file or directory): rule in chain OUTPUT" >&2; exit 1'
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -125 on here "$firewall" on
    assert_line --index 0 --partial 'noselfconn-firewall: iptables-restore: line 3: RULE_INSERT failed'
    assert_line --index 1 'Load the modules of the rule: modprobe -a xt_bpf xt_comment ipt_REJECT ip6t_REJECT'
    run -1 on here "$firewall" status
    assert_output $'IPv4: off\nIPv6: off'
}

# A /proc without /proc/net stands for a kernel without IPv6.
# bats test_tags=root
@test "on a kernel without IPv6 only the IPv4 rule is set, with a message" {
    run -0 on here unshare --mount sh -c "mount -t proc -o subset=pid proc /proc && exec $firewall on"
    assert_output 'IPv6: not in this kernel'
    run -1 on here "$firewall" status
    assert_output $'IPv4: on, refused: 0\nIPv6: off'
}

@test "an unknown word is 125 and the usage" {
    local arguments
    for arguments in '' maybe 'on off' --nonsense; do
        # shellcheck disable=SC2086 # words
        run -125 "$firewall" $arguments
        assert_output --regexp '^noselfconn-firewall: .*must be on, off or status.usage: noselfconn-firewall on'
    done
}
