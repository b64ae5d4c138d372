#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that LD_PRELOAD cannot affect, by the README's table: each connects to itself in spite of the library.
# Reserving the port helps if the kernel chooses the source port.

load helpers

# The range is 50000 and 50001, and 50000 is reserved.
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

@test "static programs, syscall(), io_uring and Go connect to themselves unless the port is reserved" {
    run -0 readelf --program-headers "$root/build/tests/connect-static"
    refute_output --partial INTERP
    run -0 readelf --dynamic "$root/build/tests/dial"
    assert_output --partial 'Shared library: [libc.so.6]'
    local -a command
    while read -u 4 -ra command; do
        new_host
        connects_to_itself_nevertheless "${command[@]}"
        is_helped_by_reserving_the_port "${command[@]}"
    done 4<<'EOF'
connect-static 127.0.0.1 50000
raw 127.0.0.1 50000
uring 127.0.0.1 50000
dial
EOF
}

@test "a Go program with a local port in its Dialer connects to itself" {
    connects_to_itself_nevertheless dial 50000
}

@test "plugins by RTLD_DEEPBIND, dlmopen() or dlsym(RTLD_NEXT), and a program's own connect(), are unprotected" {
    local program how plugin
    while read -u 4 -r program how plugin; do
        new_host
        # shellcheck disable=SC2086 # no word where own-connect takes none
        set -- "$program" ${how#-} "$root/build/tests/$plugin.so" 127.0.0.1 50000
        connects_to_itself_nevertheless "$@"
        is_helped_by_reserving_the_port "$@"
        is_helped_by_the_tracer "$@"
    done 4<<'EOF'
plugins deepbind plugin
plugins dlmopen plugin
plugins plain plugin-next
own-connect - plugin
EOF
    # The control: a plugin that calls connect() is protected.
    new_host
    set_source_ports 50000
    run protected plugins plain "$root/build/tests/plugin.so" 127.0.0.1 50000
    assert_refused
}

# PHP opens its extensions with RTLD_DEEPBIND (DL_LOAD).
# shellcheck disable=SC2016 # PHP's variables
# bats test_tags=clients
@test "PHP's extensions are unprotected, PHP itself is protected" {
    local message code refusal
    set_source_ports 50000
    run -0 protected php -r 'stream_socket_client("tcp://127.0.0.1:50000");'
    assert_output --partial 'Connection refused'
    run self_connected_sockets
    assert_output ''

    while IFS='|' read -u 4 -r message code; do
        new_host
        set_source_ports 50000
        count_self_connections
        run protected timeout 20 php -r "$code"
        has_self_connected

        new_host
        set_source_ports 50002
        run -0 unprotected php -r "$code"
        assert_output --partial "$message"
        refusal=$(without_milliseconds)
        set_source_ports 50000
        run -0 on here "$root/build/noselfconn" --trace php -r "$code"
        assert_equal "$(without_milliseconds)" "$refusal"
        on here "$firewall" on
        run -0 on here php -r "$code"
        assert_equal "$(without_milliseconds)" "$refusal"
    done 4<<'EOF'
Failed to connect|$curl = curl_init("http://127.0.0.1:50000/"); curl_exec($curl); echo curl_error($curl);
Connection refused|$socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP); socket_connect($socket, "127.0.0.1", 50000);
Connection refused|pg_connect("host=127.0.0.1 port=50000 connect_timeout=5");
Can't contact LDAP server|$ldap = ldap_connect("ldap://127.0.0.1:50000"); ldap_bind($ldap);
CONNECTION FAILURE|$m = new Memcached; $m->addServer("127.0.0.1", 50000); $m->get("key"); echo $m->getResultMessage();
EOF
}

without_milliseconds() {
    echo "${output//after [0-9]* ms/after N ms}"
}

# dlsym() on a handle of libc searches libc alone.
@test "a function looked up on a handle of libc, as by Python's ctypes, is unprotected" {
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
    # The control: a lookup on the program's handle finds the library's.
    new_host
    set_source_ports 50000
    run -1 protected python3 -c "${client/'sys.argv[1]'/None}"
    assert_output ECONNREFUSED
    new_host
    reserve_the_port
    run -1 unprotected python3 -c "$client" libc.so.6
    assert_output ECONNREFUSED
}

# Cilium does this for service addresses. The guard compares with the destination that the program passed.
# bats test_tags=root
@test "a destination rewritten by a cgroup BPF program is unprotected" {
    connects_to_itself_nevertheless rewrite 10.96.0.1 80 127.0.0.1 50000 connect 10.96.0.1 80
    assert_line 'local: 127.0.0.1:50000'
    # The control: without rewriting, and with the port reserved, it is refused.
    new_host
    run -0 protected connect 10.96.0.1 80
    assert_line 'connect: ENETUNREACH'
    new_host
    reserve_the_port
    run -0 unprotected rewrite 10.96.0.1 80 127.0.0.1 50000 connect 10.96.0.1 80
    assert_line 'connect: ECONNREFUSED'
}

# Asks a name server on TCP port 53, which has to be in the ephemeral range for a self-connection.
ask_for_a_name() { # LIBRARY
    # shellcheck disable=SC2016 # for the inner shell
    on here unshare --mount sh -c 'mount --bind "$1" /etc/resolv.conf &&
        LD_PRELOAD=$2 exec timeout 5 getent hosts nowhere.example' \
        sh "$BATS_TEST_TMPDIR/resolv.conf" "$1" || true
}

@test "glibc's resolver over TCP is unprotected" {
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

# A copy of `connect` that any user can run.
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
    # The control: without its privileges the program is protected.
    new_host
    cp "$root/build/tests/connect" "$folder/ordinary"
    set_source_ports 50000
    run -0 preloaded_for_an_ordinary_user "$folder/ordinary" 127.0.0.1 50000
    assert_refused
    is_helped_by_reserving_the_port "$folder/connect" 127.0.0.1 50000
    rm -rf "$folder"
}

# bats test_tags=root
@test "setuid and setgid programs and those with file capabilities are unprotected" {
    local change
    for change in 'chmod u+s' 'chmod g+s' 'setcap cap_net_raw=ep'; do
        new_host
        # shellcheck disable=SC2086 # several words
        privileged_copy $change
        is_ignored_by_the_loader
    done
}
