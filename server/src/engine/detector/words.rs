//! Paths, literals and claims in texts: of instructions, of arguments, of results. It looks at words, never at files.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::{memchr, memchr2_iter, memmem, memrchr};
use regex::Regex;

use super::marks::{self, BLANK, COLON, DOLLAR, LETTER, SLASH};

/// Programs that say nothing about what a command is for.
const COMMON: [&str; 24] = [
    "", "cd", "ls", "cat", "echo", "pwd", "head", "tail", "grep", "sed", "awk", "set", "export", "source",
    ".", "true", "test", "[", "bash", "sh", "mkdir", "find", "wc", "sleep",
];

/// Whether a program's name alone connects no two commands.
pub(super) fn is_common(program: &str) -> bool {
    COMMON.contains(&program)
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    // Paths are short: nothing that searches long texts is faster.
    path.bytes().rposition(|byte| byte == b'/').and_then(|at| path.get(at + 1..)).unwrap_or(path)
}

/// A path as written, without `./` and without the directory that everything is in.
pub(super) fn plain<'p>(path: &'p str, workdir: &str) -> &'p str {
    let mut path = path.trim_matches(['"', '\'']);
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    for top in [workdir, "/workspace", "$PWD"] {
        if !top.is_empty()
            && let Some(rest) = path.strip_prefix(top)
            && let Some(rest) = rest.strip_prefix('/')
        {
            return rest;
        }
    }
    path
}

/// The words of a text.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let ends = |char: char| {
        matches!(
            char,
            '\'' | '"'
                | '`'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | ','
                | ';'
                | '|'
                | '&'
                | '='
                | '*'
        ) || char.is_whitespace()
    };
    text.split(ends)
        .map(|token| token.trim_end_matches(['.', ':', '!', '?']))
        .filter(|token| !token.is_empty())
}

/// The ending of a file's name has so many letters and digits at most.
pub(super) const MAX_ENDING: usize = 8;

/// Whether a token, which has such [`marks`] in it, names a file or a directory.
pub(super) fn is_path(token: &str, has: u8) -> bool {
    let bytes = token.as_bytes();
    // Of an address, or of a test or another name with parts.
    let has_parts =
        || bytes.windows(2).any(|two| two == b"::") || bytes.windows(3).any(|three| three == b"://");
    if 256 < bytes.len()
        || bytes.first() == Some(&b'-')
        || has & BLANK != 0
        || (has & COLON != 0 && has_parts())
    {
        return false;
    }
    if has & SLASH != 0 {
        return has & LETTER != 0 && has & DOLLAR == 0 && bytes.last() != Some(&b'/');
    }
    let Some(point) = bytes.iter().rposition(|byte| *byte == b'.') else { return false };
    let (stem, extension) =
        (bytes.get(..point).unwrap_or_default(), bytes.get(point + 1..).unwrap_or_default());
    let letters = |text: &[u8]| text.iter().any(u8::is_ascii_alphanumeric);
    let is_extension = (1..=MAX_ENDING).contains(&extension.len())
        && extension.iter().all(u8::is_ascii_alphanumeric)
        && extension.first().is_some_and(u8::is_ascii_alphabetic);
    // `e.g` and `i.e` are no files, nor is `a.b.c()`; a file's name is more than a letter, mostly.
    is_extension && (1 < stem.len() || (letters(stem) && 1 < extension.len())) && letters(stem)
}

/// The paths that a text names, in order, each once.
pub(super) fn paths(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for token in tokens(text).filter(|token| is_path(token, marks::of(token))) {
        if !all.iter().any(|path| path == token) {
            all.push(token.to_owned());
        }
    }
    all
}

/// Whether one of these results shows a file of this name: as a word, and in no line that says that it is not there. A name
/// without an ending is a file only behind a directory.
pub(super) fn show<'t>(mut results: impl Iterator<Item = &'t str>, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let finder = memmem::Finder::new(name);
    results.any(|text| finder.find_iter(text.as_bytes()).any(|at| is_shown(text, name, at)))
}

/// Whether a result shows a file by the name that stands there.
fn is_shown(text: &str, name: &str, at: usize) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_' || char == '-';
    let (before, after) =
        (text.get(..at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
    let ends = match after.strip_prefix('.') {
        Some(after) => !after.starts_with(is_part),
        None => !after.starts_with(is_part),
    };
    let begins =
        before.ends_with('/') || (name.contains('.') && !before.ends_with(is_part) && !before.ends_with('.'));
    ends && begins && {
        let line = before.rsplit('\n').next().map_or(0, str::len);
        let line = text.get(at - line..).and_then(|text| text.lines().next()).unwrap_or_default();
        !["No such file", "does not exist", "not found"].iter().any(|word| line.contains(word))
    }
}

/// At most so many bytes of a text from its beginning, whole characters.
pub(super) fn head(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// A text without the lines and columns that stand behind paths: `src/a.py:12:5` names `src/a.py`.
pub(super) fn without_lines(text: &str) -> Cow<'_, str> {
    static LINE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?P<extension>\.[A-Za-z]\w*):\d+(?::\d+)?").ok());
    match &*LINE {
        Some(line) => line.replace_all(text, "${extension} "),
        None => Cow::Borrowed(text),
    }
}

/// Words behind which a path is to be made, and words behind which it is only looked at.
static CUES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:(?P<make>writes?|written|creates?|created|saves?|saved|produces?|generates?|outputs?|stores?|makes?|puts?|named|called|builds?|exports?|results? (?:go(?:es)? )?(?:to|in)|appends?|edits?|change|fix|update|extends?|packs?|add|into|to)|(?P<look>(?:according|relative|similar|compared|refers?|next|belongs?) to|reads?|from|in|given|inputs?|see|uses?|using|below|contains?|holds?|like|under|every|has|have|names?))\b",
    )
    .ok()
});

/// The paths that an instruction asks for: those that come after a word such as *write* or *create* in their sentence, with no
/// word such as *from* or *in* between.
pub(super) fn required(instruction: &str, workdir: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let Some(cues) = &*CUES else { return all };
    for sentence in sentences(instruction) {
        for path in paths(sentence) {
            let Some(at) = sentence.find(path.as_str()) else { continue };
            let before = sentence.get(..at).unwrap_or_default();
            let last = cues.captures_iter(before).last();
            let is_made = last.is_some_and(|cue| cue.name("make").is_some());
            // A directory of the system is no result, and a pattern is no path.
            let plain = plain(&path, workdir);
            if is_made && !plain.is_empty() && !all.iter().any(|path| path == plain) && plain != workdir {
                all.push(plain.to_owned());
            }
        }
    }
    all
}

/// Sentences and paragraphs; a full stop within a name ends none.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    static END: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"[.!?:;](?:\s+|$)|\n\s*\n|\n\s*[-*] ").ok());
    let mut starts = vec![0];
    let mut ends = Vec::new();
    if let Some(end) = &*END {
        for found in end.find_iter(text) {
            ends.push(found.start());
            starts.push(found.end());
        }
    }
    ends.push(text.len());
    starts
        .into_iter()
        .zip(ends)
        .filter_map(|(start, end)| text.get(start..end))
        .filter(|text| !text.trim().is_empty())
}

/// What an instruction says to the letter: quoted literals, paths and ports.
pub(super) fn literals(instruction: &str) -> Vec<String> {
    static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"`(?P<code>[^`\n]{2,80})`|\x22(?P<text>[^\x22\n]{2,80})\x22|\bport (?P<port>\d{2,5})\b")
            .ok()
    });
    let mut all: Vec<String> = Vec::new();
    if let Some(quoted) = &*QUOTED {
        for found in quoted.captures_iter(instruction) {
            let literal = found.name("code").or_else(|| found.name("text")).or_else(|| found.name("port"));
            all.extend(literal.map(|literal| literal.as_str().to_owned()));
        }
    }
    all.extend(paths(instruction));
    // A step may write a path from where it stands.
    let mut short: Vec<String> = Vec::new();
    for literal in all {
        let literal =
            if is_path(&literal, marks::of(&literal)) { base(&literal).to_owned() } else { literal };
        if !short.contains(&literal) {
            short.push(literal);
        }
    }
    short
}

/// Whether a text says that the work is done and right.
pub(super) fn claims_success(text: &str) -> bool {
    static CLAIM: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?i)\b(?:is |are |now |all |have |has |been |successfully )?(?:done|completed?|finished|succeeded|successful(?:ly)?|works|working|fixed|implemented|solved|tests? pass(?:es|ed)?|all pass(?:es|ed)?)\b",
        )
        .ok()
    });
    static DENIAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)\b(?:not|n't|cannot|could not|unable|failed to|without|never)\b[^.!?\n]{0,40}$").ok()
    });
    let (Some(claim), Some(denial)) = (&*CLAIM, &*DENIAL) else { return false };
    claim.find_iter(text).any(|found| {
        let before = text.get(..found.start()).unwrap_or_default();
        !denial.is_match(before)
    })
}

/// The end of a result, where it says what else there is: its last two hundred characters, without blanks behind them.
pub(super) fn tail(text: &str) -> &str {
    const LENGTH: usize = 200;
    let text = text.trim_end();
    let last = text.len().checked_sub(LENGTH + 1).and_then(|start| text.get(start..));
    if let Some(last) = last.filter(|last| last.is_ascii()) {
        return last;
    }
    let start = text.char_indices().rev().nth(LENGTH).map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or_default()
}

/// Marks that say that more was there.
static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)<(?:response|output|result|text) (?:clipped|truncated)>|[\[(<][^\[\]()<>\n]{0,60}\b(?:truncated|clipped|omitted)\b[^\[\]()<>\n]{0,60}[\])>]|\b(?:output|response|result|observation) (?:was |is )?(?:truncated|clipped|cut)\b",
    )
    .ok()
});

/// Whether a result with such a [`tail`] ends in a mark that says that more was there.
pub(super) fn is_cut(tail: &str) -> bool {
    static WORDS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("truncated|clipped|omitted|cut").ok());
    let Some(word) = WORDS.as_ref().and_then(|words| words.find(tail)) else { return false };
    // `cut` is mostly within another word, as in `execute`.
    let is_marked = word.len() != "cut".len()
        || [" cut", "truncated", "clipped", "omitted"].iter().any(|word| has_word(tail, word));
    // Most marks are this one.
    is_marked
        && (tail.contains("<response clipped>") || MARK.as_ref().is_some_and(|mark| mark.is_match(tail)))
}

/// Words of tools that stopped what took too long.
static LATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^(?:error: *)?(?:the )?(?:(?:command|process|execution) )?(?:was )?timed out\b|^\S.{0,80} has not returned in [\d.]+ s",
    )
    .ok()
});

/// Whether a tool says, in the first or the last line of its result, that it stopped what took too long.
pub(super) fn is_late(text: &str) -> bool {
    let text = text.trim();
    let first = memchr(b'\n', text.as_bytes()).and_then(|end| text.get(..end)).unwrap_or(text);
    let last = last_line(text);
    // It says one of two words, and both have one letter in them.
    let has_word = |line: &str| {
        memchr2_iter(b'u', b'U', line.as_bytes()).any(|at| {
            let begins = |before: usize, word: &str| {
                at.checked_sub(before).is_some_and(|start| is_word_at(line, start, word))
            };
            begins(5, "med out") || begins(3, "returned in")
        })
    };
    let is_said = |line: &str| {
        line.len() < 400 && has_word(line) && LATE.as_ref().is_some_and(|late| late.is_match(line))
    };
    is_said(first) || is_said(last)
}

/// What follows the last line break of a text.
fn last_line(text: &str) -> &str {
    memrchr(b'\n', text.as_bytes()).and_then(|end| text.get(end + 1..)).unwrap_or(text)
}

/// Whether a word is in a text in whatever case; it has none of the letters that have relatives beyond ASCII (k and s).
fn has_word(text: &str, word: &str) -> bool {
    let Some(first) = word.as_bytes().first() else { return true };
    memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text.as_bytes())
        .any(|at| is_word_at(text, at, word))
}

/// Whether a text goes on with a word at a place, in whatever case.
fn is_word_at(text: &str, at: usize, word: &str) -> bool {
    text.as_bytes().get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a result with such a [`tail`] ends in a question that waits for an answer.
pub(super) fn asks(tail: &str) -> bool {
    static QUESTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?i)(?:[\[(](?:y(?:es)?/n(?:o)?)[\])]\s*[?:]?|password(?: for [^:\n]{1,60})?:|passphrase[^:\n]{0,60}:|continue\s*(?:connecting[^?\n]{0,60})?\?|press (?:any key|enter)[^\n]{0,40})\s*$",
        )
        .ok()
    });
    // Each of them ends so, and has such letters in it.
    let has_letters = match tail.as_bytes().last() {
        Some(b']' | b')') => has_word(tail, "/n"),
        Some(b'?') => has_word(tail, "/n") || has_word(tail, "continue"),
        Some(b':') => has_word(tail, "/n") || has_word(tail, "pa"),
        _ => false,
    };
    let line = last_line(tail);
    (has_letters || has_word(line, "pre"))
        && QUESTION.as_ref().is_some_and(|question| question.is_match(tail))
}

/// Whether a command says yes, in advance or by its input.
pub(super) fn answers(said: &str) -> bool {
    static ANSWER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?i)^\s*(?:y|yes|n|no)\s*$|\byes\s*\||(?:^|\s)(?:-y|--yes|--assume-yes|--noninteractive|--non-interactive|--batch|--force|-f)\b|DEBIAN_FRONTEND=noninteractive|(?:echo|printf)\s+['\x22]?(?:y|yes)\b|<<<|< ?/dev/null|\bexpect\b",
        )
        .ok()
    });
    ANSWER.as_ref().is_some_and(|answer| answer.is_match(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_to_be_made() {
        let instruction = "Files below `/app/src` name their owner. Write `/app/owners.tsv` with one line for every file \
            below `src`.\n\nRead data.csv and save the sums to out/sums.json; use e.g. python. Create a script called run.sh.";
        assert_eq!(required(instruction, "/app"), ["owners.tsv", "out/sums.json", "run.sh"]);
        assert_eq!(required("Explain what main.py does.", "/app"), Vec::<String>::new());
    }

    #[test]
    fn literals_are_named_without_their_directories() {
        let literals =
            literals("Serve `GET /health` on port 8080, write /app/out.txt and print \"ready now\".");
        assert_eq!(literals, ["GET /health", "8080", "ready now", "health", "out.txt"]);
    }

    #[test]
    fn claims_and_questions() {
        for text in ["Done.", "The bug is fixed and all tests pass.", "It works now"] {
            assert!(claims_success(text), "{text}");
        }
        for text in ["I could not get it done.", "It does not work; this is not fixed", "I look at it."] {
            assert!(!claims_success(text), "{text}");
        }
        for text in ["Proceed? [Y/n] ", "Password:", "Do you want to continue?", "sudo password for agent: "]
        {
            assert!(asks(tail(text)), "{text}");
        }
        assert!(!asks(tail("password: x\nok")) && !asks(tail("what is this?")));
        for text in
            ["a\n<response clipped>", "x [... 400 lines omitted ...]", "(output truncated)\n", "<truncated>"]
        {
            assert!(is_cut(tail(text)), "{text}");
        }
        for text in
            ["Error: Timed out: bash has not returned in 120.0 seconds", "1\n2\nCommand timed out after 5 s"]
        {
            assert!(is_late(text), "{text}");
        }
        assert!(!is_late("it timed out\nand went on\n") && !is_late(""));
        assert!(!is_cut(tail("def truncated(text): pass")) && !is_cut(tail("all of it")));
        assert!(
            answers("y") && answers("apt-get install -y jq") && answers("yes | ./install") && !answers("ls")
        );
    }

    #[test]
    fn results_show_files() {
        let shows = |text, name| show([text].into_iter(), name);
        for text in ["notes.md", "a\nsrc/notes.md\n", "(notes.md)", "see notes.md."] {
            assert!(shows(text, "notes.md"), "{text}");
        }
        for text in
            ["my-notes.md", "notes.md.bak", ".notes.md", "cat: notes.md: No such file or directory\n", ""]
        {
            assert!(!shows(text, "notes.md"), "{text}");
        }
        assert!(shows("src/Makefile", "Makefile") && !shows("the Makefile", "Makefile"));
        assert_eq!((head("é€a", 4), head("abc", 9)), ("é", "abc"));
    }

    #[test]
    fn a_path_is_the_same_from_wherever_it_is_named() {
        for path in ["./a/b", "/app/a/b", "/workspace/a/b", "a/b", "'a/b'"] {
            assert_eq!(plain(path, "/app"), "a/b");
        }
        assert_eq!(plain("/application/a", "/app"), "/application/a");
    }

    proptest::proptest! {
        #[test]
        fn words_are_found_in_whatever_case(text in "[RrEe TtUuNnDdIi]{0,14}(?:[Rr][Ee][Tt]urned in)?.{0,3}") {
            let lower = text.to_ascii_lowercase();
            proptest::prop_assert_eq!(has_word(&text, "returned in"), lower.contains("returned in"));
        }

        #[test]
        fn tails_are_characters_without_blanks_behind_them(text in "(?s)(?:.{0,80}|[a-z \n]{0,200}){0,3}") {
            let expected: String = text.trim_end().chars().rev().take(201).collect();
            proptest::prop_assert_eq!(tail(&text).chars().rev().collect::<String>(), expected);
        }

        #[test]
        fn no_mark_is_overlooked(
            text in "(?:[<\\[(]|<response clipped>|output|Result|response| |was |is |truncated|TRUNCATED|clipped|Omitted|omitted|cut|CUT|exe|[>\\])]){0,9}",
        ) {
            let has_words = ["truncated", "clipped", "omitted", "cut"].iter().any(|word| text.contains(word));
            proptest::prop_assert_eq!(is_cut(&text), has_words && MARK.as_ref().unwrap().is_match(&text));
        }

        #[test]
        fn nothing_late_is_overlooked(
            text in "(?:error:|The | |command |was |Timed out|timed OUT|u|x has not returned in|RETURNED IN| 3 s|s){0,7}",
        ) {
            let text = text.trim();
            proptest::prop_assert_eq!(is_late(text), LATE.as_ref().unwrap().is_match(text));
        }
    }
}
