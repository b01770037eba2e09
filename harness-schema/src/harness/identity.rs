//! The identity of a harness by content: two harnesses with one digest run alike. Where a value is written, in which order the
//! keys of a table stand, and comments do not count; every text that the agent reads does, byte by byte.

use std::collections::BTreeMap;

use super::{Harness, Role};
use crate::digest::Digest;
use crate::path::FilePath;
use crate::syntax::data::{Kind, Value};

/// The first part of the digest: it changes when the way to work it out does.
const VERSION: &[u8] = b"harness/1";

/// The tables of the manifest that are the harness itself.
const TABLES: [&str; 4] = ["prompt", "tool", "runtime", "orchestration"];

impl Harness {
    /// The digest of the harness: of `[prompt]`, `[[tool]]`, `[runtime]` and `[orchestration]`, then of the path and the text of
    /// every text, tool, surface and file of the agent, in the order of their paths. `of_file` tells the digest of a file's
    /// bytes, where they are not open here; a file without bytes counts as missing.
    #[must_use]
    pub fn digest(&self, mut of_file: impl FnMut(&FilePath) -> Option<Digest>) -> Digest {
        let mut parts: Vec<Vec<u8>> = vec![VERSION.to_vec()];
        for key in TABLES {
            let mut out = key.as_bytes().to_vec();
            if let Some(value) = self.tree().root.get(key) {
                canonical(value, &mut out);
            }
            parts.push(out);
        }
        let is_read = |role: Role| matches!(role, Role::Text | Role::Tool | Role::Surface | Role::Program);
        for (path, _) in self.named.iter().filter(|(_, role)| is_read(**role)) {
            let digest =
                self.files().document(path).map(|document| document.digest()).or_else(|| of_file(path));
            parts.push(path.as_str().as_bytes().to_vec());
            parts.push(digest.map(|digest| digest.bytes().to_vec()).unwrap_or_default());
        }
        Digest::of_parts(parts.iter().map(Vec::as_slice))
    }
}

/// The tables of the manifest that decide what is executed, where, and at whose cost. What an agent reads acts inside of its
/// sandbox only, and is in none of them.
const EXECUTED: [&str; 6] = ["schema", "model", "agent", "tasks", "budget", "surface"];

/// The keys of a tool that decide what is executed.
const EXECUTED_OF_TOOL: [&str; 2] = ["builtin", "run"];

/// Something in a harness that decides what is executed, where, or at whose cost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Executed {
    /// A key of the manifest, as `model.endpoint`.
    Key(String),
    /// The named tool, as far as it names a program.
    Tool(String),
    /// A file that is executed, by its path.
    Program(String),
}

impl Harness {
    /// Everything in the harness that decides what is executed, where, and at whose cost (`security` 2.3), with its digest, the
    /// bytes of its programs among it; `of_file` is that of [`Harness::digest`]. The tasks are no part of it.
    #[must_use]
    pub fn executed(
        &self,
        mut of_file: impl FnMut(&FilePath) -> Option<Digest>,
    ) -> BTreeMap<Executed, Digest> {
        let mut all: BTreeMap<Executed, Vec<u8>> = BTreeMap::new();
        let mut add = |item: Executed, value: &Value| {
            // Of equal keys the first counts, as everywhere.
            all.entry(item).or_insert_with(|| {
                let mut out = Vec::new();
                canonical(value, &mut out);
                out
            });
        };
        for key in EXECUTED {
            let Some(value) = self.tree().root.get(key) else { continue };
            match &value.kind {
                Kind::Table(table) => {
                    for entry in &table.entries {
                        add(Executed::Key(format!("{key}.{}", entry.key.name)), &entry.value);
                    }
                }
                _ => add(Executed::Key(key.to_owned()), value),
            }
        }
        for tool in &self.tools {
            let mut out = Vec::new();
            for key in EXECUTED_OF_TOOL {
                out.extend(key.as_bytes());
                if let Some(value) = tool.value().get(key) {
                    canonical(value, &mut out);
                }
            }
            // Tools of one name are a problem of the harness; all of them count.
            all.entry(Executed::Tool(tool.name.to_string())).or_default().extend(out);
        }
        let mut digests: BTreeMap<Executed, Digest> =
            all.into_iter().map(|(item, bytes)| (item, Digest::of(&bytes))).collect();
        for (path, _) in self.named.iter().filter(|(_, role)| **role == Role::Program) {
            let digest =
                self.files().document(path).map(|document| document.digest()).or_else(|| of_file(path));
            let digest = digest.unwrap_or_else(|| Digest::of(b""));
            digests.insert(Executed::Program(path.as_str().to_owned()), digest);
        }
        digests
    }
}

/// A value without its place: tables by key, numbers that are equal alike, texts as they are meant.
fn canonical(value: &Value, out: &mut Vec<u8>) {
    let mut sized = |mark: u8, bytes: &[u8]| {
        out.push(mark);
        out.extend((bytes.len() as u64).to_le_bytes());
        out.extend(bytes);
    };
    match &value.kind {
        Kind::Text(scalar) => sized(b't', scalar.value.as_bytes()),
        Kind::Integer(_) | Kind::Float(_) => match (value.as_integer(), &value.kind) {
            (Some(integer), _) => sized(b'i', &integer.to_le_bytes()),
            (None, Kind::Float(number)) => sized(b'f', &number.to_le_bytes()),
            (None, _) => sized(b'f', &[]),
        },
        Kind::Boolean(truth) => sized(b'b', &[u8::from(*truth)]),
        Kind::Table(table) => {
            let mut entries: BTreeMap<&str, &Value> = BTreeMap::new();
            for entry in &table.entries {
                // Of equal keys the first counts, as everywhere.
                entries.entry(&entry.key.name).or_insert(&entry.value);
            }
            sized(b'd', &(entries.len() as u64).to_le_bytes());
            for (key, value) in entries {
                out.extend((key.len() as u64).to_le_bytes());
                out.extend(key.as_bytes());
                canonical(value, out);
            }
        }
        Kind::List(list) => {
            sized(b'l', &(list.items.len() as u64).to_le_bytes());
            list.items.iter().for_each(|item| canonical(item, out));
        }
        Kind::Date => sized(b'n', b"date"),
        Kind::Null => sized(b'n', b"null"),
        Kind::Alias => sized(b'n', b"alias"),
        Kind::Broken => sized(b'n', b"broken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Files;

    const MANIFEST: &str = "name = \"a\"\n[prompt]\nsystem = \"s.md\"\n[runtime]\nmax_steps = 40\n[[tool]]\nname = \"t\"\ndescription = \"d\"\nrun = [\"bin/t\"]\n";

    fn digest(manifest: &str, prompt: &str, program: Option<&str>) -> Digest {
        let files = Files::from_texts([("harness.toml", manifest), ("s.md", prompt), ("notes.md", prompt)]);
        let program = program.map(|text| Digest::of(text.as_bytes()));
        Harness::resolve(&files, None).digest(|path| program.filter(|_| path.as_str() == "bin/t"))
    }

    #[test]
    fn what_the_agent_does_not_read_does_not_count() {
        let first = digest(MANIFEST, "p", Some("x"));
        let moved = "# c\n[[tool]]\nrun = ['bin/t']\ndescription = \"\"\"d\"\"\"\nname = \"t\"\n[runtime]\nmax_steps = 40.0 # c\n[prompt]\nsystem = \"s.md\"\n[budget]\nmax_trials = 3\n";
        assert_eq!(first, digest(moved, "p", Some("x")));
    }

    #[test]
    fn what_is_executed_counts_and_what_is_read_does_not() {
        let of = |manifest: &str, prompt: &str, program: &str| {
            let files = Files::from_texts([("harness.toml", manifest), ("s.md", prompt)]);
            let program = Digest::of(program.as_bytes());
            Harness::resolve(&files, None).executed(|path| (path.as_str() == "bin/t").then_some(program))
        };
        let first = of(MANIFEST, "p", "x");
        assert_eq!(first, of(&MANIFEST.replace("40", "41").replace("\"d\"", "\"e\""), "q", "x"));
        let moved = format!("{MANIFEST}[model]\nendpoint = \"https://elsewhere.example/v1\"\n");
        let others = [
            of(MANIFEST, "p", "y"),
            of(&MANIFEST.replace("[\"bin/t\"]", "[\"bin/t\", \"-v\"]"), "p", "x"),
            of(&MANIFEST.replace("name = \"t\"", "name = \"u\""), "p", "x"),
            of(&moved, "p", "x"),
        ];
        assert!(others.iter().all(|other| *other != first));
        // Each thing has its own name.
        let names: Vec<&Executed> =
            others[3].iter().filter(|item| first.get(item.0) != Some(item.1)).map(|item| item.0).collect();
        assert_eq!(names, [&Executed::Key("model.endpoint".into())]);
        assert!(
            first.contains_key(&Executed::Tool("t".into()))
                && first.contains_key(&Executed::Program("bin/t".into()))
        );
    }

    #[test]
    fn every_text_and_value_counts() {
        let mut all = vec![
            digest(MANIFEST, "p", Some("x")),
            digest(MANIFEST, "p\n", Some("x")),
            digest(MANIFEST, "p", Some("y")),
            digest(MANIFEST, "p", None),
            digest(&MANIFEST.replace("40", "41"), "p", Some("x")),
            digest(&MANIFEST.replace("\"d\"", "\"e\""), "p", Some("x")),
            digest(&MANIFEST.replace("[\"bin/t\"]", "[\"bin/t\", \"\"]"), "p", Some("x")),
        ];
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
