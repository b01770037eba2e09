#!/usr/bin/env python3
"""Writes what each fuzz target starts from: the examples of the rules' pages, the example harnesses, and a few inputs that
reach what those do not. Made new each time, so that it never says what the product no longer reads."""

import hashlib
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGES = ROOT / "harness-schema/src/check/rules"
EXAMPLES = ROOT / "tests/examples"

# No UTF-8 text has this byte.
BETWEEN = b"\xff"

LETTERS = {".toml": b"t", ".yaml": b"y", ".yml": b"y", ".json": b"j", ".md": b"m", ".py": b"p"}

MANIFEST = 'schema = 1\n\n[model]\nendpoint = "http://127.0.0.1:8080/v1"\nname = "m"\n\n[prompt]\nsystem = "s.md"\n'

# The text, the selector, the new value, the limits.
SELECTIONS = [
    (b"m# A\n\nold\n\n## B\n\nx\n\n# C\n", b"md.section\nA\nB", b"new\n\n- item", b""),
    (b"m# A\r\n\r\nold\r\n\r\n# A\r\n\r\nx\r\n", b"md.section\nA\n2", b"new\n\ntext", b""),
    (b"m---\nname: x\ndescription: >-\n  two\n  lines\n---\n\nbody\n", b"md.frontmatter\ndescription", b"a: b", b""),
    (b"m---\nname: x\n---\n\nbody\n", b"md.body", b"# new\n", b""),
    (b"xplain\ntext", b"file", b"other {{ task }}", b"J"),
    (b"x# self-harness:begin a\nold\n# self-harness:end a\n", b"region\na", b"new", b""),
    (b"ya:\n  - b: |\n      one\n      two\n    c: 'it''s'\n", b"yaml\na\n0\nb", b"x\n\ny\n", b""),
    (b"ya:\n  - b: |\n      one\n      two\n    c: 'it''s'\n", b"yaml\na\n0\nc", b"yes", b"s"),
    (b"ya: {b: [1, 2], c: ~}\nd: # note\n  - x\n", b"yaml\na\nb\n+", b"3", b""),
    (b"ya: {b: [1, 2], c: ~}\nd: # note\n  - x\n", b"yaml\nd\n+", b"e: f", b""),
    (b"ya: >\n  folded\n  text\n\n  more\nb: 3.5\n", b"yaml\na", b"one two\n\nthree", b""),
    (b"ya: >\n  folded\n  text\n\n  more\nb: 3.5\n", b"yaml\nb", b"4", b"n"),
    (b't[a.b]\nc = "x"\nd = \'\'\'\ny\'\'\'\n', b"toml\na\nb\nc", b'two\nlines "quoted"', b""),
    (b't[a.b]\nc = "x"\nd = \'\'\'\ny\'\'\'\n', b"toml\na\nb\nd", b"it's", b""),
    (b't[[rule]]\nid = "a"\nwhen = { step = 1 }\n', b"toml\nrule\n+", b'id = "b"\nlimit = { steps = 2 }', b""),
    (b't[[rule]]\nid = "a"\nwhen = { step = 1 }\n', b"toml\nrule\n0\nwhen", b"{ step = 2 }", b"t"),
    (b"ta = [\n  1,\n  2, # two\n]\n", b"toml\na\n+", b"3", b""),
    (b'j{"a": {"b": ["x", 1.0e3, null]}, // note\n "c": true,}', b"json\na\nb\n0", b'"\n\t\\', b""),
    (b'j{"a": {"b": ["x", 1.0e3, null]}, // note\n "c": true,}', b"json\na\nb\n-1", b"text", b"s"),
    (b'j{"a": {"b": ["x", 1.0e3, null]}, // note\n "c": true,}', b"json\nc", b"false", b"b"),
    (b'j{"type": "object", "properties": {"a": {"type": "string"}}}', b"json", b'{"type": "object"}', b"T"),
    (b'pdef f(a, b=1):\n    """Doc."""\n    return f"x {a} {{y}}"\n', b"py.return\nf", b"z {a}", b""),
    (b'pdef f(a, b=1):\n    """Doc."""\n    return f"x {a} {{y}}"\n', b"py.doc\nf", b'Two\n\n"lines"', b""),
    (b'pdef f(a, b=1):\n    """Doc."""\n    return f"x {a} {{y}}"\n', b"py.body\nf", b"x = 1\nreturn x", b""),
    (b"pclass A:\n    @d\n    def g(self): pass\nX = ('a'\n     \"b\")\n", b"py.function\nA\ng", b"def g(self): return 1", b""),
    (b"pclass A:\n    @d\n    def g(self): pass\nX = ('a'\n     \"b\")\n", b"py.const\nX", b"{braces}", b"F"),
    (b"pX = {'a': [1, 2.0], 'b': (True, None)}\n", b"py.const\nX", b"{'a': []}", b""),
]

STREAMS = [
    b'Content-Length: 22\r\n\r\n{"id":1,"method":"m"}x',
    b"Content-Length: x\r\n\r\nContent-Type: a; charset=latin1\r\nContent-Length: 2\r\n\r\n{}",
    b'hello\r\ncontent-length:3\n\n[1]{"a":1}Content-Length: 4\r\n\r\nnull' + BETWEEN + b'{"method":"\\ud83d"}',
    b"Content-Length: 5\r\n" + BETWEEN + b'{"id":7,"result":null}',
]

TEXTS = [
    b"a\nb\r\nc\rd",
    "é漢😀\u2028e\u0301\r\n".encode(),
    b"a\r\nb" + BETWEEN + b"\x00\x02\x00\x00x" + BETWEEN + b"\x00\x01\x00\x02\r",
    "😀😀".encode() + BETWEEN + b"\x00\x04\x00\x04" + "é\n".encode(),
]

RECORDS = [
    b'{"schema_version":"ATIF-v1.7","agent":{"name":"a","version":"1"},"steps":[{"source":"user","message":"Do it."},'
    b'{"source":"agent","message":"","tool_calls":[{"tool_call_id":"c","function_name":"bash","arguments":{"command":'
    b'"cat a.py\\n\\tb \\"c\\" \\u00e9 \\ud83d\\ude00"}}],"observation":{"results":[{"source_call_id":"c","content":'
    b'"cat: a.py: No such file or directory"}]}}]}',
    b'[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":null,"tool_calls":'
    b'[{"id":"c","function":{"name":"f","arguments":"{\\"a\\": 1}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]',
    b'{"role":"user","content":"u"}\n{"role":"assistant","content":[{"type":"text","text":"a"}]}\n',
    b'{"type":"user","sessionId":"s","message":{"content":"u"}}\n{"type":"result","sessionId":"s"}',
    b'{"type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{}"}}\n',
    b'[{"step_number":1,"tool_calls":[{"name":"a","arguments":{}}]}]',
    b'{"trajectory":[{"action":"ls","observation":"a"}],"info":{}}',
    b"I looked at it.\n\nIt works.",
]

ANYTHING = [
    b'{"jsonrpc":"2.0","id":1,"method":"textDocument/hover","params":{"textDocument":{"uri":1}}}',
    b'{"jsonrpc":"2.0","id":null,"method":"shutdown"}',
    b'{"jsonrpc":"2.0","id":1,"result":3}',
    b'{"jsonrpc":"1.0","id":1,"method":"m","params":[]}',
    b'{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"contentChanges":[{"range":{"start":{"line":-1}}}]}}',
    b"[{}]",
    b"{",
]


def projects(page):
    """The projects of a page's examples, each a list of names and texts."""
    for section in re.split(r"^## ", page, flags=re.M)[1:]:
        files = []
        for fence, name, body in re.findall(r"^(`{3,})(\S+)(?: \S+)?\n(.*?)^\1$", section, flags=re.M | re.S):
            # Lines of carets mark the answer, they are not in the file.
            kept = [line for line in body.splitlines(True) if not re.match(r"\W*\^", line)]
            files.append((name, "".join(kept)))
        if files:
            if not any(name == "harness.toml" for name, _ in files):
                files.insert(0, ("harness.toml", MANIFEST))
            files.sort(key=lambda file: file[0] != "harness.toml")
            yield files


def example(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    files = [(path.relative_to(folder).as_posix(), path.read_text("utf-8")) for path in paths]
    return sorted(files, key=lambda file: file[0] != "harness.toml")


def as_input(files):
    first, rest = files[0], files[1:]
    pieces = [first[1].encode()] + [f"{name}\n{text}".encode() for name, text in rest]
    return BETWEEN.join(pieces)


def seeds():
    everything = [files for page in sorted(PAGES.glob("*.md")) for files in projects(page.read_text("utf-8"))]
    everything += [example(path) for path in sorted(EXAMPLES.iterdir()) if (path / "harness.toml").is_file()]
    for files in everything:
        yield "harness", as_input(files)
        # The same with another version of the last file.
        name, text = files[-1]
        yield "harness", as_input(files) + BETWEEN + f"{name}\n{text[: len(text) // 2]}".encode()
        for name, text in files:
            letter = LETTERS.get(pathlib.PurePath(name).suffix, b"x")
            yield "documents", letter + text.encode()
            yield "documents", letter + text.encode() + BETWEEN + b"\x00\x20\x00\x02`a`\n\n# b\n"
            yield "positions", text[:500].encode() + BETWEEN + b"\x00\x10\x00\x04\r\n"
    for selection in SELECTIONS:
        yield "selectors", BETWEEN.join(selection)
        yield "documents", selection[0]
    for text in TEXTS:
        yield "positions", text
        yield "documents", b"m" + text
    for record in RECORDS:
        yield "transcripts", record
    for stream in STREAMS:
        yield "framing", stream
    for abilities in (b"\x00\x00\x00", b"\x01\xfe\x00", b"\x02\x20\x01", b"\x03\x01\x06", b"\x01\xff\x38"):
        for file in range(12):
            opened = [abilities, bytes([ord("o"), file])]
            for method in range(0, 30, 3):
                asked = [bytes([ord("r"), method + i, file, 10 * i + file, 5, 3 * method, 9, 2 * i]) for i in range(3)]
                changed = [bytes([ord("c"), file, ord("r"), 3, 2, 3, 4]) + b'x = "{{ a }}"\n', b"k\x00", b"i"]
                yield "session", BETWEEN.join(opened + asked[:1] + changed + asked[1:])
        for kind in (b"s\x00", b"x\x00", b"w\x00\x01\x02", b"f\x00", b"f\x01", b"f\x03", b"a\x00\x00"):
            yield "session", BETWEEN.join([abilities, b"o\x00", b"o\x01", kind, b"r\x10\x00", b"r\x00\x01\x02\x03"])
        for message in ANYTHING:
            yield "session", BETWEEN.join([abilities, b"o\x00", b"j" + message, b"r\x10\x00"])


def main():
    folder = pathlib.Path(sys.argv[1]) if 1 < len(sys.argv) else HERE / "seeds"
    for target, data in seeds():
        path = folder / target / hashlib.sha256(data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
