#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How the launcher reads the head of a program (elf(5)): as the kernel and the loader do, whatever it holds.

load helpers

launcher=$root/build/noselfconn

# Programs that are nothing but headers, and what is said of each.
@test "what a program is, is read from its headers, of either word size and byte order" {
    cd "$BATS_TEST_TMPDIR"
    run python3 - "$launcher" <<'EOF_PYTHON'
import struct, subprocess, sys

LOAD, INTERP, NOTE, READ, WRITE = 1, 3, 4, 4, 2
X86_64, I386, S390 = 62, 3, 22
BROKEN, STATIC, GO = "it is a broken program", "a statically linked program", "a Go program"
failures = 0


class Program:
    """A file: its header, its program headers, then what these refer to, each where it is wanted."""

    def __init__(self, bits=64, order="<", machine=X86_64):
        self.bits, self.order, self.machine = bits, order, machine
        self.header_size, self.segment_size = (64, 56) if bits == 64 else (52, 32)
        self.table = self.header_size
        self.entry_size, self.count = self.segment_size, None
        self.segments, self.contents = [], {}

    def segment(self, kind, content=b"", flags=READ, offset=None, size=None):
        if offset is None:
            offset = 0x1000 * (1 + len(self.segments))
        self.segments.append((kind, flags, offset, len(content) if size is None else size))
        self.contents[offset] = content
        return self

    def bytes(self):
        order, count = self.order, len(self.segments) if self.count is None else self.count
        image = bytearray(b"\x7fELF" + bytes([self.bits // 32, 1 if order == "<" else 2, 1]) + bytes(9))
        if self.bits == 64:
            image += struct.pack(order + "HHIQQQIHHHHHH", 2, self.machine, 1, 0, self.table, 0, 0, 64,
                                 self.entry_size, count, 0, 0, 0)
        else:
            image += struct.pack(order + "HHIIIIIHHHHHH", 2, self.machine, 1, 0, self.table, 0, 0, 52,
                                 self.entry_size, count, 0, 0, 0)
        for kind, flags, offset, size in self.segments:
            if self.bits == 64:
                image += struct.pack(order + "IIQQQQQQ", kind, flags, offset, 0, 0, size, size, 1)
            else:
                image += struct.pack(order + "IIIIIIII", kind, offset, 0, 0, size, size, flags, 1)
        for offset, content in sorted(self.contents.items()):
            if content:
                image += bytes(offset - len(image)) if offset > len(image) else b""
                image[offset:offset + len(content)] = content
        return bytes(image)


def says(expected, program, what, before=()):
    global failures
    with open("program", "wb") as file:
        file.write(program if isinstance(program, bytes) else program.bytes())
    subprocess.run(["chmod", "+x", "program"], check=True)
    told = subprocess.run([sys.argv[1], "--check", *before, "./program"], capture_output=True, text=True, check=False)
    if expected not in told.stdout + told.stderr:
        failures += 1
        print(f"{what}: not '{expected}': {told.returncode} {told.stdout}{told.stderr}")


def note(name, description, kind, order="<"):
    pad = lambda text: text + bytes(-len(text) % 4)
    return struct.pack(order + "III", len(name), len(description), kind) + pad(name) + pad(description)


BUILDINFO = b"\xff Go buildinf:\x08\x00"

for bits in 64, 32:
    for order in "<", ">":
        name = f"{bits} bits, {order}"
        new = lambda: Program(bits, order)
        says(STATIC, new().segment(LOAD), name)
        says("whose loader is missing: ./program: /no/such", new().segment(INTERP, b"/no/such\0"), f"{name}: loader")
        says("whose loader is missing: ./program: /x", new().segment(INTERP, b"/x\0").segment(INTERP, b"/y\0"),
             f"{name}: the first of two loaders")
        says(GO, new().segment(NOTE, note(b"Go\0\0", b"id", 4, order)), f"{name}: Go's note")
        says(GO, new().segment(NOTE, note(b"Go\0\0", b"", 4, order)), f"{name}: Go's note, empty")
        says(GO, new().segment(NOTE, note(b"GNU\0", b"12345", 3, order) + note(b"Go\0\0", b"id", 4, order)),
             f"{name}: Go's note behind another, whose description is padded")
        says(GO, new().segment(NOTE, note(b"stapsdt", b"1234", 3, order) + note(b"Go\0\0", b"id", 4, order)),
             f"{name}: Go's note behind another, whose name is padded")
        says(GO, new().segment(NOTE, note(b"a name of 17 byte", b"a description of 22 by", 3, order)
                               + note(b"Go\0\0", b"id", 4, order)), f"{name}: Go's note behind a long one")
        says(GO, new().segment(NOTE, note(b"GNU\0", b"12345", 3, order) + note(b"GNU\0", b"1", 1, order)
                               + note(b"Go\0\0", b"id", 4, order)), f"{name}: Go's note as the third")
        says(STATIC, new().segment(NOTE, note(b"Go\0\0", b"id", 3, order)), f"{name}: another note of Go")
        says(STATIC, new().segment(NOTE, note(b"Go\0\0", b"id", 5, order)), f"{name}: another note of Go")
        says(STATIC, new().segment(NOTE, note(b"Go!\0", b"id", 4, order)), f"{name}: a note of another")
        says(STATIC, new().segment(NOTE, note(b"Go\0\0\0", b"id", 4, order)), f"{name}: a longer name")
        says(STATIC, new().segment(NOTE, note(b"", b"Go\0\0", 4, order)), f"{name}: a note without a name")
        says(STATIC, new().segment(LOAD, note(b"Go\0\0", b"id", 4, order)), f"{name}: no segment of notes")
        says(STATIC, new().segment(NOTE, note(b"Go\0\0", b"id", 4, order), size=15), f"{name}: a note that is cut off")
        says(STATIC, new().segment(NOTE, note(b"Go\0\0", b"id", 4, order), size=11), f"{name}: a header cut off")
        says(GO, new().segment(NOTE, note(b"Go\0\0", b"", 4, order), size=16), f"{name}: a note that just fits")
        says(STATIC, new().segment(NOTE, struct.pack(order + "III", 0xffffffff, 0xffffffff, 1)
                                   + note(b"Go\0\0", b"id", 4, order)), f"{name}: a note longer than the segment")
        says(GO, new().segment(LOAD, BUILDINFO, WRITE), f"{name}: build information")
        says(GO, new().segment(LOAD, bytes(16) + BUILDINFO, READ | WRITE), f"{name}: build information at 16")
        says(GO, new().segment(LOAD, bytes(8) + BUILDINFO + bytes(8) + BUILDINFO, WRITE),
             f"{name}: build information at 8, and at 32")
        says(GO, new().segment(LOAD, BUILDINFO[:14], WRITE), f"{name}: no more than the beginning of it")
        says(STATIC, new().segment(LOAD, BUILDINFO[:13], WRITE), f"{name}: less than that")
        says(STATIC, new().segment(LOAD, BUILDINFO[:13] + b";", WRITE), f"{name}: and one byte is another")
        says(STATIC, new().segment(LOAD, bytes(8) + BUILDINFO, WRITE), f"{name}: build information at 8")
        says(STATIC, new().segment(LOAD, bytes(17) + BUILDINFO, WRITE), f"{name}: build information at 17")
        says(STATIC, new().segment(LOAD, BUILDINFO, READ), f"{name}: build information that is not writable")
        says(STATIC, new().segment(NOTE, BUILDINFO, WRITE), f"{name}: build information that is not loaded")
        says(GO, new().segment(LOAD, bytes(256 * 1024 - 16) + BUILDINFO, WRITE), f"{name}: at the end of what is read")
        says(STATIC, new().segment(LOAD, bytes(256 * 1024) + BUILDINFO, WRITE), f"{name}: behind it")
        says(GO, new().segment(NOTE, note(b"GNU\0", bytes(65536 - 32), 1, order) + note(b"Go\0\0", b"", 4, order)),
             f"{name}: the last note that is read")
        says(STATIC, new().segment(NOTE, note(b"GNU\0", bytes(65536 - 28), 1, order) + note(b"Go\0\0", b"", 4, order)),
             f"{name}: a note behind it")

        says(BROKEN, new(), f"{name}: no segments")
        says(BROKEN, new().segment(INTERP, b"/"), f"{name}: a loader without an end")
        says(BROKEN, new().segment(INTERP, b"/no/such"), f"{name}: a loader without an end")
        says(BROKEN, new().segment(INTERP, b"\0"), f"{name}: a loader without a name")
        says("cannot protect a", new().segment(INTERP, b"/\0"), f"{name}: a folder as the loader")
        says("whose loader is missing", new().segment(INTERP, b"/" * 10 + b"x" * 4085 + b"\0"), f"{name}: 4096 bytes")
        says(BROKEN, new().segment(INTERP, b"/" * 10 + b"x" * 4086 + b"\0"), f"{name}: 4097 bytes")
        says(BROKEN, new().segment(INTERP, b"/x\0", size=8), f"{name}: a loader beyond the end of the file")
        whole = new().segment(LOAD)
        says(BROKEN, whole.bytes()[:-1], f"{name}: a program header that is cut off")
        says(BROKEN, whole.bytes()[:whole.header_size], f"{name}: no program header")
        says(BROKEN, whole.bytes()[:whole.header_size - 1], f"{name}: a header that is cut off")
        in_itself = new()
        in_itself.table, in_itself.count = 0, 1
        says(BROKEN if bits == 64 else STATIC, (in_itself.bytes() + bytes(8))[:60], f"{name}: 60 bytes")
        for size in whole.segment_size - 1, whole.segment_size + 1, 88 - whole.segment_size:
            wrong = new().segment(LOAD)
            wrong.entry_size = size
            says(BROKEN, wrong, f"{name}: program headers of {size} bytes")
        for table in (0x7fffffff, 0xffffffff) if bits == 32 else (2**63 - 1, 2**63 - 56, 2**64 - 1, 2**56 + 64):
            far = new().segment(LOAD)
            far.table = table
            says(BROKEN, far, f"{name}: program headers at {table:#x}")
        most = 65536 // whole.segment_size
        for count, expected in (most, STATIC), (most + 1, BROKEN), (65535, BROKEN):
            many = new()
            many.segments = [(LOAD, READ, 0, 0)] * count
            says(expected, many, f"{name}: {count} program headers")

for machine, known in (I386, "i386"), (8, "mips"), (243, "riscv"), (4711, "another"):
    says(f"for another processor ({known})", Program(32, ">", machine).segment(INTERP, b"/etc/passwd\0"), known)
for machine, known in (X86_64, "x86-64"), (183, "arm64"), (21, "ppc64"), (S390, "s390"), (40, "arm"):
    says(f"for another processor ({known})", Program(64, ">", machine).segment(INTERP, b"/etc/passwd\0"), known)

# What was read of the program before does not count: of this one, all but its first header is left out.
with open("/usr/bin/env", "rb") as file:
    env = bytearray(file.read())
struct.pack_into("<H", env, 56, 1)
says(STATIC, bytes(env), "env, with one program header", before=["env"])
sys.exit(failures)
EOF_PYTHON
    assert_output ''
    assert_success
}

@test "a file that is read byte by byte is read all the same" {
    LD_PRELOAD=$(preload short-reads) run -0 on here "$launcher" --check connect
    assert_output --partial 'can be protected'
    LD_PRELOAD=$(preload short-reads) run -125 on here "$launcher" --check "$root/build/tests/dial"
    assert_output --partial 'a Go program'
}
