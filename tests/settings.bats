#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# NOSELFCONN_MODE and NOSELFCONN_LOG.

load helpers

setup() {
    new_host
    set_source_ports 50000
    log=$BATS_TEST_TMPDIR/log
}

line_of_log() { # ENDPOINT MODE ACTION
    local time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z'
    printf '^time=%s pid=([0-9]+) command="connect" thread=([0-9]+) call=connect fd=(0|[1-9][0-9]*) endpoint=%s mode=%s action=%s$' \
        "$time" "$1" "$2" "$3"
}

@test "without a mode, or with an unknown one, self-connections are refused silently" {
    local mode
    for mode in '' observer; do
        NOSELFCONN_MODE=$mode run --separate-stderr protected connect 127.0.0.1 50000
        assert_refused
        assert_equal "$stderr" ''
    done
}

@test "mode observe lets a self-connection stand, with its result and errno, and logs it" {
    NOSELFCONN_MODE=observe NOSELFCONN_LOG=$log run protected connect 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_line 'state: ESTABLISHED'
    assert_connected_to_itself
    run cat "$log"
    assert_output --regexp "$(line_of_log '127\.0\.0\.1:50000' observe allowed)"
    setup
    NOSELFCONN_MODE=observe NOSELFCONN_LOG=/nonexistent/log run protected connect --nonblock 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_connected_to_itself
}

@test "mode off, and a connection to a server, leave no log line" {
    NOSELFCONN_MODE=off NOSELFCONN_LOG=$log run protected connect 127.0.0.1 50000
    assert_connected_to_itself
    set_source_ports 50002
    server 50100
    NOSELFCONN_LOG=$log run -0 protected connect 127.0.0.1 50100
    assert_line 'connect: 0'
    [ ! -e "$log" ]
}

@test "a refused self-connection is one log line with time, process, thread and descriptor" {
    local before after pid
    before=$(date +%s%3N)
    # shellcheck disable=SC2016 # for the inner shell
    NOSELFCONN_LOG=$log run protected bash -c \
        'for fd in {3..41}; do eval "exec $fd</dev/null"; done; exec connect 127.0.0.1 50000'
    after=$(date +%s%3N)
    assert_refused
    run cat "$log"
    assert_equal "${#lines[@]}" 1
    assert_output --regexp "$(line_of_log '127\.0\.0\.1:50000' enforce refused)"
    [[ $output =~ pid=([0-9]+) ]] && pid=${BASH_REMATCH[1]}
    assert_output --partial " thread=$pid call=connect fd=42 endpoint="
    [[ $output =~ time=([^ ]+) ]] && time=$(date -d "${BASH_REMATCH[1]}" +%s%3N)
    [ "$before" -le "$time" ] && [ "$time" -le "$after" ]
}

# The log shows the socket's endpoint, which for a wildcard destination is another address.
@test "the log prints IPv6 addresses shortened and in brackets, mapped ones as IPv4" {
    local address port shown
    on here tee /proc/sys/net/ipv4/ip_unprivileged_port_start <<<0 >/dev/null
    while read -r address port shown; do
        [[ $address != *[1-9]::5 && $address != 2001:* ]] || own_address "$address"
        set_source_ports "$port"
        NOSELFCONN_LOG=$log run protected connect "$address" "$port"
        assert_refused
        run tail -n 1 "$log"
        assert_output --partial " endpoint=$shown "
    done <<'EOF'
::1 50000 [::1]:50000
2001:db8::1:0:0:1 50000 [2001:db8::1:0:0:1]:50000
2001:db8:0:1:1:1:1:1 50000 [2001:db8:0:1:1:1:1:1]:50000
2001:db8:1:2:3:4:5:6 50000 [2001:db8:1:2:3:4:5:6]:50000
2001:db8:1:: 50000 [2001:db8:1::]:50000
0:0:1::5 50000 [0:0:1::5]:50000
:: 50000 [::1]:50000
0.0.0.0 50000 127.0.0.1:50000
::ffff:127.0.0.1 50000 127.0.0.1:50000
127.0.0.1 7 127.0.0.1:7
EOF
}

# A daemon closes descriptor 2, and the next file, pipe or socket, a database, gets it. A log line in the file
# would move its offset, too.
@test "a file, pipe or socket that the program opened as descriptor 2 gets no log line" {
    local file=$BATS_TEST_TMPDIR/file what started client='
import os, socket, sys
os.closerange(2, 3)
if sys.argv[1] == "pipe":
    reader, writer = os.pipe()
elif sys.argv[1] == "socket":
    reader, writer = [s.detach() for s in socket.socketpair()]
else:
    reader, writer = os.open(sys.argv[2], os.O_RDONLY), os.open(sys.argv[2], os.O_RDWR | getattr(os, sys.argv[1]))
reader = os.dup(reader)
os.dup2(writer, 2)
os.write(2, b"data")
print("errno", socket.socket().connect_ex(("127.0.0.1", 50000)))
os.write(2, b"base")
print(os.read(reader, 1000))'
    for NOSELFCONN_LOG in stderr /dev/stderr /dev/fd/2 /proc/self/fd/2; do
        export NOSELFCONN_LOG
        # shellcheck disable=SC2016 # for the inner shell
        for started in 'exec "$@"' 'exec "$@" 2>&-' 'exec "$@" 2>"$0"'; do
            for what in O_RDWR O_APPEND pipe socket; do
                : >"$file"
                run -0 protected sh -c "$started" "$BATS_TEST_TMPDIR/stderr" python3 -c "$client" "$what" "$file"
                assert_output $'errno 111\n'"b'database'"
            done
        done
    done
}

@test "standard error can be a file, pipe, socket or terminal, by any of its names" {
    for NOSELFCONN_LOG in stderr /dev/stderr /dev/fd/2 /proc/self/fd/2; do
        export NOSELFCONN_LOG
        protected connect 127.0.0.1 50000 2>"$log"
        run cat "$log"
        assert_output --regexp "$(line_of_log '127\.0\.0\.1:50000' enforce refused)"
        run -0 protected bash -c 'exec 2> >(cat); exec connect 127.0.0.1 50000'
        assert_output --partial action=refused
        run -0 protected python3 -c '
import os, pty, socket, subprocess
ours, theirs = socket.socketpair()
subprocess.run(["connect", "127.0.0.1", "50000"], stderr=theirs)
print(ours.recv(1000).decode())
master, slave = pty.openpty()
subprocess.run(["connect", "127.0.0.1", "50000"], stderr=slave)
print(os.read(master, 1000).decode())'
        assert_equal "$(grep -c action=refused <<<"$output")" 2
    done
}

# In a container or under a supervisor the pipe belongs to root and the program runs as a user.
# bats test_tags=root
@test "standard error can be a pipe of another user" {
    local folder
    public_folder "$(command -v connect)"
    # shellcheck disable=SC2016 # for the inner shell, whose standard error is the pipe of `run`
    NOSELFCONN_LOG=stderr library=$folder/libnoselfconn.so run -0 protected \
        setpriv --reuid nobody --regid nogroup --clear-groups \
        sh -c '[ ! -w /proc/self/fd/2 ] && exec "$0" 127.0.0.1 50000' "$folder/connect"
    assert_line 'connect: ECONNREFUSED'
    assert_output --partial action=refused
}

@test "the log has the calling process and thread, and the command's name, in the library its first name" {
    local name=python3
    [ "$guard" = library ] || name=renamed
    NOSELFCONN_LOG=$log run -0 protected python3 -c '
import ctypes, os, socket, threading
ctypes.CDLL(None).prctl(15, b"renamed")
def connect():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.connect_ex(s.getsockname())
    print(os.getpid(), threading.get_native_id(), flush=True)
if os.fork() == 0:
    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    os._exit(0)
os.wait()'
    child_and_thread=$output
    [ "${child_and_thread% *}" != "${child_and_thread#* }" ]
    run sed 's/.* pid=\([0-9]*\) command="\(.*\)" thread=\([0-9]*\) .*/\1 \3 \2/' "$log"
    assert_output "$child_and_thread $name"
}

@test "a program's name cannot forge or break a log line" {
    local program=$BATS_TEST_TMPDIR/$'a" b\nc~\\\x7f\u00fc'
    cp "$root/build/tests/connect" "$program"
    NOSELFCONN_LOG=$log run protected "$program" 127.0.0.1 50000
    assert_refused
    run cat "$log"
    assert_equal "${#lines[@]}" 1
    assert_output --partial ' command="a? b?c~????" '
}

# Same result as without a log, no signal, no waiting.
@test "a log that cannot be written, or has a relative or overlong path, does not affect the program" {
    local expected
    cd "$BATS_TEST_TMPDIR"
    run protected connect 127.0.0.1 50000
    assert_refused
    expected=$output
    mkfifo fifo
    for log in log "/$(printf '%05000d' 0)" /nonexistent/log /dev/full "$PWD" "$PWD/fifo"; do
        NOSELFCONN_LOG=$log run -0 protected timeout 10 connect 127.0.0.1 50000
        assert_output "$expected"
    done
    run ls
    assert_output fifo
}

@test "a standard error that is closed, full or without a reader does not affect the program" {
    local kinds='
import os, pty, socket, subprocess, sys
def fill(fd, data):
    os.set_blocking(fd, False)
    try:
        while True: os.write(fd, data)
    except BlockingIOError: os.set_blocking(fd, True)
def attempt(kind, **options):
    output = subprocess.check_output(["timeout", "5", "connect", "127.0.0.1", "50000"], text=True, **options)
    print(kind, output.strip() == sys.argv[1])
attempt("closed", preexec_fn=lambda: os.close(2))
attempt("/dev/full", stderr=open("/dev/full", "w"))
reader, writer = os.pipe()
fill(writer, b"x" * 4096)
attempt("a full pipe", stderr=writer)
os.close(reader)
attempt("a pipe without a reader", stderr=writer)
master, slave = pty.openpty()
for size in 256, 100, 80:
    fill(slave, b"x" * size)
    os.read(master, 256)
    attempt("a terminal with room for less than a line", stderr=slave)
ours, theirs = socket.socketpair()
fill(theirs.fileno(), b"x")
attempt("a full socket", stderr=theirs)'
    run protected connect 127.0.0.1 50000
    assert_refused
    NOSELFCONN_LOG=stderr run -0 protected timeout 60 python3 -c "$kinds" "$output"
    refute_output --partial False
    assert_equal "${#lines[@]}" 8
}

# bats test_tags=shipped
@test "a line that the file size limit cuts off is removed from the log" {
    local program='
import socket
for i in range(40):
    print(socket.socket().connect_ex(("127.0.0.1", 50000)))'
    # shellcheck disable=SC2016 # for the inner shell
    NOSELFCONN_LOG=$log run -0 protected sh -c '(ulimit -f 1; python3 -c "$0") && python3 -c "$0" | uniq' "$program"
    assert_line --index 40 111
    [ "$(wc -l <"$log")" -gt 40 ]
    run grep -vE '^time=[^ ]+ pid=[0-9]+ command="python3" thread=[0-9]+ call=connect [^ ]+ [^ ]+ [^ ]+ action=refused$' "$log"
    assert_output ''
}

# SIGTTOU stops a background process that writes to its terminal (stty tostop).
# bats test_tags=library
@test "the log does not stop a background process of a terminal" {
    # shellcheck disable=SC2016 # for the inner shell
    NOSELFCONN_LOG=stderr run -0 protected timeout 20 python3 -c '
import os, pty, subprocess, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "-c", "stty tostop; set -m; connect 127.0.0.1 50000 >$0 & wait $!", sys.argv[1]])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(os.read(master, 1000).decode())' "$BATS_TEST_TMPDIR/output"
    assert_line 0
    assert_output --partial action=refused
    run cat "$BATS_TEST_TMPDIR/output"
    assert_refused
}

# bats test_tags=shipped,library
@test "a log at the file size limit raises no signal, and a pending one stays pending" {
    # shellcheck disable=SC2016 # for the inner shell
    NOSELFCONN_LOG=$log run -0 protected sh -c 'ulimit -f 0; exec python3 -c "$0"' '
import socket
from signal import *
def attempt(): print(socket.socket().connect_ex(("127.0.0.1", 50000)))
signal(SIGXFSZ, SIG_DFL)
attempt()
pthread_sigmask(SIG_BLOCK, [SIGXFSZ])
raise_signal(SIGXFSZ)
attempt()
print(sigpending() == {SIGXFSZ}, pthread_sigmask(SIG_BLOCK, []) == {SIGXFSZ})'
    assert_output $'111\n111\nTrue True'
    [ ! -s "$log" ]
}

# bats test_tags=library
@test "a log line is one appending write that cannot block, to a file that no other program inherits" {
    NOSELFCONN_LOG=$log run -0 traced -s 300 -e trace=openat,write,close sh -c 'exec connect 127.0.0.1 50000 >/dev/null'
    run grep -A 2 'openat.*/log"' "$BATS_TEST_TMPDIR/trace"
    assert_line --index 0 --regexp 'log", O_WRONLY.O_CREAT.O_NOCTTY.O_APPEND.O_NONBLOCK.O_CLOEXEC, 0666\) = [0-9]+$'
    local fd=${lines[0]##* }
    assert_line --index 1 --regexp "^write\\($fd, \"time=.* action=refused.n\", "
    assert_line --index 2 --regexp "^close\\($fd\\) "
    NOSELFCONN_LOG=stderr run -0 traced -e trace=openat,rt_sigtimedwait sh -c 'exec connect 127.0.0.1 50000 2>/dev/full'
    run grep -A 1 'openat.*thread-self' "$BATS_TEST_TMPDIR/trace"
    assert_line --index 0 --regexp '/fd/[0-9]+", O_WRONLY.O_NOCTTY.O_APPEND.O_NONBLOCK.O_CLOEXEC\) = [0-9]+$'
    assert_line --index 1 --regexp '^rt_sigtimedwait\(.PIPE TTOU XFSZ., NULL, .tv_sec=0, tv_nsec=0.'
}
