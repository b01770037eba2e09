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
            r"(?P<key>\bsk-(?:ant-|proj-|or-v1-)?[A-Za-z0-9_-]{20,}",
            r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}",
            r"|xox[abprs]-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,}",
            r"|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
            r"|(?P<block>-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----)",
            r"|[a-z][a-z0-9+.-]*://(?P<user>[^\s/:@{}<>$]+):(?P<password>[^\s/@{}<>$]+)@(?P<host>[^\s/:?#]*)",
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
        let is_real = match (found.name("block"), found.name("password")) {
            (Some(block), _) => holds_key(document.source().get(block.end()..).unwrap_or_default()),
            (None, Some(password)) => {
                let name = |group: &str| found.name(group).map_or("", |part| part.as_str());
                is_password(password.as_str(), name("user"), name("host"))
            }
            (None, None) => is_key(part.as_str()),
        };
        if !is_real {
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
fn is_example(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["example", "your", "xxxx", "placeholder", "redacted", "...", "****", "changeme"];
    words.iter().any(|word| lower.contains(word))
}

fn distinct(text: &str) -> usize {
    let mut distinct: Vec<char> = text.to_ascii_lowercase().chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len()
}

/// Whether what has the form of a key is as random as one: words between hyphens are not.
fn is_key(text: &str) -> bool {
    let longest = text.split(['-', '_']).map(str::len).max().unwrap_or_default();
    !is_example(text)
        && 8 <= distinct(text)
        && 10 <= longest
        && text.contains(|char: char| char.is_ascii_digit())
}

/// Whether a password in an address is one: not that of a documentation's host or of a default account.
fn is_password(password: &str, user: &str, host: &str) -> bool {
    let plain = ["password", "pass", "pw", "secret", "token", "pwd"];
    let host = host.to_ascii_lowercase();
    let is_example_host =
        ["example", "example.com", "example.org", "example.net", "host", "localhost", "127.0.0.1"]
            .iter()
            .any(|example| host == *example || host.ends_with(&format!(".{example}")));
    !(is_example(password)
        || plain.contains(&password.to_ascii_lowercase().as_str())
        || distinct(password) < 3
        || password == user
        || user == "user"
        || is_example_host)
}

/// Whether the lines behind the head of a key hold one.
fn holds_key(after: &str) -> bool {
    let text: String =
        after.replace("\\n", "").chars().filter(|char| !char.is_whitespace()).take(64).collect();
    let body = text.split('-').next().unwrap_or_default();
    32 <= body.len() && 12 <= distinct(body)
}

/// Whether a text as a whole has the form of a key.
fn is_literal(text: &str) -> bool {
    let found = forms().and_then(|forms| forms.captures(text)).and_then(|found| found.name("key"));
    found.is_some_and(|key| key.len() == text.len() && is_key(text))
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
    if is_name && !is_literal(name) {
        return;
    }
    // `$NAME` and `${NAME}` are names with a shell's marks; a key is never repeated, not even in part.
    let bare = name.trim_start_matches('$').trim_matches(['{', '}']);
    let is_marked = bare.len() < name.len()
        && bare.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && bare.starts_with(|first: char| first.is_ascii_uppercase());
    let better = if is_marked { bare } else { "MODEL_API_KEY" };
    let message = if is_marked || name.trim().is_empty() || name.contains(' ') {
        "`api_key_env` must be the name of a variable"
    } else {
        KEY_MESSAGE
    };
    let at = Location::new(&harness.manifest_path(), value.span);
    problems.push(Problem::new(&SECRET_LITERAL, value.span, message).why(KEY_WHY).about("api_key_env").fix(
        Fix::replace(
            FixClass::Preview,
            format!("Name the variable `{better}`"),
            &at,
            format!("\"{better}\""),
        ),
    ));
}

fn plain_http(harness: &Harness, problems: &mut Vec<Problem>) {
    let Some((value, url)) =
        harness.tree().root.at(&["model", "endpoint"]).and_then(|value| Some((value, value.as_text()?)))
    else {
        return;
    };
    // Another spelling of the scheme is a wrong value.
    if !url.starts_with("http:") || is_loopback(url) {
        return;
    }
    let host = host(url);
    let message = format!("plain http is refused: prompts and key would travel readable to `{host}`");
    let document = &harness.manifest_file().document;
    let verbatim = value.verbatim(document.source());
    let fix = verbatim.map(|span| {
        let scheme = Span::new(span.start as usize, span.start as usize + "http:".len());
        Fix::replace(FixClass::Preview, "Use `https:`", &Location::new(document.path(), scheme), "https:")
    });
    problems.push(
        Problem::new(&PLAIN_HTTP, verbatim.unwrap_or(value.span), message)
            .why("only this machine is reached without encryption")
            .about(host)
            .fixes(fix),
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
    for step in tree.root.get("steps").and_then(Value::as_list).unwrap_or_default() {
        environment(step.at(&["verifier", "env"]), document, kind == Some("harbor"), problems);
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
        problems.push(problem.fixes(remove(
            FixClass::Preview,
            format!("Remove `{name}`"),
            document,
            entry.span(),
        )));
    }
}

/// A name whose last word says key, token, secret or password; keys that sort or lock nothing are none.
fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.rsplit(['_', '-']);
    let (last, before) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let ordinary =
        ["sort", "primary", "foreign", "public", "cache", "partition", "index", "group", "row", "hot"];
    match last {
        "key" => !ordinary.contains(&before),
        "keys" => before == "api",
        "credential" | "credentials" => true,
        _ => ["password", "passwd", "secret", "token", "apikey"].iter().any(|word| last.ends_with(word)),
    }
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
        assert!(is_key("sk-a8Fh3kD92mQz71LpWx04") && is_literal("ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"));
        for text in
            ["sk-xxxxxxxxxxxxxxxxxxxxxxxx", "sk-abcdefghijklmnopqrstuvwxyz", "sk-list-items-extension-2024"]
        {
            assert!(!is_key(text), "{text}");
        }
        assert!(!is_literal("MODEL_API_KEY"));
        assert!(is_password("h7Gx2pQ9", "bot", "files.acme.dev"));
        for (password, user, host) in [
            ("password", "bot", "files.acme.dev"),
            ("guest", "guest", "files.acme.dev"),
            ("h7Gx2pQ9", "bot", "example.com"),
            ("h7Gx2pQ9", "bot", "localhost"),
        ] {
            assert!(!is_password(password, user, host), "{password} {host}");
        }
        assert!(holds_key("\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END"));
        assert!(
            !holds_key("` and its lines follow.")
                && !holds_key("\nXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX")
        );
    }
}
