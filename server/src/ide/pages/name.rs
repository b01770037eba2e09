//! The names of pages: what stands behind `selfharness://<root>/` (`editor` 2.7). A client may decode or encode what it likes of
//! them; they are read the same.

use std::fmt;
use std::path::Path;

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;

use crate::ide::links::decoded;

/// The scheme of our documents.
pub const SCHEME: &str = "selfharness";

/// How many digits name a root.
const DIGITS: usize = 8;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// What an agent did in a trial of a held-in task: `trace/r-0142/t-04/0?page=2`.
    Trace {
        /// The run.
        run: String,
        /// The task; it may hold `/`.
        task: String,
        /// Which repeat, from 0.
        repeat: u32,
        /// Which page, from 1.
        page: usize,
    },
    /// A weakness, by its name or the id of its cluster: `weakness/C-7f3a`.
    Weakness(String),
    /// A proposal, by its number: `proposal/P7`.
    Proposal(u32),
    /// A file of a proposal, before: `proposal/P7/current/prompts/system.md`.
    Current(u32, FilePath),
    /// A file of a proposal, afterwards: `proposal/P7/proposed/prompts/system.md`.
    Proposed(u32, FilePath),
    /// The report of a run: `report/r-0142`.
    Report(String),
    /// A prompt as the model gets it: `rendered/prompts/system.md`.
    Rendered(FilePath),
    /// What was accepted, and how it scores.
    Lineage,
    /// Whether machine, endpoint and tasks are fit for a run.
    Doctor,
    /// What decides what is executed.
    Trust,
    /// A rule: `rule/SH104`.
    Rule(String),
}

/// The name of a root in addresses: 8 hexadecimal digits of the digest of its path.
#[must_use]
pub fn root_id(root: &Path) -> String {
    Digest::of(root.as_os_str().as_encoded_bytes()).short(DIGITS)
}

impl Name {
    /// The page that a path with its query names; a `/` before it and a fragment behind it do not count. `None` if there is no such
    /// kind of page.
    #[must_use]
    pub fn parse(path_and_query: &str) -> Option<Self> {
        let written = path_and_query.split('#').next().unwrap_or_default();
        let (path, query) = written.split_once('?').unwrap_or((written, ""));
        let path = decoded(path)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
        match (kind, rest) {
            ("trace", rest) => {
                // The task may hold `/`, so the ends are read first.
                let (run, rest) = rest.split_once('/')?;
                let (task, repeat) = rest.rsplit_once('/')?;
                let is_whole = !run.is_empty() && task.split('/').all(|part| !part.is_empty());
                let (run, task) = (run.to_owned(), task.to_owned());
                let name = Self::Trace { run, task, repeat: number(repeat)?, page: page_in(query)? };
                is_whole.then_some(name)
            }
            ("weakness", name) => part(name).map(Self::Weakness),
            ("proposal", rest) => {
                let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
                let proposal = number(name.strip_prefix('P')?)?;
                match rest.split_once('/') {
                    None => rest.is_empty().then_some(Self::Proposal(proposal)),
                    Some(("current", file)) => Some(Self::Current(proposal, FilePath::parse(file).ok()?)),
                    Some(("proposed", file)) => Some(Self::Proposed(proposal, FilePath::parse(file).ok()?)),
                    Some(_) => None,
                }
            }
            ("report", run) => part(run).map(Self::Report),
            ("rendered", file) => FilePath::parse(file).ok().map(Self::Rendered),
            ("rule", code) => part(code).map(Self::Rule),
            ("lineage", "") => Some(Self::Lineage),
            ("doctor", "") => Some(Self::Doctor),
            ("trust", "") => Some(Self::Trust),
            _ => None,
        }
    }

    /// Its address: `selfharness://1f2e3d4c/proposal/P7`; `root` is a [`root_id`].
    #[must_use]
    pub fn address(&self, root: &str) -> String {
        format!("{SCHEME}://{root}/{self}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace { run, task, repeat, page } => {
                write!(f, "trace/{}/{}/{repeat}", encoded(run), encoded(task))?;
                if 1 < *page { write!(f, "?page={page}") } else { Ok(()) }
            }
            Self::Weakness(name) => write!(f, "weakness/{}", encoded(name)),
            Self::Proposal(number) => write!(f, "proposal/P{number}"),
            Self::Current(number, file) => write!(f, "proposal/P{number}/current/{}", encoded(file.as_str())),
            Self::Proposed(number, file) => {
                write!(f, "proposal/P{number}/proposed/{}", encoded(file.as_str()))
            }
            Self::Report(run) => write!(f, "report/{}", encoded(run)),
            Self::Rendered(file) => write!(f, "rendered/{}", encoded(file.as_str())),
            Self::Lineage => f.write_str("lineage"),
            Self::Doctor => f.write_str("doctor"),
            Self::Trust => f.write_str("trust"),
            Self::Rule(code) => write!(f, "rule/{}", encoded(code)),
        }
    }
}

/// A name of one part.
fn part(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains('/')).then(|| text.to_owned())
}

/// A number as we write it, so that one page has one name.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// The page that a query asks for; the first if it asks for none. A client may encode its `=`.
fn page_in(query: &str) -> Option<usize> {
    let query = decoded(query)?;
    match query.split('&').find_map(|pair| pair.strip_prefix("page=")) {
        None => Some(1),
        Some(page) => page.parse().ok().filter(|page| 1 <= *page),
    }
}

/// A path as an address writes it: all but unreserved characters (RFC 3986 2.3) and `/` are escaped, so that none of it ends a
/// link in Markdown either.
pub(super) fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trace(run: &str, task: &str, repeat: u32, page: usize) -> Name {
        Name::Trace { run: run.into(), task: task.into(), repeat, page }
    }

    #[test]
    fn the_ends_of_a_trace_are_read_first() {
        assert_eq!(Name::parse("trace/r-0142/a/b/c/1"), Some(trace("r-0142", "a/b/c", 1, 1)));
        assert_eq!(Name::parse("/trace/r-0142/a%2Fb/0?page=17"), Some(trace("r-0142", "a/b", 0, 17)));
        // As VS Code writes a query.
        assert_eq!(Name::parse("/trace/r-0142/t-04/0?page%3D2#x"), Some(trace("r-0142", "t-04", 0, 2)));
        assert_eq!(Name::parse("trace/r-0142/100%/0"), Some(trace("r-0142", "100%", 0, 1)));
    }

    #[test]
    fn what_is_no_page_has_no_name() {
        let wrong = [
            "",
            "/",
            "traces",
            "trace/r-0142/0",
            "trace//t/0",
            "trace/r-0142/a//b/0",
            "trace/r-0142/t/x",
            "trace/r-0142/t/+1",
            "trace/r-0142/t/0?page=0",
            "trace/r-0142/t/0?page=-1",
            "trace/r-0142/%FF/0",
            "weakness/",
            "weakness/a/b",
            "proposal/7",
            "proposal/P07",
            "proposal/P7/before/a.md",
            "proposal/P7/current/../../x",
            "proposal/P7/current//etc/passwd",
            "rendered/",
            "lineage/x",
            "report/",
        ];
        for name in wrong {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_root_is_eight_digits() {
        let id = root_id(Path::new("/home/a/project"));
        assert!(id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, root_id(Path::new("/home/a/project2")));
        assert_eq!(Name::Trust.address("0123abcd"), "selfharness://0123abcd/trust");
    }

    fn parts() -> impl Strategy<Value = String> {
        // Anything but what parts a path; `.` and `..` name no directory of their own.
        let part = "[^/\\\\\u{0}]{1,8}".prop_filter("a name", |part| part != "." && part != "..");
        prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
    }

    fn files() -> impl Strategy<Value = FilePath> {
        parts().prop_filter_map("a path", |path| FilePath::parse(&path).ok())
    }

    fn names() -> impl Strategy<Value = Name> {
        let word = "[^/]{1,12}";
        prop_oneof![
            (word, parts(), any::<u32>(), 1usize..9999).prop_map(|(run, task, repeat, page)| Name::Trace {
                run,
                task,
                repeat,
                page
            }),
            word.prop_map(Name::Weakness),
            any::<u32>().prop_map(Name::Proposal),
            (any::<u32>(), files()).prop_map(|(number, file)| Name::Current(number, file)),
            (any::<u32>(), files()).prop_map(|(number, file)| Name::Proposed(number, file)),
            word.prop_map(Name::Report),
            files().prop_map(Name::Rendered),
            Just(Name::Lineage),
            Just(Name::Doctor),
            Just(Name::Trust),
            word.prop_map(Name::Rule),
        ]
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_written(name in names()) {
            let written = name.to_string();
            prop_assert_eq!(Name::parse(&written), Some(name.clone()), "{}", written);
            prop_assert_eq!(Name::parse(&format!("/{written}")), Some(name.clone()));
            // Nothing of it ends an address or a link.
            let is_plain = |char: char| char.is_ascii_alphanumeric() || "-._~/%?=".contains(char);
            prop_assert!(written.chars().all(is_plain), "{}", written);
        }

        #[test]
        fn any_text_is_read(text in ".{0,60}") {
            let name = Name::parse(&text);
            prop_assert!(name.is_none_or(|name| Name::parse(&name.to_string()) == Some(name)));
        }
    }
}
