#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the library cannot reach: the README's table, line by line. Each connects to itself in spite of
# the library; where its source port is the kernel's choice, reserving the port helps.

load helpers

# As set_source_ports 50000, but that port is reserved, and 50001 is what remains.
reserve_the_port() { # [PORT]
    local port=${1:-50000}
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<"$port" >/dev/null
    set_source_ports "$port" $((port + 1))
}

connects_to_itself_nevertheless() { # COMMAND...
    set_source_ports 50000
    run -0 protected "$@"
    assert_connected_to_itself
}

is_helped_by_reserving_the_port() { # COMMAND...
    new_host
    reserve_the_port
    run -0 --separate-stderr unprotected "$@"
    refute_line 'connect: 0'
    [[ $output == *ECONNREFUSED* || $output == *'connection refused'* ]]
}

is_helped_by_the_tracer() { # COMMAND...
    new_host
    set_source_ports 50000
    run -0 on here "$root/build/noselfconn" --trace "$@"
    assert_refused
}

@test "a statically linked program" {
    run -0 readelf --program-headers "$root/build/tests/connect-static"
    refute_output --partial INTERP
    connects_to_itself_nevertheless connect-static 127.0.0.1 50000
    is_helped_by_reserving_the_port connect-static 127.0.0.1 50000
}

@test "syscall()" {
    connects_to_itself_nevertheless raw 127.0.0.1 50000
    is_helped_by_reserving_the_port raw 127.0.0.1 50000
}

@test "io_uring" {
    connects_to_itself_nevertheless uring 127.0.0.1 50000
    is_helped_by_reserving_the_port uring 127.0.0.1 50000
}

@test "a Go program, though it is dynamically linked" {
    run -0 readelf --dynamic "$root/build/tests/dial"
    assert_output --partial 'Shared library: [libc.so.6]'
    connects_to_itself_nevertheless dial
    is_helped_by_reserving_the_port dial
}

@test "a Go program that gives package net a local port" {
    connects_to_itself_nevertheless dial 50000
}

@test "a plugin that was loaded with RTLD_DEEPBIND" {
    connects_to_itself_nevertheless plugins deepbind "$root/build/tests/plugin.so" 127.0.0.1 50000
    is_helped_by_reserving_the_port plugins deepbind "$root/build/tests/plugin.so" 127.0.0.1 50000
}

@test "a plugin in a link namespace of its own, by dlmopen()" {
    connects_to_itself_nevertheless plugins dlmopen "$root/build/tests/plugin.so" 127.0.0.1 50000
    is_helped_by_reserving_the_port plugins dlmopen "$root/build/tests/plugin.so" 127.0.0.1 50000
}

@test "a plugin that looks connect() up by dlsym(RTLD_NEXT)" {
    connects_to_itself_nevertheless plugins plain "$root/build/tests/plugin-next.so" 127.0.0.1 50000
    # The control: a plugin that calls connect() is protected.
    new_host
    set_source_ports 50000
    run protected plugins plain "$root/build/tests/plugin.so" 127.0.0.1 50000
    assert_refused
    is_helped_by_the_tracer plugins plain "$root/build/tests/plugin-next.so" 127.0.0.1 50000
}

@test "an executable that exports its own connect(), which its plugins call, too" {
    connects_to_itself_nevertheless own-connect "$root/build/tests/plugin.so" 127.0.0.1 50000
    is_helped_by_the_tracer own-connect "$root/build/tests/plugin.so" 127.0.0.1 50000
}

# PHP opens each of its extensions with RTLD_DEEPBIND (DL_LOAD).
an_extension_of_php_connects_to_itself() { # MESSAGE-WHEN-REFUSED CODE
    local refusal

    set_source_ports 50000
    count_self_connections
    run protected timeout 20 php -r "$2"
    has_self_connected

    new_host
    set_source_ports 50002
    run -0 unprotected php -r "$2"
    assert_output --partial "$1"
    refusal=$(without_milliseconds)
    set_source_ports 50000
    run -0 on here "$root/build/noselfconn" --trace php -r "$2"
    assert_equal "$(without_milliseconds)" "$refusal"
    on here "$firewall" on
    run -0 on here php -r "$2"
    assert_equal "$(without_milliseconds)" "$refusal"
}

without_milliseconds() {
    echo "${output//after [0-9]* ms/after N ms}"
}

# The control: what PHP does without an extension.
# bats test_tags=clients
@test "not PHP itself" {
    set_source_ports 50000
    run -0 protected php -r 'stream_socket_client("tcp://127.0.0.1:50000");'
    assert_output --partial 'Connection refused'
    run self_connected_sockets
    assert_output ''
}

# shellcheck disable=SC2016 # PHP's variables
# bats test_tags=clients
@test "PHP's extension curl" {
    an_extension_of_php_connects_to_itself 'Failed to connect' \
        '$curl = curl_init("http://127.0.0.1:50000/"); curl_exec($curl); echo curl_error($curl);'
}

# shellcheck disable=SC2016 # PHP's variables
# bats test_tags=clients
@test "PHP's extension sockets" {
    an_extension_of_php_connects_to_itself 'Connection refused' \
        '$socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP); socket_connect($socket, "127.0.0.1", 50000);'
}

# bats test_tags=clients
@test "PHP's extension pgsql" {
    an_extension_of_php_connects_to_itself 'Connection refused' \
        'pg_connect("host=127.0.0.1 port=50000 connect_timeout=5");'
}

# shellcheck disable=SC2016 # PHP's variables
# bats test_tags=clients
@test "PHP's extension ldap" {
    an_extension_of_php_connects_to_itself "Can't contact LDAP server" \
        '$ldap = ldap_connect("ldap://127.0.0.1:50000"); ldap_bind($ldap);'
}

# shellcheck disable=SC2016 # PHP's variables
# bats test_tags=clients
@test "PHP's extension memcached" {
    an_extension_of_php_connects_to_itself 'CONNECTION FAILURE' \
        '$memcached = new Memcached; $memcached->addServer("127.0.0.1", 50000);
        $memcached->get("key"); echo $memcached->getResultMessage();'
}

# The definition is looked up in libc itself, not in what the loader finds first.
@test "a function that was looked up on a handle of libc, as by Python's ctypes" {
    local client='
import ctypes, socket, struct, sys
libc = ctypes.CDLL(sys.argv[1], use_errno=True)
s = socket.socket()
server = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(50000), bytes([127, 0, 0, 1]))
if libc.connect(s.fileno(), server, 16) != 0:
    sys.exit("ECONNREFUSED" if ctypes.get_errno() == 111 else "another error")
print("connect: 0")
for name, end in ("local", s.getsockname()), ("peer", s.getpeername()):
    print(name + ":", "%s:%d" % end)'
    connects_to_itself_nevertheless python3 -c "$client" libc.so.6
    # The control: by the handle of the program it is found, and guarded.
    new_host
    set_source_ports 50000
    run -1 protected python3 -c "${client/'sys.argv[1]'/None}"
    assert_output ECONNREFUSED
    new_host
    reserve_the_port
    run -1 unprotected python3 -c "$client" libc.so.6
    assert_output ECONNREFUSED
}

# What Cilium and its kin do for the address of a service: the kernel connects to another destination
# than the program has passed, and the guard compares with the latter.
# bats test_tags=root
@test "a destination that a BPF program of the control group rewrites" {
    connects_to_itself_nevertheless rewrite 10.96.0.1 80 127.0.0.1 50000 connect 10.96.0.1 80
    assert_line 'local: 127.0.0.1:50000'
    # The control: without the rewriting there is nobody, and with the port reserved it is refused.
    new_host
    run -0 protected connect 10.96.0.1 80
    assert_line 'connect: ENETUNREACH'
    new_host
    reserve_the_port
    run -0 unprotected rewrite 10.96.0.1 80 127.0.0.1 50000 connect 10.96.0.1 80
    assert_line 'connect: ECONNREFUSED'
}

# Asks a name server over TCP, on port 53, for which the kernel can choose that port only where it
# counts as an ephemeral one.
ask_for_a_name() { # LIBRARY
    # shellcheck disable=SC2016 # for the inner shell
    on here unshare --mount sh -c 'mount --bind "$1" /etc/resolv.conf &&
        LD_PRELOAD=$2 exec timeout 5 getent hosts nowhere.example' \
        sh "$BATS_TEST_TMPDIR/resolv.conf" "$1" || true
}

@test "glibc's own calls: its resolver, over TCP" {
    echo 'nameserver 127.0.0.1
options use-vc timeout:1 attempts:1' >"$BATS_TEST_TMPDIR/resolv.conf"
    on here tee /proc/sys/net/ipv4/ip_unprivileged_port_start <<<0
    filter here 'tcp sport 53 tcp dport 53 tcp flags & (syn | ack) == syn | ack counter'

    reserve_the_port 53
    ask_for_a_name ''
    run on here nft list ruleset
    assert_output --partial 'counter packets 0 '

    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<''
    set_source_ports 53
    ask_for_a_name "$library"
    run on here nft list ruleset
    assert_output --regexp 'counter packets [1-9]'
}

# A copy of `connect` that anybody can run, and that is to run as an ordinary user.
privileged_copy() { # CHANGE... (a command for the copy)
    folder=$(mktemp -d)
    chmod 755 "$folder"
    cp "$root/build/tests/connect" "$folder/connect"
    cp "$library" "$folder/"
    "$@" "$folder/connect"
}

preloaded_for_an_ordinary_user() { # PROGRAM [ARGUMENT]...
    as_an_ordinary_user env LD_PRELOAD="$folder/libnoselfconn.so" "$@"
}

is_ignored_by_the_loader() {
    set_source_ports 50000
    run -0 preloaded_for_an_ordinary_user "$folder/connect" 127.0.0.1 50000
    assert_connected_to_itself
    # The control: but for its privileges the program would have been protected.
    new_host
    cp "$root/build/tests/connect" "$folder/ordinary"
    set_source_ports 50000
    run -0 preloaded_for_an_ordinary_user "$folder/ordinary" 127.0.0.1 50000
    assert_refused
    is_helped_by_reserving_the_port "$folder/connect" 127.0.0.1 50000
    rm -rf "$folder"
}

# bats test_tags=root
@test "a setuid program" {
    privileged_copy chmod u+s
    is_ignored_by_the_loader
}

# bats test_tags=root
@test "a setgid program" {
    privileged_copy chmod g+s
    is_ignored_by_the_loader
}

# bats test_tags=root
@test "a program with file capabilities" {
    privileged_copy setcap cap_net_raw=ep
    is_ignored_by_the_loader
}
