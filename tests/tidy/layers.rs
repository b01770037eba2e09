//! Which module may use which: reading order inside a crate, and the arrows between layers.
//!
//! Code that is compiled for tests alone may use all of its own crate.

use std::collections::BTreeMap;

use crate::rust::{self, RustFile};
use crate::tree::SourceFile;

/// One module of a crate and what it names.
struct Module {
    /// Path of its file from the root of the repository.
    file: String,
    /// Whether the module is compiled for tests alone.
    for_tests: bool,
    /// Its file, read.
    source: RustFile,
}

/// The modules of one crate by their path from its root (`["engine", "gate"]`; the root itself is `[]`).
pub(crate) struct Crate {
    /// How other crates call it.
    name: String,
    modules: BTreeMap<Vec<String>, Module>,
}

/// A use of one module by another.
pub(crate) struct Use {
    /// The module that uses, from the root of its crate.
    pub(crate) from: Vec<String>,
    /// What it names, from the root of that crate: `["crate", "ide", "hover"]` or `["serde", "Serialize"]`.
    pub(crate) path: Vec<String>,
    /// `file:line`.
    pub(crate) place: String,
}

impl Crate {
    /// Reads the crate whose sources lie in `folder` (`server/src`), from `root_file` (`lib.rs`) down.
    pub(crate) fn read(files: &[SourceFile], name: &str, folder: &str, root_file: &str) -> Self {
        let mut read = Self { name: name.to_owned(), modules: BTreeMap::new() };
        read.add(files, folder, &format!("{folder}/{root_file}"), Vec::new(), false);
        assert!(!read.modules.is_empty(), "no sources in `{folder}`");
        read
    }

    fn add(&mut self, files: &[SourceFile], folder: &str, file: &str, path: Vec<String>, for_tests: bool) {
        let Some(found) = files.iter().find(|candidate| candidate.path == file) else { return };
        let source = rust::read(&found.text);
        for child in source.modules.iter().filter(|child| !child.inline) {
            let mut child_path = path.clone();
            child_path.push(child.name.clone());
            let stem = format!("{folder}/{}", child_path.join("/"));
            let file = [format!("{stem}.rs"), format!("{stem}/mod.rs")]
                .into_iter()
                .find(|candidate| files.iter().any(|file| file.path == *candidate));
            if let Some(file) = file {
                self.add(files, folder, &file, child_path, for_tests || child.for_tests);
            }
        }
        self.modules.insert(path, Module { file: file.to_owned(), for_tests, source });
    }

    /// How many modules were read.
    pub(crate) fn len(&self) -> usize {
        self.modules.len()
    }

    /// Every path that code outside of tests names, from the root of its crate.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (from, module) in self.modules.iter().filter(|(_, module)| !module.for_tests) {
            for named in module.source.paths.iter().filter(|named| !named.for_tests) {
                let mut here = from.clone();
                here.extend(named.inside.iter().cloned());
                uses.push(Use {
                    from: from.clone(),
                    path: self.absolute(&here, &named.segments),
                    place: format!("{}:{}", module.file, named.line),
                });
            }
        }
        uses
    }

    /// `self`, `super`, the crate's own name and child modules become a path that starts with `crate`.
    fn absolute(&self, here: &[String], segments: &[String]) -> Vec<String> {
        let mut base = here.to_vec();
        let mut rest = segments;
        match segments.first().map(String::as_str) {
            Some("crate") => return segments.to_vec(),
            Some(name) if name == self.name => {
                base.clear();
                rest = &segments[1..];
            }
            Some("self") => rest = &segments[1..],
            Some("super") => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            Some(name) if self.children(here).iter().any(|child| child == name) => {}
            _ => return segments.to_vec(),
        }
        let mut path = vec!["crate".to_owned()];
        path.extend(base);
        path.extend(rest.iter().cloned());
        path
    }

    /// The child modules of `path`, in reading order.
    fn children(&self, path: &[String]) -> Vec<String> {
        let Some(module) = self.modules.get(path) else { return Vec::new() };
        module.source.modules.iter().map(|child| child.name.clone()).collect()
    }

    /// Where `name` really lives if module `path` re-exports it from a child.
    fn re_exported(&self, path: &[String], name: &str) -> Option<String> {
        let module = self.modules.get(path)?;
        let children = self.children(path);
        module.source.paths.iter().filter(|named| named.exported && named.inside.is_empty()).find_map(
            |named| {
                if named.segments.last()? != name {
                    return None;
                }
                let absolute = self.absolute(path, &named.segments);
                let child = absolute.get(1 + path.len())?;
                (absolute.get(1..=path.len())? == path && children.contains(child)).then(|| child.clone())
            },
        )
    }

    /// Uses of a module by one that stands above it: `mod` lines are in reading order, and a module uses only those
    /// above it. A parent and its children may use each other.
    pub(crate) fn forward_uses(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for used in self.uses() {
            let Some(("crate", target)) = used.path.split_first().map(|(first, rest)| (first.as_str(), rest))
            else {
                continue;
            };
            let shared = used.from.iter().zip(target).take_while(|(a, b)| a == b).count();
            let (Some(source_child), Some(name)) = (used.from.get(shared), target.get(shared)) else {
                continue;
            };
            let parent = &used.from[..shared];
            let children = self.children(parent);
            let target_child =
                if children.contains(name) { Some(name.clone()) } else { self.re_exported(parent, name) };
            let Some(target_child) = target_child else { continue };
            let order = |child: &String| children.iter().position(|known| known == child);
            if order(source_child) < order(&target_child) {
                wrong.push(format!(
                    "{}: `{source_child}` uses `{}`, which is declared below it",
                    used.place,
                    used.path.join("::"),
                ));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(files: &[(&str, &str)]) -> Crate {
        let files: Vec<SourceFile> = files
            .iter()
            .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        Crate::read(&files, "sample", "src", "lib.rs")
    }

    #[test]
    fn a_use_of_a_later_module_is_found() {
        let sample = sample(&[
            ("src/lib.rs", "pub mod early;\npub mod late;\npub use late::Late;"),
            ("src/early.rs", "use crate::late::X;\nfn f() -> crate::Late { sample::late::g() }"),
            ("src/late/mod.rs", "mod one;\nmod two;\nuse crate::early::Y; pub struct Late; use one::Z;"),
            ("src/late/one.rs", "use super::two::W;\nuse super::Late;"),
            ("src/late/two.rs", "use super::one::Z;\n#[cfg(test)]\nmod tests { use crate::late::three::V; }"),
        ]);
        assert_eq!(sample.len(), 5);
        let wrong: Vec<String> = sample.forward_uses();
        assert_eq!(
            wrong,
            [
                "src/early.rs:1: `early` uses `crate::late::X`, which is declared below it",
                "src/early.rs:2: `early` uses `crate::Late`, which is declared below it",
                "src/early.rs:2: `early` uses `crate::late::g`, which is declared below it",
                "src/late/one.rs:1: `one` uses `crate::late::two::W`, which is declared below it",
            ]
        );
    }
}
