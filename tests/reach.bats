#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that LD_PRELOAD cannot affect, by the README's table, and the help for each.

load helpers

launcher=$root/build/noselfconn

# The range is the port and the next, and the port is reserved.
reserve_the_port() { # PORT
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<"$1" >/dev/null
    set_source_ports "$1" $(($1 + 1))
}

connects_to_itself_until_traced_or_reserved() { # COMMAND...
    local refusal='ECONNREFUSED|connection refused|io_uring: Operation not permitted'
    new_host
    set_source_ports 50000
    run -0 protected "$@"
    assert_connected_to_itself
    new_host
    set_source_ports 50000
    run on here "$launcher" --trace "$@"
    assert_output --regexp "$refusal"
    [[ $* != 'dial'*' 50000' ]] || return 0 # binds the port, which a reservation allows
    reserve_the_port 50000
    run unprotected "$@"
    assert_output --regexp "$refusal"
}

@test "static, Go and 32-bit programs, syscall() and io_uring connect to themselves until traced or reserved" {
    local -a command
    run -0 readelf --program-headers "$root/build/tests/connect-static" "$root/build/tests/dial-static"
    refute_output --partial INTERP
    run -0 readelf --dynamic "$root/build/tests/dial"
    assert_output --partial 'Shared library: [libc.so.6]'
    while read -u 4 -ra command; do
        [[ ${command[0]} != *i386 ]] || runs_32_bit || continue
        connects_to_itself_until_traced_or_reserved "${command[@]}"
    done 4<<'END'
connect-static 127.0.0.1 50000
connect-i386 127.0.0.1 50000
raw 127.0.0.1 50000
uring 127.0.0.1 50000
dial 50000
dial-static 50000
END
}

# Connects by a function of a library: connect(), or plugin_connect(), which returns the error since it can have its
# own errno.
plugin='
import ctypes, os, socket, struct, sys
how, library, function = sys.argv[1:]
handle, mode = None, os.RTLD_DEEPBIND if how == "deepbind" else os.RTLD_LOCAL
if how == "dlmopen":
    dlmopen = ctypes.CDLL(None).dlmopen
    dlmopen.restype = ctypes.c_void_p
    handle = dlmopen(ctypes.c_long(-1), library.encode(), os.RTLD_NOW)  # LM_ID_NEWLM
s = socket.socket()
server = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(50000), bytes([127, 0, 0, 1]))
library = None if library == "program" else library
result = ctypes.CDLL(library, mode, handle, use_errno=True)[function](s.fileno(), server, 16)
if result != 0:
    sys.exit("ECONNREFUSED" if 111 in (result, ctypes.get_errno()) else "another error")
for name, end in ("local", s.getsockname()), ("peer", s.getpeername()):
    print(name + ":", "%s:%d" % end)'

# dlsym() on a handle of libc, as by ctypes, searches libc alone.
@test "RTLD_DEEPBIND, dlmopen(), RTLD_NEXT, libc handles and own connect() functions are unprotected until traced or reserved" {
    local -a arguments
    connects_to_itself_until_traced_or_reserved own-connect 127.0.0.1 50000
    while read -u 4 -ra arguments; do
        connects_to_itself_until_traced_or_reserved python3 -c "$plugin" "${arguments[@]}"
    done 4<<END
deepbind $(preload plugin) plugin_connect
dlmopen $(preload plugin) plugin_connect
plain $(preload plugin-next) plugin_connect
plain libc.so.6 connect
END
    # The controls are protected.
    while read -u 4 -ra arguments; do
        new_host
        set_source_ports 50000
        run -1 protected python3 -c "$plugin" "${arguments[@]}"
        assert_output ECONNREFUSED
    done 4<<END
plain $(preload plugin) plugin_connect
plain program connect
END
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
        run -0 on here "$launcher" --trace php -r "$code"
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

# Runs a command in a control group whose BPF program sends every connection to 127.0.0.1:50000 (bpf(2),
# BPF_CGROUP_INET4_CONNECT).
rewrite='
import ctypes, os, struct, subprocess, sys, tempfile
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, *attributes):
    packed = struct.pack(*attributes)
    result = libc.syscall(321, command, packed, len(packed))
    return result if result >= 0 else sys.exit("bpf: " + os.strerror(ctypes.get_errno()))
def instruction(code, registers, offset, value):
    return struct.pack("=BBhi", code, registers, offset, value)
program = (instruction(0xb4, 2, 0, 0x0100007f) + instruction(0x63, 0x21, 4, 0)  # r2 = address; r1->user_ip4 = r2
           + instruction(0xb4, 2, 0, 0x50c3) + instruction(0x63, 0x21, 24, 0)   # r2 = port; r1->user_port = r2
           + instruction(0xb7, 0, 0, 1) + instruction(0x95, 0, 0, 0))           # return 1
subprocess.run(["mount", "-t", "cgroup2", "cgroup2", sys.argv[1]], check=True)
group = tempfile.mkdtemp(dir=sys.argv[1])
memory, license = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"MIT")
loaded = bpf(5, "=IIQQ44xI", 18, len(program) // 8, ctypes.addressof(memory), ctypes.addressof(license), 10)  # load
bpf(8, "=IIII", os.open(group, os.O_RDONLY), loaded, 10, 0)  # attach
subprocess.run(sys.argv[2:], preexec_fn=lambda: open(group + "/cgroup.procs", "w").write("0"))
os.rmdir(group)'

# Cilium does this for service addresses. The guard compares with the destination that the program passed.
# bats test_tags=root
@test "a destination rewritten by a cgroup BPF program is unprotected until traced or reserved" {
    mkdir "$BATS_TEST_TMPDIR/groups"
    connects_to_itself_until_traced_or_reserved unshare --mount python3 -c "$rewrite" "$BATS_TEST_TMPDIR/groups" \
        connect 10.96.0.1 80
}

# Asks a name server on TCP port 53 from source port 53.
ask_for_a_name() { # [COMMAND]...
    # shellcheck disable=SC2016 # for the inner shell
    NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log on here unshare --mount sh -c '
        mount --bind "$1" /etc/resolv.conf && shift && exec timeout 5 "$@" getent hosts nowhere.example' \
        sh "$BATS_TEST_TMPDIR/resolv.conf" "$@" || true
}

@test "glibc's resolver over TCP is unprotected until traced or reserved" {
    echo 'nameserver 127.0.0.1
options use-vc timeout:1 attempts:1' >"$BATS_TEST_TMPDIR/resolv.conf"
    on here tee /proc/sys/net/ipv4/ip_unprivileged_port_start <<<0
    filter here 'tcp sport 53 tcp dport 53 tcp flags & (syn | ack) == syn | ack counter'
    reserve_the_port 53
    ask_for_a_name
    refute has_self_connected
    on here tee /proc/sys/net/ipv4/ip_local_reserved_ports <<<''
    set_source_ports 53
    ask_for_a_name env LD_PRELOAD="$library"
    has_self_connected
    [ ! -e "$BATS_TEST_TMPDIR/log" ]
    new_host
    on here tee /proc/sys/net/ipv4/ip_unprivileged_port_start <<<0
    set_source_ports 53
    ask_for_a_name "$launcher" --trace
    run cat "$BATS_TEST_TMPDIR/log"
    assert_output --regexp 'command="getent" .* endpoint=127.0.0.1:53 .* action=refused'
}

# bats test_tags=root
@test "setuid and setgid programs and those with file capabilities are unprotected" {
    local change folder
    public_folder
    library=$folder/libnoselfconn.so
    for change in true 'chmod u+s' 'chmod g+s' 'setcap cap_net_raw=ep'; do
        new_host
        set_source_ports 50000
        cp --remove-destination "$root/build/tests/connect" "$folder"
        # shellcheck disable=SC2086 # several words
        $change "$folder/connect"
        run -0 protected setpriv --reuid nobody --regid nogroup --clear-groups "$folder/connect" 127.0.0.1 50000
        case $change in true) assert_refused ;; *) assert_connected_to_itself ;; esac
    done
}
