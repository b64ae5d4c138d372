#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Inside what people run programs in.

load helpers

launcher=${BATS_TEST_DIRNAME%/*}/scripts/noselfconn

# A root folder: `connect` with the libraries that it needs, and this one.
make_root() { # FOLDER
    local file
    for file in "$root/build/tests/connect" $(ldd "$root/build/tests/connect" | grep -o '/[^ ]*'); do
        install -D "$file" "$1$file"
    done
    install -D "$root/build/tests/connect" "$1/bin/connect"
    install -D "$library" "$1/lib/libnoselfconn.so"
}

@test "a shell script: what it starts is protected" {
    set_source_ports 50000
    printf '#!/bin/sh\nconnect 127.0.0.1 50000\n(connect 127.0.0.1 50000)\n' >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    run -0 on here "$launcher" "$BATS_TEST_TMPDIR/script"
    assert_refused
    assert_equal "$(grep -c 'connect: ECONNREFUSED' <<<"$output")" 2
    run -0 unprotected "$BATS_TEST_TMPDIR/script"
    assert_line 'connect: 0'
}

@test "from the checkout as it is, as the README has it" {
    local command
    cp -R "$root/shim" "$root/scripts" "$root/Makefile" "$BATS_TEST_TMPDIR"
    command=$(readme_block 'From the checkout, without installing anything')
    assert_equal "$command" 'make && scripts/noselfconn telnet 127.0.0.1 40000'
    set_source_ports 50000
    run on here env --chdir "$BATS_TEST_TMPDIR" sh -c "${command//40000/50000}"
    assert_output --partial 'Connection refused'
    refute_output --partial 'Connected'
}

# bats test_tags=root,shipped
@test "a step of a CI job, as the README has it" {
    local step job=$BATS_TEST_TMPDIR/job
    mkdir -p "$job/libnoselfconn"
    cp -R "$root/shim" "$root/scripts" "$root/Makefile" "$job/libnoselfconn"
    printf 'test:\n\tconnect 127.0.0.1 50000\n' >"$job/Makefile"
    step=$(readme_block '**Test suites and CI.**')
    assert_equal "$step" '- run: sudo make -C libnoselfconn install && noselfconn make test'
    set_source_ports 50000
    # What is installed, and the loader's list of libraries, is this test's alone.
    run -0 on here unshare --mount sh -c "cp -R /etc $BATS_TEST_TMPDIR && mount --bind $BATS_TEST_TMPDIR/etc /etc &&
        mount -t tmpfs none /usr/local && cd $job && PATH=$root/build/tests:/usr/local/bin:\$PATH && ${step#- run: sudo }"
    assert_line 'connect: ECONNREFUSED'
}

@test "a start script around a legacy client, as the README has it" {
    local script
    set_source_ports 50000
    mkdir "$BATS_TEST_TMPDIR/bin"
    ln -s "$launcher" "$BATS_TEST_TMPDIR/bin/noselfconn"
    script=$(readme_block 'A start script')
    [[ $script == *'exec noselfconn /opt/vendor/bin/client --server localhost:40000 "$@"'* ]]
    script=${script//'/opt/vendor/bin/client --server localhost:40000'/connect 127.0.0.1 50000}
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 on here sh -c "$script"
    assert_refused
}

@test "a Python virtual environment" {
    local client='
import socket, sys
assert sys.prefix != sys.base_prefix
print("errno", socket.socket().connect_ex(("127.0.0.1", 50000)))'
    python3 -m venv --without-pip "$BATS_TEST_TMPDIR/venv"
    set_source_ports 50000
    run -0 on here "$launcher" "$BATS_TEST_TMPDIR/venv/bin/python" -c "$client"
    assert_output 'errno 111'
    run -0 unprotected "$BATS_TEST_TMPDIR/venv/bin/python" -c "$client"
    assert_output 'errno 0'
}

@test "a systemd unit, with the drop-in that the README has" {
    local units=$BATS_TEST_TMPDIR/units
    umask 022 # what others may write it complains of
    mkdir -p "$units/client.service.d"
    printf '[Service]\nExecStart=/usr/bin/env\n' >"$units/client.service"
    readme_block '**systemd**' >"$units/client.service.d/noselfconn.conf"
    run -0 cat "$units/client.service.d/noselfconn.conf"
    assert_line '[Service]'
    assert_line 'Environment=LD_PRELOAD=libnoselfconn.so'
    SYSTEMD_UNIT_PATH=$units: run -0 systemd-analyze verify "$units/client.service"
    assert_output ''
    # The control: it does look at the drop-in.
    echo 'Environment' >>"$units/client.service.d/noselfconn.conf"
    SYSTEMD_UNIT_PATH=$units: run systemd-analyze verify "$units/client.service"
    assert_output --partial 'noselfconn.conf'
}

# Connects once, and can find the library by its bare name.
unit() { # NAME AFTER CLIENT
    printf '[Unit]\nAfter=%s\n[Service]\nType=oneshot\nExecStart=%s 127.0.0.1 50000\n' "$2" "$3" >"$units/$1.service"
    printf 'Environment=LD_LIBRARY_PATH=%s\nStandardOutput=file:%s\n' "$root/build" "$BATS_TEST_TMPDIR/$1" \
        >>"$units/$1.service"
}

# The manager of a user's services, with process ids, a /run and control groups of its own. As process 1 it
# would be the manager of a host.
# bats test_tags=root
@test "under systemd: by the drop-in that the README has, and by the launcher in the unit" {
    local name units=$BATS_TEST_TMPDIR/units client=$root/build/tests/connect
    mkdir -p "$units/drop-in.service.d" "$BATS_TEST_TMPDIR/runtime"
    chmod 700 "$BATS_TEST_TMPDIR/runtime"
    unit launcher '' "$root/build/noselfconn $client"
    unit drop-in launcher.service "$client"
    unit neither drop-in.service "$client"
    readme_block '**systemd**' >"$units/drop-in.service.d/noselfconn.conf"
    printf '[Unit]\nWants=launcher.service drop-in.service neither.service\n' >"$units/all.target"
    set_source_ports 50000
    # shellcheck disable=SC2016 # for the inner shell
    background manager on here unshare --mount --pid --fork --kill-child --cgroup sh -c '
        mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system
        mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/systemd &&
            mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd || mount -t cgroup2 cgroup /sys/fs/cgroup
        XDG_RUNTIME_DIR=$0 SYSTEMD_UNIT_PATH=$1 /lib/systemd/systemd --user --unit=all.target --log-target=console
        :' \
        "$BATS_TEST_TMPDIR/runtime" "$units"
    eventually grep -qs state: "$BATS_TEST_TMPDIR/neither"
    for name in launcher drop-in; do
        run cat "$BATS_TEST_TMPDIR/$name"
        assert_refused
    done
    run cat "$BATS_TEST_TMPDIR/neither"
    assert_connected_to_itself
}

# Without an engine: the folder and the variable are what an image and a container would have.
@test "a container, by the Dockerfile and by the Kubernetes lines that the README has" {
    local preload image=$BATS_TEST_TMPDIR/image
    make_root "$image"
    run readme_block '**A container image**'
    preload=$(sed -n 's/^ENV LD_PRELOAD=//p' <<<"$output")
    assert_line "COPY --from=noselfconn $preload ${preload%/*}/"
    install -D "$image/lib/libnoselfconn.so" "$image$preload"
    set_source_ports 50000
    run -0 on here env LD_PRELOAD="$preload" chroot "$image" /bin/connect 127.0.0.1 50000
    assert_line 'connect: ECONNREFUSED'

    # The init container copies it into a volume.
    run readme_block '**Kubernetes**'
    [[ $output =~ command:\ \[cp,\ ([^,]*),\ ([^]]*)\] ]]
    assert_equal "${BASH_REMATCH[1]}" "$preload"
    assert_line "    env: [{name: LD_PRELOAD, value: ${BASH_REMATCH[2]}libnoselfconn.so}]"
    mkdir -p "$image${BASH_REMATCH[2]}"
    cp "$image${BASH_REMATCH[1]}" "$image${BASH_REMATCH[2]}"
    new_host
    set_source_ports 50000
    run -0 on here env LD_PRELOAD="${BASH_REMATCH[2]}libnoselfconn.so" chroot "$image" /bin/connect 127.0.0.1 50000
    assert_line 'connect: ECONNREFUSED'

    new_host
    set_source_ports 50000
    run -0 on here chroot "$image" /bin/connect 127.0.0.1 50000
    assert_connected_to_itself
}

@test "beside what LD_PRELOAD has already, as the README has it" {
    local preload
    preload=$(grep -o 'LD_PRELOAD=lib[a-z0-9.]*:libnoselfconn.so' "$root/README.md")
    set_source_ports 50000
    run -0 on here env LD_LIBRARY_PATH="$root/build" "$preload" connect 127.0.0.1 50000
    assert_refused
    LD_LIBRARY_PATH=$root/build run -0 env "$preload" cat /proc/self/maps
    assert_output --partial libjemalloc.so.2
}

# The same file, with the loader of musl.
@test "a musl image" {
    set_source_ports 50000
    run -0 on here env LD_PRELOAD="$library" connect-musl 127.0.0.1 50000
    assert_refused
    run -0 unprotected connect-musl 127.0.0.1 50000
    assert_connected_to_itself
}

@test "a user namespace" {
    # Some machines allow it to nobody but root.
    needs_a_namespace
    set_source_ports 50000
    run -0 protected unshare --user --map-root-user connect 127.0.0.1 50000
    assert_refused
    run -0 unprotected unshare --user --map-root-user connect 127.0.0.1 50000
    assert_connected_to_itself
}

# bats test_tags=root,shipped
@test "a program that drops its privileges" {
    local client='
import os, socket
os.setgid(65534)
os.setuid(65534)
print("uid", os.getuid(), "errno", socket.socket().connect_ex(("127.0.0.1", 50000)))'
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output 'uid 65534 errno 111'
    run -0 unprotected python3 -c "$client"
    assert_output 'uid 65534 errno 0'
}

# bats test_tags=root,shipped
@test "/etc/ld.so.preload, in a throw-away root: every program is protected, setuid ones too" {
    local folder program command
    folder=$(mktemp -d)
    chmod 755 "$folder"
    make_root "$folder"
    cp "$folder/bin/connect" "$folder/bin/connect-setuid"
    chmod u+s "$folder/bin/connect-setuid"
    set_source_ports 50000
    for program in connect connect-setuid; do
        new_host
        set_source_ports 50000
        run -0 on here chroot --userspec=65534:65534 "$folder" "/bin/$program" 127.0.0.1 50000
        assert_connected_to_itself
    done
    # What the README's line adds, where `make install` puts the library.
    install -d "$folder/etc" "$folder/usr/local/lib/$(gcc -print-multiarch)"
    mv "$folder/lib/libnoselfconn.so" "$folder/usr/local/lib/$(gcc -print-multiarch)"
    command=$(readme_block '**Every program of the host**')
    assert_equal "${command#* | }" 'sudo tee -a /etc/ld.so.preload'
    sh -c "${command%% | *}" >"$folder/etc/ld.so.preload"
    for program in connect connect-setuid; do
        new_host
        set_source_ports 50000
        run -0 --separate-stderr on here chroot --userspec=65534:65534 "$folder" "/bin/$program" 127.0.0.1 50000
        assert_line 'connect: ECONNREFUSED'
        assert_equal "$stderr" ''
    done
    # And it is setuid as before: only root may bind this port.
    run on here chroot --userspec=65534:65534 "$folder" /bin/connect \
        --bind 127.0.0.1 --bind-port 700 127.0.0.1 50002
    assert_output 'bind: Permission denied'
    run -0 on here chroot --userspec=65534:65534 "$folder" /bin/connect-setuid \
        --bind 127.0.0.1 --bind-port 700 127.0.0.1 50002
    assert_line 'local: 127.0.0.1:700'
    rm -rf "$folder"
}
