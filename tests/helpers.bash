# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests share. A test runs on a host of its own: a network namespace in which the source
# port of the next connect() can be pinned, so that a self-connection happens every time.
#
#     new_host             a host named `here`; each test starts with one
#     on here COMMAND      run a command there
#     unprotected COMMAND  on here, as it is: the positive control
#     needs_a_namespace    where no namespace can be made (IN_PLACE, setup_suite.bash), `here` is this
#                          machine, and a test that would change it ends here: it is not run
#     protected COMMAND    on here, with the library preloaded; with GUARD=tracer traced, as a static
#                          program where it is one of the tests'; with GUARD=firewall as it is, while
#                          the rule of the packet filter is on

bats_require_minimum_version 1.5.0
load assertions

root=${BATS_TEST_DIRNAME%/*}
library=$root/build/libnoselfconn.so
firewall=$root/scripts/noselfconn-firewall
# Debian's tools, whatever else a developer's PATH holds.
guard=${GUARD-library}
PATH=$root/build/tests:/usr/sbin:/usr/bin:/sbin:/bin
[ "$guard" != tracer ] || PATH=$root/build/static:$PATH
export PATH LC_ALL=C.UTF-8
unset LD_PRELOAD NOSELFCONN_MODE NOSELFCONN_LOG

declare -gA host_process # name -> a process that keeps the namespace

setup() {
    new_host
}

# Without the right to a namespace there is none to mount, either.
is_for_root() {
    [[ " ${BATS_TEST_TAGS[*]-} " == *' root '* ]]
}

teardown() {
    local name
    for name in "${!host_process[@]}"; do
        end_host "$name"
    done
    # In place no namespace ends what a test has left behind.
    # shellcheck disable=SC2046 # several processes
    [ -z "${IN_PLACE-}" ] || kill $(jobs -p) 2>/dev/null || :
    if [ -e "$BATS_TEST_TMPDIR/needs-a-namespace" ] && [ -z "${BATS_TEST_SKIPPED-}" ]; then
        fail 'the test went on without a network namespace'
    fi
}

# A test that goes on behind this, in a subshell, fails (teardown).
needs_a_namespace() {
    if [ -n "${IN_PLACE-}" ]; then
        touch "$BATS_TEST_TMPDIR/needs-a-namespace"
        skip 'needs a network namespace'
    fi
}

# An ordinary user has the right to a network namespace only inside a user namespace; all hosts of a
# test are in the same, so that cables can be laid between them.
new_host() { # [NAME]
    local name=${1:-here} process
    local -a others namespaces=(--net) enter=()

    if [ -n "${IN_PLACE-}" ]; then
        if [ "$name" != here ] || is_for_root; then
            needs_a_namespace
        fi
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

# Whatever a test started on the host ends with it.
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

# protected, under strace, which writes into a file `trace`.
traced() { # [STRACE-OPTION]... COMMAND...
    on here strace -qq -o "$BATS_TEST_TMPDIR/trace" -E "LD_PRELOAD=$library" "$@"
}

as_an_ordinary_user() {
    on here setpriv --reuid nobody --regid nogroup --clear-groups "$@"
}

# Not every kernel runs 32-bit programs beside 64-bit ones (IA32_EMULATION).
runs_32_bit() {
    local status=0
    "$root/build/tests/raw-i386" 127.0.0.1 1 >/dev/null 2>&1 || status=$?
    [ $status -ne 127 ] || fail 'build/tests/raw-i386 is missing: make build/tests/raw-i386'
    [ $status -ne 126 ]
}

needs_32_bit() {
    runs_32_bit || skip 'needs a kernel that runs 32-bit programs'
}

# A library of tests/objects/, for LD_PRELOAD.
preload() { # NAME
    printf '%s\n' "$root/build/tests/$1.so"
}

# A block of the README: the first one that follows a line with TITLE.
readme_block() { # TITLE
    awk -v title="$1" 'index($0, title) { seen = 1 }
        seen && /^```/ { if (inside) exit; inside = 1; next }
        inside' "$root/README.md"
}

# Starts a command in the background, with its output in a file of that name, which is empty at first.
background() { # NAME COMMAND...
    : >"$BATS_TEST_TMPDIR/$1"
    "${@:2}" </dev/null >"$BATS_TEST_TMPDIR/$1" 2>&1 3>&- &
}

output_of() { # NAME
    cat "$BATS_TEST_TMPDIR/$1"
}

# Runs the command again and again until it succeeds; fails after ten seconds.
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

# A second host named `there`, 192.0.2.2, on a cable to here, 192.0.2.1.
neighbour() {
    new_host there
    on here ip link add cable type veth peer name cable netns "${host_process[there]}"
    on here ip address add 192.0.2.1/24 dev cable
    on here ip link set cable up
    on there ip address add 192.0.2.2/24 dev cable
    on there ip link set cable up
}

# The ephemeral range of the host. One port alone: the next connect() can have no other source port.
set_source_ports() { # LOW [HIGH] [HOST]
    needs_a_namespace
    on "${3:-here}" tee /proc/sys/net/ipv4/ip_local_port_range <<<"$1 ${2:-$1}" >/dev/null
}

own_address() { # ADDRESS [HOST]
    needs_a_namespace
    case $1 in
    *:*)
        on "${2:-here}" ip address add "$1/128" dev lo nodad
        # Its route comes later (addrconf_add_ifaddr, addrconf_dad_work).
        eventually has_local_route "$1" "${2:-here}"
        ;;
    *) on "${2:-here}" ip address add "$1/32" dev lo ;;
    esac
}

has_local_route() { # ADDRESS HOST
    [ -n "$(on "$2" ip -6 route show table local "$1")" ]
}

filter() { # HOST NFTABLES-RULE: one more rule for what arrives
    needs_a_namespace
    on "$1" nft "add table inet test; add chain inet test arriving { type filter hook input priority 0; }; add rule inet test arriving $2"
}

# Counts the SYN-ACKs from port 50000 to itself: what only a self-connection sends.
count_self_connections() {
    filter here 'tcp sport 50000 tcp dport 50000 tcp flags & (syn | ack) == syn | ack counter'
}

has_self_connected() {
    on here nft list ruleset | grep -q 'counter packets [1-9]'
}

# Connections to the port stay pending: the SYN is sent, and lost.
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

# A server that answers each line with that line after "answer-" (a socket connected to itself
# hears its own words too), and says GREETING first where one is given.
server() { # PORT [ADDRESS] [GREETING] [HOST]
    local address=${2:-127.0.0.1} host=${4:-here} kind=TCP4
    local answer='sed -u s/^/answer-/'
    local reuse=${IN_PLACE:+,reuseaddr} # the last test's connections are in TIME-WAIT

    case $address in *:*) kind=TCP6 address=[$address] ;; esac
    [ -z "${3-}" ] || answer="echo $3; $answer"
    background "server-$1" on "$host" socat "$kind-LISTEN:$1,bind=$address,fork$reuse" "SYSTEM:$answer"
    eventually listens "$1" "$host"
}

# What servers do that do not wait to be spoken to, 200 times each, to blocking and non-blocking
# clients by TCP and MPTCP: none is refused, and by TCP no line is lost. With MPTCP the server announces
# another address by itself.
quick_servers() { # [--direct]
    local behaviour address heard port=50000
    local -a client
    on here ip mptcp endpoint add 127.0.0.2 dev lo signal
    for client in "$*" "$* --nonblock" "$* --protocol mptcp" "$* --protocol mptcp --nonblock"; do
        for behaviour in close line reset half-close delay; do
            case $behaviour in close | reset) heard=0 ;; *) heard=200 ;; esac
            for address in 127.0.0.1 ::1; do
                # shellcheck disable=SC2086 # several words
                run -0 protected timeout 60 quick $client $behaviour $address $port 200
                port=$((port + 200))
                assert_output --regexp '^connects 200 refused 0 heard [0-9]+$'
                # Over a line by MPTCP the kernel can take its time.
                case $client in
                *mptcp*) [ "${output##* }" -ge $((heard * 9 / 10)) ] ;;
                *) assert_equal "${output##* }" "$heard" ;;
                esac
            done
        done
    done
}

# Debian's redis-server is redis-check-rdb by another name (it looks at argv[0]); the package of the
# server would start one on the machine.
redis_server() {
    background redis on here bash -c \
        'exec -a redis-server redis-check-rdb --bind 127.0.0.1 --port 50000 --save ""'
    eventually listens 50000
}

self_connected_sockets() {
    on here ss -Htan | awk '$4 == $5'
}

# For the output of `run ... connect`: the socket has itself as its peer.
assert_connected_to_itself() {
    local local_endpoint peer
    local_endpoint=$(sed -n 's/^local: //p' <<<"$output")
    peer=$(sed -n 's/^peer: //p' <<<"$output")
    if [ -z "$peer" ] || [ "$local_endpoint" != "$peer" ]; then
        fail "not connected to itself: $output"
    fi
}

# For the output of `run ... connect`: as after a refusal by somebody else.
assert_refused() {
    assert_success
    case ${lines[0]} in
    'connect: EINPROGRESS') assert_line 'settled: ECONNREFUSED' ;; # connect --nonblock --wait
    *) assert_line --index 0 'connect: ECONNREFUSED' ;;
    esac
    assert_line 'peer: ENOTCONN'
    assert_line 'state: CLOSE'
}

# For a command that prints what `connect` does.
refused_instead_of_connected_to_itself() { # COMMAND...
    # In place the port would be in TIME-WAIT for a minute.
    needs_a_namespace
    run protected "$@"
    assert_refused
    run unprotected "$@"
    assert_connected_to_itself
}

# The command does the same with and without the library: output, errors and exit status. Each time
# on a new host, prepared by the function `prepare` where the test defines one.
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
