//! Reads the part of a Dockerfile that can be carried out without an image: FROM, WORKDIR, COPY, ENV and RUN. What is left
//! out on purpose is noted, everything else is refused with its line. Builds nothing.
//!
//! Source: the Dockerfile reference of Docker; the subset is that of `formats` 3.3.

use std::collections::BTreeMap;

/// What a Dockerfile asks for, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The image that it starts from; recorded, not used.
    pub image: String,
    /// The line that says so, from 1.
    pub image_line: usize,
    /// What has to be done.
    pub instructions: Vec<Instruction>,
    /// Instructions that mean nothing without an image.
    pub ignored: Vec<Ignored>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What it says.
    pub step: Step,
}

/// What an instruction says. Variables in paths and values are filled in with what `ENV` has set before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `WORKDIR`: as written, perhaps relative to the one before.
    Workdir(String),
    /// `COPY`: from `environment/` into the tree.
    Copy(Copy),
    /// `ENV`: variables for what follows, and for the agent.
    Env(Vec<(String, String)>),
    /// `RUN` in the form for a shell.
    Shell(String),
    /// `RUN` as a list of words.
    Program(Vec<String>),
}

/// A `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Files, directories or patterns below `environment/`.
    pub sources: Vec<String>,
    /// Where they go.
    pub target: String,
    /// `--chmod`, if it is written.
    pub mode: Option<u32>,
}

/// An instruction that is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its line, from 1.
    pub line: usize,
    /// The instruction or its option.
    pub what: String,
}

/// Why a Dockerfile cannot be carried out without a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DockerfileRefused {
    /// The line, from 1.
    pub line: usize,
    /// The reason.
    pub reason: String,
}

/// Instructions that only a container can carry out.
const NEED_A_CONTAINER: &[&str] =
    &["ADD", "ARG", "USER", "ENTRYPOINT", "SHELL", "VOLUME", "HEALTHCHECK", "ONBUILD"];
/// Instructions that say nothing about files.
const IGNORED: &[&str] = &["CMD", "EXPOSE", "LABEL", "MAINTAINER", "STOPSIGNAL"];
/// Programs that fetch packages, and the words with which they do it.
const INSTALLERS: &[(&str, &[&str])] = &[
    ("apt-get", &["install", "update", "upgrade", "dist-upgrade"]),
    ("apt", &["install", "update", "upgrade"]),
    ("apk", &["add", "update", "upgrade"]),
    ("yum", &["install", "update"]),
    ("dnf", &["install", "update"]),
    ("microdnf", &["install", "update"]),
    ("pacman", &["-S", "-Sy", "-Syu"]),
    ("zypper", &["install", "in"]),
    ("pip", &["install"]),
    ("pip3", &["install"]),
    ("uv", &["pip", "sync", "add", "tool"]),
    ("npm", &["install", "i", "ci"]),
    ("pnpm", &["install", "add"]),
    ("yarn", &["install", "add"]),
    ("gem", &["install"]),
    ("cargo", &["install"]),
    ("go", &["install", "get"]),
    ("conda", &["install", "create"]),
];

/// Reads a Dockerfile.
///
/// # Errors
/// The first line that needs a container, or that says nothing that is understood.
pub fn parse(source: &str) -> Result<Dockerfile, DockerfileRefused> {
    let mut read = Dockerfile::default();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut has_image = false;
    for Logical { line, text } in logical_lines(source)? {
        let refused = |reason: String| DockerfileRefused { line, reason };
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        let (keyword, rest) = (word.to_ascii_uppercase(), rest.trim());
        if keyword == "FROM" {
            if has_image {
                return Err(refused(String::from("a second `FROM` makes stages, which need a container")));
            }
            has_image = true;
            let image = rest.split_whitespace().find(|word| !word.starts_with("--"));
            let image = image.ok_or_else(|| refused(String::from("`FROM` names no image")))?;
            read.image = image.to_owned();
            read.image_line = line;
            continue;
        }
        if NEED_A_CONTAINER.contains(&keyword.as_str()) {
            return Err(refused(format!("`{keyword}` needs a container")));
        }
        if IGNORED.contains(&keyword.as_str()) {
            read.ignored.push(Ignored { line, what: keyword });
            continue;
        }
        if !["WORKDIR", "COPY", "ENV", "RUN"].contains(&keyword.as_str()) {
            return Err(refused(format!("`{}` is no instruction of a Dockerfile", shown(word))));
        }
        if !has_image {
            return Err(refused(format!("`{keyword}` stands before `FROM`")));
        }
        if rest.is_empty() {
            return Err(refused(format!("`{keyword}` says nothing")));
        }
        let step = match keyword.as_str() {
            "WORKDIR" => Step::Workdir(filled(unquoted(rest), &variables).map_err(refused)?),
            "COPY" => Step::Copy(copy(rest, &variables, line, &mut read.ignored).map_err(refused)?),
            "ENV" => {
                let set = env(rest, &variables).map_err(refused)?;
                variables.extend(set.iter().cloned());
                Step::Env(set)
            }
            _ => run(rest).map_err(refused)?,
        };
        read.instructions.push(Instruction { line, step });
    }
    if has_image {
        Ok(read)
    } else {
        Err(DockerfileRefused { line: 1, reason: String::from("there is no `FROM`") })
    }
}

/// An instruction with its continued lines joined.
struct Logical {
    line: usize,
    text: String,
}

/// Lines that end in `\` go on in the next one that is neither a comment nor empty.
fn logical_lines(source: &str) -> Result<Vec<Logical>, DockerfileRefused> {
    let mut all: Vec<Logical> = Vec::new();
    let mut goes_on = false;
    let mut may_be_directive = true;
    for (index, line) in source.lines().enumerate() {
        let text = line.trim();
        if let Some(comment) = text.strip_prefix('#') {
            let directive = comment.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            let sets_escape =
                directive.is_some_and(|(name, value)| name.eq_ignore_ascii_case("escape") && value != "\\");
            if may_be_directive && sets_escape {
                let reason = String::from("another escape character than `\\` is not understood");
                return Err(DockerfileRefused { line: index + 1, reason });
            }
            may_be_directive &= directive.is_some();
            continue;
        }
        may_be_directive = false;
        if text.is_empty() {
            continue;
        }
        let (content, continues) = match line.trim_end().strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line.trim_end(), false),
        };
        match all.last_mut() {
            Some(logical) if goes_on => logical.text.push_str(content),
            _ => all.push(Logical { line: index + 1, text: content.trim_start().to_owned() }),
        }
        goes_on = continues;
    }
    Ok(all)
}

fn run(rest: &str) -> Result<Step, String> {
    let rest = options(rest, |option| Err(format!("`RUN {option}` needs a container")))?;
    let step = match words_of_json(rest) {
        Some(words) => Step::Program(words),
        None if has_heredoc(rest) => {
            return Err(String::from(
                "a here-document in `RUN` is not understood: put the script into a file",
            ));
        }
        None => Step::Shell(rest.to_owned()),
    };
    let words: Vec<&str> = match &step {
        Step::Program(words) => words.iter().map(String::as_str).collect(),
        _ => rest.split_inclusive([';', '&', '|', '(', ')', '\n']).flat_map(separated).collect(),
    };
    match installed(&words) {
        Some(program) => Err(format!("packages are installed with `{program}`, which needs a container")),
        None if words.iter().all(|word| word.is_empty()) => Err(String::from("`RUN` says nothing")),
        None => Ok(step),
    }
}

/// The words of a piece of a script, and the sign that ends it as a word of its own.
fn separated(piece: &str) -> Vec<&str> {
    let end = piece.find([';', '&', '|', '(', ')', '\n']).unwrap_or(piece.len());
    let (words, sign) = piece.split_at(end);
    words.split_whitespace().chain((!sign.is_empty()).then_some(sign)).collect()
}

/// The program with which a script fetches packages.
fn installed<'a>(words: &[&'a str]) -> Option<&'a str> {
    for (at, word) in words.iter().enumerate() {
        let name = word.rsplit('/').next().unwrap_or(word);
        let Some((_, verbs)) = INSTALLERS.iter().find(|(installer, _)| *installer == name) else { continue };
        let arguments = words.iter().skip(at + 1);
        let own = arguments.take_while(|word| ![";", "&", "|", "(", ")", "\n"].contains(*word));
        let verb = own.into_iter().find(|word| !word.starts_with('-') || verbs.contains(*word));
        if verb.is_some_and(|verb| verbs.contains(verb)) {
            return Some(word);
        }
    }
    None
}

/// `<<EOF`, `3<<-'EOF'`: a word that begins with an optional number and exactly two signs.
fn has_heredoc(script: &str) -> bool {
    script.split_whitespace().any(|word| {
        let rest = word.trim_start_matches(|digit: char| digit.is_ascii_digit());
        rest.strip_prefix("<<").is_some_and(|rest| !rest.starts_with('<') && !rest.is_empty())
    })
}

/// Takes the options at the front; the rest.
fn options<'a>(
    mut rest: &'a str,
    mut each: impl FnMut(&'a str) -> Result<(), String>,
) -> Result<&'a str, String> {
    while rest.starts_with("--") {
        let (option, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        each(option)?;
        rest = after.trim_start();
    }
    Ok(rest)
}

fn copy(
    rest: &str,
    variables: &BTreeMap<String, String>,
    line: usize,
    ignored: &mut Vec<Ignored>,
) -> Result<Copy, String> {
    let mut mode = None;
    let rest = options(rest, |option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "--chmod" => {
                let bits = u32::from_str_radix(value, 8).ok().filter(|bits| *bits <= 0o777);
                mode = Some(bits.ok_or_else(|| format!("`{}` is no mode such as 755", shown(value)))?);
            }
            "--chown" | "--link" => ignored.push(Ignored { line, what: format!("COPY {name}") }),
            _ => return Err(format!("`COPY {}` needs a container", shown(option))),
        }
        Ok(())
    })?;
    if has_heredoc(rest) {
        return Err(String::from("a here-document in `COPY` is not understood: put the text into a file"));
    }
    let words = match words_of_json(rest) {
        Some(words) => words,
        None => shell_words(rest)?,
    };
    let words: Result<Vec<String>, String> = words.iter().map(|word| filled(word, variables)).collect();
    let mut words = words?;
    let target = words.pop().unwrap_or_default();
    if words.is_empty() || target.is_empty() || words.iter().any(String::is_empty) {
        return Err(String::from("`COPY` names no source or no target"));
    }
    Ok(Copy { sources: words, target, mode })
}

/// `NAME=value NAME="a value"`, or `NAME the rest of the line`.
fn env(rest: &str, variables: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, String> {
    let first = rest.split(char::is_whitespace).next().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) = rest.split_once(char::is_whitespace).ok_or("`ENV` gives no value")?;
        return Ok(vec![(name.to_owned(), filled(unquoted(value.trim()), variables)?)]);
    }
    let pairs = raw_words(rest)?.into_iter().map(|word| {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("`{}` sets nothing", shown(&word)))?;
        Ok((name.to_owned(), filled_quoted(value, variables)?))
    });
    pairs.collect()
}

fn unquoted(text: &str) -> &str {
    let quoted = |sign| text.strip_prefix(sign).and_then(|rest: &str| rest.strip_suffix(sign));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

fn words_of_json(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Words with their quotes and escapes as they stand.
fn raw_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None | Some('"'), '\\') => {
                word.push(char);
                word.extend(chars.next());
            }
            (None, '"' | '\'') => {
                quote = Some(char);
                word.push(char);
            }
            (Some(open), _) if open == char => {
                quote = None;
                word.push(char);
            }
            (None, _) if char.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(char),
        }
    }
    if quote.is_some() {
        return Err(String::from("a quotation mark is not closed"));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// Words without their quotes. Variables stay.
fn shell_words(text: &str) -> Result<Vec<String>, String> {
    Ok(raw_words(text)?
        .iter()
        .map(|word| word.chars().filter(|char| !['"', '\''].contains(char)).collect())
        .collect())
}

/// A text with its variables filled in, without regard to quotes.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    fill(text, variables, false)
}

/// The same; quotes are taken away, and nothing is filled in between single ones.
fn filled_quoted(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    fill(text, variables, true)
}

fn fill(text: &str, variables: &BTreeMap<String, String>, quotes: bool) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let after = rest.get(char.len_utf8()..).unwrap_or_default();
        rest = after;
        match char {
            '"' | '\'' if quotes && quote.is_none() => quote = Some(char),
            '"' | '\'' if quotes && quote == Some(char) => quote = None,
            '\\' if quote != Some('\'') => {
                let Some(escaped) = after.chars().next() else { continue };
                if !quotes && escaped != '$' {
                    out.push('\\');
                }
                out.push(escaped);
                rest = after.get(escaped.len_utf8()..).unwrap_or_default();
            }
            '$' if quote != Some('\'') => {
                let (value, left) = variable(after, variables)?;
                out.push_str(&value);
                rest = left;
            }
            _ => out.push(char),
        }
    }
    Ok(out)
}

/// The value of the variable that is named after a `$`, and what follows.
fn variable<'a>(after: &'a str, variables: &BTreeMap<String, String>) -> Result<(String, &'a str), String> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let (name, default, left) = match after.strip_prefix('{') {
        Some(inner) => {
            let (inner, left) = inner.split_once('}').ok_or("`${` is not closed")?;
            match inner.split_once(":-") {
                Some((name, default)) => (name, Some(default), left),
                None => (inner, None, left),
            }
        }
        None => {
            let end = after.find(|char| !is_name(char)).unwrap_or(after.len());
            let (name, left) = after.split_at(end);
            (name, None, left)
        }
    };
    if name.is_empty() && !after.starts_with('{') {
        return Ok((String::from("$"), left));
    }
    if !name.chars().all(is_name) || name.is_empty() {
        return Err(format!("`${{{}}}` is not understood", shown(name)));
    }
    match (variables.get(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok((value.clone(), left)),
        (None, Some(default)) => Ok((default.to_owned(), left)),
        (None, None) => Err(format!("`${name}` is set by no `ENV` above")),
    }
}

/// Untrusted text for a message: short, and without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests;
