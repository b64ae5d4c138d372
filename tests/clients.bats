#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Debian's programs: protected, each has the message and exit status of a refused connection and reaches a live
# server. Unprotected, it connects to itself.

load helpers

# The non-blocking clients of clients/. Tests with the tag `clients` need large packages: make check-clients.
clients=$root/tests/clients

# Removes durations, times, process ids and source ports.
normalised() {
    sed -E 's/after [0-9]+ ms/after N ms/; s/duration: [0-9]+ms/duration: Nms/; s/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}/TIME/
        s/[0-9/]{10} [0-9:]{8}/TIME/; s/socat\[[0-9]+\]/socat[PID]/' <<<"$output"
}

# The client connects to 127.0.0.1:50000 and prints MESSAGE for a refusal.
is_refused_as_by_nobody() { # MESSAGE CLIENT...
    local message=$1 refusal
    shift

    set_source_ports 50002
    run unprotected timeout 20 "$@" </dev/null
    [ "$status" -ne 124 ] || fail "does not end when refused: $*"
    assert_output --partial "$message"
    refusal="$*: $status $(normalised)"

    set_source_ports 50000
    run protected timeout 20 "$@" </dev/null
    assert_equal "$*: $status $(normalised)" "$refusal"
    run self_connected_sockets
    assert_output ''

    count_self_connections
    background control unprotected "$@"
    eventually has_self_connected
}

reaches_a_live_server() { # CLIENT...
    new_host
    server 50000
    run protected "$@" <<<hello
    assert_output --partial answer-hello
}

is_refused_and_reaches_a_live_server() { # MESSAGE CLIENT...
    new_host
    is_refused_as_by_nobody "$@"
    reaches_a_live_server "${@:2}"
}

@test "telnet, nc.openbsd, nc.traditional, socat, curl and wget are refused, and reach a live server" {
    local message dead live
    while IFS='|' read -r message dead live; do
        new_host
        # shellcheck disable=SC2086 # several words
        is_refused_as_by_nobody "$message" $dead
        reaches_a_live_server sh -c "$live"
    done <<'END'
Connection refused|telnet 127.0.0.1 50000|(cat; sleep 1) | telnet 127.0.0.1 50000
Connection refused|nc.openbsd -v 127.0.0.1 50000|nc.openbsd -N 127.0.0.1 50000
Connection refused|nc.traditional -v 127.0.0.1 50000|nc.traditional -q 1 127.0.0.1 50000
Connection refused|socat - TCP:127.0.0.1:50000|socat - TCP:127.0.0.1:50000
curl: (7) Failed to connect|curl -sS http://127.0.0.1:50000/|curl -sS --http0.9 --max-time 1 --header hello:x http://127.0.0.1:50000/
Connection refused|wget --tries 1 -nv -O - http://127.0.0.1:50000/|wget --tries 1 --timeout 1 --header hello:x -nv -O - http://127.0.0.1:50000/
END
}

@test "Python is refused blocking, with a timeout, by connect_ex() and by asyncio, and reaches a live server" {
    local message statement
    while IFS='|' read -r message statement; do
        is_refused_and_reaches_a_live_server "$message" python3 -c "
import asyncio, errno, socket, sys
where = ('127.0.0.1', 50000)
def converse(s):
    s.sendall(b'hello\\n')
    print(s.recv(100).decode().strip())
async def stream():
    reader, writer = await asyncio.open_connection(*where)
    writer.write(b'hello\\n')
    print((await reader.readline()).decode().strip())
try:
    $statement
except OSError as error:
    sys.exit(f'{type(error).__name__}: {error}')"
    done <<'END'
ConnectionRefusedError: [Errno 111]|converse(socket.create_connection(where))
ConnectionRefusedError: [Errno 111]|converse(socket.create_connection(where, timeout=5))
ECONNREFUSED|s = socket.socket(); e = s.connect_ex(where); print(errno.errorcode.get(e)); e or converse(s)
ConnectionRefusedError: [Errno 111] Connect call failed|asyncio.run(stream())
END
}

# shellcheck disable=SC2016 # Perl's variables
@test "Perl is refused, and reaches a live server" {
    local client='use IO::Socket::INET;
        $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:50000") or die "$@\n";
        print $s "hello\n"; $s->flush; print scalar <$s>;'
    is_refused_and_reaches_a_live_server 'Connection refused' perl -e "$client"
}

@test "node is refused, and reaches a live server" {
    local client='const s = require("net").connect(50000, "127.0.0.1");
        s.on("error", (error) => { console.error(error.message); process.exit(1); });
        s.on("connect", () => s.write("hello\n"));
        s.on("data", (data) => { process.stdout.write(data); s.end(); });'
    is_refused_and_reaches_a_live_server 'connect ECONNREFUSED 127.0.0.1:50000' node -e "$client"
}

# shellcheck disable=SC2016 # for the inner shell
@test "bash's /dev/tcp is refused, and reaches a live server" {
    local client='exec 5<>/dev/tcp/127.0.0.1/50000 && echo hello >&5 && read -r -u 5 line && echo "$line"'
    is_refused_and_reaches_a_live_server 'Connection refused' bash -c "$client"
}

@test "redis-cli is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' redis-cli -h 127.0.0.1 -p 50000 ping
    new_host
    # Another argv[0] makes it redis-server, whose package would start one on the machine.
    background redis on here bash -c 'exec -a redis-server redis-check-rdb --bind 127.0.0.1 --port 50000 --save ""'
    eventually listens 50000
    run -0 protected redis-cli -h 127.0.0.1 -p 50000 ping
    assert_output PONG
}

@test "ssh is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' ssh -F none -p 50000 127.0.0.1 true
    new_host
    server 50000 127.0.0.1 SSH-2.0-live
    run protected timeout 20 ssh -v -F none -p 50000 127.0.0.1 true
    assert_output --partial 'remote software version live'
}

# bats test_tags=clients
@test "Mono's ConnectAsync() and BeginConnect() end as after a refusal" {
    mcs -out:"$BATS_TEST_TMPDIR/connect.exe" "$clients/connect.cs"
    is_refused_as_by_nobody 'ConnectionRefused: ' mono "$BATS_TEST_TMPDIR/connect.exe" async
    new_host
    is_refused_as_by_nobody 'ConnectionRefused: ' mono "$BATS_TEST_TMPDIR/connect.exe" begin
}

# bats test_tags=clients
@test "Qt emits error() after connectToHost() has returned, as after a refusal" {
    is_refused_as_by_nobody 'error 0 Connection refused' python3 -c '
from PyQt5.QtCore import QCoreApplication
from PyQt5.QtNetwork import QTcpSocket
application = QCoreApplication([""])
socket = QTcpSocket()
socket.stateChanged.connect(lambda state: print("state", state))
socket.connected.connect(lambda: (print("connected"), application.quit()))
socket.error.connect(lambda error: (print("error", error, socket.errorString()), application.quit()))
socket.connectToHost("127.0.0.1", 50000)
print("connectToHost() has returned in state", socket.state())
application.exec()'
}

# bats test_tags=clients
@test "EventMachine reports a refusal" {
    is_refused_as_by_nobody 'unbound: Errno::ECONNREFUSED' ruby -r eventmachine -e '
module Client
  def connection_completed = puts("connected")
  def unbind(reason = nil) = (puts("unbound: #{reason.inspect}"); EventMachine.stop)
end
EventMachine.run { EventMachine.connect("127.0.0.1", 50000, Client) }'
}

# bats test_tags=clients
@test "Tcl's socket -async returns a channel, which reports the refusal" {
    is_refused_as_by_nobody 'error: connection refused' tclsh "$clients/async.tcl"
}

# bats test_tags=clients
# shellcheck disable=SC2016 # PHP's variables
@test "PHP's STREAM_CLIENT_ASYNC_CONNECT returns a socket, which reports the refusal" {
    is_refused_as_by_nobody 'errno=111 Connection refused' php -r '
$socket = stream_socket_client("tcp://127.0.0.1:50000", $errno, $error, 5,
    STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
echo gettype($socket), " $errno $error\n";
$read = null;
$write = $except = [$socket];
echo "ready: ", stream_select($read, $write, $except, 5), "\n";
echo "peer: ", var_export(stream_socket_get_name($socket, true), true), "\n";
echo "written: ", var_export(fwrite($socket, "hello\n"), true), "\n";'
}

# shellcheck disable=SC2016 # Perl's variables
@test "Perl's non-blocking socket is refused" {
    is_refused_as_by_nobody 'error: Connection refused' perl -M{strict,warnings,IO::Select,IO::Socket::INET} -e '
my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:50000", Blocking => 0) or die "no socket: $@\n";
print "ready: ", scalar(IO::Select->new($socket)->can_write(5)), "\n";
$! = $socket->getsockopt(SOL_SOCKET, SO_ERROR);
print "error: $!\n";
print "connected: ", ($socket->connected ? "yes" : "no"), "\n";'
}

# bats test_tags=clients
@test "hiredis calls the callback of a refused connection" {
    gcc -o "$BATS_TEST_TMPDIR/hiredis" "$clients/hiredis.c" -lhiredis
    is_refused_as_by_nobody 'callback: Connection refused' "$BATS_TEST_TMPDIR/hiredis"
}

# bats test_tags=clients
@test "libuv calls the callback of a refused connection" {
    gcc -o "$BATS_TEST_TMPDIR/libuv" "$clients/libuv.c" -luv
    is_refused_as_by_nobody 'callback: ECONNREFUSED' "$BATS_TEST_TMPDIR/libuv"
}

# bats test_tags=clients
@test "Java NIO's finishConnect() reports the refusal" {
    javac -d "$BATS_TEST_TMPDIR" "$clients/Connect.java"
    is_refused_as_by_nobody 'ConnectException: Connection refused' \
        java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$BATS_TEST_TMPDIR" Connect
}

# Prints HAProxy's log of its first health check.
# shellcheck disable=SC2016 # for the inner shell
first_health_check='/usr/local/lib/noselfconn-tests/haproxy -db -f "$0/haproxy.cfg" >"$1" 2>&1 &
    until grep "^Health check" "$1"; do sleep 0.05; done
    kill $!'

# bats test_tags=clients
@test "HAProxy's health check reports a refusal" {
    is_refused_as_by_nobody 'Layer4 connection problem, info: "Connection refused"' \
        sh -c "$first_health_check" "$clients" "$BATS_TEST_TMPDIR/log"
}
