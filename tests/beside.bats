#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other preloads and this library work in either order.

load helpers

system=/usr/lib/$(gcc -print-multiarch)

preloaded() { # ORDER COMMAND...
    on here env LD_PRELOAD="$1" "${@:2}"
}

# Under both a Python program prints EXPECTED, the errno of a self-connection last; under this library alone another
# first line.
works_beside() { # OTHER EXPECTED STATEMENTS
    local order client="
import os, socket, time
$3
print('errno', socket.socket().connect_ex(('127.0.0.1', 50000)))"
    set_source_ports 50000
    for order in "$library:$1" "$1:$library"; do
        run -0 preloaded "$order" python3 -c "$client"
        assert_output "$2"
    done
    run -0 preloaded "$library" python3 -c "$client"
    refute_line "${2%%$'\n'*}"
}

@test "libkeepalive still sets SO_KEEPALIVE" {
    KEEPALIVE=on works_beside /usr/lib/libkeepalive.so $'keepalive 1\nerrno 111' '
print("keepalive", socket.socket().getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))'
}

# fsync() of a pipe fails.
@test "eatmydata still disables fsync()" {
    works_beside "$system/libeatmydata.so" $'fsync 0\nerrno 111' '
try:
    print("fsync", os.fsync(os.pipe()[0]) or 0)
except OSError as error:
    print(error)'
}

@test "faketime still changes the time" {
    FAKETIME='2001-02-03 04:05:06' works_beside "$system/faketime/libfaketime.so.1" $'year 2001\nerrno 111' '
print("year", time.gmtime().tm_year)'
}

@test "socket_wrapper still emulates TCP by unix sockets" {
    SOCKET_WRAPPER_DIR=$BATS_TEST_TMPDIR works_beside "$system/libsocket_wrapper.so" \
        $'hello 127.0.0.7 by a unix socket\nerrno 113' '
server = socket.create_server(("127.0.0.7", 7000))
client = socket.create_connection(("127.0.0.7", 7000))
peer, _ = server.accept()
client.sendall(b"hello")
print(peer.recv(100).decode(), client.getpeername()[0],
      "by TCP" if ":%04X " % 7000 in open("/proc/net/tcp").read() else "by a unix socket")'
}

@test "proxychains4 and torsocks still connect through a SOCKS server" {
    local other order torsocks=$system/torsocks/libtorsocks.so
    [ -e "$torsocks" ] || torsocks=$system/libtorsocks.so
    chain_through 9050
    own_address 192.0.2.1
    server 50100 192.0.2.1
    background proxy on here microsocks -i 127.0.0.1 -p 9050 # Tor's port
    eventually listens 9050
    for other in "$system/libproxychains.so.4" "$torsocks"; do
        for order in "$library:$other" "$other:$library"; do
            run preloaded "$order" connect --say hello 192.0.2.1 50100
            assert_line 'heard: answer-hello'
        done
    done
    assert_equal "$(grep -c 'connected to 192.0.2.1:50100' "$BATS_TEST_TMPDIR/proxy")" 4
}

chain_through() { # PORT
    export PROXYCHAINS_CONF_FILE=$BATS_TEST_TMPDIR/proxychains.conf
    printf '%s\n' strict_chain '[ProxyList]' "socks5 127.0.0.1 $1" >"$PROXYCHAINS_CONF_FILE"
}

@test "proxychains4's self-connection in place of its SOCKS server is refused" {
    local order
    chain_through 50000
    set_source_ports 50000
    run preloaded "$system/libproxychains.so.4:$library" connect 192.0.2.1 80
    assert_line 'connect: ECONNREFUSED'
    refute_output --partial 'socket error'
    # In the other order it calls libc's connect(), receives its own greeting and rejects that.
    for order in "$library:$system/libproxychains.so.4" "$system/libproxychains.so.4"; do
        run preloaded "$order" connect 192.0.2.1 80
        assert_output --partial 'socket error'
    done
}

@test "the launcher preloads AddressSanitizer's runtime first" {
    local launcher=$root/scripts/noselfconn
    set_source_ports 50000
    run ! preloaded "$library" connect-asan 127.0.0.1 50000
    assert_output --partial 'ASan runtime does not come first'
    # The caller's list comes last.
    LD_PRELOAD=$(preload empty) ASAN_OPTIONS=verbosity=1:detect_leaks=0 run --separate-stderr on here \
        strace -qq -v -s 1000 -e trace=execve "$launcher" connect-asan 127.0.0.1 50000
    assert_refused
    assert_regex "$stderr" "\"LD_PRELOAD=[^\"]*libasan\.so[^\":]*:$library:$(preload empty)\""
    assert_regex "$stderr" 'AddressSanitizer Init done'
}
