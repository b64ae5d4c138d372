#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other preloads and this library work in either order.

load helpers

system=/usr/lib/$(gcc -print-multiarch)

orders() { # OTHER
    printf '%s\n' "$library:$1" "$1:$library"
}

preloaded() { # ORDER COMMAND...
    on here env LD_PRELOAD="$1" "${@:2}"
}

@test "libkeepalive still sets SO_KEEPALIVE" {
    local order client='
import socket
s = socket.socket()
print("keepalive", s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
print("errno", s.connect_ex(("127.0.0.1", 50000)))'
    set_source_ports 50000
    for order in $(orders /usr/lib/libkeepalive.so); do
        run -0 preloaded "$order" env KEEPALIVE=on python3 -c "$client"
        assert_output $'keepalive 1\nerrno 111'
    done
    run -0 preloaded /usr/lib/libkeepalive.so python3 -c "$client"
    assert_line 'errno 0'
    run -0 preloaded "$library" python3 -c "$client"
    assert_line 'keepalive 0'
}

@test "eatmydata still disables fsync()" {
    local order client='
import os, socket
os.fsync(1)
print("errno", socket.socket().connect_ex(("127.0.0.1", 50000)))'
    set_source_ports 50000
    for order in $(orders "$system/libeatmydata.so"); do
        run -0 on here strace -qq -e trace=fsync -E LD_PRELOAD="$order" python3 -c "$client"
        assert_output 'errno 111'
    done
    run on here strace -qq -e trace=fsync -E LD_PRELOAD="$library" python3 -c "$client"
    assert_output --partial 'fsync(1)'
}

@test "faketime still changes the time" {
    local order client='
import socket, time
print("year", time.gmtime().tm_year)
print("errno", socket.socket().connect_ex(("127.0.0.1", 50000)))'
    set_source_ports 50000
    for order in $(orders "$system/faketime/libfaketime.so.1"); do
        run -0 preloaded "$order" env FAKETIME='2001-02-03 04:05:06' python3 -c "$client"
        assert_output $'year 2001\nerrno 111'
    done
    run -0 preloaded "$library" python3 -c "$client"
    refute_line 'year 2001'
}

@test "socket_wrapper still emulates TCP by unix sockets" {
    local order alone client='
import os, socket
server = socket.create_server(("127.0.0.7", 7000))
client = socket.create_connection(("127.0.0.7", 7000))
peer, _ = server.accept()
client.sendall(b"hello")
print(peer.recv(100).decode(), client.getpeername()[0])
print("errno", socket.socket().connect_ex(("127.0.0.1", 50000)))'
    set_source_ports 50000
    mkdir "$BATS_TEST_TMPDIR/sockets"
    export SOCKET_WRAPPER_DIR=$BATS_TEST_TMPDIR/sockets
    run -0 preloaded "$system/libsocket_wrapper.so" python3 -c "$client"
    assert_line 'hello 127.0.0.7'
    alone=$output
    for order in $(orders "$system/libsocket_wrapper.so"); do
        run -0 preloaded "$order" python3 -c "$client"
        assert_output "$alone"
    done
    [ -n "$(ls "$SOCKET_WRAPPER_DIR")" ]
}

@test "proxychains4 still connects through a SOCKS server" {
    local order
    printf '%s\n' strict_chain '[ProxyList]' 'socks5 127.0.0.1 1080' >"$BATS_TEST_TMPDIR/proxychains.conf"
    export PROXYCHAINS_CONF_FILE=$BATS_TEST_TMPDIR/proxychains.conf
    set_source_ports 51000 51999
    server 50100
    background proxy on here microsocks -i 127.0.0.1 -p 1080
    eventually listens 1080
    for order in $(orders "$system/libproxychains.so.4"); do
        run preloaded "$order" connect --say hello 127.0.0.1 50100
        assert_line 'heard: answer-hello'
        assert_line 'peer: 127.0.0.1:1080'
        assert_output --partial '127.0.0.1:1080  ...  127.0.0.1:50100  ...  OK'
    done
}

@test "proxychains4's self-connection in place of its SOCKS server is refused" {
    local order
    printf '%s\n' strict_chain '[ProxyList]' 'socks5 127.0.0.1 50000' >"$BATS_TEST_TMPDIR/proxychains.conf"
    export PROXYCHAINS_CONF_FILE=$BATS_TEST_TMPDIR/proxychains.conf
    set_source_ports 50000
    run preloaded "$system/libproxychains.so.4:$library" connect 192.0.2.1 80
    assert_line 'connect: ECONNREFUSED'
    refute_output --partial 'socket error'
    # In the other order it calls libc's connect(), receives its own greeting and rejects that.
    for order in "$library:$system/libproxychains.so.4" "$system/libproxychains.so.4"; do
        run preloaded "$order" connect 192.0.2.1 80
        assert_line 'connect: ECONNREFUSED'
        assert_output --partial 'socket error'
    done
}

@test "torsocks still refuses connections without Tor" {
    local order alone torsocks=$system/torsocks/libtorsocks.so
    [ -e "$torsocks" ] || torsocks=$system/libtorsocks.so
    run preloaded "$torsocks" connect 192.0.2.1 80
    assert_line 'connect: ECONNREFUSED'
    alone=$(grep -E '^(connect|peer|state)' <<<"$output")
    for order in $(orders "$torsocks"); do
        run preloaded "$order" connect 192.0.2.1 80
        assert_equal "$(grep -E '^(connect|peer|state)' <<<"$output")" "$alone"
    done
}

@test "jemalloc still allocates" {
    local order
    set_source_ports 50000
    for order in $(orders "$system/libjemalloc.so.2"); do
        run preloaded "$order" env MALLOC_CONF=stats_print:true connect 127.0.0.1 50000
        assert_refused
        assert_output --partial 'Begin jemalloc statistics'
    done
}

@test "the launcher preloads AddressSanitizer's runtime first" {
    local launcher=$root/scripts/noselfconn runtime
    set_source_ports 50000
    run preloaded "$library" connect-asan 127.0.0.1 50000
    assert_failure
    assert_output --partial 'ASan runtime does not come first'

    ASAN_OPTIONS=verbosity=1 run --separate-stderr on here "$launcher" connect-asan 127.0.0.1 50000
    assert_refused
    assert_regex "$stderr" 'AddressSanitizer Init done'

    # A runtime that the caller lists keeps its place.
    runtime=$(gcc -print-file-name=libasan.so)
    LD_PRELOAD=$runtime:$root/build/tests/empty.so run -0 "$launcher" printenv LD_PRELOAD
    assert_output "$runtime:$library:$root/build/tests/empty.so"
}
