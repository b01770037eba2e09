import os

from run_checks import read_text, run, same, scratch_copy

HEADER = "HANDBOOK OF THE DEPOT\n=====================\n"
CHAPTERS = {
    "01-opening.txt": "\nOpening\n\nThe gate opens at seven.\n",
    "02-loading.txt": "\nLoading\n\nHeavy boxes go below light ones.\n",
    "10-closing.txt": "\nClosing\n\nThe last one out locks the gate.\n",
}


def fresh():
    """A tree with the texts as they were and the Makefile of the trial, where nothing was built."""
    tree = scratch_copy()
    run(["rm", "-rf", "build"], cwd=tree)
    (tree / "header.txt").write_text(HEADER)
    for name, text in CHAPTERS.items():
        (tree / "chapters" / name).write_text(text)
    return tree


def make(tree, *arguments):
    ran = run(["make", *arguments], cwd=tree)
    assert ran.code == 0, f"exit code {ran.code} of make {' '.join(arguments)}: {ran.err.strip()[:200]}"


def built(tree):
    """The handbook after `make`, all of whose sources are then older than it."""
    make(tree)
    return (tree / "build" / "handbook.txt").read_text()


def touch(path, text):
    path.write_text(text)
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))


def test_fresh_tree():
    same(built(fresh()), HEADER + "".join(CHAPTERS.values()), "build/handbook.txt")


def test_changed_header():
    tree = fresh()
    built(tree)
    touch(tree / "header.txt", "NEW\n")
    same(built(tree), "NEW\n" + "".join(CHAPTERS.values()), "build/handbook.txt after a change of the header")


def test_changed_chapter():
    tree = fresh()
    built(tree)
    touch(tree / "chapters" / "10-closing.txt", "\nNew\n")
    found = built(tree)
    assert found.endswith("ones.\n\nNew\n"), f"expected the new text of the last chapter, found {found[-40:]!r}"


def test_new_chapter():
    tree = fresh()
    built(tree)
    touch(tree / "chapters" / "05-weighing.txt", "\nWeighing\n")
    found = built(tree)
    assert "ones.\n\nWeighing\n\nClosing" in found, "expected the new chapter between the second and the last one"


def test_nothing_to_do():
    tree = fresh()
    built(tree)
    same(run(["make", "--question"], cwd=tree).code, 0, "exit code of make --question after make")


def test_clean():
    tree = fresh()
    built(tree)
    make(tree, "clean")
    assert not (tree / "build").exists(), "expected that make clean removes build"
    assert (tree / "clean").is_file(), "expected that the file clean stays"


def test_texts_are_untouched():
    same(read_text("header.txt"), HEADER, "header.txt")
    for name, text in CHAPTERS.items():
        same(read_text(f"chapters/{name}"), text, name)
