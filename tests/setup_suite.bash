# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Without the privilege to make a network namespace the tests run in place (helpers.bash).

setup_suite() {
    local reason
    local -a namespace=(unshare --net)

    [ "$EUID" -eq 0 ] || namespace+=(--user --map-root-user)
    reason=$("${namespace[@]}" sh -c 'ip link set lo up' 2>&1) && return
    export IN_PLACE=yes CANNOT_TRACE=
    ! "$BATS_TEST_DIRNAME/../build/noselfconn" --trace true 2>&1 | grep -q 'cannot trace: .*not permitted' || CANNOT_TRACE=yes
    cat >&3 <<EOF
# Cannot make a network namespace: $reason
# Tests that need one are not run, the others run in place. In a container, start it with:
# docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt apparmor=unconfined
# Elsewhere, run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1
EOF
}
