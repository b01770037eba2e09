//! Order of changes, owners of files, and what closing shows again.

use super::*;

const MANIFEST_TEXT: &str =
    "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[prompt]\nsystem = \"s.md\"\n";

fn workspace() -> Workspace {
    let mut workspace = Workspace::default();
    workspace.set_project(
        Path::new("/p"),
        Files::from_texts([(MANIFEST, MANIFEST_TEXT), ("s.md", "hello\n"), ("x.md", "")]),
    );
    workspace
}

fn source(workspace: &Workspace, file: &str) -> String {
    let snapshot = workspace.snapshot();
    let project = snapshot.project(Path::new("/p")).unwrap();
    project.files().document(&FilePath::parse(file).unwrap()).unwrap().source().to_owned()
}

#[test]
fn an_open_text_hides_the_disk_until_it_is_closed() {
    let mut workspace = workspace();
    let path = Path::new("/p/s.md");
    workspace.open(path, 1, "open\n");
    workspace.change(path, 2, vec![(4, 4, "ed")], |_, (start, end, new)| {
        Change::Part(TextEdit { span: harness_schema::text::Span::new(start, end), new_text: new.to_owned() })
    });
    assert_eq!(source(&workspace, "s.md"), "opened\n");
    workspace.close(path);
    assert_eq!(source(&workspace, "s.md"), "hello\n");
}

#[test]
fn a_file_belongs_to_the_nearest_manifest_that_names_it() {
    let mut workspace = workspace();
    workspace
        .set_project(Path::new("/p/inner"), Files::from_texts([(MANIFEST, MANIFEST_TEXT), ("s.md", "")]));
    let snapshot = workspace.snapshot();
    let owner =
        |path: &str| snapshot.site(Path::new(path)).map(|site| site.project.root().display().to_string());
    assert_eq!(owner("/p/inner/s.md").as_deref(), Some("/p/inner"));
    assert_eq!(owner("/p/s.md").as_deref(), Some("/p"));
    assert_eq!(owner("/p/x.md"), None);
    assert_eq!(owner("/elsewhere/s.md"), None);
}

#[test]
fn files_that_were_read_before_stay_open_after_a_reload() {
    let mut workspace = workspace();
    workspace.open(Path::new("/p/s.md"), 1, "typed");
    workspace.set_project(Path::new("/p"), Files::from_texts([(MANIFEST, MANIFEST_TEXT), ("s.md", "disk")]));
    assert_eq!(source(&workspace, "s.md"), "typed");
}

#[test]
fn what_was_closed_while_the_disk_was_read_stays_closed() {
    let mut workspace = workspace();
    let path = Path::new("/p/s.md");
    workspace.open(path, 1, "typed");
    let read = workspace.snapshot().project(Path::new("/p")).unwrap().files().clone();
    workspace.close(path);
    assert!(workspace.update_disk(Path::new("/p"), &read, read.with_disk([])));
    assert_eq!(source(&workspace, "s.md"), "hello\n");
}
