import os

from run_checks import files_below, read_text, run, same, scratch_copy

PAGES = {
    "contact": "Contact\nRing the bell.\n",
    "index": "Start\nWelcome to the depot.\nIt is open.\n",
    "prices": "Prices\nA box costs 4 a month.\n",
}
SOURCES = ["Makefile", "template.html", "render.sh", "pages", *(f"pages/{name}.txt" for name in PAGES)]
# Times of sources, of what was made from them, of the directory that holds this, and of later changes.
EARLY, MADE, LISTED, LATER = 1_700_000_000, 1_700_000_010, 1_700_000_020, 1_700_000_030


def rendered(text):
    title, body = text.split("\n", 1)
    return f"<title>{title}</title>\n<main>\n{body}</main>\n"


def fresh():
    """A tree with the pages as they were and the Makefile of the trial, where nothing was rendered."""
    tree = scratch_copy()
    run(["rm", "-rf", "site"], cwd=tree)
    for name, text in PAGES.items():
        (tree / "pages" / f"{name}.txt").write_text(text)
    return tree


def make(tree, *arguments):
    ran = run(["make", *arguments], cwd=tree)
    assert ran.code == 0, f"exit code {ran.code} of make {' '.join(arguments)}: {ran.err.strip()[:200]}"


def make_and_settle(tree):
    """Makes all, and then gives every file a time of its own kind: what is too old never depends on the clock."""
    make(tree)
    for folder, _, names in os.walk(tree):
        for name in names:
            os.utime(os.path.join(folder, name), (MADE, MADE), follow_symlinks=False)
    for name in SOURCES:
        os.utime(tree / name, (EARLY, EARLY))
    os.utime(tree / "site", (LISTED, LISTED))


def site(tree):
    return {each.stem: each.read_text() for each in (tree / "site").glob("*.html")}


def touch(path, text):
    path.write_text(text)
    os.utime(path, (LATER, LATER))


def mark_all(tree):
    """Overwrites what was rendered, so that what is rendered anew can be told from it."""
    for each in (tree / "site").glob("*.html"):
        each.write_text("old\n")
        os.utime(each, (MADE, MADE))


def test_fresh_tree():
    tree = fresh()
    make(tree)
    same(site(tree), {name: rendered(text) for name, text in PAGES.items()}, "site")


def test_in_parallel():
    tree = fresh()
    make(tree, "-j4")
    same(site(tree), {name: rendered(text) for name, text in PAGES.items()}, "site after make -j4")


def test_added_page():
    tree = fresh()
    make_and_settle(tree)
    (tree / "pages" / "hours.txt").write_text("Hours\nSeven to five.\n")
    make(tree)
    same(site(tree).get("hours"), rendered("Hours\nSeven to five.\n"), "site/hours.html")


def test_changed_page():
    tree = fresh()
    make_and_settle(tree)
    mark_all(tree)
    touch(tree / "pages" / "prices.txt", "Prices\nFree.\n")
    make(tree)
    expected = {"contact": "old\n", "index": "old\n", "prices": rendered("Prices\nFree.\n")}
    same(site(tree), expected, "site after a change of one page")


def test_changed_template_and_program():
    for name, text in (("template.html", "@TITLE@\n"), ("render.sh", "head -n 1 $2\n")):
        tree = fresh()
        make_and_settle(tree)
        touch(tree / name, text)
        make(tree)
        same(site(tree)["index"], "Start\n", f"site/index.html after a change of {name}")


def test_nothing_to_do():
    tree = fresh()
    make_and_settle(tree)
    same(run(["make", "--question"], cwd=tree).code, 0, "exit code of make --question after make")


def test_clean():
    tree = fresh()
    make(tree)
    make(tree, "clean")
    assert not (tree / "site").exists(), "expected that make clean removes site"
    make(tree, "clean")


def test_pages_are_untouched():
    same(files_below("pages"), [f"{name}.txt" for name in PAGES], "pages")
    for name, text in PAGES.items():
        same(read_text(f"pages/{name}.txt"), text, f"pages/{name}.txt")
