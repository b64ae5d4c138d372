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
    local message=$1 refusal refusal_status started refusal_took took
    shift

    set_source_ports 50002
    started=${EPOCHREALTIME/./}
    run unprotected timeout 20 "$@" </dev/null
    refusal_took=$((${EPOCHREALTIME/./} - started))
    [ "$status" -ne 124 ] || fail "does not end when refused: $*"
    assert_output --partial "$message"
    refusal=$(normalised)
    refusal_status=$status

    set_source_ports 50000
    started=${EPOCHREALTIME/./}
    run protected timeout 20 "$@" </dev/null
    took=$((${EPOCHREALTIME/./} - started))
    assert_equal "$(normalised)" "$refusal"
    assert_equal "$status" "$refusal_status"
    # The timeouts of these clients are 5 seconds and more.
    [ "$took" -lt $((refusal_took + 4000000)) ] ||
        fail "took $took microseconds instead of $refusal_took: $*"
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

@test "telnet is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' telnet 127.0.0.1 50000
    reaches_a_live_server sh -c '(cat; sleep 1) | telnet 127.0.0.1 50000'
}

@test "nc.openbsd is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' nc.openbsd -v 127.0.0.1 50000
    reaches_a_live_server nc.openbsd -N 127.0.0.1 50000
}

@test "nc.traditional is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' nc.traditional -v 127.0.0.1 50000
    reaches_a_live_server nc.traditional -q 1 127.0.0.1 50000
}

@test "socat is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' socat - TCP:127.0.0.1:50000
    reaches_a_live_server socat - TCP:127.0.0.1:50000
}

@test "curl and wget are refused, and reach a live server" {
    is_refused_as_by_nobody 'curl: (7) Failed to connect' curl -sS http://127.0.0.1:50000/
    new_host
    is_refused_as_by_nobody 'Connection refused' wget --tries 1 -nv -O - http://127.0.0.1:50000/
    new_host
    echo 'a page' >"$BATS_TEST_TMPDIR/page"
    background web on here python3 -m http.server --bind 127.0.0.1 --directory "$BATS_TEST_TMPDIR" 50000
    eventually listens 50000
    run -0 protected curl -sS http://127.0.0.1:50000/page
    assert_output 'a page'
    run -0 protected wget -q -O - http://127.0.0.1:50000/page
    assert_output 'a page'
}

python_client() { # MESSAGE STATEMENT
    local client="
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
    $2
except OSError as error:
    sys.exit(f'{type(error).__name__}: {error}')"

    is_refused_as_by_nobody "$1" python3 -c "$client"
    reaches_a_live_server python3 -c "$client"
}

@test "Python's blocking socket is refused, and reaches a live server" {
    python_client 'ConnectionRefusedError: [Errno 111]' 'converse(socket.create_connection(where))'
}

@test "Python's socket with a timeout is refused, and reaches a live server" {
    python_client 'ConnectionRefusedError: [Errno 111]' 'converse(socket.create_connection(where, timeout=5))'
}

@test "Python's connect_ex() is refused, and reaches a live server" {
    python_client ECONNREFUSED \
        's = socket.socket(); e = s.connect_ex(where); print(errno.errorcode.get(e)); e or converse(s)'
}

@test "Python's asyncio is refused, and reaches a live server" {
    python_client 'ConnectionRefusedError: [Errno 111] Connect call failed' 'asyncio.run(stream())'
}

# shellcheck disable=SC2016 # Perl's variables
@test "Perl is refused, and reaches a live server" {
    local client='use IO::Socket::INET;
        $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:50000") or die "$@\n";
        print $s "hello\n"; $s->flush; print scalar <$s>;'
    is_refused_as_by_nobody 'Connection refused' perl -e "$client"
    reaches_a_live_server perl -e "$client"
}

@test "node is refused, and reaches a live server" {
    local client='const s = require("net").connect(50000, "127.0.0.1");
        s.on("error", (error) => { console.error(error.message); process.exit(1); });
        s.on("connect", () => s.write("hello\n"));
        s.on("data", (data) => { process.stdout.write(data); s.end(); });'
    is_refused_as_by_nobody 'connect ECONNREFUSED 127.0.0.1:50000' node -e "$client"
    reaches_a_live_server node -e "$client"
}

# shellcheck disable=SC2016 # for the inner shell
@test "bash's /dev/tcp is refused, and reaches a live server" {
    local client='exec 5<>/dev/tcp/127.0.0.1/50000 && echo hello >&5 && read -r -u 5 line && echo "$line"'
    is_refused_as_by_nobody 'Connection refused' bash -c "$client"
    reaches_a_live_server bash -c "$client"
}

@test "redis-cli is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' redis-cli -h 127.0.0.1 -p 50000 ping
    new_host
    redis_server
    run -0 protected redis-cli -h 127.0.0.1 -p 50000 ping
    assert_output PONG
}

# A client that waits for its server, and by a self-connection takes the server's port.
wait_for_redis() { # COMMAND...
    background client "$@" sh -c \
        'until redis-cli -h 127.0.0.1 -p 50000 ping 2>&1 | grep -x -e ping -e PONG; do sleep 0.05; done'
}

@test "the server of a reconnecting redis-cli gets its port back" {
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    set_source_ports 50000 50031
    wait_for_redis protected
    eventually grep -qs action=refused "$NOSELFCONN_LOG"
    refute [ -s "$BATS_TEST_TMPDIR/client" ]
    redis_server
    eventually grep -q PONG "$BATS_TEST_TMPDIR/client"

    new_host
    set_source_ports 50000 50031
    wait_for_redis unprotected
    eventually grep -q ping "$BATS_TEST_TMPDIR/client" # an echo of the client's request
    run on here timeout 10 bash -c 'exec -a redis-server redis-check-rdb --bind 127.0.0.1 --port 50000'
    assert_output --partial 'Address already in use'
}

@test "ssh is refused, and reaches a live server" {
    is_refused_as_by_nobody 'Connection refused' ssh -F none -p 50000 127.0.0.1 true
    new_host
    cat >"$BATS_TEST_TMPDIR/server.py" <<'EOF'
import asyncio, asyncssh

class EveryoneWelcome(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False

async def main():
    await asyncssh.create_server(
        EveryoneWelcome, "127.0.0.1", 50000,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=lambda p: (p.stdout.write("ran " + p.command + "\n"), p.exit(7)))
    await asyncio.Event().wait()

asyncio.run(main())
EOF
    background sshd on here python3 "$BATS_TEST_TMPDIR/server.py"
    eventually listens 50000
    run -7 protected ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -p 50000 127.0.0.1 uptime
    assert_output 'ran uptime'
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
    is_refused_as_by_nobody 'error 0 Connection refused' python3 "$clients/qt.py"
}

# bats test_tags=clients
@test "EventMachine reports a refusal" {
    is_refused_as_by_nobody 'unbound: Errno::ECONNREFUSED' ruby "$clients/eventmachine.rb"
}

# bats test_tags=clients
@test "Tcl's socket -async returns a channel, which reports the refusal" {
    is_refused_as_by_nobody 'error: connection refused' tclsh "$clients/async.tcl"
}

# bats test_tags=clients
@test "PHP's STREAM_CLIENT_ASYNC_CONNECT returns a socket, which reports the refusal" {
    is_refused_as_by_nobody 'errno=111 Connection refused' php "$clients/async.php"
}

@test "Perl's non-blocking socket is refused" {
    is_refused_as_by_nobody 'error: Connection refused' perl "$clients/non-blocking.pl"
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
