#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Completion in bash.

load helpers

scripts=${BATS_TEST_DIRNAME%/*}/scripts

# Bash's completions of the last word.
completions() { # WORD...
    # shellcheck disable=SC2016 # for the inner shell
    PATH=$scripts:$PATH on here bash --norc -c '. "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p "$1" | sed "s/.*-F \([^ ]*\) .*/\1/")
        $function 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' "$scripts/completion/noselfconn.bash" "$@"
}

@test "bash completes options, the destination of the log, commands, their arguments and the firewall's words" {
    local words expected
    while IFS='|' read -r words expected; do
        # shellcheck disable=SC2086 # several words
        run -0 completions $words
        [[ $'\n'$output$'\n' == *$'\n'"$expected"$'\n'* ]] || fail "no $expected in the completions of $words: $output"
    done <<'END'
noselfconn --observe --lo|--log
noselfconn --log std|stderr
noselfconn --log = std|stderr
noselfconn --log =|stderr
noselfconn --log stderr teln|telnet
noselfconn --log = stderr teln|telnet
noselfconn -- teln|telnet
noselfconn-audit --so|--sockets
noselfconn-firewall st|status
END
    run -0 completions noselfconn -- --c
    assert_output ''
    touch "$BATS_TEST_TMPDIR/an argument"
    run -0 completions noselfconn cat "$BATS_TEST_TMPDIR/an"
    assert_output "$BATS_TEST_TMPDIR/an argument"
    run -0 completions noselfconn-firewall ''
    assert_output $'on\noff\nstatus\n--help\n--version'
}

@test "bash completes the ports of listening servers" {
    needs_a_namespace
    server 40000
    run -0 completions noselfconn-audit 4
    assert_output 40000
    run -0 completions noselfconn-audit ''
    assert_output 40000
}

@test "bash completes exactly the options of --help" {
    local program options
    for program in noselfconn noselfconn-audit noselfconn-firewall; do
        run -0 "$scripts/$program" --help
        options=$(grep -oE -- '--[a-z]+' <<<"$output" | sort -u)
        run -0 completions $program --
        assert_equal "$(sort <<<"$output")" "$options"
    done
}
