import os

from run_checks import APP, read_text, run, same

ROOT = APP / "shop"
# Only commands that read objects: nothing here starts a hook, a filter or a pager of the repository.
SAFE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_NO_LAZY_FETCH": "1"}
SUBJECTS = ["Fix totals: keep the cents, skip comments", "Say how it is run", "Begin"]
NAMES = ["README", "menu.txt", "total.awk"]


def git(*arguments):
    ran = run(["git", "-c", "safe.directory=*", "--no-replace-objects", *arguments], cwd=ROOT, env=SAFE)
    same(ran.code, 0, f"exit code of git {arguments[0]} ({ran.err.strip()})")
    return ran.out


def commits():
    return git("rev-list", "refs/heads/main").split()


def test_messages_of_main():
    found = [git("cat-file", "commit", commit).split("\n\n", 1)[1].splitlines()[0] for commit in commits()]
    same(found, SUBJECTS, "subjects on main, newest first")


def test_history_is_kept():
    same(commits()[1:2], ["345827ea1dd1ee62e89ff8602c3ddcbe1f0f5d29"], "the commit below the newest")
    newest = git("rev-list", "--max-count=1", "refs/heads/next").strip()
    same(newest, "70253fb748359deb111ffac7eb6ac1185ab87f1f", "the newest commit of next")


def test_program_on_main():
    text = git("cat-file", "blob", "refs/heads/main:total.awk")
    for mark in ("<<<<<<<", "=======", ">>>>>>>"):
        assert mark not in text, f"expected no conflict mark {mark} in total.awk"
    assert "coupon" not in text, "expected no coupons in total.awk"


def test_program_adds_up():
    ran = run(["awk", "-f", "total.awk"], cwd=ROOT, stdin="2 1.25\n# 3 9.00\n1 0.30\n")
    same(ran.out, "2.80\n", "total of a list with cents and a comment")


def test_other_files():
    same(git("ls-tree", "-r", "--name-only", "refs/heads/main").split(), NAMES, "files on main")
    same(git("cat-file", "blob", "refs/heads/main:menu.txt"), "bread\nmilk\n", "menu.txt on main")


def test_main_is_checked_out_and_clean():
    same(read_text("shop/.git/HEAD").strip(), "ref: refs/heads/main", "HEAD")
    found = sorted(each.name for each in ROOT.iterdir() if each.name != ".git")
    same(found, NAMES, "files in the working tree")
    for name in NAMES:
        same(read_text(f"shop/{name}"), git("cat-file", "blob", f"refs/heads/main:{name}"), f"{name} on disk")
    staged = [line.split()[1] for line in git("ls-files", "--stage").splitlines()]
    same(staged, [line.split()[2] for line in git("ls-tree", "-r", "refs/heads/main").splitlines()], "the index")
