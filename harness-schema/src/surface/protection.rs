//! What no proposal may change, whatever a manifest declares: the contract, what measures, what grants rights, and
//! files that make programs execute. Names are compared after NFC and case folding, so that no file system's reading
//! of a name opens a second way to it.

use unicode_normalization::UnicodeNormalization as _;

use crate::path::FilePath;
use crate::selector::Selector;
use crate::syntax::data::Step;

/// What a project keeps from proposals beside the fixed names.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// The manifest.
    pub manifest: &'a FilePath,
    /// The directory of the tasks, if there is one.
    pub tasks: Option<&'a FilePath>,
}

/// Why a proposal may not change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A task or its verifier.
    Measured,
    /// A part of the manifest that is fixed while harnesses are compared.
    Contract,
    /// A part of the manifest that says what a proposal may change.
    Declaration,
    /// It grants rights, or names a program to be started.
    Rights,
    /// Programs read it and execute what it says.
    Executes,
    /// The product's own record.
    Record,
}

impl Reason {
    /// In words, after ``a proposal may not change `…`: it ``.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Measured => "decides what is measured",
            Self::Contract => "is fixed while harnesses are compared",
            Self::Declaration => "says what a proposal may change",
            Self::Rights => "grants rights",
            Self::Executes => "makes programs execute",
            Self::Record => "is the record of what was measured",
        }
    }
}

/// Names that make programs execute, wherever they stand in a path.
const EXECUTES: &[&str] = &[
    ".git",
    ".vscode",
    ".idea",
    ".claude",
    ".cursor",
    ".codex",
    ".mcp.json",
    ".envrc",
    ".exrc",
    ".nvim.lua",
];

/// Keys that grant rights or name a program, wherever they stand in data.
const RIGHTS: &[&str] = &[
    "permissions",
    "permission",
    "permissionmode",
    "permission_mode",
    "hooks",
    "mcpservers",
    "mcp_servers",
    "allowed-tools",
    "allowedtools",
    "allowed_tools",
    "disallowed-tools",
    "disallowedtools",
    "disallowed_tools",
    "run",
    "argv",
];

/// Why a proposal may not change this place, if it may not. A pattern is tested by its own words; test each path that
/// it matches, too.
#[must_use]
pub fn protection(file: &FilePath, selector: &Selector, keep: Keep<'_>) -> Option<Reason> {
    if let Some(reason) = path_protection(file.as_str(), selector, keep) {
        return Some(reason);
    }
    match selector {
        Selector::New(glob) => path_protection(glob, selector, keep)
            .or((fold(glob) == fold(keep.manifest.as_str())).then_some(Reason::Contract)),
        _ if fold(file.as_str()) == fold(keep.manifest.as_str()) => manifest_protection(selector),
        Selector::Data { steps, .. } | Selector::FrontMatter { steps, .. } => {
            // What stands below `properties` is a parameter's name.
            let is_name = |at: usize| {
                let before = at.checked_sub(1).and_then(|before| steps.get(before));
                matches!(before, Some(Step::Key(key)) if key == "properties")
            };
            let key = |(at, step): (usize, &Step)| {
                matches!(step, Step::Key(key) if grants_rights(key)) && !is_name(at)
            };
            steps.iter().enumerate().any(key).then_some(Reason::Rights)
        }
        _ => None,
    }
}

/// Whether a key of data grants rights or names a program to be started.
#[must_use]
pub fn grants_rights(key: &str) -> bool {
    let key = fold(key);
    RIGHTS.contains(&key.as_str())
}

fn path_protection(path: &str, selector: &Selector, keep: Keep<'_>) -> Option<Reason> {
    let folded: Vec<String> = path.split('/').map(fold_name).filter(|part| !part.is_empty()).collect();
    let parts: Vec<&str> = folded.iter().map(String::as_str).collect();
    let below = |directory: &str| {
        let directory: Vec<String> = directory.split('/').map(fold_name).collect();
        parts.starts_with(&directory.iter().map(String::as_str).collect::<Vec<_>>())
    };
    if parts.contains(&".self-harness") {
        return Some(Reason::Record);
    }
    // The root itself as directory of tasks would keep everything.
    if keep.tasks.is_some_and(|tasks| !tasks.as_str().is_empty() && below(tasks.as_str())) {
        return Some(Reason::Measured);
    }
    let executes = parts.iter().any(|part| EXECUTES.contains(part) || part.ends_with(".code-workspace"))
        || parts.windows(2).any(|pair| pair == [".github", "workflows"]);
    (executes && !is_prose(&parts, selector)).then_some(Reason::Executes)
}

/// The one exception: prose of `.claude/agents/*.md` and `.claude/skills/**/SKILL.md`.
fn is_prose(parts: &[&str], selector: &Selector) -> bool {
    let prose = match selector {
        Selector::Body | Selector::Section { .. } => true,
        Selector::FrontMatter { steps, append: false } => {
            matches!(steps.as_slice(), [Step::Key(key)] if key == "description")
        }
        _ => false,
    };
    // `.claude` is the only protected name that may stand in such a path, and only once.
    let Some(at) = parts.iter().position(|part| *part == ".claude") else { return false };
    let (before, rest) = parts.split_at(at);
    let rest = rest.get(1..).unwrap_or_default();
    let clean = before.iter().chain(rest).all(|part| !EXECUTES.contains(part));
    let document = match rest {
        ["agents", name] => name.ends_with(".md"),
        ["skills", between @ .., "skill.md"] => !between.is_empty() || rest.len() == 2,
        _ => false,
    };
    prose && clean && document
}

/// In the manifest only the values of the native harness are open.
fn manifest_protection(selector: &Selector) -> Option<Reason> {
    let Selector::Data { steps, append, .. } = selector else { return Some(Reason::Contract) };
    let keys: Vec<Option<&str>> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    let open = match keys.as_slice() {
        [Some("prompt"), Some("system" | "task" | "observation"), ..] => true,
        [Some("prompt"), Some("variables"), Some(_), ..] => true,
        [Some("tool"), None, Some("description"), ..] => true,
        [Some("tool"), None, Some("parameters" | "inputSchema"), ..] => true,
        [Some("runtime"), Some(key), ..] if *key == "rule" => !*append || keys.len() == 2,
        [
            Some("runtime"),
            Some(
                "max_steps" | "finish" | "tool_timeout" | "max_output_bytes" | "compaction" | "compaction_at",
            ),
        ] => true,
        [Some("orchestration"), Some("state")] => *append,
        [Some("orchestration"), Some("state"), None, Some(key), ..] => *key != "id",
        _ => false,
    };
    if open {
        return None;
    }
    Some(match keys.first() {
        Some(Some("surface" | "lint")) => Reason::Declaration,
        Some(Some("tool")) => Reason::Rights,
        _ => Reason::Contract,
    })
}

/// NFC and case folding, by the round trip that also folds `ſ` and the Kelvin sign.
fn fold(text: &str) -> String {
    text.nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

/// A part of a path as the most forgiving file system reads it: without invisible characters (HFS+), without dots and
/// blanks at its end or a stream's name (NTFS), with an 8.3 name of `.git` spelled out.
fn fold_name(part: &str) -> String {
    let ignored = |character: char| {
        matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let visible: String = part.chars().filter(|character| !ignored(*character)).collect();
    let folded = fold(&visible);
    let name = folded.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']);
    match name {
        "git~1" => ".git".to_owned(),
        "claude~1" => ".claude".to_owned(),
        "self-h~1" => ".self-harness".to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(file: &str, select: &[&str]) -> Option<Reason> {
        let step = |text: &&str| text.parse().map(Step::Index).unwrap_or_else(|_| Step::Key((*text).into()));
        let selector = Selector::parse(&select.iter().map(step).collect::<Vec<_>>()).unwrap();
        let keep = Keep {
            manifest: &FilePath::parse("harness.toml").unwrap(),
            tasks: Some(&FilePath::parse("tasks").unwrap()),
        };
        protection(&FilePath::parse(file).unwrap(), &selector, keep)
    }

    #[test]
    fn what_measures_and_what_is_recorded_is_kept() {
        assert_eq!(why("tasks/t-07/tests/test.sh", &["file"]), Some(Reason::Measured));
        assert_eq!(why("TASKS/t-07/task.toml", &["toml", "metadata"]), Some(Reason::Measured));
        assert_eq!(why("tasks-notes.md", &["file"]), None);
        assert_eq!(why(".self-harness/state.db", &["file"]), Some(Reason::Record));
    }

    #[test]
    fn of_the_manifest_only_the_harness_is_open() {
        for closed in [
            &["file"][..],
            &["toml"],
            &["toml", "model", "name"],
            &["toml", "agent", "argv"],
            &["toml", "budget", "max_trials"],
            &["toml", "tool", "0"],
            &["toml", "tool", "0", "run"],
            &["toml", "runtime"],
            &["toml", "runtime", "max_tokens"],
            &["toml", "surface", "0", "file"],
            &["toml", "orchestration", "state", "0", "id"],
            &["region", "x"],
        ] {
            assert!(why("harness.toml", closed).is_some(), "{closed:?}");
        }
        for open in [
            &["toml", "prompt", "system", "text"][..],
            &["toml", "tool", "0", "description"],
            &["toml", "runtime", "max_steps"],
            &["toml", "runtime", "rule", "+"],
            &["toml", "orchestration", "state", "1", "prompt", "text"],
        ] {
            assert_eq!(why("harness.toml", open), None, "{open:?}");
        }
        assert_eq!(why("Harness.TOML", &["file"]), Some(Reason::Contract));
    }

    #[test]
    fn what_executes_is_kept_however_it_is_spelled() {
        for file in [
            ".git/hooks/pre-commit",
            "sub/.GIT/config",
            ".g\u{200c}it/config",
            "GIT~1/config",
            ".git./config",
            ".vſcode/settings.json",
            ".claude/settings.json",
            ".claude/commands/go.md",
            ".mcp.json",
            "x.Code-Workspace",
            ".github/workflows/ci.yml",
            ".envrc",
        ] {
            assert_eq!(why(file, &["file"]), Some(Reason::Executes), "{file}");
        }
        assert_eq!(why("CLAUDE.md", &["file"]), None);
        assert_eq!(why(".github/copilot-instructions.md", &["file"]), None);
    }

    #[test]
    fn prose_of_agents_and_skills_is_open() {
        assert_eq!(why(".claude/agents/a.md", &["md.body"]), None);
        assert_eq!(why(".claude/agents/a.md", &["md.section", "Rules"]), None);
        assert_eq!(why(".claude/agents/a.md", &["md.frontmatter", "description"]), None);
        assert_eq!(why(".claude/skills/x/y/SKILL.md", &["md.body"]), None);
        assert!(why(".claude/agents/a.md", &["file"]).is_some());
        assert!(why(".claude/agents/a.md", &["md.frontmatter", "tools"]).is_some());
        assert!(why(".claude/agents/.git/a.md", &["md.body"]).is_some());
        assert!(why(".claude/skills/x/other.md", &["md.body"]).is_some());
    }

    #[test]
    fn what_grants_rights_is_kept_in_any_file() {
        assert_eq!(why("opencode.json", &["json", "permissions", "edit"]), Some(Reason::Rights));
        assert_eq!(why("a.yaml", &["yaml", "mcpServers", "x", "env"]), Some(Reason::Rights));
        assert_eq!(why("tools/shell.toml", &["toml", "run"]), Some(Reason::Rights));
        assert_eq!(why("agent.md", &["md.frontmatter", "allowed-tools"]), Some(Reason::Rights));
        assert_eq!(why("agent.yaml", &["yaml", "tools", "+"]), None);
        assert_eq!(why("tool.json", &["json", "parameters", "properties", "run", "description"]), None);
    }

    #[test]
    fn new_files_are_tested_by_their_pattern_and_their_path() {
        assert_eq!(why("x.md", &["new", ".git/hooks/*"]), Some(Reason::Executes));
        assert_eq!(why("x.md", &["new", "tasks/*.md"]), Some(Reason::Measured));
        assert_eq!(why("x.md", &["new", "tools/*.py"]), None);
        assert_eq!(why(".git/hooks/x", &["new", "**/*"]), Some(Reason::Executes));
    }
}
