import os

from run_checks import APP, read_text, run, same

ROOT = APP / "project"
# Only commands that read objects: nothing here starts a hook, a filter or a pager of the repository.
SAFE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_NO_LAZY_FETCH": "1"}
SUBJECTS = ["Add the table of rates", "Point to the zones", "Name the hours", "Name the limit", "Begin"]
FILES = {
    "NOTES": "See zones.csv.\n",
    "README": "Rates of the parcel service.\nParcels up to 30 kg.\nOpen on weekdays.\n",
    "rates.csv": "weight,factor\n5,1.0\n10,1.4\n30,2.2\n",
    "zones.csv": "zone,price\n1,4\n2,6\n3,9\n",
}


def git(*arguments):
    ran = run(["git", "-c", "safe.directory=*", "--no-replace-objects", *arguments], cwd=ROOT, env=SAFE)
    same(ran.code, 0, f"exit code of git {arguments[0]} ({ran.err.strip()})")
    return ran.out


def commits():
    return git("rev-list", "refs/heads/main").split()


def test_messages_of_main():
    found = [git("cat-file", "commit", commit).split("\n\n", 1)[1].splitlines()[0] for commit in commits()]
    same(found, SUBJECTS, "subjects on main, newest first")


def test_later_commits_are_kept():
    same(commits()[1:2], ["437222f5c45e846a8ad1c7eaabe27db8228fb641"], "the commit below the newest")


def test_files_of_main():
    found = git("ls-tree", "-r", "--name-only", "refs/heads/main").split()
    same(found, sorted(FILES), "files on main")
    for name, text in FILES.items():
        same(git("cat-file", "blob", f"refs/heads/main:{name}"), text, f"{name} on main")


def test_main_is_checked_out_and_clean():
    same(read_text("project/.git/HEAD").strip(), "ref: refs/heads/main", "HEAD")
    found = sorted(each.name for each in ROOT.iterdir() if each.name != ".git")
    same(found, sorted(FILES), "files in the working tree")
    for name, text in FILES.items():
        same(read_text(f"project/{name}"), text, f"{name} in the working tree")
    staged = [line.split()[1] for line in git("ls-files", "--stage").splitlines()]
    same(staged, [line.split()[2] for line in git("ls-tree", "-r", "refs/heads/main").splitlines()], "the index")
