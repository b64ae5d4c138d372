#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# First lines of scripts, and command lines of env: what the launcher takes them for is what the kernel and
# env do with them. Each is run, too, and what ran is compared.

load helpers

compare() { # a Python program on standard input, behind what is the same for all
    mkdir "$BATS_TEST_TMPDIR/host"
    cd "$BATS_TEST_TMPDIR/host" || return
    run python3 - "$root/build/noselfconn" "$library" "$root/build/tests/which" < <(
        cat <<'EOF_PYTHON'
import errno, itertools, os, random, re, shutil, subprocess, sys

launcher, library, which = sys.argv[1:]
here = os.getcwd()
failures = 0


def place(*paths):
    for path in paths:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        shutil.copy(which, path)


def write_program(path, content):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
        file.write(content)


def happens(command, path):
    """What really runs: a program, with the preload ("runs") or without ("drops"); or env itself;
    or nothing, for want of what."""
    try:
        done = subprocess.run(command, env={"PATH": path, "LD_PRELOAD": library}, capture_output=True, check=False, timeout=10)
    except OSError as error:
        return ("shell" if error.errno == errno.ENOEXEC else "missing"), ""
    found = re.search(r"(/.*), preload '(.*)'\n$", done.stdout.decode(errors="replace"), re.S)
    if found:
        return ("runs" if found[2] == library else "drops"), found[1]
    if done.returncode == 0:
        return "env", ""
    if done.returncode in (126, 127):
        return "missing", ""
    return "mistake", ""


def judged(command, path):
    """The same, as the launcher says."""
    told = subprocess.run([launcher, "--check", *command], env={"PATH": path}, capture_output=True, check=False, timeout=10)
    text = (told.stdout + told.stderr).decode(errors="replace")
    for what, pattern in (("env", r"can be protected: .*, in /usr/bin/env, by "),
                          ("shell", r"can be protected: .*, in /bin/sh, by "), ("runs", r"can be protected: .*, in (.*), by "),
                          ("drops", r"cannot protect what env runs without this LD_PRELOAD: (.*)\nTo protect"),
                          ("drops", r"cannot protect a script whose first line empties the environment of (.*)\nTo protect"),
                          ("missing", r"cannot protect a command that env does not find: (.*)"),
                          ("missing", r"cannot protect a script whose interpreter is missing: (.*)"),
                          ("endless", r"cannot protect a script whose interpreters are scripts without end"),
                          ("unclear", r"cannot tell what env runs"), ("none", r"cannot protect a script without an interpreter")):
        found = re.search(pattern, text, re.S)
        if found:
            name = found[1] if what in ("runs", "drops") else ""
            return what, os.path.normpath(os.path.join(here, name)) if what == "runs" else name
    return "says", text


def compare(shown, real, told):
    global failures
    if real != told:
        failures += 1
        print(f"{shown!r}: {told}, but {real}")
        if failures == 10:
            sys.exit(1)


EOF_PYTHON
        cat
    )
    assert_output ''
    assert_success
}

@test "a command line of env runs what the launcher has judged" {
    compare <<'EOF_PYTHON'
for name, interpreter in ("bin/run", "other/x"), ("folder/run", "bin/x"), ("other/run", "/usr/bin/env x"):
    write_program(name, f"#!{interpreter}\n".encode())
place("bin/x", "bin/A", "other/x", "other/y", "folder/x", "folder/bin/x", "folder/other/x", "folder/other/y", "y", "x y")
place(*("bin/" + name for name in ("x y", "#", "x#", "x\\_y", "\\#", "x\ty", "x\ny", "x\ry", "x\vy", "x\fy", "x\\y", "x'y", 'x"y', "x$y", "'", '"', "x\\'y", "xy z")))
path = f"{here}/bin:other::/usr/bin"
random.seed(1)

# Each is known to env and to the launcher, whatever stands before and behind.
options = ["-i", "-", "-v", "--debug", "-uX", "-uPATH", "-uA", "-u X", "-uLD_PRELOAD", "-u LD_PRELOAD", "-u LD_PRELOADS", "-u LD_PRELOA", "--unset=X",
           "--unset X", "--unset=LD_PRELOAD", "--unset LD_PRELOAD", "--ignore-environment", "-C folder", "-Cfolder",
           "--chdir=folder", "--chdir folder", f"-C {here}/folder", "--block-signal=USR1", "--default-signal", "--ignore-signal=USR1",
           "--list-signal-handling", "-vu X", "-viuX", "-vi", "-ivC folder", "--", "-S-v", "-vS-i", "-S '-u X'", "--split-string=-v",
           "--split-string -uLD_PRELOAD", "-S", "-iS''"]
settings = ["A=1", "LD_PRELOAD=", "LD_PRELOADS=1", "LD_PRELOA=1", "XLD_PRELOAD=", f"PATH={here}/other", "PATHS=/", "PATH=other", "=", "A=B=C"]
commands = ["run", "./run", "other/run", "x", "y", "./y", "other/y", f"{here}/other/x", "none", "./none", "", "other", "'x y'", '"x y"', "x\\_y", "'x\\_y'", '"x\\_y"',
            "env x", "env -uLD_PRELOAD y", "env -S 'x y'", "env -S 'env y' z", "'#'", "x #", "x#", "#x", "\\#", '"\\#"', "'\\#'", "'x'\"\"", "x\\c", "  x",
            "x\ty", "x\ny", "x\ry", "x\r", "\vx", "x\fy", "x\x0ey", "x\by", "'x\ty'", "'x\ry'", "x\\ry", '"x\\vy"', "x\\fy", "'x\\\\y'", "x\\ty", "\"x\\ty\"", "x\\ny", '"x\\\'y"', "'x\\'y'", "x\\'y", 'x\\"y', "x\\$y", '"x\\$y"', "'x$y'", "x\\\\y",
            "'\"'", "\"'\"", "x\"y z\"", "-- x", "-- -x", "-- -i x"]

def shown(name):
    return re.sub("[\0-\x08\x0b-\x1f]", lambda byte: "\\r" if byte[0] == "\r" else f"\\x{ord(byte[0]):02x}", name)

def line(words):
    command = ["/usr/bin/env", "-S", words]
    real, told = happens(command, path), judged(["env", *command[1:]], path)
    if told[0] == "drops":
        # Without LD_PRELOAD: what ran has its name, unless it was not found.
        compare(words, real[0] == "missing" or (real[0] == "drops" and os.path.basename(told[1]) in ("env", "run", shown(os.path.basename(real[1])))), True)
    elif told[0] == "unclear":
        compare(words, real[0] == "mistake" or bool(re.search(r"\\c|x\\_y", words)) or real, True)
    elif real[0] == "mistake":
        compare(words, told[0], "env")
    else:
        compare(words, real, told)

for words in options + settings + commands:
    line(words)
    line(words + " x")
for first in options:
    for second in random.sample(commands, 5):
        line(f"{first} {second}")
for _ in range(100):
    line(" ".join(random.choices(options, k=random.randrange(4)) + random.choices(settings, k=random.randrange(3)) + [random.choice(commands)]))
sys.exit(failures > 0)
EOF_PYTHON
}

@test "the first line of a script is read as the kernel reads it" {
    compare <<'EOF_PYTHON'
place("x", "bin/x", "bin/y", "bin/x y", "bin/y y", "bin/y\t y", *("bin/" + "x" * size for size in range(228, 250)))
random.seed(2)
path = f"{here}/bin:/usr/bin"


def line(head):
    if os.path.exists("script"):
        os.remove("script")  # to write it anew would wait for the disk
    write_program("script", head)
    real, told = happens(["./script"], path), judged(["./script"], path)
    if told[0] == "none":
        compare(head, head[:2] == b"#!" and real[0] in ("shell", "missing"), True)
    elif told[0] == "drops":
        compare(head, real[0] in ("drops", "missing"), True)
    else:
        compare(head, real, told)


for start in b"", b"#", b"!", b"#!", b"#!\n", b"#! \t\n", b"#x", b"x!", b"#x/bin/sh\n", b"x!/bin/sh\n", b" #!/bin/sh\n", b"\n#!/bin/sh\n":
    line(start)
for before, interpreter, between, end in itertools.product(
        (b"", b" ", b"\t \t"), (f"{here}/bin/x".encode(), b"bin/y", b"./x", b"x", b"none", b"/usr/bin/env"), (b" ", b"\t", b" \t "),
        (b"", b"\n", b" \t\n", b"\ny", b"\n\n", b"\0", b"\0\n", b"\0y\n", b" \0 \n")):
    if interpreter != b"/usr/bin/env":  # which would run the script, and so on
        line(b"#!" + before + interpreter + end)
    for argument in b"x", b"y", b"x y", b"y\t y", b"-S y x", b"-iS x", b"-S -uLD_PRELOAD x":
        if random.random() < 0.08:
            line(b"#!" + before + interpreter + between + argument + end)
# The kernel sees 256 bytes.
for size in range(250, 262):
    for end in b"", b"\n", b" ", b" y\n":
        line(b"#!" + b"/" * (size - 2 - len(here) - 6) + f"{here}/bin/x".encode() + end)
        line(b"#!/usr/bin/env " + b"x" * (size - 15) + end)
line(b"#!" + b" " * 300)
# Without an argument env would run the script, which runs env, and so on.
write_program("script", b"#!/usr/bin/env \n")
compare("env alone", ("endless", ""), judged(["./script"], path))
sys.exit(failures > 0)
EOF_PYTHON
}

@test "a command is looked for as execvp looks for it" {
    compare <<'EOF_PYTHON'
place("bin/x", "other/x", "other/y", "x", "locked/x", "d/one")
os.chmod("locked/x", 0o644)
os.makedirs("folder/x")
os.makedirs("loop")
os.symlink("x", "loop/x")
os.symlink("../bin/x", "loop/y")
os.symlink("/none", "loop/z")
write_program("bin/text", f"{here}/bin/x \"$0\"\n".encode())
random.seed(3)


def ends(command, path):
    done = subprocess.run(command, env={"PATH": path} if path is not None else {}, capture_output=True, check=False, timeout=10)
    return done.returncode, done.stdout.decode(errors="replace").split(",")[0]


names = ["x", "y", "z", "one", "none", "text", "", ".", "..", "x/", "bin", "./x", "bin/x", "bin/", "/", "locked/x", "folder/x", "loop/x", "loop/y",
         "loop/z", "bin/x/x", "none/x", f"{here}/bin/x", "n" * 255, "bin/" + "n" * 256, "/" * 4100, "sh"]
plain = ["bin", "d", "other", "", ".", "none", "locked", f"{here}/bin"]
odd = ["bin/x", "folder", "loop", "n" * 256, "/" + "./" * 2040]  # for which execvp may give up, as shells do not
for name in names:
    for choice in plain, plain + odd:
        for path in [None, "", ":", *choice, *(":".join(random.choices(choice, k=random.randrange(2, 6))) for _ in range(8))]:
            real, told = ends(["/usr/bin/env", name], path), ends([launcher, name], path)
            if choice is plain or real[0] == 0:
                compare((name[:20], path and path.replace("./" * 2040, "...").replace("n" * 256, "n...")), real, told)
# One byte more than a name can have, which must not be cut off.
folder = here + "/bin" + "/." * 2000
folder += "/" * (4096 - len("/xx") - len(folder))
compare("cut", 127, ends([launcher, "xx"], folder)[0])
compare("not cut", 0, ends([launcher, "x"], folder)[0])
sys.exit(failures > 0)
EOF_PYTHON
}
