//! The keys of `task.toml`, schema version 1.4, and what authors write that Harbor does not read.

use crate::problem::nearest;
use crate::syntax::data::{Kind, Table, Value};
use crate::text::{Span, TextEdit};

/// A key that Harbor does not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// The key.
    pub key_span: Span,
    /// Key and value.
    pub span: Span,
    /// What was meant, as a key of the same table.
    pub instead: Option<String>,
    /// The value for the meant key, where it is another one.
    value: Option<String>,
    value_span: Span,
}

impl Unknown {
    /// A title and the edits that write what was meant.
    #[must_use]
    pub fn rewrite(&self, source: &str) -> Option<(String, Vec<TextEdit>)> {
        let meant = self.instead.as_ref()?;
        let written = self.value_span.of(source);
        let value = self.value.as_deref().unwrap_or(written);
        let mut edits = vec![TextEdit { span: self.key_span, new_text: meant.clone() }];
        if value != written {
            edits.push(TextEdit { span: self.value_span, new_text: value.to_owned() });
        }
        Some((format!("Replace with `{meant} = {value}`"), edits))
    }
}

/// What may stand in a table.
enum Shape {
    /// Anything.
    Free,
    /// These keys, each with its own table or list of tables below.
    Keys(&'static [(&'static str, Shape)]),
}

use Shape::{Free, Keys};

const NETWORK: (&str, Shape) = ("network_mode", Free);
const HOSTS: (&str, Shape) = ("allowed_hosts", Free);
const USER: (&str, Shape) = ("user", Free);
const TIMEOUT: (&str, Shape) = ("timeout_sec", Free);

const HEALTHCHECK: Shape = Keys(&[
    ("command", Free),
    ("interval_sec", Free),
    TIMEOUT,
    ("start_period_sec", Free),
    ("start_interval_sec", Free),
    ("retries", Free),
]);

const AGENT: Shape = Keys(&[NETWORK, HOSTS, TIMEOUT, USER]);

const ARTIFACTS: Shape =
    Keys(&[("source", Free), ("destination", Free), ("exclude", Free), ("service", Free)]);

const ENVIRONMENT: Shape = Keys(&[
    NETWORK,
    HOSTS,
    ("build_timeout_sec", Free),
    ("docker_image", Free),
    ("os", Free),
    ("cpus", Free),
    ("memory_mb", Free),
    ("storage_mb", Free),
    ("gpus", Free),
    ("gpu_types", Free),
    ("tpu", Keys(&[("type", Free), ("topology", Free)])),
    (
        "mcp_servers",
        Keys(&[("name", Free), ("transport", Free), ("url", Free), ("command", Free), ("args", Free)]),
    ),
    ("env", Free),
    ("skills_dir", Free),
    ("healthcheck", HEALTHCHECK),
    ("workdir", Free),
]);

const VERIFIER: Shape = Keys(&[
    NETWORK,
    HOSTS,
    TIMEOUT,
    USER,
    ("env", Free),
    ("environment_mode", Free),
    ("environment", ENVIRONMENT),
    ("collect", Keys(&[("command", Free), ("service", Free), TIMEOUT, USER])),
]);

const ROOT: Shape = Keys(&[
    ("schema_version", Free),
    // Old files.
    ("version", Free),
    ("source", Free),
    ("artifacts", ARTIFACTS),
    ("multi_step_reward_strategy", Free),
    (
        "task",
        Keys(&[
            ("name", Free),
            ("version", Free),
            ("description", Free),
            ("authors", Keys(&[("name", Free), ("email", Free)])),
            ("keywords", Free),
        ]),
    ),
    ("metadata", Free),
    ("solution", Keys(&[("env", Free)])),
    ("environment", ENVIRONMENT),
    ("agent", AGENT),
    ("verifier", VERIFIER),
    (
        "steps",
        Keys(&[
            ("name", Free),
            ("agent", AGENT),
            ("verifier", VERIFIER),
            ("min_reward", Free),
            ("healthcheck", HEALTHCHECK),
            ("artifacts", ARTIFACTS),
        ]),
    ),
]);

/// The keys of a `task.toml` that Harbor does not read, in order; everything below `[metadata]` is free.
#[must_use]
pub fn unknown_keys(root: &Value) -> Vec<Unknown> {
    let mut found = Vec::new();
    visit(root, &ROOT, &mut Vec::new(), &mut found);
    found.sort_by_key(|unknown| unknown.key_span);
    found
}

/// The keys that a table of `task.toml` may have, for completion: the keys that lead there.
#[must_use]
pub fn known_keys(path: &[&str]) -> Vec<&'static str> {
    let mut shape = &ROOT;
    for key in path {
        let Keys(keys) = shape else { return Vec::new() };
        let Some((_, next)) = keys.iter().find(|(name, _)| name == key) else { return Vec::new() };
        shape = next;
    }
    match shape {
        Free => Vec::new(),
        Keys(keys) => keys.iter().map(|(name, _)| *name).collect(),
    }
}

fn visit(value: &Value, shape: &Shape, path: &mut Vec<String>, found: &mut Vec<Unknown>) {
    let Keys(keys) = shape else { return };
    match &value.kind {
        Kind::List(list) => list.items.iter().for_each(|item| visit(item, shape, path, found)),
        Kind::Table(table) => {
            for entry in &table.entries {
                path.push(entry.key.name.to_string());
                match keys.iter().find(|(name, _)| *name == &*entry.key.name) {
                    Some((_, inner)) => visit(&entry.value, inner, path, found),
                    None => found.push(unknown(table, entry, keys, path)),
                }
                path.pop();
            }
        }
        _ => {}
    }
}

fn unknown(
    table: &Table,
    entry: &crate::syntax::data::Entry,
    keys: &[(&'static str, Shape)],
    path: &[String],
) -> Unknown {
    let name = &*entry.key.name;
    let is_set = |key: &str| table.entries.iter().any(|other| &*other.key.name == key);
    let (instead, value) = match name {
        "memory" | "storage" => (Some(format!("{name}_mb")), megabytes(&entry.value)),
        "allow_internet" => {
            let mode = if matches!(entry.value.kind, Kind::Boolean(true)) { "public" } else { "no-network" };
            (Some(String::from("network_mode")), Some(format!("\"{mode}\"")))
        }
        _ => (nearest(name, keys.iter().map(|(key, _)| *key)).map(str::to_owned), None),
    };
    Unknown {
        path: path.to_vec(),
        key_span: entry.key.span,
        span: entry.span(),
        instead: instead.filter(|key| !is_set(key)),
        value,
        value_span: entry.value.span,
    }
}

/// A size as Harbor writes it: `"2G"` is 2048; a number stays.
fn megabytes(value: &Value) -> Option<String> {
    let text = match &value.kind {
        Kind::Text(scalar) => scalar.value.trim().to_ascii_lowercase(),
        _ => return None,
    };
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic()).trim_end();
    let number: f64 = digits.parse().ok()?;
    let factor = match text.get(digits.len()..)?.trim() {
        "" | "m" | "mb" | "mib" => 1.0,
        "g" | "gb" | "gib" => 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0,
        "k" | "kb" | "kib" => 1.0 / 1024.0,
        _ => return None,
    };
    Some(format!("{}", (number * factor).round()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_harbor_ignores_is_found_with_what_was_meant() {
        let source = "[environment]\nmemory = \"2G\"\ncpu = 1\n[metadata]\nanything = 1\n[task]\nname = \"a/b\"\nformat = 1\n";
        let tree = crate::syntax::toml::parse(source);
        let found = unknown_keys(&tree.root);
        let shown: Vec<_> = found.iter().map(|each| (each.path.join("."), each.instead.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("environment.memory".into(), Some("memory_mb")),
                ("environment.cpu".into(), Some("cpus")),
                ("task.format".into(), None)
            ]
        );
        let (title, _) = found[0].rewrite(source).unwrap();
        assert_eq!(title, "Replace with `memory_mb = 2048`");
        assert!(known_keys(&["environment"]).contains(&"docker_image"));
    }
}
