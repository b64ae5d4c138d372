#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The launcher asks a program's loader for the libraries that it would load. The loaders here run a script and
# belong to root, at least in a user namespace.

load helpers

launcher=$root/build/noselfconn

setup() {
    [ "$EUID" -eq 0 ] || needs_a_namespace
    cd "$BATS_TEST_TMPDIR" || return
    echo 'int main(void) { return 0; }' >main.c
    gcc -o program main.c -Wl,--dynamic-linker="$PWD/loader"
    printf '%s\n' '#include <unistd.h>' \
        "int main(int c, char **v) { (void)c; execv(\"$PWD/script\", v); return 127; }" >loader.c
    gcc -static -o loader loader.c
}

check() { # COMMAND...
    local -a as_root=()
    [ "$EUID" -eq 0 ] || as_root=(unshare --user --map-root-user)
    run "${as_root[@]}" "$launcher" --check "$@"
}

# Checks a program whose loader runs these lines.
ask() { # LINE...
    rm -f "$BATS_TEST_TMPDIR/script"
    printf '%s\n' '#!/bin/sh' "$@" >"$BATS_TEST_TMPDIR/script"
    chmod 755 "$BATS_TEST_TMPDIR/script"
    check "$BATS_TEST_TMPDIR/program"
}

@test "the library counts as loaded if the loader lists its path on a line" {
    local line to
    for line in "\\tlibc.so.6 (0x1)\\n\\t$library (0x2)" "\\t$library (0x1)\\n\\tlibc.so.6" "$library (0x0)\\n\\t$library (0x1)"; do
        for to in '' '>&2'; do
            ask "printf '$line' $to"
            assert_output "$BATS_TEST_TMPDIR/program loads the library; what it starts is not checked"
        done
    done
    for line in "" " $library (0x1)" "\\t$library: (0x1)" "\\tx$library (0x1)" "\\tlibnoselfconn.so => $library (0x1)"; do
        ask "printf '$line'"
        assert_output --partial "cannot preload into $BATS_TEST_TMPDIR/program: its loader, $BATS_TEST_TMPDIR/loader, does not load this one:"
    done
}

@test "a missing library is reported whatever else the loader lists" {
    local line
    for line in '\tlibx.so => not found' 'program: error while loading shared libraries: libx.so: cannot open' \
        'Error loading shared library libx.so: No such file (needed by program)'; do
        ask "printf '$line\\n\\t$library (0x1)\\n'; exit 127"
        assert_output --regexp "cannot preload into .*/program: its loader, .*/loader, does not find a shared library:.*libx.so.*
Install it; without it the program does not run."
    done
}

@test "the launcher reads 8,191 bytes of a loader's answer, in any number of pieces" {
    # The last line just fits, then exceeds the buffer by one byte.
    local last="	$library "
    ask "printf '%0$((8191 - ${#last}))d$last' 0"
    assert_output --partial ' loads the library; '
    ask "printf '%0$((8192 - ${#last}))d$last' 0"
    assert_output --partial 'does not load this one'
    ask "trap '' PIPE" "printf '$last'; head -c 1000000 /dev/zero; touch $BATS_TEST_TMPDIR/ended"
    assert_output --partial ' loads the library; '
    [ -e "$BATS_TEST_TMPDIR/ended" ]
    ask 'printf "\\t"; sleep 0.1' "printf '${last#?}'"
    assert_output --partial ' loads the library; '
}

@test "the loader gets the program's path, LD_PRELOAD and LD_LIBRARY_PATH, and no descriptor of the launcher" {
    local answer="{ echo \"\$@\"; env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL=; } >$BATS_TEST_TMPDIR/asked"
    LD_PRELOAD=$root/build/tests/empty.so LD_LIBRARY_PATH=/here:/there ask "ls -l /proc/\$\$/fd >$BATS_TEST_TMPDIR/open" "$answer"
    assert_equal "$(<"$BATS_TEST_TMPDIR/asked")" "--list $BATS_TEST_TMPDIR/program
LD_LIBRARY_PATH=/here:/there
LD_PRELOAD=$library:$root/build/tests/empty.so"
    grep -q ' 0 -> ' "$BATS_TEST_TMPDIR/open"
    refute grep "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/open"
    unset LD_LIBRARY_PATH
    PATH=:$PATH check env -C "$BATS_TEST_TMPDIR" program
    assert_equal "$(<"$BATS_TEST_TMPDIR/asked")" "--list $BATS_TEST_TMPDIR/program
LD_PRELOAD=$library"
}

# bats test_tags=root
@test "the launcher runs only a loader that root owns and nobody else may write" {
    local change
    ask "printf '\\t$library (0x1)'"
    for change in 'chmod 555' 'chmod 4755' 'chmod 775' 'chmod 757' 'chown nobody'; do
        install -m 755 loader good
        $change loader
        check "$PWD/program"
        case $change in
        'chmod 555' | 'chmod 4755') assert_output --partial ' loads the library; ' ;;
        *) assert_output --partial 'others than root may write its loader' ;;
        esac
        mv good loader
    done
}
