#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Shell scripts, CI jobs, systemd, containers and /etc/ld.so.preload.

load helpers

# A root folder with `connect`, its libraries and libnoselfconn.
make_root() { # FOLDER
    local file
    for file in "$root/build/tests/connect" $(ldd "$root/build/tests/connect" | grep -o '/[^ ]*'); do
        install -D "$file" "$1$file"
    done
    install -D "$root/build/tests/connect" "$1/bin/connect"
    install -D "$library" "$1/lib/libnoselfconn.so"
}

@test "the README's command runs from an unchanged checkout" {
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
@test "the README's step of a CI job works" {
    local step job=$BATS_TEST_TMPDIR/job
    mkdir -p "$job/libnoselfconn"
    cp -R "$root/shim" "$root/scripts" "$root/Makefile" "$job/libnoselfconn"
    printf 'test:\n\tconnect 127.0.0.1 50000\n' >"$job/Makefile"
    step=$(readme_block '**Test suites and CI.**')
    assert_equal "$step" '- run: sudo make -C libnoselfconn install && noselfconn make test'
    set_source_ports 50000
    run -0 on here unshare --mount sh -c "cp -R /etc $BATS_TEST_TMPDIR && mount --bind $BATS_TEST_TMPDIR/etc /etc &&
        mount -t tmpfs none /usr/local && cd $job && PATH=$root/build/tests:/usr/local/bin:\$PATH && ${step#- run: sudo }"
    assert_line 'connect: ECONNREFUSED'
}

@test "the README's start script of a legacy client works" {
    local script
    script=$(readme_block 'A start script')
    [[ $script == *'exec noselfconn /opt/vendor/bin/client --server localhost:40000 "$@"'* ]]
    script=${script//'/opt/vendor/bin/client --server localhost:40000'/connect 127.0.0.1 50000}
    set_source_ports 50000
    PATH=$root/scripts:$PATH run -0 on here sh -c "$script"
    assert_refused
}

# A user's service manager in its own pid, mount and cgroup namespaces. As process 1 systemd would be the
# system's manager.
# bats test_tags=root
@test "a systemd service is protected by the README's drop-in" {
    local unit units=$BATS_TEST_TMPDIR/units
    mkdir -p "$units/protected.service.d"
    mkdir -m 700 "$BATS_TEST_TMPDIR/runtime"
    for unit in protected control; do
        printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' Type=oneshot \
            "ExecStart=$root/build/tests/connect 127.0.0.1 50000" "Environment=LD_LIBRARY_PATH=$root/build" \
            "StandardOutput=file:$BATS_TEST_TMPDIR/$unit" >"$units/$unit.service"
    done
    printf '%s\n' '[Unit]' Wants=protected.service After=protected.service >>"$units/control.service"
    readme_block '**systemd**' >"$units/protected.service.d/noselfconn.conf"
    set_source_ports 50000
    # shellcheck disable=SC2016 # for the inner shell
    background manager on here unshare --mount --pid --fork --kill-child --cgroup sh -c '
        mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system
        mount -t cgroup2 cgroup /sys/fs/cgroup
        XDG_RUNTIME_DIR=$0 SYSTEMD_UNIT_PATH=$1 /lib/systemd/systemd --user --unit=control.service --log-target=console
        :' "$BATS_TEST_TMPDIR/runtime" "$units"
    eventually grep -qs state: "$BATS_TEST_TMPDIR/control"
    run cat "$BATS_TEST_TMPDIR/protected"
    assert_refused
    run cat "$BATS_TEST_TMPDIR/control"
    assert_connected_to_itself
}

# Without an engine: a folder stands for the image.
@test "a container is protected by the README's Dockerfile and Kubernetes lines" {
    local preload image=$BATS_TEST_TMPDIR/image volume
    make_root "$image"
    run readme_block '**A container image**'
    preload=$(sed -n 's/^ENV LD_PRELOAD=//p' <<<"$output")
    assert_line "COPY --from=noselfconn $preload ${preload%/*}/"
    # The init container copies the library into a volume.
    run readme_block '**Kubernetes**'
    [[ $output =~ command:\ \[cp,\ ([^,]*),\ ([^]]*)\] ]]
    volume=${BASH_REMATCH[2]}
    assert_equal "${BASH_REMATCH[1]}" "$preload"
    assert_line "    env: [{name: LD_PRELOAD, value: ${volume}libnoselfconn.so}]"
    install -D "$image/lib/libnoselfconn.so" "$image$preload"
    install -D "$image$preload" "$image${volume}libnoselfconn.so"
    set_source_ports 50000
    for preload in "$preload" "${volume}libnoselfconn.so"; do
        run -0 on here env LD_PRELOAD="$preload" chroot "$image" /bin/connect 127.0.0.1 50000
        assert_line 'connect: ECONNREFUSED'
    done
    run -0 on here chroot "$image" /bin/connect 127.0.0.1 50000
    assert_connected_to_itself
}

@test "the README's line keeps the entries of LD_PRELOAD" {
    local preload
    preload=$(grep -o 'LD_PRELOAD=lib[a-z0-9.]*:libnoselfconn.so' "$root/README.md")
    set_source_ports 50000
    run -0 on here env LD_LIBRARY_PATH="$root/build" "$preload" MALLOC_CONF=stats_print:true connect 127.0.0.1 50000
    assert_refused
    assert_output --partial 'Begin jemalloc statistics'
}

# bats test_tags=root,shipped
@test "/etc/ld.so.preload protects every program of a root folder, setuid ones too" {
    local folder program command
    local -a as_another
    chmod 711 "$BATS_RUN_TMPDIR" # for the other user
    folder=$BATS_TEST_TMPDIR/root
    as_another=(on here chroot --userspec=65534:65534 "$folder")
    make_root "$folder"
    cp "$folder/bin/connect" "$folder/bin/connect-setuid"
    chmod u+s "$folder/bin/connect-setuid"
    for program in connect connect-setuid; do
        new_host
        set_source_ports 50000
        run -0 "${as_another[@]}" "/bin/$program" 127.0.0.1 50000
        assert_connected_to_itself
    done
    # The README's line, for the folder of `make install`.
    install -d "$folder/etc" "$folder/proc" "$folder/usr/local/lib/$(gcc -print-multiarch)"
    mv "$folder/lib/libnoselfconn.so" "$folder/usr/local/lib/$(gcc -print-multiarch)"
    command=$(readme_block '**Every program of the host**')
    assert_equal "${command#* | }" 'sudo tee -a /etc/ld.so.preload'
    sh -c "${command%% | *}" >"$folder/etc/ld.so.preload"
    new_host
    set_source_ports 50000
    for program in connect connect-setuid; do
        run -0 --separate-stderr "${as_another[@]}" "/bin/$program" 127.0.0.1 50000
        assert_refused
        assert_equal "$stderr" ''
    done
    # It still runs as root: only root may bind this port.
    run "${as_another[@]}" /bin/connect --bind 127.0.0.1 --bind-port 700 127.0.0.1 50002
    assert_output 'bind: Permission denied'
    run -0 "${as_another[@]}" /bin/connect-setuid --bind 127.0.0.1 --bind-port 700 127.0.0.1 50002
    assert_line 'local: 127.0.0.1:700'
    # noselfconn --check makes a self-connection without the library, too.
    install "$root/build/noselfconn" "$folder/bin"
    # shellcheck disable=SC2016 # for the inner shell
    run -0 on here unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" /bin/noselfconn --check' "$folder"
    assert_line --partial 'works: '
}
