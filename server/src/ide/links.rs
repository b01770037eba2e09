//! Paths in documents as links to the files that they name.

use harness_schema::path::FilePath;
use harness_schema::text::Span;

use crate::workspace::Site;

/// A link to a file of the same project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink {
    /// Where it stands.
    pub span: Span,
    /// Where it leads.
    pub target: FilePath,
}

/// The links of a document to files that are there.
#[must_use]
pub fn links(site: &Site) -> Vec<FileLink> {
    let harness = site.project.harness();
    let files = harness.files();
    let mut links: Vec<FileLink> = harness
        .paths()
        .iter()
        .filter(|path| path.at.file == site.file)
        .filter_map(|path| Some(FileLink { span: path.at.span, target: path.target.clone().ok()? }))
        .collect();
    let document = harness.document(&site.file);
    if let Some((document, tree)) = document.and_then(|document| Some((document, document.markdown()?))) {
        let directory = site.file.parent();
        let imports = tree.imports.iter().map(|import| (import.span, import.path.as_str()));
        let linked = tree.links.iter().map(|link| (link.destination, link.destination.of(document.source())));
        links.extend(imports.chain(linked).filter_map(|(span, written)| {
            Some(FileLink { span, target: directory.join(&decoded(written)?).ok()? })
        }));
    }
    links.retain(|link| files.is_file(&link.target));
    links.sort_by_key(|link| link.span);
    links.dedup_by_key(|link| link.span);
    links
}

/// A path as a link or an address writes it, with its `%20` as blanks; `None` if that is no text.
pub(super) fn decoded(written: &str) -> Option<String> {
    let mut out = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;

    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn links_lead_to_files_however_they_are_written() {
        let text = "[a](README.md) [b](README.md#x) [c](docs/a%20b.md) [d](<docs/a b.md>) [e](./README.md \"t\")\n\
                    [f](docs/a_b.md?x#y) [g](#x) [h](100%.md) [i](https://a.md) [j](docs/a\\_b.md)\n";
        let manifest = "schema = 1\n[agent]\nkind = \"command\"\n[[surface]]\nid = \"a\"\nfile = \"A.md\"\n";
        let files = [
            ("harness.toml", manifest),
            ("A.md", text),
            ("README.md", ""),
            ("docs/a b.md", ""),
            ("docs/a_b.md", ""),
            ("100%.md", ""),
        ];
        let mut workspace = Workspace::default();
        workspace.set_project(Path::new("/p"), Files::from_texts(files));
        let site = workspace.snapshot().site(Path::new("/p/A.md")).unwrap();
        let links = links(&site);
        let found: Vec<_> = links.iter().map(|link| (link.span.of(text), link.target.as_str())).collect();
        assert_eq!(
            found,
            [
                ("README.md", "README.md"),
                ("README.md", "README.md"),
                ("docs/a%20b.md", "docs/a b.md"),
                ("docs/a b.md", "docs/a b.md"),
                ("./README.md", "README.md"),
                ("docs/a_b.md", "docs/a_b.md"),
                ("100%.md", "100%.md"),
            ]
        );
    }
}
