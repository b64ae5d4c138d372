#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/demo shows what it promises, and not merely something.

load helpers

demo=${BATS_TEST_DIRNAME%/*}/scripts/demo

# Both clients: connected to itself without the library, and then for three times as many attempts
# not, until a server starts and is reached.
assert_shows_everything() {
    local -a hits attempts refused through

    mapfile -t hits < <(sed -n 's/^ *attempt \([0-9]*\): connected to itself;.*/\1/p' <<<"$output")
    mapfile -t attempts < <(sed -n 's/^ *\([0-9]*\) attempts;.*/\1/p' <<<"$output")
    mapfile -t refused < <(sed -n 's/.* refused: \([0-9]*\),.*/\1/p' <<<"$output")
    mapfile -t through < <(sed -n 's/.* got through: \([0-9]*\)$/\1/p' <<<"$output")
    assert_equal "${#hits[@]} ${#attempts[@]}" '2 2'
    [ "${attempts[0]}" -ge $((3 * hits[0])) ] && [ "${attempts[1]}" -ge $((3 * hits[1])) ]
    [ "${refused[0]}" -ge 1 ] && [ "${refused[1]}" -ge 1 ]
    assert_equal "${through[*]}" '0 0'

    assert_equal "$(grep -cE 'ESTAB 0 0 (127.0.0.1:[0-9]+) \1 users:\(\("(telnet|python3)"' <<<"$output")" 2
    assert_equal "$(grep -c 'cannot start: .*Address already in use' <<<"$output")" 2
    assert_equal "$(grep -c 'keep trying: started' <<<"$output")" 2
    assert_equal "$(grep -c 'what they hear: Hello' <<<"$output")" 2
    assert_line --regexp '^     Connected to 127\.0\.0\.1\.$' # telnet's own words
    assert_line --partial 'Without the library both clients connected to themselves'
}

@test "the demo shows it all in a namespace of its own, within 30 seconds" {
    run -0 timeout 30 "$demo"
    assert_shows_everything
    assert_output --partial 'ephemeral range 50000 to 50127'
}

# bats test_tags=long
@test "the demo leaves the host's ports alone" {
    local before
    before=$(on here cat /proc/sys/net/ipv4/ip_local_port_range)
    run -0 on here timeout 30 "$demo"
    assert_equal "$(on here cat /proc/sys/net/ipv4/ip_local_port_range)" "$before"
    run on here ss -Htan
    assert_output ''
}

# bats test_tags=long
@test "with --host it takes the range of the host" {
    set_source_ports 40000 40101
    run -0 on here timeout 60 "$demo" --host
    assert_shows_everything
    assert_output --partial 'ephemeral range 40000 to 40101'
}

@test "where no namespace can be made it says what to do, and does not take the range of the host" {
    printf '#!/bin/sh\necho "unshare: not allowed" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/unshare"
    chmod +x "$BATS_TEST_TMPDIR/unshare"
    PATH=$BATS_TEST_TMPDIR:$PATH run -125 --separate-stderr on here timeout 60 "$demo"
    assert_output ''
    assert_regex "$stderr" 'demo: cannot make a network namespace: unshare: not allowed'
    assert_regex "$stderr" 'docker run --cap-add SYS_ADMIN'
    assert_regex "$stderr" 'make demo HOST=1'
}

@test "without telnet it says which package to install" {
    local tool
    for tool in sh cc make python3 unshare dirname readlink id cut sed sort tr; do
        ln -s "/usr/bin/$tool" "$BATS_TEST_TMPDIR/$tool"
    done
    run -125 --separate-stderr env PATH="$BATS_TEST_TMPDIR" "$demo"
    assert_regex "$stderr" 'telnet \(package telnet\)'
    assert_regex "$stderr" 'scripts/install-test-tools demo'
}
