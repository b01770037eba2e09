//! Keys and rights: keys in documents (SH701), plain http (SH702), keys in environments (SH703), privileges of tasks
//! (SH704). No message repeats a key.

use super::environment::Compose;
use super::fixes::remove;
use super::keys;
use crate::harness::{Harness, MANIFEST, Role};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::syntax::data::Value;
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
    // Programs and verifiers are nobody's documents: what they hold may be made up for a test.
    if !matches!(harness.role(file), Some(Role::Verifier | Role::Program) | None) {
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

fn literals(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    // `api_key_env` has its own fix.
    let own = if file.as_str() == MANIFEST { key_env(harness).map(|value| value.span) } else { None };
    let found = keys::find(document.source()).into_iter();
    let keys = found.filter(|key| !own.is_some_and(|value| value.contains(*key)));
    problems
        .extend(keys.map(|key| Problem::new(&SECRET_LITERAL, key, KEY_MESSAGE).why(KEY_WHY).about("key")));
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
    // A key of letters and digits could be a name.
    let is_key = keys::is_key(name) || (!is_name && 16 <= name.len() && !name.contains([' ', '$', '{']));
    let (message, why) = match (is_key, is_name) {
        (true, _) => (KEY_MESSAGE, KEY_WHY),
        (false, true) => return,
        (false, false) => {
            ("`api_key_env` is no name of a variable", "the key is read from the variable with this name")
        }
    };
    // `$NAME` and `${NAME}` say which variable is meant.
    let inner = name.trim_start_matches('$').trim_matches(['{', '}', ' ']);
    let meant = inner.strip_prefix("env:").unwrap_or(inner);
    let is_variable = !is_key
        && !meant.is_empty()
        && meant.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_')
        && !meant.starts_with(|char: char| char.is_ascii_digit());
    let meant = if is_variable { meant } else { "MODEL_API_KEY" };
    let at = Location::new(&harness.manifest_path(), value.span);
    let title = format!("Name the variable `{meant}`");
    problems.push(
        Problem::new(&SECRET_LITERAL, value.span, message).why(why).about("api_key_env").fix(Fix::replace(
            FixClass::Preview,
            title,
            &at,
            format!("\"{meant}\""),
        )),
    );
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
    let steps = tree.root.get("steps").and_then(Value::as_list).unwrap_or_default();
    for part in std::iter::once(&tree.root).chain(steps) {
        for table in ["environment", "verifier", "solution"] {
            environment(part.at(&[table, "env"]), document, kind == Some("harbor"), problems);
        }
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
        let title = format!("Remove `{name}`");
        problems.push(problem.fixes(remove(FixClass::Preview, title, document, entry.key.span)));
    }
}

/// A name that ends in a word for a key, token or secret, or holds one for a password (`security.md` 4).
fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let is_password = |word: &String| word.contains("PASSWORD") || word.contains("PASSWD");
    if words.iter().any(is_password) {
        return true;
    }
    let Some((last, before)) = words.split_last() else { return false };
    match last.as_str() {
        // A key to sort by, or the half that is not secret, opens nothing.
        "KEY" | "KEYS" => {
            let open = [
                "SORT",
                "PRIMARY",
                "FOREIGN",
                "PARTITION",
                "PUBLIC",
                "GROUP",
                "CACHE",
                "ROW",
                "ORDER",
                "INDEX",
            ];
            !before.last().is_some_and(|word| open.contains(&word.as_str()))
        }
        "APIKEY" | "APIKEYS" | "TOKEN" | "SECRET" | "SECRETS" | "PASSPHRASE" | "CREDENTIAL"
        | "CREDENTIALS" => true,
        // `MAX_TOKENS` is a number.
        _ => false,
    }
}

/// The words of a name in capitals: `accessToken` and `ACCESS_TOKEN` have two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for char in name.chars() {
        let is_start = !before.is_alphanumeric() || (before.is_lowercase() && char.is_uppercase());
        if char.is_alphanumeric() {
            if is_start {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(char.to_uppercase());
            }
        }
        before = char;
    }
    words
}

fn privileges(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(task) = harness.suite().task_of(file) else { return };
    let Some(compose) = harness.document(file).and_then(|document| Compose::read(document)) else { return };
    for demand in compose.demands(&task.directory) {
        let message = format!("task `{}` asks for `{}` and will not be run", task.id, demand.what);
        problems.push(
            Problem::new(&PRIVILEGED_TASK, demand.span, message)
                .why("a task never gets rights over the machine that runs it")
                .about(demand.what),
        );
    }
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
    fn names_of_secrets_are_told_by_their_words() {
        for name in
            ["API_KEY", "API_KEYS", "PGPASSWORD", "accessToken", "GITHUB_TOKEN", "TOKEN", "client-secret"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["TOKEN_LIMIT", "SORT_KEY", "MAX_TOKENS", "MONKEY", "KEYBOARD", "PUBLIC_KEY", "LANG"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
