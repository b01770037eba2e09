//! Where names are defined and used.

use harness_schema::harness::{Form, SymbolKind};
use harness_schema::problem::Location;
use harness_schema::text::Span;

use crate::workspace::Site;

/// Where the name at an offset is defined.
#[must_use]
pub fn definition(site: &Site, offset: usize) -> Option<(Span, Location)> {
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset)?;
    let symbol = harness.symbols().find(mention.kind, &mention.name)?;
    Some((mention.span, symbol.at.clone()))
}

/// Every place that names what stands at an offset.
#[must_use]
pub fn references(site: &Site, offset: usize, with_definition: bool) -> Vec<Location> {
    let harness = site.project.harness();
    let Some((kind, name)) = named(site, offset) else { return Vec::new() };
    let mentions = harness.mentions_of(kind, &name).into_iter();
    let mentions = mentions.filter(|(_, mention)| with_definition || mention.form != Form::Definition);
    mentions.map(|(file, mention)| Location::new(file, mention.span)).collect()
}

/// The places in this file that name what stands at an offset; the definition is marked.
#[must_use]
pub fn highlights(site: &Site, offset: usize) -> Vec<(Span, bool)> {
    let harness = site.project.harness();
    let Some((kind, name)) = named(site, offset) else { return Vec::new() };
    let here = harness.mentions_in(&site.file).iter();
    let same = here.filter(|mention| mention.kind == kind && mention.name == name);
    same.map(|mention| (mention.span, mention.form == Form::Definition)).collect()
}

/// What stands at an offset, if it has a definition: tasks and files are also meant by their own documents.
fn named(site: &Site, offset: usize) -> Option<(SymbolKind, String)> {
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset)?;
    harness.symbols().find(mention.kind, &mention.name)?;
    Some((mention.kind, mention.name.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;
    use harness_schema::path::FilePath;

    use super::*;
    use crate::workspace::Workspace;

    /// The text that defines what stands behind the last `before` of the manifest, or the file that is it.
    fn defined(body: &str, before: &str) -> Option<String> {
        let text = format!("schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n{body}");
        let files =
            [("harness.toml", text.as_str()), ("p/a.md", "x"), ("p/b.md", "y"), ("p/c.md", "@a.md\n")];
        let mut workspace = Workspace::default();
        workspace.set_project(Path::new("/p"), Files::from_texts(files));
        let project = workspace.snapshot().project(Path::new("/p")).unwrap().clone();
        let site = Site { project, file: FilePath::parse("harness.toml").unwrap() };
        let (_, at) = definition(&site, text.rfind(before).unwrap() + before.len())?;
        let source = site.project.harness().document(&at.file).unwrap().source();
        Some(if at.span.is_empty() { at.file.to_string() } else { at.span.of(source).to_owned() })
    }

    #[test]
    fn what_an_allowance_is_limited_to_has_a_definition() {
        let native = "[prompt]\nsystem = \"p/a.md\"\n[prompt.variables]\nv = \"w\"\n[[lint.allow]]\nrule = \"SH105\"\n";
        assert_eq!(
            defined(&format!("{native}surface = \"prompt.system\""), "surface = \"").as_deref(),
            Some("\"p/a.md\"")
        );
        let variable = format!("{native}surface = \"prompt.variables.v\"");
        assert_eq!(defined(&variable, "\"prompt.variables.").as_deref(), Some("v"));
        assert_eq!(defined(&variable, "surface = \"").as_deref(), Some("\"w\""));
        assert_eq!(defined(&format!("{native}file = \"p/a.md\""), "file = \"").as_deref(), Some("p/a.md"));
        let command = "[agent]\nkind = \"command\"\n[[surface]]\nid = \"s\"\nfile = \"p/*.md\"\n[[lint.allow]]\nrule = \"SH105\"\n";
        for surface in ["s", "s@p/b.md"] {
            let body = format!("{command}surface = \"{surface}\"");
            assert_eq!(defined(&body, "surface = \"").as_deref(), Some("s"), "{surface}");
        }
    }
}
