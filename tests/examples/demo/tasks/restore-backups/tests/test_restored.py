import os

from run_checks import APP, files_below, read_text, same

FILES = {
    "data/stock.csv": "a,1\nb,5\nc,9\n",
    "docs/loading.txt": "How to load a lorry.\n",
    "run.sh": "#!/bin/sh\necho depot\n",
    "settings.ini": "name = depot\nversion = 3\n",
}


def test_which_files():
    same(files_below("restored"), list(FILES), "files of restored")


def test_last_versions():
    for name, text in FILES.items():
        same(read_text(f"restored/{name}"), text, f"restored/{name}")


def test_deleted_files():
    found = files_below("restored")
    for name in ("data/scratch.tmp", "docs/price list.txt", "DELETED"):
        assert name not in found, f"expected no {name} in restored"


def test_executable_bits():
    for name in FILES:
        mode = (APP / "restored" / name).lstat().st_mode
        same(bool(mode & 0o100), name == "run.sh", f"whether {name} is executable")


def test_nothing_else():
    same(sorted(os.listdir(APP)), ["backups.tgz", "restored"], "entries of /app")
