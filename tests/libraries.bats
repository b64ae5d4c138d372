#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Debian's libraries that connect for a program, called by Python's ctypes. Programs of clients.bats call others.

load helpers

is_refused_instead_of_connected_to_itself() { # MESSAGE SCRIPT
    run -0 protected timeout 10 python3 -c "import ctypes; $2"
    assert_output --partial "$1"
    run self_connected_sockets
    assert_output ''
    # Connected to itself, the client may reject its own request, or wait for more.
    background control unprotected python3 -c "import ctypes; $2"
    eventually self_connected
}

self_connected() {
    [ -n "$(self_connected_sockets)" ]
}

@test "libpq is refused" {
    set_source_ports 50000
    is_refused_instead_of_connected_to_itself 'failed: Connection refused' '
l = ctypes.CDLL("libpq.so.5")
l.PQconnectdb.restype = ctypes.c_void_p
l.PQerrorMessage.restype = ctypes.c_char_p
c = l.PQconnectdb(b"host=127.0.0.1 port=50000 sslmode=disable")
print(l.PQerrorMessage(ctypes.c_void_p(c)).decode())'
}

@test "OpenSSL's BIO is refused" {
    set_source_ports 50000
    is_refused_instead_of_connected_to_itself 'Connection refused' '
l = ctypes.CDLL("libcrypto.so.3")
l.BIO_new_connect.restype = ctypes.c_void_p
l.ERR_get_error.restype = ctypes.c_ulong
l.ERR_error_string.restype = ctypes.c_char_p
b = ctypes.c_void_p(l.BIO_new_connect(b"127.0.0.1:50000"))
l.BIO_ctrl(b, 101, 0, None)  # BIO_do_connect()
print(l.ERR_error_string(ctypes.c_ulong(l.ERR_get_error()), None).decode())'
}
