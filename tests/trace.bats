#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The tracer protects all calls, and the traced command does not notice it. reach.bats has the programs that
# LD_PRELOAD cannot affect; the library's own promises are tested again traced (GUARD=tracer, tests.mk).

load helpers

launcher=$root/build/noselfconn
# shellcheck disable=SC2034 # `protected` traces
guard=tracer

tracer_of() { # PROCESS
    sed -n 's/^TracerPid:\t//p' "/proc/$1/status"
}

# Waits for the process id that a background command prints as its first line.
process_of() { # NAME
    eventually first_line_of "$1" && first_line_of "$1"
}

first_line_of() { # NAME
    output_of "$1" | grep -m 1 .
}

@test "each connecting call is traced in both word sizes, with its arguments at the end of mapped memory" {
    local program call
    for program in "$root/build/static/raw" raw-i386 'raw-i386 --socketcall'; do
        [[ $program != *i386* ]] || runs_32_bit || continue
        for call in connect sendto sendmsg sendmmsg; do
            setup
            set_source_ports 50000
            # shellcheck disable=SC2086 # a program and its option
            refused_instead_of_connected_to_itself $program $call 127.0.0.1 50000
            setup
            server 50100
            # shellcheck disable=SC2086
            run -0 protected $program $call 127.0.0.1 50100
            assert_line 'connect: 0'
            assert_line 'peer: 127.0.0.1:50100'
        done
    done
}

# connect() waits until a signal interrupts it. Meanwhile another thread replaces the descriptor and the
# destination address, or unmaps the address.
meanwhile='
import ctypes, os, signal, socket, struct, sys, threading, time
def endpoint(port):
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(int(port)), bytes([127, 0, 0, 1]))
libc = ctypes.CDLL("libc.so.6", use_errno=True)
libc.mmap.restype = ctypes.c_void_p
page = ctypes.c_void_p(libc.mmap(None, 4096, 3, 0x22, -1, 0))  # MAP_PRIVATE, MAP_ANONYMOUS
ctypes.memmove(page, endpoint(sys.argv[1]), 16)
s = socket.socket()
kept = s.dup()
signal.signal(signal.SIGALRM, lambda *_: None)
def meddle():
    time.sleep(0.5)
    os.dup2(os.open("/dev/null", os.O_RDONLY), s.fileno())
    if sys.argv[2] == "unmapped":
        libc.munmap(page, 4096)
    else:
        ctypes.memmove(page, endpoint(sys.argv[2]), 16)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
threading.Thread(target=meddle).start()
print(libc.connect(s.fileno(), page, 16), ctypes.get_errno(), end=" ")
print("state", kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])'

@test "another thread's changes to the descriptor and address of a call in progress have no effect" {
    local now
    lose_syns_to 50000
    lose_syns_to 50100
    set_source_ports 50000
    for now in 50100 50000 unmapped; do
        run -0 protected python3 -c "$meanwhile" 50000 $now
        assert_output '-1 111 state 7' # CLOSE
        run -0 protected python3 -c "$meanwhile" 50100 $now
        assert_output '-1 4 state 2' # EINTR, SYN_SENT
    done
    run -0 unprotected python3 -c "$meanwhile" 50000 50100
    assert_output '-1 4 state 2'
}

@test "a static program started by a shell, vfork, posix_spawn or a thread is refused" {
    local -x client='
import os, subprocess, sys, threading, time
command = sys.argv[1:]
def spawn():
    os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)
def by_vfork():
    subprocess.run(command)
for start in spawn, by_vfork:
    start()
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
threading.Thread(target=os.execv, args=(command[0], command)).start()
time.sleep(60)'
    set_source_ports 50000
    # shellcheck disable=SC2016 # for the inner shell
    run -0 protected sh -c '"$@"; "$@"; exec python3 -c "$client" "$@"' sh "$root/build/static/raw" 127.0.0.1 50000
    assert_equal "$(grep -c 'connect: ECONNREFUSED' <<<"$output")" 7
}

@test "io_uring fails with EPERM, for an inherited ring too" {
    # io_uring_setup, io_uring_enter, io_uring_register
    run -0 protected python3 -c '
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print([(libc.syscall(number, -1, 0, 0, 0, 0, 0), ctypes.get_errno()) for number in (425, 426, 427)])'
    assert_output '[(-1, 1), (-1, 1), (-1, 1)]'
}

# SECCOMP_RET_USER_NOTIF outranks a tracer (seccomp(2)); the supervisor here continues each call.
@test "below a seccomp supervisor self-connections are refused and servers are reached" {
    local how
    set_source_ports 50000
    server 50100
    run -0 protected deny connect supervise sh -c 'connect 127.0.0.1 50000; connect --nonblock 127.0.0.1 50000'
    assert_line --index 0 'connect: ECONNREFUSED'
    refute_line 'connect: 0'
    refute_line 'peer: 127.0.0.1:50000'
    set_source_ports 50002
    run -0 protected deny connect supervise connect 127.0.0.1 50100
    assert_line 'connect: 0'
    for how in supervise replace; do
        new_host
        set_source_ports 50000
        run -0 protected deny connect "$how" connect 127.0.0.1 50000
        assert_line --index 0 'connect: ECONNREFUSED'
        run -0 unprotected deny connect "$how" connect 127.0.0.1 50000
        assert_connected_to_itself
    done
}

# SECCOMP_FILTER_FLAG_TSYNC gives other threads all filters of the caller.
@test "a supervisor's filter cannot be installed for all threads, nor a later filter with it" {
    local install='
import ctypes, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7fff0000))
print(libc.syscall(317, 1, int(sys.argv[1]), struct.pack("=H6xQ", 1, ctypes.addressof(allow))), ctypes.get_errno())'
    run -0 protected python3 -c "$install" $((1 | 8 | 16))
    assert_output '-1 22'
    run -0 protected python3 -c "$install" 1
    assert_output '0 0'
    run -0 unprotected deny connect supervise python3 -c "$install" 1
    assert_output '0 0'
    run -0 protected deny connect supervise python3 -c "$install" 1
    assert_output '-1 22'
}

@test "calls that the command's own filter sends to a tracer fail with ENOSYS, as without a tracer" {
    local data
    set_source_ports 50000
    for data in 0 1 2 3 4 5 6 32767; do
        run -0 protected deny connect trace=$data connect 127.0.0.1 50000
        assert_line --index 0 'connect: E#38'
        assert_line 'state: CLOSE'
    done
    the_same_with_and_without deny umask trace=1 sh -c umask
    local denied=$output # the number of the error
    run -0 protected sh -c umask
    refute_output "$denied"
}

@test "the command keeps its process id, descriptors, signals, limits, environment and input" {
    local with_a_tracer without how
    # shellcheck disable=SC2016 # for the inner shells
    local seen='read -r children <"/proc/$$/task/$$/children"
        [ "$$ $PPID $(ps -o pgid=,sid= $$)" = "$*" ] && echo "the same process, children: $children"
        grep -E "^(SigBlk|SigIgn|SigCgt|SigPnd|ShdPnd|Umask|Cap.*|Groups):" /proc/$$/status
        ls /proc/$$/fd; cat /proc/$$/limits; pwd; nice; cat; tr "\0" "\n" </proc/$$/environ'
    # shellcheck disable=SC2016
    local caller='trap "" USR1; cd /; umask 027; ulimit -n 77; exec 3</etc/hostname
        exec "$@" sh -c "$0" sh $$ $PPID "$(ps -o pgid=,sid= $$)"'
    for how in "$launcher --trace --log stderr" ''; do
        with_a_tracer=${without-}
        # shellcheck disable=SC2086 # several words
        without=$(env -i 'BASH_FUNC_f%%=() { :; }' dots.in.name=1 LD_PRELOAD= NOSELFCONN_MODE= \
            bash -c "$caller" "$seen" $how <<<'the input' 2>&1)
    done
    assert_equal "$with_a_tracer" "$without"
    [[ $without == *$'the same process, children: \n'*'the input'*'dots.in.name=1'* ]]
}

@test "a process can be waited for as soon as its pidfd reports its end, and a joined thread is gone" {
    run -0 protected python3 -c '
import ctypes, os, select, time
libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
getpid = ctypes.cast(libc.getpid, ctypes.c_void_p)
missing = still_there = 0
for _ in range(500):
    if (child := os.fork()) == 0:
        time.sleep(0.001)
        os._exit(7)
    pidfd = os.pidfd_open(child)
    select.select([pidfd], [], [])
    end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    missing += end is None or (end.si_pid, end.si_status) != (child, 7)
    os.close(pidfd)
    libc.pthread_create(ctypes.byref(thread), None, getpid, None)
    libc.pthread_join(thread, None)
    still_there += len(os.listdir("/proc/self/task")) > 1
print(missing, still_there)'
    assert_regex "$output" '^0 [0-9]+$'
    [ "${output#* }" -le 25 ] # a joined thread takes a moment, traced or not
}

@test "wait(2) reports the same exit status, signal and core dump as without a tracer" {
    local client='
import ctypes, os, resource, signal, threading, time
def status_of(end):
    pid = os.fork()
    if pid == 0: end()
    return os.waitpid(pid, 0)[1]
def in_a_thread(function, *arguments):
    threading.Thread(target=function, args=arguments).start()
def with_threads(end, argument):
    for _ in range(8): in_a_thread(time.sleep, 60)
    end(argument)
def by_exec_of_a_thread():
    in_a_thread(os.execv, "/bin/sh", ["sh", "-c", "exit 3"])
    time.sleep(60)
def leader_first():
    in_a_thread(lambda: (time.sleep(0.1), os._exit(5)))
    ctypes.CDLL(None).syscall(60, 0)  # exit, of this thread alone
def dumped(size):
    resource.setrlimit(resource.RLIMIT_CORE, (size, size))
    os.abort()
print([status_of(end) for end in (
    by_exec_of_a_thread, leader_first, lambda: with_threads(signal.raise_signal, signal.SIGKILL),
    lambda: with_threads(os._exit, 4), lambda: os._exit(0), lambda: signal.raise_signal(signal.SIGTERM),
    lambda: dumped(0), lambda: dumped(1 << 20))])'
    cd "$BATS_TEST_TMPDIR"
    the_same_with_and_without timeout 30 python3 -c "$client"
    assert_output --regexp '^.768, 1280, 9, 1024, 0, 15, (6|134), (6|134).$'
}

@test "the command never waits for the tracer, not even as a subreaper" {
    local options
    for options in '0 0x40000000' '1 0'; do # 0x40000000: __WALL
        # shellcheck disable=SC2086 # two words
        run -0 timeout 10 python3 -c '
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, int(sys.argv[2]), 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
os.execv(sys.argv[1], [sys.argv[1], "--trace", "python3", "-c", """
import os, sys
try: print(os.waitpid(-1, int(sys.argv[1], 0)))
except ChildProcessError: print("no child")""", sys.argv[3]])' "$launcher" $options
        assert_output 'no child'
    done
}

@test "strace, gdb, ltrace and proot fail and report the reason" {
    local tracer
    for tracer in 'strace -o /dev/null true' 'gdb --batch --ex run /bin/true' 'ltrace -o /dev/null true' 'proot true'; do
        run timeout 20 "$launcher" --trace sh -c "$tracer; exit \$?"
        refute_regex "$tracer $status" ' (0|124)$'
        assert_output --regexp '(ptrace|PTRACE|TRACEME).*: Operation not permitted'
    done
}

# Starts a traced command, behind WRAPPER, that waits to be killed.
traced_sleep() { # WRAPPER...
    rm -f "$BATS_TEST_TMPDIR/sleep"
    # shellcheck disable=SC2016 # for the inner shell
    background sleep on here "$@" "$launcher" --trace sh -c 'echo $$; exec sleep 60'
    process=$(process_of sleep)
    tracer=$(tracer_of "$process")
}

@test "the tracer keeps neither the command's descriptors and folder nor its resource limits" {
    local how process tracer
    for how in '' 'deny close_range unknown'; do
        # shellcheck disable=SC2016,SC2086 # for the inner shell; words
        traced_sleep bash -c 'ulimit -S -t 60 -n 300 -v 9000000; exec "$@"' bash $how 3<&0 4<&0 5<&0 255<&0 299<&0
        run readlink "/proc/$tracer/fd/"* "/proc/$tracer/cwd"
        assert_output $'/\n/\n/\n/'
        run awk '/^Max (cpu time|open files|address space)/ && $4 == $5 { raised++ } END { print raised }' "/proc/$tracer/limits"
        assert_output 3
        run awk '/^Max open files/ { print $4 }' "/proc/$process/limits"
        assert_output 300
        kill -KILL "$process"
    done
}

# Of a command in its own process group nine threads print their numbers.
stops='
import os, signal, subprocess, sys, time
worker = subprocess.Popen([*sys.argv[1:], "python3", "-c", """
import os, threading, time
def tick(name):
    while True:
        os.write(1, name)
        time.sleep(0.01)
for i in range(8): threading.Thread(target=tick, args=(b"%d" % i,)).start()
tick(b"8")"""], stdout=subprocess.PIPE, preexec_fn=lambda: os.setpgid(0, 0))
os.set_blocking(worker.stdout.fileno(), False)
def running():
    time.sleep(0.3)
    return len(set(worker.stdout.read() or b""))
def status(option):
    return os.waitpid(worker.pid, option)[1]
while running() < 9: pass
for number in signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU:
    os.kill(worker.pid, number)
    stopped = status(os.WUNTRACED)
    running()
    print(os.WSTOPSIG(stopped) == number, running(), end=" ")
    os.kill(worker.pid, signal.SIGCONT)
    print(os.WIFCONTINUED(status(os.WCONTINUED)), running())
os.kill(worker.pid, signal.SIGTERM)
print(status(0))'

@test "a command stops and continues with all its threads, and its parent, traced or not, is told so" {
    local bare
    run -0 timeout 60 python3 -c "$stops"
    assert_output $'True 0 True 9\nTrue 0 True 9\nTrue 0 True 9\nTrue 0 True 9\n15'
    bare=$output
    run -0 timeout 60 python3 -c "$stops" "$launcher" --trace
    assert_output "$bare"
    run -0 timeout 60 "$launcher" --trace python3 -c "$stops"
    assert_output "$bare"
}

@test "a background process stays protected, and the tracer closes the pipe, after the command has ended" {
    local late=$BATS_TEST_TMPDIR/late
    set_source_ports 50000
    # shellcheck disable=SC2016 # for the inner shell
    run -0 on here sh -c '"$@" | cat' sh "$launcher" --trace sh -c \
        '{ sleep 3; "$@"; } <&- >"$0" 2>&1 3>&- & echo started' "$late" "$root/build/static/raw" 127.0.0.1 50000
    assert_output started
    [ ! -s "$late" ]
    eventually grep -q state "$late"
    run output_of late
    assert_refused
}

@test "the tracer ignores signals and exits with the last process" {
    local process tracer
    traced_sleep env
    # Signals come from the terminal, for the process group, or from `killall noselfconn`.
    assert_equal "$(awk '{ print $6 }' "/proc/$tracer/stat")" "$tracer"
    kill -HUP "$tracer"
    kill -TERM "$tracer"
    sleep 0.1
    assert_equal "$(tracer_of "$process")" "$tracer"
    kill -KILL "$process"
    eventually is_gone "$tracer"
}

is_gone() { # PROCESS
    [ ! -e "/proc/$1/stat" ] || [ "$(awk '{ print $3 }' "/proc/$1/stat")" = Z ]
}

@test "the launcher can trace as process 1 of a container" {
    set_source_ports 50000
    run -0 on here unshare --pid --fork --mount-proc "$launcher" --trace --log stderr \
        "$root/build/static/connect" 127.0.0.1 50000
    assert_output --partial 'pid=1 command="connect" thread=1 '
    assert_line 'connect: ECONNREFUSED'
}

# More than the slots of the tracer's table: some threads share a slot.
@test "the tracer tells 600 threads in connect() apart" {
    lose_syns_to 50100
    background threads protected python3 -c '
import collections, socket, threading
listener = socket.create_server(("127.0.0.1", 50100), backlog=1024)
sockets = [socket.socket() for i in range(600)]
results = []
threads = [threading.Thread(target=lambda s: results.append(s.connect_ex(listener.getsockname())), args=(s,)) for s in sockets]
for thread in threads: thread.start()
print("started", flush=True)
for thread in threads: thread.join()
print(collections.Counter(results))'
    eventually first_line_of threads
    on here nft flush ruleset
    eventually grep Counter "$BATS_TEST_TMPDIR/threads"
    assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/threads")" 'Counter({0: 600})'
}

@test "the tracer frees its memory and descriptors after each call and each process" {
    local log client='
import os, re, socket, time
tracer = re.search(r"TracerPid:\t(\d+)", open("/proc/self/status").read())[1]
def needs():
    memory = re.search(r"VmData:\s+(\d+) kB", open(f"/proc/{tracer}/status").read())[1]
    return int(memory), len(os.listdir(f"/proc/{tracer}/fd"))
def connect(port):
    with socket.socket() as s: return s.connect_ex(("127.0.0.1", port))
def work(times):
    for i in range(times):
        assert connect(50001) == 111
        if i % 10 > 0: continue
        assert connect(50000) == 111
        if (child := os.fork()) == 0: os._exit(connect(50002))
        time.sleep(0.001)
        os.kill(child, 9)
        os.waitpid(child, 0)
work(20)
before = needs()
work(10000)
after = needs()
print(after[0] - before[0] < 100, after[1] - before[1], os.readlink(f"/proc/{tracer}/fd/2"))'
    set_source_ports 50000
    lose_syns_to 50002
    for log in "$BATS_TEST_TMPDIR/log" stderr; do
        protected --log "$log" python3 -c "$client" >"$BATS_TEST_TMPDIR/output" 2>"$BATS_TEST_TMPDIR/stderr"
        assert_equal "$(cat "$BATS_TEST_TMPDIR/output")" 'True 0 /'
        assert_equal "$(wc -l <"${log/stderr/$BATS_TEST_TMPDIR/stderr}")" 1002
    done
}

# Runs a script traced after COMMAND has changed its tracer.
run_after() { # COMMAND... SCRIPT
    mkfifo "$BATS_TEST_TMPDIR/go"
    server 50100
    set_source_ports 50000
    # shellcheck disable=SC2016 # for the inner shell
    background script protected sh -c 'echo $$; read -r go <"$0"; eval "$1"' "$BATS_TEST_TMPDIR/go" "${!#}"
    local script=$!
    "${@:1:$#-1}" "$(tracer_of "$(process_of script)")"
    echo >"$BATS_TEST_TMPDIR/go"
    wait "$script"
    run output_of script
}

@test "after the tracer is killed connecting calls fail with ENOSYS and others succeed" {
    run_after kill -KILL "raw 127.0.0.1 50000; raw 127.0.0.1 50100; echo to a file >'$BATS_TEST_TMPDIR/file' && cat '$BATS_TEST_TMPDIR/file'"
    assert_equal "$(grep -c 'connect: E#38' <<<"$output")" 2 # ENOSYS
    assert_line 'to a file'
}

# Without a descriptor the tracer cannot tell UDP from TCP.
@test "IP connects are refused when the tracer has no descriptor left" {
    run_after prlimit --nofile=3:3 --pid 'connect 127.0.0.1 50100; untouched unix-stream'
    assert_line --index 1 'connect: ECONNREFUSED'
    assert_line 'connect: 0 0'
}

@test "the launcher fails before the command starts if tracing does not work" {
    local obstacle words
    while IFS='|' read -r obstacle words; do
        # shellcheck disable=SC2086 # several words
        run -125 --separate-stderr $obstacle "$launcher" --trace touch "$BATS_TEST_TMPDIR/ran"
        assert_regex "$stderr" "^noselfconn: cannot trace: $words.*"$'\n.'
        [ ! -e "$BATS_TEST_TMPDIR/ran" ]
    done <<END
strace -f -o /dev/null|process [0-9]+ traces this one already
$launcher --trace|process [0-9]+ traces this one already
deny connect trace=1|a seccomp filter denies connect\\(\\) already
deny ptrace fail|ptrace: Operation not permitted
deny seccomp fail|seccomp: Operation not permitted
deny pidfd_getfd fail|pidfd_getfd: Operation not permitted
deny pidfd_getfd kill|the tracer: No child processes
deny write-3 fail|the tracer: No child processes
deny pidfd_open fail|pidfd_getfd: Operation not permitted
deny process_vm_readv fail|process_vm_readv: Operation not permitted
deny get-syscall-info fail|the tracer did not intercept a test call: Bad file descriptor
deny clone fail|clone: Operation not permitted
END
    # A failed tracer is no child of the command.
    run -0 --separate-stderr deny ptrace fail "$launcher" --trace --force cat /proc/thread-self/children
    assert_output ''
    assert_regex "$stderr" UNPROTECTED
}

# bats test_tags=root
@test "--trace refuses unreadable programs" {
    local folder
    public_folder
    install -m 711 /bin/true "$folder/unreadable"
    run -125 as_an_ordinary_user "$folder/noselfconn" --trace "$folder/unreadable"
    assert_output --partial 'cannot be read'
}

# An instrumented tracer would report that it cannot write its coverage counters.
# bats test_tags=root,shipped
@test "a non-dumpable program of an ordinary user is refused its IP connects" {
    server 50100
    local folder program call
    public_folder "$root/build/static/raw" "$root/build/tests/raw-i386"
    export UNDUMPABLE=1
    for program in "$folder/raw" "$folder/raw-i386" "$folder/raw-i386 --socketcall"; do
        [[ $program != *i386* ]] || runs_32_bit || continue
        for call in connect sendto sendmsg sendmmsg; do
            # shellcheck disable=SC2086 # a program and its option
            run -0 as_an_ordinary_user "$folder/noselfconn" --trace $program $call 127.0.0.1 50100
            assert_line 'connect: ECONNREFUSED'
            assert_line 'state: CLOSE' # it has never begun
            # shellcheck disable=SC2086
            run -0 as_an_ordinary_user "$folder/noselfconn" --trace --observe $program $call 127.0.0.1 50100
            assert_line 'connect: 0'
            # shellcheck disable=SC2086
            run -0 as_an_ordinary_user $program $call 127.0.0.1 50100
            assert_line 'connect: 0'
        done
    done
}

@test "no_new_privs is set only if the caller cannot install a filter without it" {
    # shellcheck disable=SC2016 # for awk
    run -0 "$launcher" --trace awk '/^NoNewPrivs/ { print $2 }' /proc/self/status
    assert_output $((EUID != 0))
    # shellcheck disable=SC2016
    run -0 on here "$launcher" --trace awk '/^NoNewPrivs/ { print $2 }' /proc/self/status
    assert_output 0 # root of its own user namespace
}

@test "log lines go to the standard error that the program had at exec, and nowhere else" {
    local client='
import os, socket, sys, threading
def attempt(): socket.socket().connect_ex(("127.0.0.1", 50000))
def in_a_child():
    if os.fork() == 0:
        attempt()
        os._exit(0)
    os.wait()
def in_a_thread(what):
    thread = threading.Thread(target=what)
    thread.start()
    thread.join()
attempt(); in_a_child(); in_a_thread(attempt); in_a_thread(in_a_child)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
attempt(); in_a_child(); in_a_thread(attempt)'
    set_source_ports 50000
    run -0 --separate-stderr protected --log stderr python3 -c "$client" "$BATS_TEST_TMPDIR/later"
    assert_equal "$(grep -c action=refused <<<"$stderr")" 4
    [ ! -s "$BATS_TEST_TMPDIR/later" ]
    # A thread that calls exec gets the thread id of the leader.
    run -0 --separate-stderr protected --log stderr python3 -c '
import os, sys, threading, time
os.dup2(1, 2)
threading.Thread(target=os.execv, args=(sys.argv[1], sys.argv[1:])).start()
time.sleep(60)' "$root/build/static/connect" 127.0.0.1 50000
    assert_output --partial action=refused
    assert_equal "$stderr" ''
}

# The pipe's reader has to start a process, for which it needs the tracer.
@test "a full standard error does not block the command" {
    set_source_ports 50000
    run -0 on here timeout 60 "$launcher" --trace --log stderr python3 -c '
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", """
import os, socket, threading
def fill():
    while True: os.write(2, b"x" * 4096)
for _ in range(2): threading.Thread(target=fill, daemon=True).start()
for _ in range(2000):
    with socket.socket() as s: s.connect_ex(("127.0.0.1", 50000))
os._exit(0)"""], stderr=subprocess.PIPE)
while worker.stderr.read1(4096): subprocess.run(["true"])
print("all read")'
    assert_output 'all read'
}

@test "--check --trace checks a command, or makes a self-connection of its own" {
    run -0 "$launcher" --check --trace dial-static
    assert_output --regexp '^dial-static can be traced, with all that it starts$'
    run -0 protected --check
    assert_output --partial 'works: a real self-connection'
    run -125 deny ptrace fail "$launcher" --check --trace
    assert_output --partial 'cannot trace'
}

# Before Linux 6.9.
@test "without PIDFD_THREAD threads are protected and those with unshared descriptors are refused" {
    set_source_ports 50000
    server 50100
    local client='
import ctypes, os, socket, threading
def attempt(port, alone):
    s = socket.socket()
    if alone:
        ctypes.CDLL(None).unshare(0x400)  # CLONE_FILES
        other = socket.socket()
        os.dup2(other.fileno(), s.fileno())  # the process has another socket of this number
    print(s.connect_ex(("127.0.0.1", port)))
for arguments in (50000, False), (50100, False), (50100, True):
    thread = threading.Thread(target=attempt, args=arguments)
    thread.start()
    thread.join()'
    run -0 on here deny pidfd-thread fail "$launcher" --trace python3 -c "${client/50100/50000}"
    assert_line --index 0 111
    set_source_ports 50002 50009
    run -0 on here deny pidfd-thread fail "$launcher" --trace python3 -c "$client"
    assert_output $'111\n0\n111'
    run -0 protected python3 -c "$client"
    assert_output $'111\n0\n0'
}

# Prints the output of WATCH, which attaches to the tracer of a command that then connects COUNT times.
watch_the_tracer() { # COUNT WATCH...
    local process
    rm -f "$BATS_TEST_TMPDIR/go"
    mkfifo "$BATS_TEST_TMPDIR/go"
    background busy protected python3 -c '
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(os.getpid(), flush=True)
open(sys.argv[2]).read()
for _ in range(int(sys.argv[1])):
    with socket.create_connection(listener.getsockname()): listener.accept()[0].close()' "$1" "$BATS_TEST_TMPDIR/go"
    process=$(process_of busy)
    background watch "${@:2}" "$(tracer_of "$process")"
    local watch=$!
    eventually grep -q attached "$BATS_TEST_TMPDIR/watch"
    : >"$BATS_TEST_TMPDIR/go"
    wait "$watch"
    output_of watch
}

# Counts the instructions of a process by single steps.
steps='
import ctypes, os, sys
ptrace, process, steps = ctypes.CDLL(None).ptrace, int(sys.argv[1]), 0
ptrace(0x4206, process, 0, 0)  # PTRACE_SEIZE
ptrace(0x4207, process, 0, 0)  # PTRACE_INTERRUPT
print("attached", flush=True)
while os.WIFSTOPPED(os.waitpid(process, 0x40000000)[1]):  # __WALL
    ptrace(9, process, 0, 0)  # PTRACE_SINGLESTEP
    steps += 1
print(steps)'

# bats test_tags=shipped
@test "a traced connect costs the tracer 9 system calls and at most 700 instructions" {
    local few many
    few=$(watch_the_tracer 10 strace -p | grep -c '(')
    many=$(watch_the_tracer 110 strace -p | grep -c '(')
    assert_equal $((many - few)) 900
    few=$(watch_the_tracer 10 python3 -c "$steps" | tail -n 1)
    many=$(watch_the_tracer 110 python3 -c "$steps" | tail -n 1)
    echo "instructions: $(((many - few) / 100))"
    [ "$many" -gt "$few" ] && [ $((many - few)) -le 70000 ] # 540 by gcc 12, 615 by gcc 14
}

@test "an ignored signal interrupts calls that are never restarted" {
    local client='
import ctypes, os, select, signal, threading
epoll = select.epoll()
threading.Timer(0.2, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGWINCH)).start()
print(ctypes.CDLL(None, use_errno=True).epoll_wait(epoll.fileno(), ctypes.create_string_buffer(12), 1, 600),
      os.strerror(ctypes.get_errno()))'
    run -0 protected python3 -c "$client"
    assert_output '-1 Interrupted system call'
    run -0 unprotected python3 -c "$client"
    assert_output '0 Success'
}

@test "a process 1 that never waits keeps the tracer as a zombie" {
    run -0 on here unshare --pid --fork --mount-proc python3 -c '
import subprocess, sys, time
subprocess.run([sys.argv[1], "--trace", "true"])
time.sleep(0.5)
subprocess.run(["ps", "-o", "stat=,comm=", "--ppid", "1"])' "$launcher"
    assert_output --regexp 'Z[^ ]* +noselfconn'
}

@test "CLONE_UNTRACED children cannot connect, and strict seccomp mode fails" {
    local client='
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
print(libc.prctl(22, 1, 0, 0, 0) if os.environ.get("STRICT") else 0, ctypes.get_errno(), flush=True)  # PR_SET_SECCOMP
child = libc.syscall(56, 0x00800000 | 17, 0, 0, 0, 0)  # clone: CLONE_UNTRACED, SIGCHLD
if child == 0:
    print(socket.socket().connect_ex(("127.0.0.1", 9)), flush=True)
    os._exit(0)
os.waitpid(child, 0)'
    STRICT=1 run -0 protected python3 -c "$client"
    assert_output $'-1 22\n38' # EINVAL, ENOSYS
    run -0 unprotected python3 -c "$client"
    assert_output $'0 0\n111'
    STRICT=1 run -137 unprotected python3 -c "$client"
}

@test "LeakSanitizer cannot run, other sanitizers can" {
    run -0 unprotected connect-asan 127.0.0.1 9
    run protected connect-asan 127.0.0.1 9
    assert_failure
    assert_output --partial 'LeakSanitizer has encountered a fatal error'
    ASAN_OPTIONS=detect_leaks=0 run -0 protected connect-asan 127.0.0.1 9
    assert_line 'connect: ECONNREFUSED'
}

@test "a 32-bit launcher traces 32-bit programs and refuses others" {
    local launcher=$root/build/i686-linux-gnu/noselfconn
    needs_32_bit
    set_source_ports 50000
    run on here "$launcher" --trace connect-i386 127.0.0.1 50000
    assert_refused
    run -125 "$launcher" --trace "$root/build/static/connect"
    assert_output --partial ': it has 64 bits, and this noselfconn 32'
}
