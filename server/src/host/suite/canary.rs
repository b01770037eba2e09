//! Checks that must fail, with names that nobody can know: added to a verifier, they tell whether it still judges. Pure.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, Entry};

/// How a failing check fails. A program that takes the teeth out of one of them need not know the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// `assert` on two numbers.
    Assert,
    /// `assert` on two lists.
    Lists,
    /// `raise AssertionError`.
    Raise,
    /// Another exception: a file that is not there.
    Error,
    /// `assertEqual` of `unittest`, called from a function.
    Unittest,
    /// A class of `unittest`.
    Class,
    /// `pytest.raises` around nothing, if pytest runs; else an `assert` on two texts.
    Pytest,
}

impl Style {
    /// All styles.
    pub const ALL: [Self; 7] =
        [Self::Assert, Self::Lists, Self::Raise, Self::Error, Self::Unittest, Self::Class, Self::Pytest];
}

/// How canaries get into a verifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum Way {
    /// In a new file beside the others, such that it comes last: programs of an agent have been loaded by then.
    NewFile {
        /// The last file until now, in `tests/`.
        after: PathBuf,
    },
    /// At the end of a file that is run anyway.
    Appended {
        /// The file, in `tests/`.
        file: PathBuf,
    },
}

/// The canaries that a verifier is known to notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// How they get in.
    #[serde(flatten)]
    pub way: Way,
    /// The styles that it notices.
    pub styles: Vec<Style>,
    /// Whether its report names each of them as failed; else only its verdict changes.
    pub reported: bool,
}

/// Canaries with fresh names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canaries {
    word: String,
    names: Vec<(Style, String)>,
    text: String,
}

impl Canaries {
    /// Canaries of some styles. `random` gives another word of at least twelve hexadecimal digits each time.
    ///
    /// # Errors
    /// What `random` says.
    pub fn new<E>(styles: &[Style], mut random: impl FnMut() -> Result<String, E>) -> Result<Self, E> {
        let mut word = || {
            let mut word = random()?;
            word.truncate(12);
            Ok(word)
        };
        let own = word()?;
        let name = |style: &Style| Ok((*style, format!("test_{}", word()?)));
        let names = styles.iter().map(name).collect::<Result<Vec<_>, E>>()?;
        let text = names.iter().map(|(style, name)| written(*style, name)).collect();
        Ok(Self { word: own, names, text })
    }

    /// Each with its name.
    pub fn each(&self) -> impl Iterator<Item = (Style, &str)> {
        self.names.iter().map(|(style, name)| (*style, name.as_str()))
    }

    /// A verifier with these checks in it.
    #[must_use]
    pub fn added(&self, tests: &Bundle, way: &Way) -> Bundle {
        let mut more = tests.clone();
        match way {
            Way::NewFile { after } => more.insert(behind(after, &self.word), self.text.clone(), false),
            Way::Appended { file } => {
                if let Some(Entry::File { bytes, executable }) = tests.get(file) {
                    more.insert(file, appended(bytes, &self.text), *executable);
                }
            }
        }
        more
    }
}

/// A name that comes behind another one and follows its pattern: `test_a.py`, `test_a_z1f.py`, or `a_test.py`,
/// `a_z1f_test.py`.
fn behind(file: &Path, word: &str) -> PathBuf {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("test");
    let name = match stem.strip_suffix("_test") {
        Some(stem) => format!("{stem}_z{word}_test.py"),
        None => format!("{stem}_z{word}.py"),
    };
    file.with_file_name(name)
}

/// A check in Python that fails.
fn written(style: Style, name: &str) -> String {
    let mark = name.trim_start_matches("test_");
    let number = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let body = match style {
        Style::Assert => format!("    assert {number} == {}\n", u64::from(number) + 1),
        Style::Lists => format!("    assert [\"{mark}\", {number}] == [\"{mark}\"]\n"),
        Style::Raise => format!("    raise AssertionError(\"{mark}\")\n"),
        Style::Error => format!("    open(\"/nonexistent/{mark}\").close()\n"),
        Style::Unittest => {
            format!("    import unittest\n    unittest.TestCase().assertEqual({number}, \"{mark}\")\n")
        }
        Style::Class => {
            return format!(
                "\n\nimport unittest as unittest_{mark}\n\n\nclass Test_{mark}(unittest_{mark}.TestCase):\n    def {name}(self):\n        self.assertTrue({number} == \"{mark}\")\n"
            );
        }
        Style::Pytest => format!(
            "    import sys\n    if \"pytest\" in sys.modules:\n        with sys.modules[\"pytest\"].raises(ValueError):\n            pass\n    else:\n        assert \"{mark}\" in \"{number}\"\n"
        ),
    };
    format!("\n\ndef {name}():\n{body}")
}

/// A file of tests with more behind it, but before the block that runs it as a program, which never comes back.
fn appended(file: &[u8], more: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(file);
    let mut lines = text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let block =
        lines.find(|(_, line)| line.starts_with("if __name__")).map_or(text.len(), |(start, _)| start);
    let (before, after) = text.split_at_checked(block).unwrap_or((&text, ""));
    format!("{before}\n{more}\n\n{after}").into_bytes()
}

/// The ways in which canaries could get into a verifier, the likely ones first: a new file where test files are, then at the
/// end of those, the ones first that the script names.
#[must_use]
pub fn ways(tests: &Bundle, most: usize) -> Vec<Way> {
    let is_test = |path: &&Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
    };
    let is_file = |path: &&Path| matches!(tests.get(path), Some(Entry::File { .. }));
    let files: Vec<&Path> = tests.iter().map(|(path, _)| path).filter(is_test).filter(is_file).collect();
    let script = match tests.get("test.sh") {
        Some(Entry::File { bytes, .. }) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    let is_named = |path: &Path| path.to_str().is_some_and(|path| script.contains(path));
    let last = files.iter().max_by_key(|path| path.file_name().map(std::ffi::OsStr::as_encoded_bytes));
    let mut ways: Vec<Way> = last.iter().map(|file| Way::NewFile { after: file.to_path_buf() }).collect();
    let (named, others): (Vec<_>, Vec<_>) = files.into_iter().rev().partition(|path| is_named(path));
    let appended: Vec<Way> =
        named.iter().chain(&others).map(|file| Way::Appended { file: file.to_path_buf() }).collect();
    if named.is_empty() {
        ways.extend(appended);
    } else {
        // The new file last: it would not be run.
        ways.splice(0..0, appended);
    }
    ways.truncate(most);
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canaries() -> Canaries {
        let mut count = 0_u32;
        let random = || {
            count += 1;
            Ok::<_, ()>(format!("{count:032x}").chars().rev().collect())
        };
        Canaries::new(&Style::ALL, random).unwrap()
    }

    fn tests(files: &[(&str, &str)]) -> Bundle {
        let mut bundle = Bundle::default();
        for (path, text) in files {
            bundle.insert(*path, *text, false);
        }
        bundle
    }

    #[test]
    fn names_are_different_and_in_the_text() {
        let canaries = canaries();
        let mut names: Vec<&str> = canaries.each().map(|(_, name)| name).collect();
        names.sort_unstable();
        assert!(names.iter().all(|name| canaries.text.contains(&format!("def {name}("))));
        names.dedup();
        assert_eq!(names.len(), Style::ALL.len());
    }

    #[test]
    fn a_file_that_is_named_gets_them_and_others_have_a_new_one() {
        let bundle = tests(&[("test.sh", "pytest /tests/test_b.py"), ("test_a.py", ""), ("test_b.py", "")]);
        assert_eq!(ways(&bundle, 4)[0], Way::Appended { file: "test_b.py".into() });
        let bundle = tests(&[("test.sh", "exec run"), ("test_a.py", ""), ("run.py", "")]);
        assert_eq!(ways(&bundle, 1), [Way::NewFile { after: "test_a.py".into() }]);
        assert_eq!(ways(&tests(&[("test.sh", "true")]), 4), []);
    }

    #[test]
    fn a_new_file_comes_last() {
        for name in ["test_a.py", "a_test.py", "deep/test_a.py"] {
            let new = behind(Path::new(name), "0f").to_str().unwrap().to_owned();
            assert!(name < new.as_str() && new.contains("0f"), "{new}");
        }
        assert_eq!(behind(Path::new("a_test.py"), "0f"), Path::new("a_z0f_test.py"));
    }

    #[test]
    fn they_stand_before_the_block_that_runs_the_file() {
        let bundle = tests(&[("test_a.py", "x = 1\nif __name__ == \"__main__\":\n    main()\n")]);
        let canaries = canaries();
        let added = canaries.added(&bundle, &Way::Appended { file: "test_a.py".into() });
        let Some(Entry::File { bytes, .. }) = added.get("test_a.py") else { panic!("the file is gone") };
        let text = String::from_utf8_lossy(bytes);
        let (check, block) = (text.find("def test_").unwrap(), text.find("if __name__").unwrap());
        assert!(check < block && text.starts_with("x = 1\n") && text.ends_with("main()\n"), "{text}");
    }

    #[test]
    fn a_canary_is_stored_as_data() {
        let way = Way::NewFile { after: "test_a.py".into() };
        let canary = Canary { way, styles: vec![Style::Assert], reported: true };
        let text = serde_json::to_string(&canary).unwrap();
        assert_eq!(text, r#"{"way":"new-file","after":"test_a.py","styles":["assert"],"reported":true}"#);
        assert_eq!(serde_json::from_str::<Canary>(&text).unwrap(), canary);
    }
}
