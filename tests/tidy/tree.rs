//! The files of the repository, as tidy reads them. Reads only; never looks into what git ignores.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// One text file of the repository.
pub(crate) struct SourceFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// The text.
    pub(crate) text: String,
}

impl SourceFile {
    /// Whether the file is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file is Markdown.
    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let server = Path::new(env!("CARGO_MANIFEST_DIR"));
    server.parent().expect("the server package lies one level below the root").to_path_buf()
}

/// Every text file that git would track, sorted by path. Files that are not UTF-8 are left out.
pub(crate) fn files() -> Vec<SourceFile> {
    let root = root();
    let mut files = Vec::new();
    // `require_git(false)`: the rules of `.gitignore` hold in an unpacked archive too.
    let walk = WalkBuilder::new(&root)
        .hidden(false)
        .require_git(false)
        .parents(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry.expect("the repository can be walked");
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let path = entry.path().strip_prefix(&root).expect("walked paths lie below the root");
        let path =
            path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        files.push(SourceFile { path, text });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The names directly below the root, without those that git ignores.
pub(crate) fn top_level_entries() -> Vec<String> {
    let root = root();
    let walk = WalkBuilder::new(&root)
        .hidden(false)
        .require_git(false)
        .parents(false)
        .max_depth(Some(1))
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut names: Vec<String> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.depth() == 1)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
