//! Shell text as the commands that it runs: split at `;`, `&&`, `||`, `|` and line breaks outside of quotes, with their
//! words and redirections. It is read, never run; what a shell would expand stays as written.

use ecow::EcoString;

use super::Kind;

/// One command of a shell text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its words without quotes; variables that are set for it come first.
    pub words: Vec<EcoString>,
    /// Files that its output goes to.
    pub into: Vec<EcoString>,
    /// Files that its input comes from.
    pub from: Vec<EcoString>,
    /// Whether it is left running (`&`).
    pub is_left: bool,
    /// How many of its words come before the program.
    pub(super) before: usize,
}

/// The commands of a shell text, in order. The lines of a here-document belong to no command.
#[must_use]
pub fn commands(text: &str) -> Vec<Command> {
    let mut reader = Reader { text, word: String::with_capacity(128), ..Reader::default() };
    reader.run();
    reader.all
}

#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    at: usize,
    all: Vec<Command>,
    command: Command,
    word: String,
    /// Whether a word has begun; `''` is one.
    in_word: bool,
    redirect: Option<Redirect>,
    /// The ends of here-documents that begin with the next line.
    heredocs: Vec<EcoString>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirect {
    Into,
    From,
    Heredoc,
    /// To another descriptor, which is no file.
    Other,
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(char) = self.next() {
            match char {
                '\'' => {
                    self.in_word = true;
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let quoted = rest.split('\'').next().unwrap_or(rest);
                    self.word.push_str(quoted);
                    self.at += quoted.len();
                    self.next();
                }
                '"' => self.double(),
                '\\' => {
                    if let Some(char) = self.next().filter(|char| *char != '\n') {
                        self.in_word = true;
                        self.word.push(char);
                    }
                }
                '#' if !self.in_word => {
                    let rest = self.rest();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                '\n' => {
                    self.end_command(false);
                    self.skip_heredocs();
                }
                ';' | '(' | ')' => self.end_command(false),
                '|' => {
                    self.eat('|');
                    self.eat('&');
                    self.end_command(false);
                }
                '&' if self.peek() == Some('&') => {
                    self.next();
                    self.end_command(false);
                }
                '&' if self.peek() == Some('>') => {
                    self.next();
                    self.eat('>');
                    self.redirect(Redirect::Into);
                }
                '&' => self.end_command(true),
                '>' => {
                    // A number before it is a descriptor.
                    if self.word.bytes().all(|byte| byte.is_ascii_digit()) {
                        self.word.clear();
                        self.in_word = false;
                    }
                    self.eat('>');
                    self.eat('|');
                    let to_descriptor = self.eat('&');
                    self.redirect(if to_descriptor { Redirect::Other } else { Redirect::Into });
                }
                '<' if self.peek() == Some('<') => {
                    self.next();
                    let is_text = self.eat('<');
                    self.eat('-');
                    self.redirect(if is_text { Redirect::Other } else { Redirect::Heredoc });
                }
                '<' => self.redirect(Redirect::From),
                char if char.is_whitespace() => self.end_word(),
                char => {
                    self.in_word = true;
                    self.word.push(char);
                    self.take(|byte| byte.is_ascii_alphanumeric() || b"_-./=:,+@%~".contains(&byte));
                }
            }
        }
        self.end_command(false);
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Adds characters of ASCII to the word as long as they are of a kind.
    fn take(&mut self, is_of: impl Fn(u8) -> bool) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| byte.is_ascii() && is_of(*byte)).count();
        self.word.push_str(rest.get(..length).unwrap_or_default());
        self.at += length;
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn eat(&mut self, char: char) -> bool {
        let is_there = self.peek() == Some(char);
        if is_there {
            self.next();
        }
        is_there
    }

    fn double(&mut self) {
        self.in_word = true;
        while let Some(char) = self.next() {
            match char {
                '"' => return,
                '\\' => match self.next() {
                    Some(char @ ('"' | '\\' | '$' | '`')) => self.word.push(char),
                    Some('\n') | None => {}
                    Some(char) => self.word.extend(['\\', char]),
                },
                char => {
                    self.word.push(char);
                    self.take(|byte| byte != b'"' && byte != b'\\');
                }
            }
        }
    }

    fn redirect(&mut self, redirect: Redirect) {
        self.end_word();
        self.redirect = Some(redirect);
    }

    fn end_word(&mut self) {
        if !std::mem::take(&mut self.in_word) {
            return;
        }
        let word = EcoString::from(self.word.as_str());
        self.word.clear();
        match self.redirect.take() {
            Some(Redirect::Into) => self.command.into.push(word),
            Some(Redirect::From) => self.command.from.push(word),
            Some(Redirect::Heredoc) => self.heredocs.push(word),
            Some(Redirect::Other) => {}
            None => self.command.words.push(word),
        }
    }

    fn end_command(&mut self, is_left: bool) {
        self.end_word();
        self.redirect = None;
        let command = std::mem::take(&mut self.command);
        let said = command.words.iter().all(|word| KEYWORDS.contains(&word.as_str()));
        if !said || !command.into.is_empty() {
            let before = before_program(&command.words);
            self.all.push(Command { is_left, before, ..command });
        }
    }

    fn skip_heredocs(&mut self) {
        for end in std::mem::take(&mut self.heredocs) {
            while self.at < self.text.len() {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let line = rest.lines().next().unwrap_or_default();
                let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
                self.at += length;
                if line.trim() == end {
                    break;
                }
            }
        }
    }
}

/// Words of the shell's own grammar that come before a command.
const KEYWORDS: [&str; 12] =
    ["if", "then", "else", "elif", "fi", "do", "done", "while", "until", "{", "}", "!"];

/// Whether a script is named after the tests that it runs.
fn is_runner(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    stem.split(['_', '-']).any(|word| ["test", "tests", "runtest", "runtests"].contains(&word))
}

/// Programs that run another one.
const WRAPPERS: [&str; 8] = ["sudo", "env", "time", "nohup", "setsid", "timeout", "nice", "xargs"];

/// How many words come before the program that a command runs.
fn before_program(all: &[EcoString]) -> usize {
    let mut words = all;
    let is_assignment = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    while let [first, rest @ ..] = words {
        let is_wrapper = WRAPPERS.contains(&base(first));
        if !(KEYWORDS.contains(&first.as_str()) || is_assignment(first) || is_wrapper) || rest.is_empty() {
            break;
        }
        words = rest;
        if is_wrapper {
            // `timeout -s KILL 10 make`
            while let [first, rest @ ..] = words
                && !rest.is_empty()
                && (first.starts_with('-') || first.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
            {
                words = rest;
            }
        }
    }
    all.len() - words.len()
}

impl Command {
    /// The words from the program on, without the shell's grammar, variables that are set and programs that run others.
    #[must_use]
    pub fn bare(&self) -> &[EcoString] {
        self.words.get(self.before..).unwrap_or_default()
    }

    /// The program's name without its directory; empty if there is none.
    #[must_use]
    pub fn program(&self) -> &str {
        self.bare().first().map_or("", |word| base(word))
    }

    fn arguments(&self) -> &[EcoString] {
        self.bare().get(1..).unwrap_or_default()
    }

    /// Arguments that are no options.
    fn plain(&self) -> impl Iterator<Item = &EcoString> {
        self.arguments().iter().filter(|word| !word.starts_with('-'))
    }

    fn has(&self, options: &[&str]) -> bool {
        self.arguments().iter().any(|word| options.contains(&word.as_str()))
    }

    /// The files that it writes.
    #[must_use]
    pub fn writes(&self) -> Vec<EcoString> {
        let mut files: Vec<EcoString> = self
            .into
            .iter()
            .filter(|file| !file.starts_with("/dev/") && !file.starts_with('&'))
            .cloned()
            .collect();
        match self.program() {
            "tee" => files.extend(self.plain().cloned()),
            "touch" | "truncate" => files.extend(self.plain().cloned()),
            "cp" | "mv" | "ln" | "install" => files.extend(self.plain().last().cloned()),
            "sed" | "perl" if self.edits_in_place() => files.extend(self.edited().cloned()),
            "patch" | "dd" => {
                let of =
                    self.arguments().iter().filter_map(|word| word.strip_prefix("of=")).map(EcoString::from);
                let named = of.collect::<Vec<_>>();
                files.extend(if named.is_empty() { self.plain().take(1).cloned().collect() } else { named });
            }
            "git" if self.plain().next().is_some_and(|verb| verb == "apply" || verb == "am") => {
                files.extend(self.plain().nth(1).cloned());
            }
            _ => {}
        }
        files
    }

    /// Whether `sed` or `perl` writes back what it reads.
    fn edits_in_place(&self) -> bool {
        let is_perl = self.program() == "perl";
        self.arguments().iter().any(|word| {
            let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default();
            // `perl -pi -e`: letters stand together.
            let together =
                is_perl && letters.bytes().take_while(u8::is_ascii_alphabetic).any(|byte| byte == b'i');
            letters.starts_with('i') || together || word.starts_with("--in-place")
        })
    }

    /// The files that `sed` or `perl` works on: arguments that are no options and no script. The script is the first of them, or
    /// stands behind each `-e`.
    fn edited(&self) -> impl Iterator<Item = &EcoString> {
        let takes = |word: &EcoString| {
            // `-ne` takes one as well; what stands behind `-i` is the ending of a copy.
            let is_short = word.starts_with('-') && !word.starts_with("--") && !word.starts_with("-i");
            ["-f", "--expression", "--file"].contains(&word.as_str()) || (is_short && word.ends_with('e'))
        };
        let arguments = self.arguments();
        let has_option = arguments.iter().any(|word| takes(word) || word.starts_with("--expression="));
        let before = std::iter::once(None).chain(arguments.iter().map(Some));
        let files = arguments
            .iter()
            .zip(before)
            .filter(move |(word, before)| !word.starts_with('-') && !before.is_some_and(takes));
        files.map(|(word, _)| word).skip(usize::from(!has_option))
    }

    /// The files that it reads, as far as its name tells.
    #[must_use]
    pub fn reads(&self) -> Vec<EcoString> {
        let mut files = self.from.clone();
        match self.program() {
            "cat" | "head" | "tail" | "less" | "more" | "nl" | "wc" | "od" | "xxd" | "file" | "stat"
            | "ls" => {
                files.extend(self.plain().filter(|word| word.parse::<i64>().is_err()).cloned());
            }
            "grep" | "rg" | "awk" | "jq" => files.extend(self.plain().skip(1).cloned()),
            "sed" if !self.edits_in_place() => files.extend(self.edited().cloned()),
            "diff" | "cmp" => files.extend(self.plain().cloned()),
            _ => {}
        }
        files
    }

    /// The test that it runs, if it names one: `tests/test_a.py::test_b`.
    #[must_use]
    pub fn test(&self) -> Option<EcoString> {
        let is_test = |word: &&EcoString| word.contains("::") || word.contains("test");
        (self.runs_tests()).then(|| self.plain().find(is_test).cloned()).flatten()
    }

    fn runs_tests(&self) -> bool {
        let first = self.plain().next().map_or("", EcoString::as_str);
        match self.program() {
            "pytest" | "py.test" | "tox" | "nox" | "jest" | "vitest" | "mocha" | "ctest" | "rspec"
            | "phpunit" | "prove" => true,
            "cargo" | "go" | "npm" | "pnpm" | "yarn" | "bun" | "deno" | "gradle" | "gradlew" | "mvn"
            | "dotnet" | "swift" | "mix" | "zig" => {
                ["test", "nextest", "t", "check", "vet"].contains(&first) || self.has(&["test", "run-tests"])
            }
            "make" | "ninja" | "just" => ["test", "check", "tests"].contains(&first),
            "python" | "python3" => {
                self.has(&["pytest", "unittest"]) || self.plain().any(|word| word.contains("test"))
            }
            "node" => self.has(&["--test"]),
            "bash" | "sh" => is_runner(base(first)),
            "manage.py" | "rails" | "bazel" => first == "test",
            // `./tests/runtests.py`, `./run-tests`; `test -f x` is a condition of the shell.
            _ => self.bare().first().is_some_and(|word| word != "test" && is_runner(base(word))),
        }
    }

    fn builds(&self) -> bool {
        let first = self.plain().next().map_or("", EcoString::as_str);
        match self.program() {
            "make" | "ninja" | "cmake" | "gcc" | "g++" | "cc" | "c++" | "clang" | "clang++" | "javac"
            | "tsc" | "rustc" | "mypy" | "ruff" | "eslint" | "flake8" | "pyright" => true,
            "cargo" | "go" | "npm" | "pnpm" | "yarn" | "gradle" | "gradlew" | "mvn" | "dotnet" | "swift"
            | "zig" => {
                ["build", "b", "clippy", "compile", "package"].contains(&first)
                    || self.has(&["build", "compile"])
            }
            _ => false,
        }
    }

    fn installs(&self) -> bool {
        let first = self.plain().next().map_or("", EcoString::as_str);
        match self.program() {
            "pip" | "pip3" | "pipx" | "apt" | "apt-get" | "apk" | "dnf" | "yum" | "brew" | "conda"
            | "gem" | "uv" | "poetry" => {
                ["install", "add", "sync", "i"].contains(&first) || self.has(&["install"])
            }
            "npm" | "pnpm" | "yarn" | "bun" | "cargo" | "go" => {
                ["install", "add", "ci", "i", "get"].contains(&first)
            }
            "python" | "python3" => self.has(&["pip"]) && self.has(&["install"]),
            _ => false,
        }
    }

    fn serves(&self) -> bool {
        let program = self.program();
        let first = self.plain().next().map_or("", EcoString::as_str);
        self.is_left
            || [
                "nginx",
                "redis-server",
                "gunicorn",
                "uvicorn",
                "flask",
                "http-server",
                "serve",
                "mysqld",
                "postgres",
            ]
            .contains(&program)
            || (["python", "python3"].contains(&program) && self.has(&["http.server", "runserver"]))
            || (["npm", "pnpm", "yarn"].contains(&program) && ["start", "dev", "serve"].contains(&first))
    }

    /// What kind of call this alone would be, with the files that it writes and reads; `written` tells which files an earlier
    /// call wrote.
    pub(super) fn kind(
        &self,
        writes: &[EcoString],
        reads: &[EcoString],
        written: impl Fn(&str) -> bool,
    ) -> Kind {
        // A test that writes its log is still a test.
        if self.runs_tests() || self.builds() {
            return Kind::Verify;
        }
        if !writes.is_empty() {
            return Kind::Write;
        }
        // Running or reading back what was written is a check of it.
        if self.bare().iter().chain(reads).any(|word| written(word)) {
            return Kind::Verify;
        }
        if self.installs() {
            return Kind::Install;
        }
        if self.serves() {
            return Kind::Serve;
        }
        const LOOKING: [&str; 30] = [
            "cat", "head", "tail", "less", "more", "nl", "wc", "od", "xxd", "file", "stat", "ls", "grep",
            "rg", "awk", "jq", "sed", "diff", "cmp", "find", "tree", "pwd", "which", "whoami", "env",
            "printenv", "du", "df", "ps", "date",
        ];
        let looks = LOOKING.contains(&self.program())
            || (self.program() == "git"
                && ["status", "log", "diff", "show", "branch", "blame"]
                    .contains(&self.plain().next().map_or("", EcoString::as_str)));
        if looks { Kind::Read } else { Kind::Other }
    }
}

fn base(word: &str) -> &str {
    // Words are short: nothing that searches long texts is faster.
    word.bytes().rposition(|byte| byte == b'/').and_then(|at| word.get(at + 1..)).unwrap_or(word)
}
