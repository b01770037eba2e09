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
        links.extend(
            imports
                .chain(linked)
                .filter_map(|(span, written)| Some(FileLink { span, target: directory.join(written).ok()? })),
        );
    }
    links.retain(|link| files.is_file(&link.target));
    links.sort_by_key(|link| link.span);
    links.dedup_by_key(|link| link.span);
    links
}
