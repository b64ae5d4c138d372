# SPDX-License-Identifier: MIT
"""As many suites have it: nobody listens is "connection refused", and a server comes back on its port."""
import socket
import threading
import time

import pytest

ADDRESS = ("127.0.0.1", 50000)


def test_a_dead_port_refuses():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(ADDRESS)


def test_a_server_starts_again_while_a_peer_reconnects():
    tried = threading.Event()
    peer = threading.Thread(target=reconnect, args=(tried,), daemon=True)
    peer.start()
    tried.wait()
    with socket.create_server(ADDRESS) as server:
        client, _ = server.accept()
        with client:
            assert client.recv(5) == b"hello"
    peer.join()


def reconnect(tried):
    """Ten times a second until the server is there; then until it closes the connection."""
    while True:
        try:
            with socket.create_connection(ADDRESS) as peer:
                tried.set()
                peer.sendall(b"hello")
                while peer.recv(100):
                    pass
                return
        except ConnectionRefusedError:
            tried.set()
            time.sleep(0.1)
