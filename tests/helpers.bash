# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A test runs on its own host: a network namespace in which the source port of the next connect() is pinned, so
# that each attempt self-connects.
#
#     new_host             makes the host `here`; each test starts with one
#     on here COMMAND      runs a command on it
#     unprotected COMMAND  the positive control
#     protected COMMAND    with the library preloaded; with GUARD=tracer traced, test programs as static
#                          ones; with GUARD=firewall under the packet filter's rule
#     needs_a_namespace    skips the test if no namespace can be made (IN_PLACE, setup_suite.bash): `here`
#                          is then this machine
#     needs_tracing        skips the test if a container's rights do not allow --trace (CANNOT_TRACE)

bats_require_minimum_version 1.5.0
load assertions

root=${BATS_TEST_DIRNAME%/*}
library=$root/build/libnoselfconn.so
firewall=$root/scripts/noselfconn-firewall
guard=${GUARD-library}
PATH=$root/build/tests:$root/tests/programs:/usr/sbin:/usr/bin:/sbin:/bin
[ "$guard" != tracer ] || PATH=$root/build/static:$PATH
export PATH LC_ALL=C.UTF-8
unset LD_PRELOAD NOSELFCONN_MODE NOSELFCONN_LOG

declare -gA host_process # a process in each host's namespace

setup() {
    new_host
}

teardown() {
    local name
    for name in "${!host_process[@]}"; do
        end_host "$name"
    done
    # In place no namespace ends a test's background processes.
    # shellcheck disable=SC2046 # several processes
    [ -z "${IN_PLACE-}" ] || kill $(jobs -p) 2>/dev/null || :
    if [ -e "$BATS_TEST_TMPDIR/needs-a-namespace" ] && [ -z "${BATS_TEST_SKIPPED-}" ]; then
        fail 'the test went on without a network namespace'
    fi
}

# skip in a subshell does not end the test: teardown then fails it.
needs_a_namespace() {
    if [ -n "${IN_PLACE-}" ]; then
        touch "$BATS_TEST_TMPDIR/needs-a-namespace"
        skip 'needs a network namespace'
    fi
}

# A container's seccomp profile can forbid process_vm_readv(2).
needs_tracing() {
    [ -z "${CANNOT_TRACE-}" ] || skip 'needs the right to trace'
}

# An ordinary user may make network namespaces only in a user namespace. All hosts of a test share one, so that
# veth pairs can join them.
new_host() { # [NAME]
    local name=${1:-here} process
    local -a others namespaces=(--net) enter=()

    if [ -n "${IN_PLACE-}" ]; then
        if [ "$name" != here ] || [ "$guard" = firewall ] || [[ " ${BATS_TEST_TAGS[*]-} " == *' root '* ]]; then
            needs_a_namespace
        fi
        [ "$guard" != tracer ] || needs_tracing
        return
    fi
    [ -z "${host_process[$name]-}" ] || end_host "$name"
    others=("${host_process[@]}")
    if [ "$EUID" -ne 0 ] && [ ${#others[@]} -eq 0 ]; then
        namespaces+=(--user --map-root-user)
    elif [ "$EUID" -ne 0 ]; then
        enter=(nsenter --preserve-credentials --user --target "${others[0]}")
    fi
    exec {ready}< <(exec 3>&- "${enter[@]}" unshare "${namespaces[@]}" \
        sh -c 'ip link set lo up && echo $$ && exec sleep infinity' 2>&1)
    read -r -u "$ready" process
    exec {ready}<&-
    case $process in
    *[!0-9]* | '')
        fail "cannot make a network namespace: $process" \
            "(run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1)"
        ;;
    esac
    host_process[$name]=$process
}

# Kills every process of the host.
end_host() { # NAME
    local namespace=/proc/${host_process[$1]}/ns/net process
    local -a processes=()

    for process in /proc/[0-9]*; do
        [ "$process/ns/net" -ef "$namespace" ] && processes+=("${process#/proc/}")
    done
    kill -KILL "${processes[@]}" 2>/dev/null || true
    unset "host_process[$1]"
}

on() { # NAME COMMAND...
    local -a as_root_there=()

    if [ -n "${IN_PLACE-}" ]; then
        case $*/ in
        *' ip link '* | *' ip address '* | *' ip route '* | *' ip mptcp '* | *' nft '* | *'>/proc/sys/'* | *' tee /proc/sys/'* | *' mount '*) needs_a_namespace ;;
        esac
        "${@:2}"
        return
    fi
    [ "$EUID" -eq 0 ] || as_root_there=(--user --preserve-credentials)
    nsenter --target "${host_process[$1]}" --net "${as_root_there[@]}" "${@:2}"
}

unprotected() {
    switch_firewall off here
    on here "$@"
}

protected() {
    guarded here "$@"
}

guarded() { # HOST COMMAND...
    case $guard in
    tracer) on "$1" "$root/build/noselfconn" --trace "${@:2}" ;;
    firewall) switch_firewall on "$1" && on "$@" ;;
    *) on "$1" env LD_PRELOAD="$library" "${@:2}" ;;
    esac
}

switch_firewall() { # on|off HOST
    local is_on=$BATS_TEST_TMPDIR/firewall-${host_process[$2]}
    if [ "$1" = on ] && [ ! -e "$is_on" ]; then
        on "$2" "$firewall" on && touch "$is_on"
    elif [ "$1" = off ] && [ -e "$is_on" ]; then
        on "$2" "$firewall" off && rm "$is_on"
    fi
}

# protected, under strace, with its output in a file `trace`.
traced() { # [STRACE-OPTION]... COMMAND...
    on here strace -qq -o "$BATS_TEST_TMPDIR/trace" -E "LD_PRELOAD=$library" "$@"
}

as_an_ordinary_user() {
    on here setpriv --reuid nobody --regid nogroup --clear-groups "$@"
}

# Sets `folder` to one that other users may enter, with the launcher, the library and the FILEs: root's checkout may
# be unreadable for them.
public_folder() { # [FILE]...
    chmod 711 "$BATS_RUN_TMPDIR"
    folder=$BATS_TEST_TMPDIR
    cp "$root/build/noselfconn" "$library" "$@" "$folder"
}

# Prints the address of Debian's mirror, and the release.
debian_mirror() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | grep '/debian/\? ' | head -n 1
}

# Makes an empty Debian in the folder $debian, as root.
new_debian() { # RELEASE PACKAGE[,PACKAGE]...
    local mirror
    mirror=$(debian_mirror)
    # With mounts of its own: a killed debootstrap leaves /proc mounted in the folder.
    unshare --mount debootstrap --variant=minbase --include="$2" "$1" "$debian" "${mirror% *}" >"$BATS_FILE_TMPDIR/debootstrap" 2>&1 ||
        fail "$(tail -n 5 "$BATS_FILE_TMPDIR/debootstrap")"
}

# In a test with hosts: on the host `here`.
in_debian() { # COMMAND...
    local -a enter=()
    [ -z "${host_process[here]-}" ] || enter=(on here)
    # shellcheck disable=SC2016 # for the inner shell
    "${enter[@]}" unshare --mount --pid --fork --kill-child --propagation private sh -c \
        'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" && exec chroot "$0" \
            env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' \
        "$debian" "$@"
}

# `make KIND` makes the same packages in two folders, a second apart.
builds_reproducibly() { # deb|rpm PACKAGE...
    local folder package
    for folder in "$BATS_TEST_TMPDIR"/{one,another}; do
        mkdir "$folder"
        cp -R "$root/shim" "$root/scripts" "$root/Makefile" "$root/README.md" "$folder"
        SOURCE_DATE_EPOCH=1795132800 make --silent -C "$folder" "$1" >/dev/null
        sleep 1
    done
    for package in "${@:2}"; do
        cmp "$BATS_TEST_TMPDIR"/{one,another}"/build/$package"
    done
}

# 64-bit kernels need IA32_EMULATION for 32-bit programs.
runs_32_bit() {
    local status=0
    "$root/build/tests/raw-i386" 127.0.0.1 1 >/dev/null 2>&1 || status=$?
    [ $status -ne 127 ] || fail 'build/tests/raw-i386 is missing: make build/tests/raw-i386'
    [ $status -ne 126 ]
}

needs_32_bit() {
    runs_32_bit || skip 'needs a kernel that runs 32-bit programs'
}

# The path of a library of tests/objects/.
preload() { # NAME
    printf '%s\n' "$root/build/tests/$1.so"
}

# The README's first code block after a line with TITLE.
readme_block() { # TITLE
    awk -v title="$1" 'index($0, title) { seen = 1 }
        seen && /^```/ { if (inside) exit; inside = 1; next }
        inside' "$root/README.md"
}

# Starts a command in the background with its output in a file NAME.
background() { # NAME COMMAND...
    : >"$BATS_TEST_TMPDIR/$1"
    "${@:2}" </dev/null >"$BATS_TEST_TMPDIR/$1" 2>&1 3>&- &
}

output_of() { # NAME
    cat "$BATS_TEST_TMPDIR/$1"
}

# Repeats the command until it succeeds; fails after ten seconds.
eventually() {
    local attempt
    for ((attempt = 0; attempt < 500; attempt++)); do
        if "$@" >/dev/null; then
            return
        fi
        sleep 0.02
    done
    fail "did not come true within ten seconds: $*"
}

# Makes a host `there` (192.0.2.2) with a cable to here (192.0.2.1).
neighbour() {
    new_host there
    on here ip link add cable type veth peer name cable netns "${host_process[there]}"
    on here ip address add 192.0.2.1/24 dev cable
    on here ip link set cable up
    on there ip address add 192.0.2.2/24 dev cable
    on there ip link set cable up
}

# Sets the ephemeral range. With a single port every connect() gets that source port.
set_source_ports() { # LOW [HIGH] [HOST]
    needs_a_namespace
    on "${3:-here}" tee /proc/sys/net/ipv4/ip_local_port_range <<<"$1 ${2:-$1}" >/dev/null
}

own_address() { # ADDRESS [HOST]
    needs_a_namespace
    case $1 in
    *:*)
        on "${2:-here}" ip address add "$1/128" dev lo nodad
        # The kernel adds its route later (addrconf_add_ifaddr, addrconf_dad_work).
        # shellcheck disable=SC2016 # for the inner shell
        eventually on "${2:-here}" sh -c '[ -n "$(ip -6 route show table local "$0")" ]' "$1"
        ;;
    *) on "${2:-here}" ip address add "$1/32" dev lo ;;
    esac
}

filter() { # HOST NFTABLES-RULE: adds a rule for incoming packets
    needs_a_namespace
    on "$1" nft "add table inet test; add chain inet test arriving { type filter hook input priority 0; }; add rule inet test arriving $2"
}

# Counts SYN-ACKs from port 50000 to itself, which only a self-connection sends.
count_self_connections() {
    filter here 'tcp sport 50000 tcp dport 50000 tcp flags & (syn | ack) == syn | ack counter'
}

has_self_connected() {
    on here nft list ruleset | grep -q 'counter packets [1-9]'
}

# Drops SYNs to the port, so that connections stay pending.
lose_syns_to() { # PORT [HOST]
    filter "${2:-here}" "tcp dport $1 tcp flags & (syn | ack) == syn drop"
}

redirect() { # FROM-PORTS TO-PORT: as a published container port does
    local family
    needs_a_namespace
    for family in ip ip6; do
        on here nft "add table $family test; add chain $family test leaving { type nat hook output priority -100; }; add rule $family test leaving tcp dport $1 redirect to :$2"
    done
}

listens() { # PORT [HOST]
    [ -n "$(on "${2:-here}" ss -Hltn "sport = :$1")" ]
}

listening_process() { # PORT
    on here ss -Hltnp "sport = :$1" | LC_ALL=C sed -n 's/.*pid=\([0-9]*\).*/\1/p'
}

# A server that answers each line with "answer-" and the line: a self-connected socket would receive the plain line.
server() { # PORT [ADDRESS] [HOST]
    local address=${2:-127.0.0.1} host=${3:-here} kind=TCP4
    local reuse=${IN_PLACE:+,reuseaddr} # the last test's connections are in TIME-WAIT

    case $address in *:*) kind=TCP6 address=[$address] ;; esac
    background "server-$1" on "$host" socat "$kind-LISTEN:$1,bind=$address,fork$reuse" 'SYSTEM:sed -u s/^/answer-/'
    eventually listens "$1" "$host"
}

self_connected_sockets() {
    on here ss -Htan | awk '$4 == $5'
}

# For the output of `run ... connect`: the peer is the socket itself.
assert_connected_to_itself() {
    local local_endpoint peer
    local_endpoint=$(sed -n 's/^local: //p' <<<"$output")
    peer=$(sed -n 's/^peer: //p' <<<"$output")
    if [ -z "$peer" ] || [ "$local_endpoint" != "$peer" ]; then
        fail "not connected to itself: $output"
    fi
}

# For the output of `run ... connect`: as after an ordinary refusal.
assert_refused() {
    assert_success
    case ${lines[0]} in
    'connect: EINPROGRESS') assert_line 'settled: ECONNREFUSED' ;; # connect --nonblock --wait
    *) assert_line --index 0 'connect: ECONNREFUSED' ;;
    esac
    assert_line 'peer: ENOTCONN'
    assert_line 'state: CLOSE'
}

# For a command that prints the output of `connect`.
refused_instead_of_connected_to_itself() { # COMMAND...
    # In place the port would stay in TIME-WAIT for a minute.
    needs_a_namespace
    run protected "$@"
    assert_refused
    run unprotected "$@"
    assert_connected_to_itself
}

# Output, errors and exit status are the same with and without the library, each time on a new host prepared by
# the test's `prepare`.
the_same_with_and_without() { # COMMAND...
    local without
    prepare
    run -0 --separate-stderr unprotected "$@"
    without=$output$stderr
    new_host
    prepare
    run -0 --separate-stderr protected "$@"
    assert_equal "$output$stderr" "$without"
}

prepare() {
    :
}
