//! Rules about the sources that no compiler holds: layers, reading order, pages of rules, links, and what the text may
//! not say. Reads the repository; runs nothing and changes nothing.

#![expect(clippy::expect_used, reason = "a test that cannot read the repository has failed")]

mod tree;
mod rust;
mod layers;
mod pages;

use std::collections::BTreeSet;
use std::path::Path;

use layers::{Crate, Use};
use tree::SourceFile;

/// A file above this many lines is shown: it is probably two things.
const LONG_FILE_LINES: usize = 500;
/// A file above this many lines is refused.
const TOO_LONG_FILE_LINES: usize = 1000;

/// What may stand at the root, and whether it must.
const ROOMS: &[(&str, bool)] = &[
    (".cargo", false),
    (".ci", true),
    (".config", true),
    (".gitattributes", true),
    (".github", false),
    (".gitignore", true),
    ("CHANGELOG.md", true),
    ("CONTRIBUTING.md", true),
    ("Cargo.lock", true),
    ("Cargo.toml", true),
    ("LICENSE", true),
    ("LICENSE-APACHE", true),
    ("LICENSE-MIT", true),
    ("README.md", false),
    ("clippy.toml", true),
    ("deny.toml", true),
    ("editors", false),
    ("harness-schema", true),
    ("rust-toolchain.toml", false),
    ("rustfmt.toml", true),
    ("server", true),
    ("tests", true),
];

/// Layers of the server's library: what a module at its root may use of the others.
const ARROWS: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("config", &["failure"]),
    ("engine", &[]),
    ("workspace", &["engine"]),
    ("ide", &["engine", "workspace"]),
    ("host", &["config", "engine", "failure"]),
    ("lsp", &["config", "engine", "failure", "host", "ide", "workspace"]),
    ("cli", &["config", "engine", "failure", "host", "ide", "workspace"]),
];

/// Modules of the server that decide and touch nothing, as all of `harness-schema` does.
const PURE: &[&str] = &["engine", "workspace", "ide"];

/// The head of a module that touches nothing; `clippy.toml` lists what it may not call.
const FENCE: &str = "#![forbid(clippy::disallowed_methods, clippy::disallowed_types)]";

/// Fails with every finding at once.
#[track_caller]
fn none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}\n", findings.join("\n  "));
}

fn rust_files(files: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    files.iter().filter(|file| file.is_rust())
}

fn schema(files: &[SourceFile]) -> Crate {
    Crate::read(files, "harness_schema", "harness-schema/src", "lib.rs")
}

fn server(files: &[SourceFile]) -> Crate {
    Crate::read(files, "self_harness", "server/src", "lib.rs")
}

fn inner(files: &[SourceFile]) -> Crate {
    Crate::read(files, "self_harness_inner", "server/inner/src", "lib.rs")
}

#[test]
fn the_root_holds_what_the_architecture_names() {
    let present = tree::top_level_entries();
    let mut findings: Vec<String> = present
        .iter()
        .filter(|name| !ROOMS.iter().any(|(room, _)| room == name))
        .map(|name| format!("`{name}` has no place at the root"))
        .collect();
    findings.extend(
        ROOMS
            .iter()
            .filter(|(room, required)| *required && !present.iter().any(|name| name == room))
            .map(|(room, _)| format!("`{room}` is missing")),
    );
    none("the root", &findings);
}

#[test]
fn every_file_says_what_it_is() {
    let files = tree::files();
    let findings: Vec<String> = rust_files(&files)
        .filter(|file| {
            let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            !first.starts_with("//! ") && !first.starts_with("#![doc = include_str!")
        })
        .map(|file| format!("{}: does not open with `//!`", file.path))
        .collect();
    none("files without a purpose", &findings);
}

#[test]
fn every_module_is_reached() {
    let files = tree::files();
    for (read, folder) in [
        (schema(&files), "harness-schema/src/"),
        (inner(&files), "server/inner/src/"),
        (server(&files), "server/src/"),
    ] {
        let on_disk: Vec<&str> = rust_files(&files)
            .map(|file| file.path.as_str())
            .filter(|path| path.starts_with(folder) && !path.ends_with("/main.rs") && !path.contains("/bin/"))
            .collect();
        assert_eq!(
            read.len(),
            on_disk.len(),
            "modules of `{folder}` that were read, and files that lie there: {on_disk:#?}"
        );
    }
}

#[test]
fn modules_use_only_what_stands_above_them() {
    let files = tree::files();
    let mut findings = schema(&files).forward_uses();
    findings.extend(inner(&files).forward_uses());
    findings.extend(server(&files).forward_uses());
    none("reading order is dependency order", &findings);
}

#[test]
fn layers_use_only_the_layers_below() {
    let files = tree::files();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(layer, _)| *layer).collect();
    let mut findings = Vec::new();
    for Use { from, path, place } in server(&files).uses() {
        let (Some(layer), Some("crate"), Some(target)) =
            (from.first(), path.first().map(String::as_str), path.get(1))
        else {
            continue;
        };
        if layer == target || !known.contains(target.as_str()) {
            continue;
        }
        match ARROWS.iter().find(|(name, _)| name == layer) {
            None => findings.push(format!("{place}: `{layer}` is no layer of the architecture")),
            Some((_, below)) if !below.contains(&target.as_str()) => {
                findings.push(format!("{place}: `{layer}` may not use `{target}`"));
            }
            Some(_) => {}
        }
    }
    none("arrows that the architecture does not have", &findings);
}

/// What is loaded for every sandbox has nothing of the engine in it, and of the server only the host knows what is inside.
#[test]
fn the_inner_stage_stands_alone_and_belongs_to_the_host() {
    let files = tree::files();
    let ours = ["harness_schema", "self_harness"];
    let names =
        |used: &Use, crates: &[&str]| used.path.first().is_some_and(|it| crates.contains(&it.as_str()));
    let of_inner = inner(&files).uses().into_iter().filter(|used| names(used, &ours));
    let of_server = server(&files)
        .uses()
        .into_iter()
        .filter(|used| used.from.first().is_none_or(|layer| layer != "host"))
        .filter(|used| names(used, &["self_harness_inner"]));
    let findings: Vec<String> = of_inner
        .chain(of_server)
        .map(|used| format!("{}: names `{}`", used.place, used.path.join("::")))
        .collect();
    none("arrows to or from the inner stage", &findings);
}

#[test]
fn only_lsp_names_the_protocol() {
    let files = tree::files();
    let findings: Vec<String> = rust_files(&files)
        .filter(|file| file.path.starts_with("server/src/") || file.path.starts_with("harness-schema/"))
        .filter(|file| !file.path.starts_with("server/src/lsp/") && file.path != "server/src/lsp.rs")
        .flat_map(|file| {
            rust::read(&file.text).paths.into_iter().filter_map(|path| {
                let first = path.segments.first()?;
                ["tower_lsp", "tower_lsp_server", "lsp_types", "gen_lsp_types"]
                    .contains(&first.as_str())
                    .then(|| format!("{}:{}: names `{}`", file.path, path.line, path.segments.join("::")))
            })
        })
        .collect();
    none("protocol types outside of `lsp`", &findings);
}

#[test]
fn pure_modules_touch_nothing() {
    let files = tree::files();
    let (schema, server) = (schema(&files), server(&files));
    let of_server = server
        .uses()
        .into_iter()
        .filter(|used| used.from.first().is_some_and(|layer| PURE.contains(&layer.as_str())));
    let findings: Vec<String> = schema
        .uses()
        .into_iter()
        .chain(of_server)
        .filter(|used| is_effect(&used.path))
        .map(|used| format!("{}: names `{}`", used.place, used.path.join("::")))
        .collect();
    none("effects in pure modules", &findings);
}

#[test]
fn pure_modules_forbid_what_clippy_fences() {
    let files = tree::files();
    let of_server = PURE.iter().map(|layer| format!("server/src/{layer}"));
    let heads: Vec<(String, String)> = of_server
        .map(|path| (format!("{path}.rs"), format!("{path}/mod.rs")))
        .chain([(String::from("harness-schema/src/lib.rs"), String::new())])
        .collect();
    let present = files.iter().filter(|file| heads.iter().any(|(a, b)| file.path == *a || file.path == *b));
    let findings: Vec<String> = present
        .filter(|file| !file.text.contains(FENCE))
        .map(|file| format!("{}: lacks `{FENCE}`", file.path))
        .collect();
    none("pure modules without a fence", &findings);
}

/// Files, the environment, processes, clocks, the network, threads' sleep, and the crates that wrap them.
fn is_effect(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        // A length of time is a value; reading a clock is not.
        ["std", "time", "Duration", ..] => false,
        ["std", "fs" | "env" | "process" | "time" | "net" | "os", ..] => true,
        ["std", "io", "stdin" | "stdout" | "stderr" | "Stdin" | "Stdout" | "Stderr", ..] => true,
        ["std", "thread", "sleep" | "spawn", ..] => true,
        [first, ..] => ["tokio", "notify", "ignore", "rusqlite", "reqwest", "rustix", "libc"].contains(first),
        [] => false,
    }
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let files = tree::files();
    let mut findings = Vec::new();
    for file in rust_files(&files) {
        let code = rust::code_only(&file.text);
        for (number, line) in code.lines().enumerate() {
            let squeezed: String = line.chars().filter(|c| !c.is_whitespace()).collect();
            if squeezed.contains("#[allow(") || squeezed.contains("#![allow(") {
                findings.push(format!("{}:{}: `allow`", file.path, number + 1));
            }
        }
    }
    none("use `#[expect(lint, reason = \"…\")]`", &findings);
}

#[test]
fn nothing_is_left_to_do() {
    let files = tree::files();
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    none("work left for later", &mentions(rust_files(&files), &words));
}

#[test]
fn the_text_speaks_of_the_product_alone() {
    let files = tree::files();
    // Places of a machine that was used to build, and addresses of its mirrors: meaningless to a reader.
    let words = [
        concat!("/wo", "rk/main"),
        concat!("/wo", "rk/shared"),
        concat!("/tmp/w", "t-"),
        concat!("/root/", ".cargo"),
        concat!("/root/", ".rustup"),
        concat!("/root/", ".pyenv"),
        concat!("shared/", "design"),
        concat!("shared/", "data"),
        concat!("pkg", ".dev/"),
    ];
    // The one convention of the machine that runs `.ci/run`.
    let read = files.iter().filter(|file| file.path != ".ci/run");
    none("names of machines and workplaces", &mentions(read, &words));
}

fn mentions<'a>(files: impl Iterator<Item = &'a SourceFile>, words: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                findings.push(format!("{}:{}: `{word}`", file.path, number + 1));
            }
        }
    }
    findings
}

#[test]
fn every_rule_has_a_page_with_a_bad_and_a_good_example() {
    let files = tree::files();
    let folder = "harness-schema/src/check/rules/";
    let mut findings = Vec::new();
    let mut paged = BTreeSet::new();
    for page in files.iter().filter(|file| file.path.starts_with(folder) && file.is_markdown()) {
        let name = page.path[folder.len()..].trim_end_matches(".md");
        let (code, title) = name.split_once('-').unwrap_or((name, ""));
        if rule_codes(code) != [code] || title.is_empty() {
            findings.push(format!("{}: is not called `SHnnn-name.md`", page.path));
            continue;
        }
        if !paged.insert(code.to_owned()) {
            findings.push(format!("{}: `{code}` has two pages", page.path));
        }
        let heading = page.text.lines().next().unwrap_or_default();
        if !heading.starts_with("# ") || !heading.contains(code) || !heading.contains(title) {
            findings
                .push(format!("{}: the first line is not a heading with `{code}` and `{title}`", page.path));
        }
        for section in ["Bad", "Good"] {
            let text = page.text.split(&format!("\n## {section}\n")).nth(1).unwrap_or_default();
            let text = text.split("\n## ").next().unwrap_or_default();
            if pages::fences(text).is_empty() {
                findings.push(format!("{}: no example below `## {section}`", page.path));
            }
        }
    }
    // A code that a check raises, outside of its tests, has a page. Evidence (SH8) and environment (SH9) are raised by
    // the server.
    for file in rust_files(&files).filter(|file| file.path.contains("/src/check/")) {
        for (number, line) in without_tests(&file.text).lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            for code in rule_codes(line).into_iter().filter(|code| !paged.contains(code)) {
                findings.push(format!("{}:{}: `{code}` has no page", file.path, number + 1));
            }
        }
    }
    none("pages of rules", &findings);
}

/// The text before its `#[cfg(test)]` module.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Codes of rules (`SH104`) in a text.
fn rule_codes(text: &str) -> Vec<String> {
    text.match_indices("SH")
        .filter_map(|(at, _)| {
            let before = text[..at].chars().next_back();
            let code = text.get(at..at + 5)?;
            let after = text[at + 5..].chars().next();
            let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            (code[2..].bytes().all(|b| b.is_ascii_digit()) && !is_word(before) && !is_word(after))
                .then(|| code.to_owned())
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let files = tree::files();
    let root = tree::root();
    let mut findings = Vec::new();
    // Prompts and tasks of the examples are what an agent reads; their links are theirs.
    let read = files.iter().filter(|file| file.is_markdown() && !file.path.starts_with("tests/examples/"));
    for file in read {
        for link in pages::local_links(&file.text) {
            let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let page = if path.is_empty() {
                root.join(&file.path)
            } else {
                let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
                root.join(folder).join(path)
            };
            let place = format!("{}:{}", file.path, link.line);
            if !page.exists() {
                findings.push(format!("{place}: `{}` is not there", link.target));
            } else if !anchor.is_empty() && page.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&page).expect("a page can be read");
                if !pages::anchors(&text).iter().any(|known| known == anchor) {
                    findings.push(format!("{place}: `{}` has no such heading", link.target));
                }
            }
        }
    }
    none("links", &findings);
}

#[test]
fn files_are_one_thing() {
    let files = tree::files();
    let mut lengths: Vec<(usize, &str)> =
        rust_files(&files).map(|file| (file.text.lines().count(), file.path.as_str())).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    for (lines, path) in lengths.iter().take_while(|(lines, _)| LONG_FILE_LINES < *lines) {
        println!("{lines:>5} lines: {path}");
    }
    let findings: Vec<String> = lengths
        .iter()
        .filter(|(lines, _)| TOO_LONG_FILE_LINES < *lines)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none("files that are more than one thing", &findings);
}
