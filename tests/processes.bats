#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Threads, signals, children, small stacks and a full descriptor table.

load helpers

# Each thread has its own port from 50000 on, outside the range of source ports. The tracer is slower.
# bats test_tags=long
@test "of 1,000,000 connects by 64 threads, traced 96,000, every self-connection is refused and no other fails" {
    set_source_ports 20000 40000
    run -0 protected threads 64 1000000
    assert_output 'refused 499968 through 0 served 499968 other 0'
    guard=tracer run -0 protected "$root/build/static/threads" 32 96000
    assert_output 'refused 48000 through 0 served 48000 other 0'
    run -0 unprotected threads 64 128
    assert_output 'refused 0 through 64 served 64 other 0'
}

# bats test_tags=long,library
@test "ThreadSanitizer finds no race in 64 threads with an instrumented library" {
    set_source_ports 20000 40000
    run -0 nm --dynamic --undefined-only "$root/build/tsan/libnoselfconn.so"
    assert_output --partial __tsan
    run -0 on here env LD_PRELOAD="$root/build/tsan/libnoselfconn.so" threads-tsan 64 20000
    assert_output 'refused 9984 through 0 served 9984 other 0'
}

@test "connects in a child of vfork(), and in a timer's handler in a storm of signals, are refused" {
    set_source_ports 20000 20999
    run -0 protected signals 20000
    assert_output $'child: ECONNREFUSED\nparent: ECONNREFUSED\nrefused 20000\nin the handler: refused some other 0'
    new_host
    set_source_ports 20000 20999
    run -0 unprotected signals 0
    assert_line --index 0 'child: 0'
    assert_line --index 1 'parent: 0'
}

@test "a call from another library's destructor is refused" {
    local other preloads
    other=$(preload constructor)
    set_source_ports 50000
    for preloads in "$library:$other" "$other:$library"; do
        run -0 on here env LATE_CALL=connect LD_PRELOAD="$preloads" true
        assert_output 'connect after main(): refused'
    done
    run -0 on here env LATE_CALL=connect LD_PRELOAD="$other" true
    assert_output 'connect after main(): connected'
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
# bats test_tags=shipped,library
@test "the library takes less than 768 bytes of stack, with a log less than 1024" {
    local need=0 log limit
    while read -r log limit; do
        new_host
        set_source_ports 50000
        NOSELFCONN_LOG=$log run -0 protected env LD_BIND_NOW=1 stack
        assert_line 'connect: ECONNREFUSED'
        [ "${lines[1]#need: }" -gt "$need" ]
        need=${lines[1]#need: }
        echo "need: $need"
        [ "$need" -lt "$limit" ]
    done <<END
- 768
$BATS_TEST_TMPDIR/log 1024
END
    [ -s "$BATS_TEST_TMPDIR/log" ]
}
