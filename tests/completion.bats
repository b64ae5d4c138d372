#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Completion in bash.

load helpers

scripts=${BATS_TEST_DIRNAME%/*}/scripts

# Bash's completions of the last word.
completions() { # WORD...
    # shellcheck disable=SC2016 # for the inner shell
    bash --norc -c '. "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p "$1" | sed "s/.*-F \([^ ]*\) .*/\1/")
        $function 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' "$scripts/completion/noselfconn.bash" "$@"
}

@test "bash completes the options of noselfconn" {
    run -0 completions noselfconn --
    assert_output $'--check\n--force\n--help\n--log\n--observe\n--trace\n--version'
    run -0 completions noselfconn --observe --lo
    assert_output --log
}

@test "bash completes the destination of the log" {
    run -0 completions noselfconn --log std
    assert_output stderr
    run -0 completions noselfconn --log = std
    assert_output stderr
    run -0 completions noselfconn --log = stderr teln
    assert_line telnet
    run -0 completions noselfconn --log =
    assert_line stderr
}

@test "bash completes the command and its arguments" {
    run -0 completions noselfconn --log stderr teln
    assert_line telnet
    run -0 completions noselfconn -- teln
    assert_line telnet
    run -0 completions noselfconn -- --c
    assert_output ''
    touch "$BATS_TEST_TMPDIR/an argument"
    run -0 completions noselfconn cat "$BATS_TEST_TMPDIR/an"
    assert_output "$BATS_TEST_TMPDIR/an argument"
}

@test "bash completes the options of noselfconn-audit and the ports of listening servers" {
    needs_a_namespace
    run -0 completions noselfconn-audit --so
    assert_output --sockets
    server 40000
    PATH=$scripts:$PATH run -0 on here bash --norc -c ". $scripts/completion/noselfconn.bash
        COMP_WORDS=(noselfconn-audit 4) COMP_CWORD=1
        _noselfconn_audit
        printf '%s\n' \"\${COMPREPLY[@]}\""
    assert_output 40000
    PATH=$scripts:$PATH run -0 on here bash --norc -c ". $scripts/completion/noselfconn.bash
        COMP_WORDS=(noselfconn-audit '') COMP_CWORD=1
        _noselfconn_audit
        printf '%s\n' \"\${COMPREPLY[@]}\""
    assert_output 40000
}

@test "bash completes the words of noselfconn-firewall" {
    run -0 completions noselfconn-firewall ''
    assert_output $'on\noff\nstatus\n--help\n--version'
    run -0 completions noselfconn-firewall st
    assert_output status
}

@test "bash completes exactly the options of --help" {
    local program options
    for program in noselfconn noselfconn-audit noselfconn-firewall; do
        case $program in
        noselfconn) run -0 "$root/build/noselfconn" --help ;;
        *) run -0 "$scripts/$program" --help ;;
        esac
        options=$(grep -oE -- '--[a-z]+' <<<"$output" | sort -u)
        run -0 completions $program --
        assert_equal "$(sort -u <<<"$output")" "$options"
    done
}
