#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The Debian packages, in a new Debian in a folder.

# bats file_tags=deb

load helpers

version=$(sed -n 's/^VERSION = //p' "${BATS_TEST_DIRNAME%/*}/Makefile")
suffix=${version}_$(dpkg --print-architecture).deb
packages=("libnoselfconn_$suffix" "noselfconn_$suffix")

setup_file() {
    local mirror
    [ "$EUID" -eq 0 ] || fail 'debootstrap has to be run as root'
    export debian=$BATS_FILE_TMPDIR/debian
    # shellcheck disable=SC2016 # apt's own variable
    mirror=$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)
    # shellcheck source=/dev/null
    debootstrap --variant=minbase --include=telnet,python3-minimal,cron,mandoc,manpages,manpages-dev \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$debian" "$mirror" >"$BATS_FILE_TMPDIR/debootstrap" 2>&1 ||
        fail "$(tail -n 5 "$BATS_FILE_TMPDIR/debootstrap")"
    make --silent -C "${BATS_TEST_DIRNAME%/*}" deb >/dev/null
    cp "${packages[@]/#/${BATS_TEST_DIRNAME%/*}/build/}" "$debian/root"
    find_files >"$BATS_FILE_TMPDIR/files-before"
    in_debian dpkg --install "${packages[@]/#//root/}"
}

find_files() {
    (cd "$debian" && find . -xdev ! -type d ! -path './root/*' ! -path './var/*' ! -path './proc/*' \
        ! -path './run/*' | sort)
}

in_debian() { # COMMAND...
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child sh -c \
        'mount -t proc proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"' \
        "$debian" "$@"
}

on_debian_host() { # COMMAND...
    on here bash -c "$(declare -f in_debian); debian=$debian; in_debian \"\$@\"" bash "$@"
}

@test "the Debian packages are the same byte for byte in any folder" {
    local folder package
    for folder in one another; do
        mkdir -p "$BATS_TEST_TMPDIR/$folder"
        cp -R "$root/shim" "$root/scripts" "$root/Makefile" "$root/README.md" "$BATS_TEST_TMPDIR/$folder"
        SOURCE_DATE_EPOCH=1795132800 make --silent -C "$BATS_TEST_TMPDIR/$folder" deb >/dev/null
        sleep 1
    done
    for package in "${packages[@]}"; do
        cmp "$BATS_TEST_TMPDIR/one/build/$package" "$BATS_TEST_TMPDIR/another/build/$package"
    done
}

@test "lintian reports only explained overrides" {
    run -0 lintian --allow-root --fail-on error,warning,info --display-info "${packages[@]/#/$root/build/}"
    assert_output ''
}

@test "the library's package is Multi-Arch: same, and the tools' has the README" {
    run -0 dpkg-deb --field "$root/build/${packages[0]}" Multi-Arch
    assert_output same
    libc=$(in_debian cat /usr/bin/noselfconn | grep -aoE 'GLIBC_2\.[0-9.]+' | sort -Vu | tail -n 1)
    run -0 dpkg-deb --field "$root/build/${packages[1]}" Depends
    assert_output "libnoselfconn (= $version), libc6 (>= ${libc#GLIBC_})"
    run -0 in_debian zcat /usr/share/doc/noselfconn/README.md.gz
    assert_line '# libnoselfconn'
}

@test "the installed library works by its bare name" {
    set_source_ports 50000
    run on_debian_host env LD_PRELOAD=libnoselfconn.so telnet 127.0.0.1 50000
    assert_output --partial 'Connection refused'
    run on_debian_host sh -c 'telnet 127.0.0.1 50000 </dev/null'
    assert_output --partial 'Connected to 127.0.0.1'
}

@test "the installed launcher refuses a self-connection, and --check succeeds" {
    run -0 on_debian_host noselfconn --check
    assert_output --partial 'works: a real self-connection'
    set_source_ports 50000
    run on_debian_host noselfconn telnet 127.0.0.1 50000
    assert_output --partial 'Connection refused'
}

@test "man and bash find the manual pages and completions" {
    run find_files
    assert_line ./usr/share/man/man1/noselfconn.1.gz
    assert_line ./usr/share/man/man1/noselfconn-audit.1.gz
    assert_line ./usr/share/man/man8/noselfconn-firewall.8.gz
    assert_line ./usr/sbin/noselfconn-firewall
    assert_line ./usr/lib/systemd/system/noselfconn-firewall.service
    assert_line ./usr/share/man/man7/libnoselfconn.7.gz
    assert_line ./usr/share/bash-completion/completions/noselfconn
}

# A Debian without iptables, nftables and systemd lacks their pages.
lint_page() { # PAGE
    in_debian mandoc -T lint "$1" |
        grep -vE 'not found: Xr (ip6?tables(-[a-z]*)?|nft|systemctl|nsenter|firewall-cmd|strace|gdb) [18]( |$)' || :
}

@test "the manual pages pass mandoc's lint, and refer to pages that exist" {
    local page
    in_debian makewhatis /usr/share/man
    for page in man1/noselfconn.1 man1/noselfconn-audit.1 man8/noselfconn-firewall.8 man7/libnoselfconn.7; do
        run -0 lint_page /usr/share/man/$page.gz
        assert_output ''
    done
    # The control.
    sed 's/^\.Xr connect 2/.Xr connect 9/' "$root/scripts/man/noselfconn.1" >"$debian/root/broken.1"
    run lint_page /root/broken.1
    assert_output --partial 'referenced manual not found: Xr connect 9'
    rm "$debian/usr/share/man/mandoc.db"
}

@test "the README guides an operator from a self-connection to enforcement and back" {
    local client='import socket, time
for attempt in range(1000):
    try:
        client = socket.create_connection(("127.0.0.1", 50000))
        print("connected to", client.getpeername(), flush=True)
        time.sleep(20)
    except OSError:
        pass
print("gave up", flush=True)'
    printf '%s\n' "$client" >"$debian/root/client.py"
    set_source_ports 50000

    background client on_debian_host python3 /root/client.py
    eventually grep -q connected "$BATS_TEST_TMPDIR/client"
    set_source_ports 49990 50010
    run -1 on here env PATH="$root/scripts:$PATH" noselfconn-audit
    assert_line --regexp '^  127\.0\.0\.1:50000 ESTABLISHED \(python3, pid [0-9]+\)$'
    run -1 on_debian_host noselfconn-audit 50000
    assert_line 'port 50000: can self-connect: about 1 attempt in 10'

    new_host
    set_source_ports 50000
    background client on_debian_host noselfconn --observe --log /root/self.log python3 /root/client.py
    eventually grep -q connected "$BATS_TEST_TMPDIR/client"
    run cat "$debian/root/self.log"
    assert_output --partial 'command="python3"'
    assert_output --partial 'endpoint=127.0.0.1:50000 mode=observe action=allowed'

    new_host
    set_source_ports 50000
    rm "$debian/root/self.log"
    background client on_debian_host noselfconn --log /root/self.log python3 /root/client.py
    eventually grep -q 'gave up' "$BATS_TEST_TMPDIR/client"
    run cat "$BATS_TEST_TMPDIR/client"
    assert_output 'gave up'
    run grep -c 'mode=enforce action=refused' "$debian/root/self.log"
    assert_output 1000
    run -0 on here env PATH="$root/scripts:$PATH" noselfconn-audit
    assert_line 'connected to themselves now: 0'

    new_host
    set_source_ports 50000
    background client on_debian_host python3 /root/client.py
    eventually grep -q connected "$BATS_TEST_TMPDIR/client"
}

@test "cron runs the crontab line of libnoselfconn(7)" {
    run -0 grep -A 1 '^LD_PRELOAD=' "$root/scripts/man/libnoselfconn.7"
    assert_output 'LD_PRELOAD=libnoselfconn.so
* * * * * client /opt/vendor/bin/client --once'
    # cron sets the variable of the crontab for its command.
    printf '%s\n' "${output/client *--once/root printenv LD_PRELOAD >/root/cron}" >"$debian/etc/cron.d/client"
    background cron on_debian_host cron -f
    wait_for_cron
    run cat "$debian/root/cron"
    assert_output libnoselfconn.so
    rm "$debian/etc/cron.d/client" "$debian/root/cron"
}

wait_for_cron() {
    local second
    for ((second = 0; second < 130; second++)); do
        [ ! -s "$debian/root/cron" ] || return 0
        sleep 1
    done
    fail 'cron has not run the command'
}

@test "the README's line for /etc/ld.so.preload works and can be undone" {
    local line
    line=$(readme_block '**Every program of the host**')
    assert_equal "$line" "echo '/usr/local/\$LIB/libnoselfconn.so' | sudo tee -a /etc/ld.so.preload"
    set_source_ports 50000
    # shellcheck disable=SC2016 # the loader's
    echo '/usr/$LIB/libnoselfconn.so' >"$debian/etc/ld.so.preload" # the README's line for packages
    run on_debian_host telnet 127.0.0.1 50000
    assert_output --partial 'Connection refused'
    # A setuid program still works: su may become another user.
    run -0 on_debian_host su --shell /bin/sh nobody --command 'id -un'
    assert_output nobody
    # If the library is missing, every program prints an error.
    mv "$debian/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/libnoselfconn.so" "$debian/root/aside"
    run -0 on_debian_host true
    assert_output --partial 'cannot be preloaded'
    mv "$debian/root/aside" "$debian/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/libnoselfconn.so"
    sed -i /libnoselfconn/d "$debian/etc/ld.so.preload"
    run on_debian_host sh -c 'telnet 127.0.0.1 50000 </dev/null'
    assert_output --partial 'Connected to 127.0.0.1'
    rm "$debian/etc/ld.so.preload"
}

@test "a removal leaves no file and keeps others' entries of /etc/ld.so.preload" {
    local list=$debian/etc/ld.so.preload
    printf 'libnoselfconn.so\n# libc.so.6\nlibm.so.6\n' >"$list"
    run -0 --separate-stderr in_debian dpkg --install "/root/${packages[0]}"
    assert_equal "$(head -n 1 "$list")" libnoselfconn.so
    run -0 --separate-stderr in_debian dpkg --purge noselfconn libnoselfconn
    assert_equal "$(<"$list")" $'# libc.so.6\nlibm.so.6'
    refute_regex "$stderr" 'cannot be preloaded'
    rm "$list"
    find_files >"$BATS_TEST_TMPDIR/files-after"
    run diff "$BATS_FILE_TMPDIR/files-before" "$BATS_TEST_TMPDIR/files-after"
    assert_output ''
}
