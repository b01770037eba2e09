//! Messages of programs without what differs by chance (`method` 3.3), and what they say is missing. Pure functions of a text.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use harness_schema::digest::Digest;
use memchr::{memchr, memrchr};
use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// A message is cut after so many characters.
const MAX_CHARS: usize = 160;

/// What is masked, in this order. A path keeps its extension.
const MASKS: [(&str, &str); 11] = [
    (r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\x22`<>]+", "<URL>"),
    (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<UUID>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\b", "<TIME>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<IP>"),
    (r"\b0x[0-9a-fA-F]+\b", "<HEX>"),
    (r"\b[0-9a-f]{12,64}\b", "<HEX>"),
    (
        r"(?P<before>^|[\s'\x22`(\[=:,])/(?:[^\s'\x22`:,;()\[\]/]+/)*[^\s'\x22`:,;()\[\]/.]*(?P<extension>\.[A-Za-z0-9]+)?",
        "${before}<PATH:${extension}>",
    ),
    (r"'[^']*'|\x22[^\x22]*\x22|`[^`]*`", "<STR>"),
    (r"\[[^\]]*\]", "<LIST>"),
    (r"\{[^}]*\}", "<MAP>"),
    (r"\d+(?:\.\d+)?", "<N>"),
];

/// Text as a terminal would leave it: without colours, and without what a carriage return overwrote.
#[must_use]
pub fn clean(text: &str) -> String {
    static ANSI: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])").ok()
    });
    let plain = match &*ANSI {
        Some(ansi) => ansi.replace_all(text, "").into_owned(),
        None => text.to_owned(),
    };
    if !plain.contains('\r') {
        return plain;
    }
    let lines = plain.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.rsplit('\r').next().unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A message with what differs by chance masked, at most 160 characters of it.
#[must_use]
pub fn masked(message: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let compiled = MASKS.iter().filter_map(|(pattern, mask)| Some((Regex::new(pattern).ok()?, *mask)));
        compiled.collect()
    });
    let mut text: String = clean(message).nfc().collect();
    for (pattern, mask) in &*PATTERNS {
        text = pattern.replace_all(&text, *mask).into_owned();
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(MAX_CHARS).collect()
}

/// The id of a message's template: a pure function of the masked text.
#[must_use]
pub fn template_id(message: &str) -> String {
    Digest::of(format!("template/1\n{}", masked(message)).as_bytes()).short(16)
}

/// What a result says is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Files and directories.
    pub(super) paths: BTreeSet<String>,
    /// Programs.
    pub(super) commands: BTreeSet<String>,
    /// Modules of a language, without submodules.
    pub(super) modules: BTreeSet<String>,
    /// Variables of the shell.
    pub(super) variables: BTreeSet<String>,
}

/// What is missing.
#[derive(Clone, Copy)]
enum What {
    Path,
    Command,
    Module,
    Variable,
}

/// Where a pattern is looked for.
#[derive(Clone, Copy)]
enum Within {
    /// In each line with its words: all that it matches is in one line.
    Line,
    /// In the whole text.
    Text,
}

/// A way to say that something is missing: words that it has in it, and a pattern whose group names what is missing.
struct Saying<P> {
    words: &'static str,
    within: Within,
    what: What,
    pattern: P,
}

const fn saying(
    words: &'static str,
    within: Within,
    what: What,
    pattern: &'static str,
) -> Saying<&'static str> {
    Saying { words, within, what, pattern }
}

const UNSET: &str =
    r"(?m)(?:^|: )([A-Za-z_][A-Za-z0-9_]*): (?:unbound variable|parameter not set|parameter null or not set)";

const SAYINGS: [Saying<&str>; 12] = [
    // cat: a.txt: No such file or directory
    saying(
        "No such file",
        Within::Line,
        What::Path,
        r"(?m)(?:^|: )(?:cannot (?:access|open|stat|remove|create[a-z ]*) )?['\x22‘`]?([^\s:'\x22‘’`]+)['\x22’`]?(?: for reading)?: No such file or directory",
    ),
    // ls: cannot access 'a b.txt': No such file or directory
    saying(
        "No such file",
        Within::Line,
        What::Path,
        r"(?m)['\x22‘`]([^'\x22‘’`\n]+)['\x22’`](?: for reading)?: No such file or directory",
    ),
    // FileNotFoundError: [Errno 2] No such file or directory: 'a.txt'
    saying("No such file", Within::Text, What::Path, r"No such file or directory: ['\x22]([^'\x22]+)['\x22]"),
    // sh: 1: foo: not found
    saying(
        "not found",
        Within::Line,
        What::Command,
        r"(?m)(?:^|: )([A-Za-z0-9_.+-]+): (?:command )?not found\s*$",
    ),
    // zsh and env
    saying("not found", Within::Line, What::Command, r"(?m)command not found: ([A-Za-z0-9_.+-]+)"),
    saying(
        "No such file",
        Within::Line,
        What::Command,
        r"(?m)^/?[\w/]*env: ['\x22‘]?([A-Za-z0-9_.+-]+)['\x22’]?: No such file or directory",
    ),
    saying("No module", Within::Text, What::Module, r"No module named ['\x22]?([A-Za-z0-9_]+)"),
    saying("Cannot find", Within::Text, What::Module, r"Cannot find module ['\x22]([^'\x22]+)['\x22]"),
    saying(
        "cannot import",
        Within::Text,
        What::Module,
        r"ImportError: cannot import name ['\x22]\w+['\x22] from ['\x22]([A-Za-z0-9_]+)",
    ),
    saying("unbound variable", Within::Line, What::Variable, UNSET),
    saying("not set", Within::Line, What::Variable, UNSET),
    saying("KeyError", Within::Text, What::Variable, r"KeyError: ['\x22]([A-Z_][A-Z0-9_]*)['\x22]"),
];

static COMPILED: LazyLock<Vec<Saying<Regex>>> = LazyLock::new(|| {
    let compiled = SAYINGS.into_iter().map(|saying| {
        let Saying { words, within, what, pattern } = saying;
        Some(Saying { words, within, what, pattern: Regex::new(pattern).ok()? })
    });
    compiled.flatten().collect()
});

impl Missing {
    /// Reads a result.
    pub(super) fn of(text: &str) -> Self {
        static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
            let words = "not found|No such file|No module|Cannot find|cannot import|not set|unbound variable|KeyError";
            Regex::new(words).ok()
        });
        let mut missing = Self::default();
        let mut said: Vec<&str> = Vec::new();
        // Most results say nothing of the kind, and most lines of the others do not either.
        for found in WORDS.iter().flat_map(|words| words.find_iter(text)) {
            let is_first = !said.contains(&found.as_str());
            if is_first {
                said.push(found.as_str());
            }
            for saying in COMPILED.iter().filter(|saying| saying.words == found.as_str()) {
                match saying.within {
                    Within::Line => missing.read(saying, line_at(text, found.start())),
                    Within::Text if is_first => missing.read(saying, text),
                    Within::Text => {}
                }
            }
        }
        // What `env` misses is a program.
        missing.paths.retain(|path| !missing.commands.contains(path));
        missing
    }

    /// Adds what a text says in one way.
    fn read(&mut self, saying: &Saying<Regex>, text: &str) {
        let names = match saying.what {
            What::Path => &mut self.paths,
            What::Command => &mut self.commands,
            What::Module => &mut self.modules,
            What::Variable => &mut self.variables,
        };
        let found = saying.pattern.captures_iter(text).filter_map(|found| found.get(1));
        names.extend(found.map(|found| found.as_str().to_owned()));
    }
}

/// The line of a place in a text.
fn line_at(text: &str, at: usize) -> &str {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = memrchr(b'\n', before.as_bytes()).map_or(0, |end| end + 1);
    let end = memchr(b'\n', after.as_bytes()).map_or(text.len(), |end| at + end);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_chance_is_masked_in_order() {
        for (message, expected) in [
            ("see https://a.dev/x?y=1 at 2026-01-02T03:04:05Z", "see <URL> at <TIME>"),
            ("FileNotFoundError: '/app/out/data.json'", "FileNotFoundError: <STR>"),
            ("cannot open /app/out/data.json now", "cannot open <PATH:.json> now"),
            ("refused by 127.0.0.1:8080 (0x7ffe)", "refused by <IP> (<HEX>)"),
            ("id 6f1ed002-ab59-5959-8000-aabbccddeeff", "id <UUID>"),
            ("expected   [1, 2] == {a} 3.5", "expected <LIST> == <MAP> <N>"),
            ("\u{1b}[31mred\u{1b}[0m 10%\r100%", "<N>%"),
        ] {
            assert_eq!(masked(message), expected, "{message}");
        }
        assert_eq!(masked(&"é".repeat(400)).chars().count(), 160);
        assert_eq!(template_id("took 3 s"), template_id("took  77 s"));
        assert_ne!(template_id("took 3 s"), template_id("takes 3 s"));
    }

    #[test]
    fn what_is_missing_is_read_from_results() {
        let missing = Missing::of(
            "cat: a.txt: No such file or directory\nls: cannot access 'b c': No such file or directory\n\
             ls: cannot access 'b': No such file or directory\nsh: 1: jq: not found\nbash: rg: command not found\n\
             ModuleNotFoundError: No module named 'numpy.linalg'\nsh: 1: TOKEN_FILE: parameter not set\n\
             FileNotFoundError: [Errno 2] No such file or directory: '/app/x.csv'\n",
        );
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        assert_eq!(list(&missing.paths), ["/app/x.csv", "a.txt", "b", "b c"]);
        assert_eq!(list(&missing.commands), ["jq", "rg"]);
        assert_eq!(list(&missing.modules), ["numpy"]);
        assert_eq!(list(&missing.variables), ["TOKEN_FILE"]);
        assert_eq!(Missing::of("all is well"), Missing::default());
    }

    proptest::proptest! {
        #[test]
        fn what_is_said_in_a_line_is_found_in_the_whole_text(
            text in "(?:No such file or directory|: |'|\n|\r\n| |a\\.txt|cat|env|cannot open |not found|command |jq|X|parameter not set|unbound variable){0,16}",
        ) {
            let mut expected = Missing::default();
            COMPILED.iter().for_each(|saying| expected.read(saying, &text));
            expected.paths.retain(|path| !expected.commands.contains(path));
            proptest::prop_assert_eq!(Missing::of(&text), expected);
        }
    }
}
