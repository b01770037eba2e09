//! `check`: what is wrong without running anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_schema::check::known::{self, may_be_known};
use harness_schema::check::{self, RULES};
use harness_schema::harness::{KNOWN, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::problem::Problem;
use harness_schema::text::apply_all;

use super::print;
use super::report::{Found, count, json, sarif, text};
use crate::failure::Failure;
use crate::host::disk;
use crate::ide::actions::safe_edits;
use crate::workspace::relative;

/// How often `--fix` looks again: one fix may make room for the next.
const MAX_ROUNDS: usize = 10;

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Manifests, directories or files of a harness; without one, every harness below the current directory
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Applies all safe fixes: those with one possible result that change no byte which reaches the model
    #[arg(long)]
    fix: bool,
    /// Explains a rule, by its id or name: `SH104`, `unknown-tool`
    #[arg(long, value_name = "RULE", conflicts_with_all = ["paths", "fix", "format"])]
    explain: Option<String>,
    /// Renders a prompt as the native agent would, with sample values
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "fix", "format"])]
    render: Option<PathBuf>,
    /// Lists the present problems in `harness.known.toml`: they become hints and do not count
    #[arg(long, conflicts_with = "fix")]
    write_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For code hosts (SARIF 2.1.0)
    Sarif,
}

/// Runs the command; the answer is 1 if there are errors.
///
/// # Errors
/// A [`Failure`] if a path is not there, no harness is found, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    if let Some(word) = &arguments.explain {
        return explain(word);
    }
    if let Some(file) = &arguments.render {
        return render(file);
    }
    let targets = targets(&arguments.paths)?;
    let mut fixed = 0;
    if arguments.fix {
        for target in &targets {
            fixed += fix(target)?;
        }
    }
    if arguments.write_known {
        for target in &targets {
            write_known(&target.root)?;
        }
    }
    let found: Vec<Found> = targets.iter().map(find).collect();
    let report = match arguments.format {
        Format::Text if 0 < fixed => {
            format!("fixed {fixed} problem{}\n{}", if fixed == 1 { "" } else { "s" }, text::render(&found))
        }
        Format::Text => text::render(&found),
        Format::Json => json::render(&found),
        Format::Sarif => sarif::render(&found),
    };
    print(&report)?;
    Ok(u8::from(0 < count(&found).errors))
}

/// A harness to check, and of it these files only; none: all.
struct Target {
    root: PathBuf,
    only: Vec<FilePath>,
}

fn targets(paths: &[PathBuf]) -> Result<Vec<Target>, Failure> {
    let here = [PathBuf::from(".")];
    let given = if paths.is_empty() { &here[..] } else { paths };
    let mut targets: BTreeMap<PathBuf, Vec<FilePath>> = BTreeMap::new();
    for path in given {
        let absolute = fs::canonicalize(path).map_err(|_| {
            Failure::user(
                format!("there is no `{}`", path.display()),
                "name a manifest, a directory or a file of a harness",
            )
        })?;
        if absolute.is_dir() {
            for root in disk::find_roots(&absolute) {
                targets.insert(root, Vec::new());
            }
            continue;
        }
        let root = disk::root_above(&absolute).ok_or_else(|| no_harness(path))?;
        let is_manifest = absolute.file_name().is_some_and(|name| name == MANIFEST);
        let only = targets.entry(root.clone()).or_default();
        if !is_manifest {
            only.extend(relative(&root, &absolute));
        }
    }
    if targets.is_empty() {
        return Err(no_harness(given.first().map_or(Path::new("."), PathBuf::as_path)));
    }
    Ok(targets.into_iter().map(|(root, only)| Target { root, only }).collect())
}

fn no_harness(path: &Path) -> Failure {
    Failure::user(
        format!("no `{MANIFEST}` in or above `{}`", path.display()),
        "create one with `self-harness init --preset minimal`",
    )
}

fn find(target: &Target) -> Found {
    let (_, harness) = disk::complete(&target.root, disk::scan(&target.root), None);
    let wanted = |file: &FilePath| target.only.is_empty() || target.only.contains(file);
    let files: Vec<FilePath> = harness.named_files().filter(|file| wanted(file)).cloned().collect();
    let each = files.iter().map(|file| (file.clone(), check::file(&harness, file)));
    let problems: BTreeMap<FilePath, Vec<Problem>> =
        each.filter(|(_, problems)| !problems.is_empty()).collect();
    Found { root: shown(&target.root), harness: Arc::new(harness), problems, files: files.len() }
}

/// A directory as people read it: relative to the current one, if it is below.
fn shown(root: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(fs::canonicalize);
    here.ok()
        .and_then(|here| root.strip_prefix(here).map(Path::to_path_buf).ok())
        .unwrap_or_else(|| root.to_path_buf())
}

/// Applies safe fixes until none is left; the answer is how many files' problems were solved.
fn fix(target: &Target) -> Result<usize, Failure> {
    let mut fixed = 0;
    for _ in 0..MAX_ROUNDS {
        let found = find(target);
        let mut edits: BTreeMap<FilePath, Vec<_>> = BTreeMap::new();
        for problems in found.problems.values() {
            for (file, more) in safe_edits(problems) {
                // What two files say about one place is left to the next round.
                edits.entry(file).or_insert(more);
            }
        }
        let mut changed = 0;
        for (file, edits) in edits {
            let Some(before) = found.harness.document(&file).map(|document| document.source().to_owned())
            else {
                continue;
            };
            let Some(after) = apply_all(&before, &edits).filter(|after| *after != before) else { continue };
            write(&target.root, &file, &after)?;
            changed += edits.len();
        }
        if changed == 0 {
            break;
        }
        fixed += changed;
    }
    Ok(fixed)
}

/// Replaces a file as a whole: a reader sees the old text or the new one.
fn write(root: &Path, file: &FilePath, text: &str) -> Result<(), Failure> {
    let path = root.join(file.as_str());
    let failed = |error: std::io::Error| {
        Failure::host(
            format!("cannot write `{}`: {error}", path.display()),
            "see whether the file may be written",
        )
    };
    let link = fs::symlink_metadata(&path).map_err(failed)?.file_type().is_symlink();
    if link {
        return Err(Failure::user(
            format!("`{}` is a link, and links are not written through", path.display()),
            "fix the file that it leads to",
        ));
    }
    let temporary = path.with_file_name(format!(".{}.self-harness", file.name()));
    let permissions = fs::metadata(&path).map_err(failed)?.permissions();
    fs::write(&temporary, text).map_err(failed)?;
    fs::set_permissions(&temporary, permissions).map_err(failed)?;
    fs::rename(&temporary, &path).map_err(failed)
}

fn write_known(root: &Path) -> Result<(), Failure> {
    let (_, harness) = disk::complete(root, disk::scan(root), None);
    let problems = check::all(&harness);
    let before = harness.known().len();
    let mut listed: Vec<_> = problems
        .iter()
        .flat_map(|(file, problems)| problems.iter().map(move |problem| (file, problem)))
        .filter(|(_, problem)| may_be_known(problem))
        .map(|(file, problem)| known::digest(file, problem))
        .collect();
    listed.sort_unstable();
    listed.dedup();
    // Where nobody looks, a list of excuses must not grow.
    if std::env::var_os("CI").is_some() && before < listed.len() {
        return Err(Failure::user(
            format!("`{KNOWN}` would grow from {before} to {} problems", listed.len()),
            "solve the new ones, or write the list on your own machine",
        ));
    }
    let path = root.join(KNOWN);
    fs::write(&path, known::write(&problems)).map_err(|error| {
        Failure::host(
            format!("cannot write `{}`: {error}", path.display()),
            "see whether the directory may be written",
        )
    })
}

fn explain(word: &str) -> Result<u8, Failure> {
    let Some(rule) = check::rule(word) else {
        let names = RULES.iter().flat_map(|rule| [rule.id, rule.name]);
        let near = harness_schema::problem::nearest(word, names);
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("rules are called like `{}` or `{}`", RULES[0].id, RULES[0].name),
        };
        return Err(Failure::user(format!("there is no rule `{word}`"), hint));
    };
    print(rule.page)?;
    Ok(0)
}

fn render(path: &Path) -> Result<u8, Failure> {
    let absolute = fs::canonicalize(path).map_err(|_| {
        Failure::user(format!("there is no `{}`", path.display()), "name a prompt of a harness")
    })?;
    let root = disk::root_above(&absolute).ok_or_else(|| no_harness(path))?;
    let (_, harness) = disk::complete(&root, disk::scan(&root), None);
    let file = relative(&root, &absolute).filter(|file| harness.names(file));
    let text = file
        .as_ref()
        .and_then(|file| harness.texts_in(file).next().and_then(|text| text.text(harness.files())));
    let Some(text) = text else {
        return Err(Failure::user(
            format!("`{}` is no text that the native agent renders", path.display()),
            "name a file of `[prompt]`, of a state or of a runtime rule",
        ));
    };
    let rendered = crate::host::render::with_samples(&harness, text).map_err(|error| {
        Failure::user(
            format!("`{}` does not render: {error}", path.display()),
            "`self-harness check` shows the place",
        )
    })?;
    print(&rendered)?;
    print("\n")?;
    Ok(0)
}
