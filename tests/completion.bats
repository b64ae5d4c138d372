#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Completion of the command line, in bash and in zsh.

load helpers

scripts=${BATS_TEST_DIRNAME%/*}/scripts

# What bash offers for the last word.
completions() { # WORD...
    # shellcheck disable=SC2016 # for the inner shell
    bash --norc -c '. "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p "$1" | sed "s/.*-F \([^ ]*\) .*/\1/")
        $function 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' "$scripts/completion/noselfconn.bash" "$@"
}

@test "bash: the options of noselfconn" {
    run -0 completions noselfconn --
    assert_output $'--check\n--force\n--help\n--log\n--observe\n--trace\n--version'
    run -0 completions noselfconn --observe --lo
    assert_output --log
}

@test "bash: the destination of the log" {
    run -0 completions noselfconn --log std
    assert_output stderr
    run -0 completions noselfconn --log = std
    assert_output stderr
    run -0 completions noselfconn --log = stderr teln
    assert_line telnet
    run -0 completions noselfconn --log =
    assert_line stderr
}

@test "bash: the command, and then its arguments" {
    run -0 completions noselfconn --log stderr teln
    assert_line telnet
    run -0 completions noselfconn -- teln
    assert_line telnet
    run -0 completions noselfconn -- --c
    assert_output ''
    touch "$BATS_TEST_TMPDIR/an-argument"
    run -0 completions noselfconn cat "$BATS_TEST_TMPDIR/an"
    assert_output "$BATS_TEST_TMPDIR/an-argument"
}

@test "bash: the options of noselfconn-audit, and the ports on which servers listen" {
    run -0 completions noselfconn-audit --j
    assert_output --json
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

@test "bash: the words of noselfconn-firewall" {
    run -0 completions noselfconn-firewall ''
    assert_output $'on\noff\nstatus\n--help\n--version'
    run -0 completions noselfconn-firewall st
    assert_output status
}

# zsh completes only in a terminal.
zsh_completes() { # TEXT
    mkdir -p "$BATS_TEST_TMPDIR/functions"
    cp "$scripts/completion/_noselfconn" "$BATS_TEST_TMPDIR/functions/_noselfconn"
    PATH=$scripts:$PATH zsh -f -c '
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PS1=; fpath=($0 \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000"
        zpty -w shell "zstyle \":completion:*\" list-prompt \"\"; stty cols 200; print ready-\$((1 + 1))"
        while zpty -r -t shell line || sleep 0.05; do [[ $line == *ready-2* ]] && break; done
        zpty -w -n shell "$1"$'"'\t\t'"'
        for attempt in {1..60}; do
            sleep 0.05
            zpty -r -t shell line && text+=$line
        done
        print -r -- "$text"' "$BATS_TEST_TMPDIR/functions" "$1"
}

@test "zsh: the options of noselfconn and of noselfconn-audit" {
    run -0 zsh_completes 'noselfconn --'
    assert_output --partial 'say whether the command can be protected'
    assert_output --partial 'let self-connections stand'
    run -0 zsh_completes 'noselfconn --he'
    assert_output --partial '--help'
    run -0 zsh_completes 'noselfconn --log st'
    assert_output --partial stderr
    run -0 zsh_completes 'noselfconn-audit --'
    assert_output --partial 'print JSON'
    run -0 zsh_completes 'noselfconn-firewall st'
    assert_output --partial status
}
