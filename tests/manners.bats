#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library as a guest in another program's process.

load helpers

# bats test_tags=shipped
@test "the library exports only the interposed functions" {
    run -0 nm --dynamic --defined-only --format=just-symbols "$library"
    assert_output $'__connect\nconnect\nlibnoselfconn\nsendmmsg\nsendmsg\nsendto'
}

# An older libc could lack a symbol version, and a program without libc has no thread-local storage.
# bats test_tags=shipped
@test "the library needs no other library, symbol version, thread-local storage or executable stack" {
    run -0 readelf --dynamic --version-info --program-headers --wide "$library"
    assert_output --partial '[libnoselfconn.so]'
    assert_output --partial 'No version information found'
    assert_line --regexp 'GNU_STACK .* RW '
    refute_output --partial NEEDED
    refute_output --partial TLS
}

# The list has the functions that any compiler calls by itself. A strong reference (U) would end a program
# without libc.
# bats test_tags=shipped
@test "the library calls only listed functions, by weak references" {
    local folder=$BATS_TEST_TMPDIR/build compiler level
    for compiler in gcc clang; do
        for level in -O0 -O1 -Os -O2 -O3; do
            make -C "$root" --silent --always-make BUILD="$folder" CC=$compiler CFLAGS=$level \
                "$folder/libnoselfconn.so"
            run -0 nm --dynamic --undefined-only "$folder/libnoselfconn.so"
            assert_line --partial ' w dlsym'
            run grep -vxE ' +w (__errno_location|dlsym|secure_getenv|strcmp|memccpy|memcpy|memset|htonl|ntohs)' <<<"$output"
            assert_output ''
        done
    done
}

# bats test_tags=shipped
@test "a dynamic program without libc, built by Go, runs" {
    run -0 readelf --dynamic --program-headers "$root/build/tests/dial-pie"
    assert_output --partial INTERP
    refute_output --partial NEEDED
    set_source_ports 50002
    server 50000
    run -0 protected dial-pie
    assert_line 'peer: 127.0.0.1:50000'
}

# __connect() is glibc's alias.
@test "the same file protects a glibc and a musl program, by each call, and reads their environment" {
    local program call
    run -0 readelf --program-headers "$root/build/tests/connect-musl"
    assert_output --partial ld-musl
    while read -r program call; do
        new_host
        set_source_ports 50000
        run protected "$program" --by "$call" 127.0.0.1 50000
        assert_refused
        NOSELFCONN_MODE=off run protected "$program" --by "$call" 127.0.0.1 50000
        assert_connected_to_itself
    done < <(printf '%s\n' {connect,connect-musl}' '{connect,sendto,sendmsg,sendmmsg} 'connect __connect')
}

# Two copies: from a checkout and an installation, say.
@test "preloaded twice, the library logs each self-connection once, and calls a preload between" {
    local mode order copy=$BATS_TEST_TMPDIR/libnoselfconn-copy.so
    cp "$library" "$copy"
    for mode in observe enforce; do
        for order in "$library:$copy" "$library:$(preload next):$copy"; do
            new_host
            set_source_ports 50000
            NOSELFCONN_MODE=$mode NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log \
                run -0 on here env LD_PRELOAD="$order" connect 127.0.0.1 50000
            [ "$order" = "$library:$copy" ] || assert_line 'the next definition was called'
            run grep -c "mode=$mode" "$BATS_TEST_TMPDIR/log"
            assert_output 1
            rm "$BATS_TEST_TMPDIR/log"
        done
    done
}

# dlsym may allocate and set errno, and the first connect() may be a signal handler's.
@test "the library calls dlsym when it is loaded, not in connect(), and keeps errno" {
    run -0 on here env LD_PRELOAD="$library:$(preload no-dlsym)" untouched errno-of-main connected
    assert_output --partial 'dlsym: connect
dlsym: sendto
dlsym: sendmsg
dlsym: sendmmsg
errno at the start of main(): 0
server: 0 0'
}

@test "the library reads no byte behind the address, even if connect() returns 0" {
    traced -e inject=connect:retval=0 untouched short-length >"$BATS_TEST_TMPDIR/output"
    run cat "$BATS_TEST_TMPDIR/output"
    assert_output 'IPv6, and no more mapped: 0 0
no bytes, and none mapped: 0 0
one byte, and no more mapped: 0 0'
}

# Writes would contend for cache lines.
# bats test_tags=shipped
@test "after its start the library writes to none of its pages" {
    set_source_ports 50000
    run -0 protected python3 -c '
import ctypes, re, socket
frozen = 0
for line in open("/proc/self/maps").read().splitlines():
    start, end, rights = re.match("(.*?)-(.*?) (.*?) ", line).groups()
    if "libnoselfconn.so" in line and "w" in rights:
        start, size = int(start, 16), int(end, 16) - int(start, 16)
        frozen += ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), 1) == 0
print("frozen", frozen, "error", socket.socket().connect_ex(("127.0.0.1", 50000)))'
    assert_output --regexp '^frozen [1-9] error 111$'
}

# dlsym was in libdl before glibc 2.34; secure_getenv is missing before 2.17. The first preload has a dlsym() that
# finds nothing.
@test "without dlsym or a next definition the library makes the system calls itself" {
    local call preload bare=$root/build/bare/libnoselfconn.so
    run -0 nm --dynamic --undefined-only "$bare"
    assert_output --partial 'w no_dlsym'
    assert_output --partial 'w no_secure_getenv'
    refute_output --regexp ' (dlsym|secure_getenv)'

    for preload in "$library:$(preload no-dlsym):$(preload next)" "$bare"; do
        set_source_ports 50000
        for call in connect sendto sendmsg sendmmsg; do
            run --separate-stderr on here env LD_PRELOAD="$preload" connect --by $call 127.0.0.1 50000
            assert_refused
            refute_regex "$stderr" 'the next definition was called'
        done
        new_host
        set_source_ports 50002
        server 50100
        run -0 --separate-stderr on here env LD_PRELOAD="$preload" connect --say hello 127.0.0.1 50100
        assert_line 'heard: answer-hello'
        run -0 on here env LD_PRELOAD="$preload" untouched sends
    done
    set_source_ports 50000
    run on here env LD_PRELOAD="$bare" NOSELFCONN_MODE=off connect 127.0.0.1 50000
    assert_refused
}

@test "calls from a constructor that runs before the library's are guarded" {
    # The last in the list is initialised first, before the library has read NOSELFCONN_MODE.
    export NOSELFCONN_MODE=off
    for EARLY_CALL in connect sendto sendmsg sendmmsg; do
        export EARLY_CALL
        new_host
        set_source_ports 50000
        run -0 on here env LD_PRELOAD="$library:$(preload constructor)" true
        assert_output "$EARLY_CALL before main(): refused"
        run -0 on here env LD_PRELOAD="$(preload constructor)" true
        assert_output "$EARLY_CALL before main(): connected"
    done
}

@test "a thread that waits in connect() can be cancelled and unwinds" {
    prepare() {
        lose_syns_to 50000
    }
    the_same_with_and_without timeout 10 cancel 127.0.0.1 50000
    assert_line 'cleanup handler: state SYN_SENT'
    assert_line 'the thread was cancelled'
}
