#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Threads, signals, children, small stacks and a full descriptor table.

load helpers

# Each thread has its own port from 50000 on, outside the range of source ports.
many_threads() {
    set_source_ports 20000 40000
}

# bats test_tags=long
@test "of 1,000,000 connects by 64 threads every self-connection is refused and no other fails" {
    many_threads
    run -0 protected threads 64 1000000
    assert_output 'refused 499968 through 0 served 499968 harmed 0 bind-failed 0 leaked 0'
    run -0 unprotected threads 64 128
    assert_output 'refused 0 through 64 served 64 harmed 0 bind-failed 0 leaked 0'
}

# bats test_tags=long,library
@test "ThreadSanitizer finds no race in 64 threads with an instrumented library" {
    many_threads
    run -0 nm --dynamic --undefined-only "$root/build/tsan/libnoselfconn.so"
    assert_output --partial __tsan
    run -0 on here env LD_PRELOAD="$root/build/tsan/libnoselfconn.so" threads-tsan 64 20000
    assert_output 'refused 9984 through 0 served 9984 harmed 0 bind-failed 0 leaked 0'
}

# bats test_tags=library
@test "64 threads are protected under valgrind" {
    many_threads
    run -0 on here env LD_PRELOAD="$library" valgrind --quiet --error-exitcode=9 --fair-sched=yes \
        threads 64 1280
    assert_output 'refused 640 through 0 served 640 harmed 0 bind-failed 0 leaked 0'
}

@test "a signal handler's connect() is refused while the interrupted code waits in connect()" {
    set_source_ports 20000 20999
    lose_syns_to 50001
    run -0 protected timeout 10 signals handler
    assert_line 'handler: ran 1 refused 1'
    assert_line 'connect: EINTR'
    assert_line 'state: SYN_SENT'
    run -0 unprotected timeout 10 signals handler
    assert_line 'handler: ran 1 refused 0'
    assert_line 'connect: EINTR'
    assert_line 'state: SYN_SENT'
}

@test "connects in a timer's handler are refused in a storm of signals" {
    set_source_ports 20000 20999
    run -0 protected signals storm
    assert_line 'refused 20000 through 0 other 0'
    assert_line 'in the handler: refused some other 0'
}

@test "children of fork() and vfork() and their parents are refused" {
    local how
    set_source_ports 20000 20999
    for how in fork vfork; do
        run -0 protected signals $how
        assert_output $'child: ECONNREFUSED\nparent: ECONNREFUSED'
        new_host
        set_source_ports 20000 20999
        run -0 unprotected signals $how
        assert_output $'child: 0\nparent: 0'
    done
}

@test "a call from another library's destructor is refused" {
    set_source_ports 50000
    run -0 on here env LATE_CALL=connect LD_PRELOAD="$library:$(preload constructor)" true
    assert_output 'connect after main(): refused'
    run -0 on here env LATE_CALL=connect LD_PRELOAD="$(preload constructor):$library" true
    assert_output 'connect after main(): refused'
    run -0 on here env LATE_CALL=connect LD_PRELOAD="$(preload constructor)" true
    assert_output 'connect after main(): connected'
}

@test "a program is refused after a plugin that connected was unloaded" {
    set_source_ports 50000
    cat >"$BATS_TEST_TMPDIR/unload.py" <<'EOF'
import _ctypes, ctypes, errno, socket, struct, sys

plugin = ctypes.CDLL(sys.argv[1])
destination = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(50000), bytes([127, 0, 0, 1]))
client = socket.socket()
print(errno.errorcode.get(plugin.plugin_connect(client.fileno(), destination, 16), "connected"))
client.close()
_ctypes.dlclose(plugin._handle)
print("unloaded" if "plugin.so" not in open("/proc/self/maps").read() else "still loaded")
try:
    socket.socket().connect(("127.0.0.1", 50000))
except OSError as error:
    print(errno.errorcode[error.errno])
EOF
    run -0 protected python3 "$BATS_TEST_TMPDIR/unload.py" "$(preload plugin)"
    assert_output $'ECONNREFUSED\nunloaded\nECONNREFUSED'
    run -0 unprotected python3 "$BATS_TEST_TMPDIR/unload.py" "$(preload plugin)"
    assert_line --index 0 connected
}

# bats test_tags=library
@test "without a free descriptor the connection is refused without a log line" {
    local log=$BATS_TEST_TMPDIR/log
    set_source_ports 50000
    NOSELFCONN_LOG=$log run protected sh -c 'ulimit -n 4; exec connect 127.0.0.1 50000' 3>&-
    assert_refused
    [ ! -e "$log" ]
    NOSELFCONN_LOG=$log run protected sh -c 'ulimit -n 64; exec connect 127.0.0.1 50000' 3>&-
    assert_refused
    [ -s "$log" ]
}

# Symbols are bound at load: binding at the first call takes more stack than the library.
takes_less_stack_than() { # BYTES
    set_source_ports 50000
    run -0 protected env LD_BIND_NOW=1 stack need
    assert_line 'connect: ECONNREFUSED'
    need=$(sed -n 's/^need: //p' <<<"$output")
    [ "$need" -gt 0 ]
    [ "$need" -lt "$1" ]
    new_host
    set_source_ports 50000
    run -0 protected env LD_BIND_NOW=1 stack least "$1"
    assert_output 'connect: ECONNREFUSED'
}

# bats test_tags=shipped,library
@test "the library takes less than 768 bytes of stack" {
    takes_less_stack_than 768
}

# bats test_tags=shipped,library
@test "the library takes less than 1024 bytes of stack with a log" {
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    takes_less_stack_than 1024
    [ "$need" -gt 768 ]
    [ -s "$NOSELFCONN_LOG" ]
}
