#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How the library behaves in somebody else's process.

load helpers

# bats test_tags=shipped
@test "it exports what it interposes, and nothing else" {
    run -0 nm --dynamic --defined-only --format=just-symbols "$library"
    assert_output $'__connect\nconnect\nlibnoselfconn\nsendmmsg\nsendmsg\nsendto'
}

# bats test_tags=shipped
@test "it needs no other library" {
    run -0 readelf --dynamic --wide "$library"
    assert_output --partial '[libnoselfconn.so]'
    refute_output --partial NEEDED
}

# By any compiler: what each may call unasked is in it. Strong ones (U) would end a program without
# libc.
# bats test_tags=shipped
@test "it calls nothing that allocates, locks or prints, and no reference is strong: all are listed here" {
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
@test "a program without libc runs on, and is not crashed by calling connect()" {
    run -0 readelf --dynamic --program-headers "$root/build/tests/no-libc"
    assert_output --partial INTERP
    refute_output --partial NEEDED
    run -42 on here env LD_PRELOAD="$library" no-libc
    run -43 on here env LD_PRELOAD="$(preload empty)" no-libc
}

# bats test_tags=shipped
@test "a Go program without libc, which the loader takes nevertheless, runs on" {
    run -0 readelf --dynamic --program-headers "$root/build/tests/dial-pie"
    assert_output --partial INTERP
    refute_output --partial NEEDED
    set_source_ports 50002
    server 50000
    run -0 protected dial-pie
    assert_line 'peer: 127.0.0.1:50000'
}

# bats test_tags=shipped
@test "no symbol that it refers to has a version, which an older libc could lack" {
    run -0 readelf --version-info --wide "$library"
    assert_output --partial 'No version information found'
}

# bats test_tags=shipped
@test "it has no thread-local storage and no executable stack" {
    run -0 readelf --program-headers --wide "$library"
    refute_output --partial TLS
    assert_line --regexp 'GNU_STACK .* RW '
}

@test "the same file protects a glibc and a musl program" {
    local call
    set_source_ports 50000
    run -0 readelf --program-headers "$root/build/tests/connect-musl"
    assert_output --partial ld-musl
    run protected connect-musl 127.0.0.1 50000
    assert_refused
    run protected connect 127.0.0.1 50000
    assert_refused
    for call in sendto sendmsg sendmmsg; do
        run -0 protected fastopen-musl $call 127.0.0.1 50000
        assert_line "$call: -1 ECONNREFUSED"
    done
    run unprotected connect-musl 127.0.0.1 50000
    assert_connected_to_itself
    new_host
    set_source_ports 50000
    run unprotected fastopen-musl sendmmsg 127.0.0.1 50000
    assert_connected_to_itself
}

@test "glibc's other name for connect is guarded too" {
    set_source_ports 50000
    run protected alias 127.0.0.1 50000
    assert_refused
    run unprotected alias 127.0.0.1 50000
    assert_connected_to_itself
}

@test "the environment is there when it starts, in glibc and in musl" {
    set_source_ports 50000
    NOSELFCONN_MODE=off run protected connect 127.0.0.1 50000
    assert_connected_to_itself
    new_host
    set_source_ports 50000
    NOSELFCONN_MODE=off run protected connect-musl 127.0.0.1 50000
    assert_connected_to_itself
}

# By the path of one copy and that of another, as from a checkout and an installation.
@test "preloaded twice, it refuses and reports each self-connection once, in every mode" {
    local mode order copy=$BATS_TEST_TMPDIR/libnoselfconn-copy.so
    cp "$library" "$copy"
    for mode in observe enforce; do
        for order in "$library:$copy" "$library:$(preload next-silent):$copy"; do
            new_host
            set_source_ports 50000
            NOSELFCONN_MODE=$mode NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log \
                run -0 on here env LD_PRELOAD="$order" connect 127.0.0.1 50000
            run grep -c "mode=$mode" "$BATS_TEST_TMPDIR/log"
            assert_output 1
            rm "$BATS_TEST_TMPDIR/log"
        done
    done
}

@test "another preload behind it is called, in glibc and in musl" {
    local program
    for program in connect connect-musl; do
        run -0 on here env LD_PRELOAD="$library:$(preload next)" "$program" 127.0.0.1 50000
        assert_line 'the next definition was called'
    done
}

@test "without a next definition it makes the system call itself" {
    set_source_ports 50000
    run --separate-stderr on here env LD_PRELOAD="$library:$(preload no-dlsym)" connect 127.0.0.1 50000
    assert_refused
    server 50100
    run --separate-stderr on here env LD_PRELOAD="$library:$(preload no-dlsym)" \
        connect --say hello 127.0.0.1 50100
    assert_line --index 0 'connect: 0'
    assert_line 'heard: answer-hello'
    # The control: connect() is found no other way.
    run on here env LD_PRELOAD="$library:$(preload no-dlsym):$(preload next)" connect 127.0.0.1 50100
    refute_line 'the next definition was called'
}

# dlsym may allocate; a signal handler may be the first to connect.
@test "it looks for the next definitions when it is loaded, not when it is called" {
    run on here env LD_PRELOAD="$library:$(preload no-dlsym)" bash -c \
        'echo started >&2; exec 3<>/dev/tcp/127.0.0.1/50100'
    assert_output --partial 'dlsym: connect
dlsym: sendto
dlsym: sendmsg
dlsym: sendmmsg
started
bash: connect: Connection refused'
}

@test "it reads no more of the address than there is, even where another preload is content" {
    run -0 on here env LD_PRELOAD="$library:$(preload lenient)" untouched short-length
    assert_line 'no bytes, and none mapped: 0 0'
    assert_line '1 byte, and no more mapped: 0 0'
    assert_line 'IPv6, and no more mapped: 0 0'
}

# Threads on other processors would wait for each other's cache lines.
# bats test_tags=shipped
@test "after its start it writes to no memory that threads share: all of its pages can be read-only" {
    set_source_ports 20000 20009
    server 50100
    cat >"$BATS_TEST_TMPDIR/frozen.py" <<'EOF'
import ctypes, errno, re, socket

libc = ctypes.CDLL(None, use_errno=True)
frozen = 0
for line in open("/proc/self/maps").read().splitlines():
    start, end = (int(number, 16) for number in re.match("(.*?)-(.*?) ", line).groups())
    if "libnoselfconn.so" in line and "w" in line.split()[1]:
        frozen += libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 1) == 0
print("frozen:", frozen)
client = socket.create_connection(("127.0.0.1", 50100))
client.sendall(b"hello\n")
print(client.recv(100))
for _ in range(20):
    try:
        client = socket.socket()
        client.bind(("127.0.0.1", 50000))
        client.connect(("127.0.0.1", 50000))
        print("connected")
    except OSError as error:
        print(errno.errorcode[error.errno])
EOF
    run -0 protected python3 "$BATS_TEST_TMPDIR/frozen.py"
    assert_line --index 0 --regexp '^frozen: [1-9]'
    assert_line --index 1 "b'answer-hello\\n'"
    assert_equal "$(grep -c ECONNREFUSED <<<"$output")" 20
}

@test "it leaves errno as it was when it is loaded, though dlsym sets it" {
    run -0 --separate-stderr on here env LD_PRELOAD="$library:$(preload no-dlsym)" untouched errno-of-main
    assert_output 'errno at the start of main(): 0'
    assert_regex "$stderr" 'dlsym: connect'
}

# What a libc looks like from which dlsym is out of reach, as it was in libdl before glibc 2.34, and
# which has no secure_getenv, as glibc before 2.17.
@test "where there is no dlsym it makes the system calls itself" {
    local call bare=$root/build/bare/libnoselfconn.so
    run -0 nm --dynamic --undefined-only "$bare"
    assert_output --partial 'w no_dlsym'
    assert_output --partial 'w no_secure_getenv'
    refute_output --regexp ' (dlsym|secure_getenv)'

    set_source_ports 50000
    run on here env LD_PRELOAD="$bare" NOSELFCONN_MODE=off connect 127.0.0.1 50000
    assert_refused
    for call in sendto sendmsg sendmmsg; do
        run -0 on here env LD_PRELOAD="$bare" fastopen $call 127.0.0.1 50000
        assert_line "$call: -1 ECONNREFUSED"
    done
    set_source_ports 50002
    server 50100
    run -0 on here env LD_PRELOAD="$bare" connect --say hello 127.0.0.1 50100
    assert_line 'heard: answer-hello'
    run -0 on here env LD_PRELOAD="$bare" untouched sends
}

@test "a call from another library's constructor, before its own, is guarded too" {
    # The last in the list is initialised first: the mode that the environment asks for is not known.
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

@test "a thread that waits in connect() can be cancelled, and unwinds" {
    prepare() {
        lose_syns_to 50000
    }
    the_same_with_and_without timeout 10 cancel 127.0.0.1 50000
    assert_line 'cleanup handler: state SYN_SENT'
    assert_line 'the thread was cancelled'
}
