//! Keys and rights: keys in documents (SH701), plain http (SH702), keys in environments (SH703), privileges of tasks
//! (SH704). No message repeats a key.

use std::sync::OnceLock;

use regex::Regex;

use super::fixes::remove;
use crate::harness::{Harness, MANIFEST, Role};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::syntax::data::{Entry, Kind, Value};
use crate::text::Span;

/// A key where a name should be.
pub static SECRET_LITERAL: Rule =
    Rule::new("SH701", "secret-literal", Severity::Error, include_str!("rules/SH701-secret-literal.md"))
        .prose();

/// Plain http beyond this machine.
pub static PLAIN_HTTP: Rule =
    Rule::new("SH702", "plain-http", Severity::Error, include_str!("rules/SH702-plain-http.md"));

/// A key set or passed into a sandbox.
pub static SECRET_IN_ENVIRONMENT: Rule = Rule::new(
    "SH703",
    "secret-in-environment",
    Severity::Error,
    include_str!("rules/SH703-secret-in-environment.md"),
);

/// A task that asks for the machine's rights.
pub static PRIVILEGED_TASK: Rule =
    Rule::new("SH704", "privileged-task", Severity::Error, include_str!("rules/SH704-privileged-task.md"));

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    // A task may be about a key; its texts are not the harness's.
    let is_ours =
        !matches!(harness.role(file), Some(Role::Instruction | Role::Verifier | Role::Environment) | None);
    if is_ours {
        literals(harness, file, problems);
    }
    if file.as_str() == MANIFEST {
        key_name(harness, problems);
        plain_http(harness, problems);
        agent_environment(harness, problems);
    }
    match harness.role(file) {
        Some(Role::TaskManifest) => task_environment(harness, file, problems),
        Some(Role::Environment) => privileges(harness, file, problems),
        _ => {}
    }
}

const KEY_MESSAGE: &str = "this looks like a key: name a variable, and replace the key";
const KEY_WHY: &str = "whoever can read this file can spend with the key";

/// Forms of keys that services document, private keys, and passwords in addresses.
fn forms() -> Option<&'static Regex> {
    static FORMS: OnceLock<Option<Regex>> = OnceLock::new();
    let forms = FORMS.get_or_init(|| {
        Regex::new(concat!(
            r"(?P<key>sk-(?:ant-|proj-|or-v1-)?[A-Za-z0-9_-]{20,}",
            r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}",
            r"|xox[abprs]-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,}",
            r"|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
            r"|(?P<block>-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----)",
            r"|[a-z][a-z0-9+.-]*://[^\s/:@{}<>$]+:(?P<password>[^\s/@{}<>$]+)@",
        ))
        .ok()
    });
    forms.as_ref()
}

fn literals(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let (Some(document), Some(forms)) = (harness.document(file), forms()) else { return };
    for found in forms.captures_iter(document.source()) {
        let Some(part) = found.name("key").or_else(|| found.name("block")).or_else(|| found.name("password"))
        else {
            continue;
        };
        let is_password = found.name("password").is_some();
        if !found.name("block").is_some_and(|_| true) && is_example(part.as_str(), is_password) {
            continue;
        }
        let span = Span::new(part.start(), part.end());
        // `api_key_env` has its own fix.
        if file.as_str() == MANIFEST && key_env(harness).is_some_and(|value| value.span.contains(span)) {
            continue;
        }
        problems.push(Problem::new(&SECRET_LITERAL, span, KEY_MESSAGE).why(KEY_WHY).about("key"));
    }
}

/// What documentation writes instead of a key.
fn is_example(text: &str, is_password: bool) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["example", "your", "xxxx", "placeholder", "redacted", "...", "****", "changeme"];
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let plain = ["password", "pass", "pw", "secret", "token"];
    words.iter().any(|word| lower.contains(word))
        || (is_password && (plain.contains(&lower.as_str()) || distinct.len() < 3))
        || (!is_password && distinct.len() < 8)
}

fn key_env(harness: &Harness) -> Option<&Value> {
    harness.tree().root.at(&["model", "api_key_env"])
}

fn key_name(harness: &Harness, problems: &mut Vec<Problem>) {
    let Some((value, name)) = key_env(harness).and_then(|value| Some((value, value.as_text()?))) else {
        return;
    };
    let is_name = !name.is_empty()
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
        && !name.starts_with(|char: char| char.is_ascii_digit())
        && name.len() <= 64;
    if is_name {
        return;
    }
    let at = Location::new(&harness.manifest_path(), value.span);
    problems.push(
        Problem::new(&SECRET_LITERAL, value.span, KEY_MESSAGE).why(KEY_WHY).about("api_key_env").fix(
            Fix::replace(FixClass::Preview, "Name the variable `MODEL_API_KEY`", &at, "\"MODEL_API_KEY\""),
        ),
    );
}

fn plain_http(harness: &Harness, problems: &mut Vec<Problem>) {
    let Some((value, url)) =
        harness.tree().root.at(&["model", "endpoint"]).and_then(|value| Some((value, value.as_text()?)))
    else {
        return;
    };
    if !url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) || is_loopback(url) {
        return;
    }
    let host = host(url);
    let message = format!("plain http is refused: prompts and key would travel readable to `{host}`");
    let document = &harness.manifest_file().document;
    let span = value.verbatim(document.source()).unwrap_or(value.span);
    let scheme = Location::new(document.path(), Span::new(span.start as usize, span.start as usize + 5));
    problems.push(
        Problem::new(&PLAIN_HTTP, span, message)
            .why("only this machine is reached without encryption")
            .about(host)
            .fix(Fix::replace(FixClass::Preview, "Use `https:`", &scheme, "https:")),
    );
}

/// The host of a URL, without user, port and brackets.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether a URL leads to this machine (RFC 6761 6.3, RFC 1122 3.2.1.3).
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let host = host(url).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn agent_environment(harness: &Harness, problems: &mut Vec<Problem>) {
    let root = &harness.tree().root;
    let kind = root.at(&["agent", "kind"]).and_then(Value::as_text).unwrap_or("native");
    // A native agent has no environment of its own: SH008 says so.
    if kind == "native" {
        return;
    }
    let document = &harness.manifest_file().document;
    environment(root.at(&["agent", "env"]), document, kind == "harbor", problems);
}

fn task_environment(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    let Some(tree) = document.data() else { return };
    let kind = harness.tree().root.at(&["agent", "kind"]).and_then(Value::as_text);
    for table in ["environment", "verifier", "solution"] {
        environment(tree.root.at(&[table, "env"]), document, kind == Some("harbor"), problems);
    }
}

fn environment(
    env: Option<&Value>,
    document: &crate::syntax::Document,
    is_harbor: bool,
    problems: &mut Vec<Problem>,
) {
    for entry in env.and_then(Value::as_table).iter().flat_map(|table| &table.entries) {
        let name = &entry.key.name;
        // The relay's token of a trial is no key.
        let is_token = entry.value.as_text().is_some_and(|value| value.contains("{model_key}"));
        if !is_secret_name(name) || is_token {
            continue;
        }
        let message = format!("`{name}` never enters a sandbox; the relay adds the key");
        let problem = Problem::new(&SECRET_IN_ENVIRONMENT, entry.key.span, message)
            .why("what an agent can read, it can send or write down")
            .about(&**name);
        let problem = if is_harbor { problem.severity(Severity::Warning) } else { problem };
        problems.push(problem.fix(removal(document, env, entry, name)));
    }
}

fn removal(document: &crate::syntax::Document, env: Option<&Value>, entry: &Entry, name: &str) -> Fix {
    let title = format!("Remove `{name}`");
    let entries = env.and_then(Value::as_table).map(|table| table.entries.as_slice()).unwrap_or_default();
    let is_inline = env.is_some_and(|env| env.span.of(document.source()).starts_with('{'));
    if !is_inline {
        return remove(FixClass::Preview, title, document, entry.span());
    }
    // In `{ … }` the comma goes with it.
    let at = entries.iter().position(|other| other.key.span == entry.key.span).unwrap_or_default();
    let span = match (entries.get(at + 1), at.checked_sub(1).and_then(|before| entries.get(before))) {
        (Some(next), _) => Span { start: entry.key.span.start, end: next.key.span.start },
        (None, Some(before)) => Span { start: before.value.span.end, end: entry.value.span.end },
        (None, None) => entry.span(),
    };
    Fix::replace(FixClass::Preview, title, &Location::new(document.path(), span), "")
}

/// A name with a word that says key, token, secret or password.
fn is_secret_name(name: &str) -> bool {
    let words = ["KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS"];
    name.split(['_', '-']).any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

fn privileges(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    let Some(tree) = document.data() else { return };
    let Some(task) = harness.suite().task_of(file) else { return };
    let services = tree.root.get("services").and_then(Value::as_table);
    for service in services.iter().flat_map(|services| &services.entries) {
        for entry in service.value.as_table().iter().flat_map(|table| &table.entries) {
            for (asked, span) in asked(entry) {
                let message = format!("task `{}` asks for `{asked}` and will not be run", task.id);
                problems.push(
                    Problem::new(&PRIVILEGED_TASK, span, message)
                        .why("a task never gets rights over the machine that runs it")
                        .about(asked),
                );
            }
        }
    }
}

/// What an entry of a Compose service asks of the host.
fn asked(entry: &Entry) -> Vec<(String, Span)> {
    let key = &*entry.key.name;
    let word = entry.value.as_text().unwrap_or_default();
    match key {
        "privileged" if matches!(entry.value.kind, Kind::Boolean(true)) || word == "true" => {
            vec![(String::from("privileged"), entry.span())]
        }
        "network_mode" | "pid" | "ipc" | "userns_mode" | "uts" | "cgroup" if word == "host" => {
            vec![(format!("{key}: host"), entry.span())]
        }
        "devices" | "cap_add" | "device_cgroup_rules"
            if entry.value.as_list().is_some_and(|items| !items.is_empty()) =>
        {
            vec![(key.to_owned(), entry.span())]
        }
        "security_opt" => {
            let items = entry.value.as_list().unwrap_or_default().iter();
            let open = items.filter(|item| item.as_text().is_some_and(|text| text.contains("unconfined")));
            open.map(|item| (item.as_text().unwrap_or_default().to_owned(), item.span)).collect()
        }
        "volumes" => {
            let items = entry.value.as_list().unwrap_or_default().iter();
            items.filter_map(|item| host_path(item).map(|path| (path.to_owned(), item.span))).collect()
        }
        _ => Vec::new(),
    }
}

/// The path of the host that a volume binds, if it lies outside of the task.
fn host_path(volume: &Value) -> Option<&str> {
    let path = match volume.as_text() {
        Some(text) => text.split(':').next().unwrap_or_default(),
        None => volume.get("source")?.as_text()?,
    };
    // `../tests` is the task's own, and SH603's business.
    let climbs = path.split('/').filter(|part| *part == "..").count();
    (path.starts_with(['/', '~']) || 1 < climbs).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_only() {
        for url in
            ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:1/v1", "http://127.9.9.9"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in
            ["http://models.example.com/v1", "http://127.0.0.1.example.com", "http://127.0.0.1@evil.example"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn examples_are_no_keys() {
        assert!(is_example("sk-xxxxxxxxxxxxxxxxxxxxxxxx", false));
        assert!(is_example("password", true));
        assert!(!is_example("sk-a8Fh3kD92mQz71LpWx04", false));
    }
}
