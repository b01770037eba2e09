import hashlib
import io
import tarfile

from run_checks import files_below, read_bytes, same

PREFIX = "press-1.4.2/"
PACKED = ["VERSION", "bin/press", "bin/press-help", "doc/empty.txt", "doc/manual.txt", "lib/engine.conf"]
LEFT_OUT = [".packignore", "doc/new chapter.tmp", "lib/.cache/engine", "lib/engine.conf.tmp"]


def members():
    """Every regular file of the archive with its entry and content; nothing is unpacked."""
    with tarfile.open(fileobj=io.BytesIO(read_bytes("press-1.4.2.tar.gz")), mode="r:gz") as archive:
        found = {}
        for entry in archive:
            assert entry.isfile() or entry.isdir(), f"expected no link or device, found {entry.name}"
            assert entry.size <= 1 << 16, f"expected small files, found {entry.size} bytes in {entry.name}"
            assert (entry.name + "/").startswith(PREFIX), f"expected members below {PREFIX}, found {entry.name}"
            if entry.isfile():
                assert entry.name not in found, f"expected each member once, found {entry.name} again"
                found[entry.name] = entry, archive.extractfile(entry).read()
        return found


def test_names():
    same(sorted(members()), sorted(PREFIX + name for name in [*PACKED, "SHA256SUMS"]), "files of the archive")


def test_contents():
    found = members()
    for name in PACKED:
        same(found[PREFIX + name][1], read_bytes(f"tool/{name}"), f"content of {name}")


def test_modes():
    for name, (entry, _) in members().items():
        expected = 0o755 if name.startswith(PREFIX + "bin/") else 0o644
        same(oct(entry.mode & 0o777), oct(expected), f"mode of {name}")


def test_owners():
    for name, (entry, _) in members().items():
        same((entry.uid, entry.gid), (0, 0), f"owner and group of {name}")


def test_sums():
    expected = [f"{hashlib.sha256(read_bytes(f'tool/{name}')).hexdigest()}  {name}" for name in PACKED]
    found = members().get(PREFIX + "SHA256SUMS")
    assert found, "expected a member SHA256SUMS, found none"
    same(found[1].decode().splitlines(), expected, "lines of SHA256SUMS")


def test_tool_is_untouched():
    same(files_below("tool"), sorted(PACKED + LEFT_OUT), "files of tool")
    same(read_bytes("tool/VERSION"), b"1.4.2\n", "tool/VERSION")
