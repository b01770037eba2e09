//! What a keystroke costs inside of the server: an edit of a document of 100, 2,000 and 20,000 lines until its problems are
//! known, and a fresh reading of the same document beside it. The protocol around it is measured in `tests/bench`.

#![expect(clippy::expect_used, reason = "a bench that cannot begin has nothing to measure")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness_schema::files::Files;
use harness_schema::path::FilePath;
use harness_schema::syntax::Document;
use harness_schema::text::{Span, TextEdit};
use self_harness::workspace::{Change, Workspace};

const LINES: [usize; 3] = [100, 2_000, 20_000];

const HEAD: &str = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n\n[prompt]\nsystem = \"prompts/system.md\"\n";

/// A manifest of tools.
fn manifest(lines: usize) -> String {
    let mut text = String::from(HEAD);
    for number in 0..lines / 8 {
        let _ = write!(
            text,
            "\n[[tool]]\nname = \"lookup_{number}\"\ndescription = \"Looks up record {number}.\"\nrun = [\"lookup\", \"{{key}}\"]\n\
             [tool.parameters]\ntype = \"object\"\nproperties.key = {{ type = \"string\" }}\n"
        );
    }
    text
}

/// A prompt of sections.
fn prompt(lines: usize) -> String {
    let mut text = String::from("# How to work\n");
    for number in 0..lines / 10 {
        let _ = write!(
            text,
            "\n## Step {number}\n\nRead the file before you edit it. Work in `{{{{ workdir }}}}` and run the tests first.\n\n\
             - Prefer `rg` to `grep`.\n- Say what you expect.\n\n```sh\npytest -q\n```\n"
        );
    }
    text
}

/// Python of functions.
fn python(lines: usize) -> String {
    let mut text = String::from("\"\"\"Steps.\"\"\"\n");
    for number in 0..lines / 6 {
        let _ = write!(
            text,
            "\n\ndef step_{number}(path):\n    \"\"\"Reads `path`.\"\"\"\n    return \"step {number}\"\n\n"
        );
    }
    text
}

/// YAML of mappings.
fn yaml(lines: usize) -> String {
    let mut text = String::from("name: bench\n");
    for number in 0..lines / 6 {
        let _ = write!(
            text,
            "step_{number}:\n  title: \"Look\"\n  retries: {{count: 2}}\n  prompt: |\n    Work.\n    Look.\n"
        );
    }
    text
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for lines in LINES {
        let texts = [
            ("a.toml", manifest(lines)),
            ("a.md", prompt(lines)),
            ("a.yaml", yaml(lines)),
            ("a.py", python(lines)),
        ];
        for (name, text) in texts {
            let path = FilePath::parse(name).expect("a path");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_with_input(BenchmarkId::new(name, lines), &text, |bencher, text| {
                bencher.iter(|| {
                    let document = Document::new(path.clone(), text.as_str().into());
                    black_box(document.syntax());
                });
            });
        }
    }
    group.finish();
}

fn keystroke(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edit to problems");
    for lines in LINES {
        let (manifest, prompt) = (manifest(lines), prompt(lines));
        for (name, text) in [("harness.toml", &manifest), ("prompts/system.md", &prompt)] {
            let other: Vec<(&str, &str)> = [("harness.toml", HEAD), ("prompts/system.md", "# How to work\n")]
                .into_iter()
                .filter(|(other, _)| *other != name)
                .collect();
            let path = PathBuf::from("/p").join(name);
            let mut workspace = Workspace::default();
            workspace.set_project(Path::new("/p"), Files::from_texts(other));
            workspace.open(&path, 1, text);
            // At the border of two blocks in the middle.
            let at = text[..text.len() / 2].rfind("\n\n").map_or(0, |at| at + 1);
            let mut is_in = false;
            group.bench_function(BenchmarkId::new(name, lines), |bencher| {
                bencher.iter(|| {
                    let line = "{{ unknown }} unfinished =\n";
                    let (end, new_text) = if is_in { (at + line.len(), "") } else { (at, line) };
                    is_in = !is_in;
                    workspace.change(&path, 2, vec![()], |_, ()| {
                        Change::Part(TextEdit { span: Span::new(at, end), new_text: new_text.to_owned() })
                    });
                    let site = workspace.snapshot().site(&path).expect("a named file");
                    black_box(site.project.problems(&site.file));
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, reading, keystroke);
criterion_main!(benches);
