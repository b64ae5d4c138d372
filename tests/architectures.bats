#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other processors: built by Debian's cross compilers, run under qemu-user or natively, with this kernel's sockets.

load helpers

# Runs a program of build/PREFIX/tests/.
foreign() { # PREFIX PRELOAD PROGRAM [ARGUMENT]...
    local prefix=$1 preload=$2 program=$root/build/$1/tests/$3 emulator
    shift 3
    case $prefix in
    i686-*) runs_32_bit && emulator= || emulator=qemu-i386 ;;
    arm-*) emulator=qemu-arm ;;
    powerpc64le-*) emulator=qemu-ppc64le ;;
    *) emulator=qemu-${prefix%%-*} ;;
    esac
    if [ -z "$emulator" ]; then
        on here timeout 60 env LD_PRELOAD="$preload" "$program" "$@"
    else
        on here timeout 60 "$emulator" -L "/usr/$prefix" ${preload:+-E LD_PRELOAD="$preload"} \
            ${NOSELFCONN_LOG:+-E NOSELFCONN_LOG="$NOSELFCONN_LOG"} "$program" "$@"
    fi
}

works_on() { # PREFIX
    local library=$root/build/$1/libnoselfconn.so refusal
    local -a arguments
    echo "$1"
    run -0 nm --dynamic --undefined-only "$library"
    assert_line --partial ' w dlsym'
    refute_line --regexp ' U '

    # On 32 bit a file opened without O_LARGEFILE is limited to 2 GiB.
    new_host
    set_source_ports 50000
    truncate --size 2G "$BATS_TEST_TMPDIR/log"
    NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log run -0 foreign "$1" "$library" connect ::1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    run tail --bytes +2147483649 "$BATS_TEST_TMPDIR/log"
    assert_output --regexp \
        '^time=20[0-9-]{8}T[0-9:.]{12}Z pid=[0-9]+ command="[^"]+" thread=[0-9]+ call=connect fd=[0-9]+ endpoint=\[::1\]:50000 mode=enforce action=refused$'
    rm "$BATS_TEST_TMPDIR/log"

    # As in contract.bats.
    while read -r -a arguments; do
        new_host
        set_source_ports 50002
        run -0 foreign "$1" '' contract "${arguments[@]}" 50000 50002 50010
        assert_line --regexp '^result: -1 (ECONNREFUSED|EINPROGRESS)$'
        assert_line 'the client heard: pong'
        refusal=$output
        new_host
        set_source_ports 50000
        run -0 foreign "$1" "$library" contract "${arguments[@]}" 50000 50000 50010
        assert_equal "$output" "$refusal"
        run -0 foreign "$1" '' connect "${arguments[-1]}" 50000
        assert_connected_to_itself
    done <<'EOF'
127.0.0.1
--nonblock ::1
--by sendto 127.0.0.1
--nonblock --by sendmsg ::1
--by sendmmsg 127.0.0.1
EOF

    # A cancelled thread unwinds through the library's frames. qemu-i386 cannot cancel threads.
    [ "$1" != i686-linux-gnu ] || runs_32_bit || return 0
    new_host
    lose_syns_to 50000
    run -0 foreign "$1" "$library" cancel 127.0.0.1 50000
    assert_line --partial 'cleanup handler'
    assert_line 'the thread was cancelled'
}

# bats test_tags=shipped
@test "i686, aarch64 and s390x (big-endian) programs are protected" {
    works_on i686-linux-gnu
    works_on aarch64-linux-gnu
    works_on s390x-linux-gnu
}

# MIPS has signal sets of 128 bits.
# bats test_tags=more-architectures
@test "armhf, riscv64, ppc64el and mips64el programs are protected" {
    works_on arm-linux-gnueabihf
    works_on riscv64-linux-gnu
    works_on powerpc64le-linux-gnu
    works_on mips64el-linux-gnuabi64
}

# bats test_tags=more-architectures
@test "--trace reports an unsupported processor" {
    run -125 qemu-mips64el -L /usr/mips64el-linux-gnuabi64 \
        "$root/build/mips64el-linux-gnuabi64/noselfconn" --trace /bin/true
    assert_line 'noselfconn: cannot trace: the registers of this processor are not known here'
}

# bats test_tags=shipped
@test "glibc's names for 64-bit times on 32 bit are guarded" {
    run -0 nm --dynamic --defined-only --format=just-symbols "$root/build/i686-linux-gnu/libnoselfconn.so"
    assert_output $'__connect\n__sendmmsg64\n__sendmsg64\nconnect\nlibnoselfconn\nsendmmsg\nsendmsg\nsendto'
}

# bats test_tags=shipped
@test "one bare name protects 32-bit and 64-bit programs without a loader error" {
    needs_32_bit
    local prefix=$BATS_TEST_TMPDIR/prefix compiler
    local -a program=("$root/build/i686-linux-gnu/tests/connect" 127.0.0.1 50000)

    # `make install` expects the build in this folder.
    cp -R "$root/Makefile" "$root/shim" "$root/scripts" "$BATS_TEST_TMPDIR/"
    for compiler in gcc i686-linux-gnu-gcc; do
        make --silent --always-make -C "$BATS_TEST_TMPDIR" install \
            CC=$compiler PREFIX="$prefix" LDCONFIG=:
    done
    LD_LIBRARY_PATH=$(find "$prefix/lib" -type d -printf '%p:')
    export LD_LIBRARY_PATH
    set_source_ports 50000
    for command in "${program[*]}" 'connect 127.0.0.1 50000'; do
        # shellcheck disable=SC2086 # several words
        run --separate-stderr on here env LD_PRELOAD=libnoselfconn.so $command
        assert_refused
        assert_equal "$stderr" ''
    done
    run unprotected "${program[@]}"
    assert_connected_to_itself
}
