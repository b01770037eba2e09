from run_checks import read_text, same

HEADINGS = [
    "# The manual of the press", "## 1 Setup", "### 1.1 Unpacking", "### 1.2 Power", "## 2 Printing", "#### Paper",
    "### 2.1 Colours", "## 3 Care", "### 3.1 Cleaning", "### 3.2 Storing",
]
INSIDE = ["## not a heading: a comment of the script", "### also no heading",
          "## nor this: the fence above has another mark"]
OTHER = ["##no heading, for want of a blank"]


def lines():
    return read_text("manual.md").splitlines()


def test_headings():
    found = [line for line in lines() if line.startswith("#") and line not in INSIDE + OTHER]
    same(found, HEADINGS, "headings")


def test_code_blocks_are_untouched():
    found = lines()
    for line in INSIDE:
        assert line in found, f"expected the line of a code block as it was: {line}"


def test_all_else_is_untouched():
    found = lines()
    same(len(found), 39, "number of lines")
    rest = [line for line in found if not line.startswith("#")]
    same(" ".join(rest).split(), "It prints. This says how. Keep the box. Plug it in, then: ```sh press --on ``` Level "
         "four stays as it is. ~~~ ``` ~~~".split(), "words outside of headings")
    assert OTHER[0] in found, f"expected this line as it was: {OTHER[0]}"
