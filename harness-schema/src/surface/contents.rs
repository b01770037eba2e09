//! What a selected text holds that no proposal may change, whatever the place is called: keys that grant rights, and
//! the part of a prompt test that judges.
//!
//! A key is not enough: prose and parameters may be called `permissions` or `run` too. What stands there decides.

use super::protection::{Reason, grants_rights};
use crate::selector::{Selector, front_matter, tree_of_selector};
use crate::syntax::data::{Kind, Step, Value};
use crate::syntax::{Document, Format};

/// Something inside of a surface that a proposal may not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its keys from the top, joined with dots.
    pub key: String,
    /// Why.
    pub reason: Reason,
}

/// The first thing in the selected place that a proposal may not change.
#[must_use]
pub fn inside(document: &Document, selector: &Selector) -> Option<Inside> {
    let is_markdown = document.format() == Format::Markdown;
    match selector {
        Selector::File if is_markdown => {
            let tree = front_matter(document)?;
            Search { is_front_matter: true, is_prompt_test: false }.below(&tree.root, &mut Vec::new())
        }
        Selector::File => {
            let tree = document.data()?;
            Search::of(document, &tree.root).below(&tree.root, &mut Vec::new())
        }
        Selector::Data { steps, append, .. } | Selector::FrontMatter { steps, append } => {
            tree_of_selector(document, selector, |tree| {
                let search = match selector {
                    Selector::FrontMatter { .. } => Search { is_front_matter: true, is_prompt_test: false },
                    _ => Search::of(document, &tree.root),
                };
                search.along(&tree.root, steps, *append)
            })
            .flatten()
        }
        _ => None,
    }
}

/// What is looked for in one document.
#[derive(Clone, Copy)]
struct Search {
    /// In front matter `tools` names what an agent may use.
    is_front_matter: bool,
    /// Whether it is a configuration of promptfoo.
    is_prompt_test: bool,
}

/// Keys of promptfoo's configuration that say what is tested.
const TESTS: [&str; 5] = ["assertionTemplates", "defaultTest", "derivedMetrics", "scenarios", "tests"];

impl Search {
    fn of(document: &Document, root: &Value) -> Self {
        let named = document.path().name().to_lowercase().starts_with("promptfooconfig");
        let has = |key: &str| root.get(key).is_some();
        let is_prompt_test = named || (has("prompts") && (has("providers") || has("targets")));
        Self { is_front_matter: false, is_prompt_test }
    }

    /// Along the steps of a selector, then below what it selects.
    fn along(self, root: &Value, steps: &[Step], append: bool) -> Option<Inside> {
        let mut value = root;
        let mut way = Vec::new();
        for step in steps {
            value = match step {
                Step::Key(key) => {
                    let next = value.get(key)?;
                    if let Some(reason) = self.kept(key, next, &way) {
                        way.push(key.to_string());
                        return Some(Inside { key: way.join("."), reason });
                    }
                    way.push(key.to_string());
                    next
                }
                Step::Index(index) => {
                    let items = value.as_list()?;
                    way.push(index.to_string());
                    let from_end = index.checked_add(i64::try_from(items.len()).ok()?)?;
                    items.get(usize::try_from(if *index < 0 { from_end } else { *index }).ok()?)?
                }
            };
        }
        // A place after the last entry holds nothing yet.
        if append { None } else { self.below(value, &mut way) }
    }

    fn below(self, value: &Value, way: &mut Vec<String>) -> Option<Inside> {
        match &value.kind {
            Kind::Table(table) => table.entries.iter().find_map(|entry| {
                let reason = self.kept(&entry.key.name, &entry.value, way);
                way.push(entry.key.name.to_string());
                let found = match reason {
                    Some(reason) => Some(Inside { key: way.join("."), reason }),
                    None => self.below(&entry.value, way),
                };
                way.pop();
                found
            }),
            Kind::List(list) => list.items.iter().enumerate().find_map(|(index, item)| {
                way.push(index.to_string());
                let found = self.below(item, way);
                way.pop();
                found
            }),
            _ => None,
        }
    }

    /// Why a proposal may not change an entry, if it may not.
    fn kept(self, key: &str, value: &Value, way: &[String]) -> Option<Reason> {
        // What stands below `properties` is a parameter's name.
        if way.last().is_some_and(|before| before == "properties") {
            return None;
        }
        let is_top = way.is_empty();
        if self.is_prompt_test && is_top && TESTS.contains(&key) {
            return Some(Reason::Measured);
        }
        if key == "assert" && is_assertions(value) {
            return Some(Reason::Measured);
        }
        let grants = match key {
            "tools" => self.is_front_matter && is_top && is_tool_grant(value),
            _ => grants_rights(key) && is_grant(key, value),
        };
        grants.then_some(Reason::Rights)
    }
}

/// promptfoo: a list of `{ type, … }`.
fn is_assertions(value: &Value) -> bool {
    let items = value.as_list().unwrap_or_default();
    !items.is_empty() && items.iter().all(|item| item.get("type").and_then(Value::as_text).is_some())
}

/// Tools by name: `Read, Grep`, a list of names, or a table of names with `true` and `false`. Tables in a list describe
/// tools.
fn is_tool_grant(value: &Value) -> bool {
    match &value.kind {
        Kind::Text(_) => true,
        Kind::List(list) => !list.items.is_empty() && list.items.iter().all(|item| item.as_text().is_some()),
        Kind::Table(table) => table.entries.iter().any(|entry| matches!(entry.value.kind, Kind::Boolean(_))),
        _ => false,
    }
}

/// Whether what stands at a key that may grant rights does so.
fn is_grant(key: &str, value: &Value) -> bool {
    let key = key.to_lowercase();
    let is_command = || {
        let items = value.as_list().unwrap_or_default();
        !items.is_empty() && items.iter().all(|item| item.as_text().is_some())
    };
    match &value.kind {
        // A single text may as well be a heading's prose.
        _ if ["run", "argv"].contains(&key.as_str()) => is_command(),
        Kind::Table(_) => !is_json_schema(value),
        Kind::List(_) | Kind::Boolean(_) => true,
        Kind::Text(text) => key.contains("tools") || !text.value.trim().contains(char::is_whitespace),
        _ => false,
    }
}

/// A parameter that is called like a right.
fn is_json_schema(value: &Value) -> bool {
    let types = ["array", "boolean", "integer", "null", "number", "object", "string"];
    value.get("type").and_then(Value::as_text).is_some_and(|name| types.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::FilePath;

    fn held(name: &str, source: &str, select: &[&str]) -> Option<(String, Reason)> {
        let document = Document::new(FilePath::parse(name).unwrap(), source.into());
        let step = |text: &&str| text.parse().map(Step::Index).unwrap_or_else(|_| Step::Key((*text).into()));
        let selector = Selector::parse(&select.iter().map(step).collect::<Vec<_>>()).unwrap();
        inside(&document, &selector).map(|inside| (inside.key, inside.reason))
    }

    fn rights(key: &str) -> Option<(String, Reason)> {
        Some((key.to_owned(), Reason::Rights))
    }

    #[test]
    fn rights_are_found_at_any_depth() {
        assert_eq!(held("a.yaml", "x: {permissions: {a: 1}}\n", &["yaml", "x"]), rights("x.permissions"));
        assert_eq!(
            held("a.json", r#"{"mcpServers": {"a": {"type": "stdio"}}}"#, &["file"]),
            rights("mcpServers")
        );
        assert_eq!(held("a.yaml", "a:\n- hooks: [x]\n", &["yaml", "a", "0"]), rights("a.0.hooks"));
        assert_eq!(held("a.toml", "run = [\"sh\", \"x\"]\n", &["file"]), rights("run"));
        assert_eq!(held("a.txt", "permission: allow\n", &["yaml"]), rights("permission"));
    }

    #[test]
    fn prose_and_parameters_are_no_rights() {
        for (name, source, select) in [
            ("a.yaml", "sections: {permissions: You may edit files.}\n", &["yaml", "sections"][..]),
            ("a.yaml", "plan: Think.\nrun: Run the tests.\n", &["file"]),
            ("a.json", r#"{"inputs": {"hooks": {"type": "string"}}}"#, &["file"]),
            ("a.json", r#"{"properties": {"permissions": {"enum": ["a"]}}}"#, &["file"]),
            ("a.yaml", "tools: [a, b]\n", &["file"]),
            ("a.yaml", "mcpServers: {a: {}}\nprompt: x\n", &["yaml", "prompt"]),
            ("a.md", "permissions: none\n\n# Rules\n", &["file"]),
        ] {
            assert_eq!(held(name, source, select), None, "{source}");
        }
    }

    #[test]
    fn front_matter_grants_tools_to_a_whole_text() {
        let agent = "---\nname: a\ntools: Read, Grep\n---\nBe brief.\n";
        assert_eq!(held("agents/a.md", agent, &["file"]), rights("tools"));
        assert_eq!(held("agents/a.md", agent, &["md.frontmatter", "tools"]), rights("tools"));
        for open in [&["md.body"][..], &["md.frontmatter", "name"]] {
            assert_eq!(held("agents/a.md", agent, open), None);
        }
        let skill = "---\nallowed-tools: Bash(git add:*), Read\n---\nx\n";
        assert_eq!(held("SKILL.md", skill, &["file"]), rights("allowed-tools"));
        let described = "---\ntools:\n- {type: function, name: a}\n---\nx\n";
        assert_eq!(held("a.md", described, &["file"]), None);
        assert_eq!(held("a.md", "---\ntools: {write: false}\n---\nx\n", &["file"]), rights("tools"));
    }

    #[test]
    fn what_judges_prompts_is_kept() {
        let config =
            "prompts: [a]\nproviders: [b]\ntests:\n- vars: {x: 1}\n  assert:\n  - {type: equals, value: y}\n";
        let measured = |key: &str| Some((key.to_owned(), Reason::Measured));
        assert_eq!(held("a.yaml", config, &["yaml", "prompts", "0"]), None);
        assert_eq!(held("a.yaml", config, &["yaml", "tests", "0", "vars"]), measured("tests"));
        assert_eq!(held("a.yaml", config, &["file"]), measured("tests"));
        let cases = "- vars: {x: 1}\n  assert:\n  - {type: equals, value: y}\n";
        assert_eq!(held("cases.yaml", cases, &["yaml", "0", "assert"]), measured("0.assert"));
        assert_eq!(held("cases.yaml", cases, &["file"]), measured("0.assert"));
        assert_eq!(held("a.yaml", "tests: [a]\nassert: true\n", &["file"]), None);
    }
}
