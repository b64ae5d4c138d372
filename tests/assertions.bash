# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Assertions on $output, $lines and $status of `run`.

fail() { # MESSAGE...
    printf '%s\n' "$*" >&2
    return 1
}

assert() { # COMMAND...
    "$@" || fail "failed: $*"
}

refute() { # COMMAND...
    ! "$@" || fail "succeeded: $*"
}

assert_equal() { # ACTUAL EXPECTED
    [ "$1" = "$2" ] || fail "expected: $2
actual: $1"
}

assert_regex() { # TEXT EXPRESSION
    [[ $1 =~ $2 ]] || fail "does not match $2: $1"
}

refute_regex() { # TEXT EXPRESSION
    [[ ! $1 =~ $2 ]] || fail "matches $2: $1"
}

assert_success() {
    [ "$status" -eq 0 ] || fail "ended with $status: $output"
}

assert_failure() { # [STATUS]
    if [ "$status" -eq 0 ] || [ "$status" -ne "${1:-$status}" ]; then
        fail "ended with $status: $output"
    fi
}

matches() { # TEXT [--partial | --regexp] EXPECTED
    case $2 in
    --partial) [[ $1 == *"$3"* ]] ;;
    --regexp) [[ $1 =~ $3 ]] ;;
    *) [ "$1" = "${!#}" ] ;;
    esac
}

any_line_matches() { # [--partial | --regexp] EXPECTED
    local line
    for line in "${lines[@]}"; do
        matches "$line" "$@" && return
    done
    return 1
}

assert_output() { # [--partial | --regexp] [--] EXPECTED
    matches "$output" "$@" || fail "expected as the output: $*
actual: $output"
}

refute_output() { # [--partial | --regexp] [--] UNEXPECTED
    if [ $# -eq 0 ]; then
        assert_equal "$output" ''
    elif matches "$output" "$@"; then
        fail "unexpected in the output: $*
actual: $output"
    fi
}

assert_line() { # [--index NUMBER] [--partial | --regexp] [--] EXPECTED
    if [ "$1" = --index ]; then
        matches "${lines[$2]-}" "${@:3}" || fail "expected as line $2: ${*:3}
actual: $output"
    else
        any_line_matches "$@" || fail "expected as a line: $*
actual: $output"
    fi
}

refute_line() { # [--partial | --regexp] [--] UNEXPECTED
    if any_line_matches "$@"; then
        fail "unexpected as a line: $*
actual: $output"
    fi
}
