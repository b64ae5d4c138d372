#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The dry run: the launcher finds out which program the kernel would run, and kills it before it runs.

load helpers

launcher=$root/build/noselfconn

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    :
}

could_not_trace() { # COMMAND... whose last word is the launcher
    run -0 --separate-stderr timeout 20 "$@" printenv LD_PRELOAD
    assert_output --partial "$library"
    assert_regex "$stderr" 'noselfconn: cannot tell whether this loads the library: printenv: it cannot be traced here'
}

@test "the command gets the caller's signal mask and process group, and no children" {
    local how without
    # A shell changes its signal mask.
    local state='import os; print(*[line for line in open("/proc/self/status") if line[:4] in ("SigP", "SigB", "SigI", "SigC", "ShdP")], open("/proc/thread-self/children").read(), os.getpgrp(), os.getsid(0))'
    for how in pass 'signal.signal(signal.SIGCHLD, signal.SIG_IGN)' 'signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))'; do
        how="import os, signal, sys; $how; os.execvp(sys.argv[1], sys.argv[1:])"
        without=$(python3 -c "$how" env python3 -c "$state")
        run -0 --separate-stderr python3 -c "$how" "$launcher" env python3 -c "$state"
        assert_equal "$output" "$without"
        assert_equal "$stderr" ''
    done
}

@test "the dry run executes no instruction of a program except env" {
    local command
    printf '%s\n' '#!/bin/sh' 'echo ran >>runs' >script
    chmod +x script
    for command in ./script 'env ./script'; do
        # shellcheck disable=SC2086 # several words
        run -0 "$launcher" --check $command
        [ ! -e runs ]
    done
    run -0 "$launcher" env ./script
    assert_equal "$(<runs)" ran
}

@test "the dry run ends within a second or so if env hangs" {
    printf '#!/usr/bin/env\n' >endless # env runs the script, which runs env
    chmod +x endless
    mkdir bin
    cp "$(type -P sleep)" bin/env
    for command in ./endless './bin/env 60'; do
        # shellcheck disable=SC2086 # several words
        run -1 timeout 20 "$launcher" --check $command
        assert_output --partial ': it does not start within a second'
    done
    run -1 pgrep -f "^./bin/env 60\$"
}

@test "under a tracer or sandbox the launcher cannot tell, and runs the command" {
    local sandbox
    for sandbox in 'strace -f -qq -o /dev/null' 'deny ptrace fail' 'deny ptrace unknown' 'deny ptrace kill' 'deny setsid kill'; do
        # shellcheck disable=SC2086 # several words
        could_not_trace $sandbox "$launcher"
    done
    run -1 timeout 20 qemu-aarch64 -L /usr/aarch64-linux-gnu "$root/build/aarch64-linux-gnu/noselfconn" --check true
}

@test "the dry run works under a debugger or a tracer of the launcher alone, and without an open descriptor" {
    run -0 strace -qq -o /dev/null "$launcher" --check true
    run -0 gdb -quiet -batch -ex run --args "$launcher" --check true
    assert_output --partial '/true loads the library; '
    # shellcheck disable=SC2016 # for the inner shell
    run -0 sh -c '"$0" printenv LD_PRELOAD <&- 2>&-' "$launcher"
    assert_output "$library"
}

@test "the dry run works in a new user namespace, but not in a traced command" {
    needs_a_namespace
    run -0 unshare --user "$launcher" --check true
    could_not_trace "$launcher" --trace "$launcher"
}

@test "a program that is named env, but is not in a folder bin, is not run" {
    cp "$(command -v touch)" "$BATS_TEST_TMPDIR/env"
    run -0 "$launcher" --check "$BATS_TEST_TMPDIR/env" "$BATS_TEST_TMPDIR/ran"
    [ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

@test "a program whose file is deleted is protected" {
    cp "$(command -v printenv)" "$BATS_TEST_TMPDIR/program"
    exec 5<"$BATS_TEST_TMPDIR/program"
    rm "$BATS_TEST_TMPDIR/program"
    run -0 "$launcher" /proc/self/fd/5 LD_PRELOAD
    assert_output --partial libnoselfconn.so
}

# bats test_tags=root
@test "a /proc of another PID namespace, which shows another process, is not believed" {
    needs_a_namespace
    sleep 60 3>&- &
    # shellcheck disable=SC2016 # for the inner shell
    run -1 unshare --pid --fork sh -c 'echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; exec "$0" --check true' "$launcher" $!
    kill $!
    assert_output 'noselfconn: cannot tell whether this loads the library: true: /proc does not show it'
}
