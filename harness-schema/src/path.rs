//! Paths inside one project: relative to its root, with `/`, never leaving it. Names only, no file system.

use std::borrow::Borrow;
use std::fmt;

use ecow::EcoString;

/// A file or directory of a project, relative to the directory of `harness.toml`, normalised: no `.`, no `..`, no `//`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(EcoString);

/// Why a written path is no [`FilePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRefusal {
    /// It starts with `/`, a drive letter or `~`.
    Absolute,
    /// `..` leads out of the root.
    Outside,
    /// It is empty, or holds a NUL or a backslash.
    Malformed,
}

impl FilePath {
    /// The root directory itself.
    #[must_use]
    pub fn root() -> Self {
        Self(EcoString::new())
    }

    /// A path as written in a manifest, relative to the root.
    ///
    /// # Errors
    /// A [`PathRefusal`] if the path does not name something below the root.
    pub fn parse(written: &str) -> Result<Self, PathRefusal> {
        Self::root().join(written)
    }

    /// `written` as seen from this directory.
    ///
    /// # Errors
    /// A [`PathRefusal`] if the path does not name something below the root.
    pub fn join(&self, written: &str) -> Result<Self, PathRefusal> {
        // By bytes: every path of a harness is read at each keystroke.
        let bytes = written.as_bytes();
        if bytes.is_empty() || memchr::memchr2(0, b'\\', bytes).is_some() {
            return Err(PathRefusal::Malformed);
        }
        let drive = bytes.get(1) == Some(&b':') && bytes[0].is_ascii_alphabetic();
        if matches!(bytes[0], b'/' | b'~') || drive {
            return Err(PathRefusal::Absolute);
        }
        // What is written without detours is what it is; tens of thousands of files of tasks are.
        if is_plain(bytes) {
            if self.0.is_empty() {
                return Ok(Self(written.into()));
            }
            let mut joined = EcoString::with_capacity(self.0.len() + 1 + written.len());
            for part in [self.0.as_str(), "/", written] {
                joined.push_str(part);
            }
            return Ok(Self(joined));
        }
        let mut parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        for part in written.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or(PathRefusal::Outside)?;
                }
                _ => parts.push(part),
            }
        }
        Ok(Self(EcoString::from(parts.join("/"))))
    }

    /// The path with `/`, empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a shared text.
    #[must_use]
    pub fn text(&self) -> EcoString {
        self.0.clone()
    }

    /// The directory that holds it; the root's parent is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(EcoString::from(self.0.rsplit_once('/').map_or("", |(parent, _)| parent)))
    }

    /// The last part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// What follows the last dot of the name, in lower case; empty if there is none.
    #[must_use]
    pub fn extension(&self) -> String {
        self.name().rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_ascii_lowercase())
    }

    /// Whether it lies below `directory`, or is it.
    #[must_use]
    pub fn is_below(&self, directory: &Self) -> bool {
        directory.0.is_empty()
            || self.0.strip_prefix(&*directory.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path as a document in `directory` writes it, with `..` where it leads out of it.
    #[must_use]
    pub fn seen_from(&self, directory: &Self) -> String {
        let mut up = String::new();
        let mut above = directory.clone();
        loop {
            match self.relative_to(&above).filter(|rest| !rest.is_empty()) {
                Some(rest) => return format!("{up}{rest}"),
                None if above.0.is_empty() => return up,
                None => {
                    up.push_str("../");
                    above = above.parent();
                }
            }
        }
    }

    /// What remains of the path below `directory`.
    #[must_use]
    pub fn relative_to(&self, directory: &Self) -> Option<&str> {
        if directory.0.is_empty() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(&*directory.0)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for FilePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Whether no part of a path is empty, `.` or `..`.
fn is_plain(path: &[u8]) -> bool {
    let is_name = |length: usize, dots: usize| dots < length || 2 < length;
    let (mut length, mut dots) = (0, 0);
    for byte in path {
        if *byte == b'/' {
            if !is_name(length, dots) {
                return false;
            }
            (length, dots) = (0, 0);
            continue;
        }
        length += 1;
        dots += usize::from(*byte == b'.');
    }
    is_name(length, dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_stay_inside() {
        let parse = |written| FilePath::parse(written).map(|path| path.as_str().to_owned());
        assert_eq!(parse("./prompts//a/../system.md").as_deref(), Ok("prompts/system.md"));
        assert_eq!(parse("../rules.md"), Err(PathRefusal::Outside));
        assert_eq!(parse("a/../../b"), Err(PathRefusal::Outside));
        assert_eq!(parse("/etc/passwd"), Err(PathRefusal::Absolute));
        assert_eq!(parse("~/x"), Err(PathRefusal::Absolute));
        assert_eq!(parse("C:/x"), Err(PathRefusal::Absolute));
        assert_eq!(parse(""), Err(PathRefusal::Malformed));
    }

    #[test]
    fn a_path_leads_from_any_directory_to_any_file() {
        let path = |text| FilePath::parse(text).unwrap();
        for (file, directory, written) in
            [("a.md", "a", "../a.md"), ("a/b/c.md", "a", "b/c.md"), ("a/b.md", "a/c/d", "../../b.md")]
        {
            assert_eq!(path(file).seen_from(&path(directory)), written);
            assert_eq!(path(directory).join(written), Ok(path(file)));
        }
        assert_eq!(path("a/b.md").seen_from(&FilePath::root()), "a/b.md");
    }

    #[test]
    fn a_plain_path_has_names_alone() {
        for path in ["a", "a/b.md", ".a/..b", "...", "a/.../b", "ä/b"] {
            assert!(is_plain(path.as_bytes()), "{path}");
        }
        for path in ["", ".", "..", "a/", "/a", "a//b", "./a", "a/..", "a/../b", "a/./b"] {
            assert!(!is_plain(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn below_is_by_whole_parts() {
        let path = |text| FilePath::parse(text).unwrap();
        assert!(path("tasks/a").is_below(&path("tasks")));
        assert!(!path("tasks-2/a").is_below(&path("tasks")));
        assert_eq!(path("tasks/a/b").relative_to(&path("tasks")), Some("a/b"));
    }
}
