//! Forms of keys: what looks like one in a text, and texts without them. Documentation is full of things that begin like a
//! key, so a form alone is not enough: what follows must look as if a machine had drawn it.

use std::borrow::Cow;
use std::sync::OnceLock;

use regex::{Captures, Regex};

use crate::text::Span;

/// Forms of keys that services document, and private keys. Each begins with characters of its own, so that a text is
/// searched for these first.
fn forms() -> Option<&'static Regex> {
    static FORMS: OnceLock<Option<Regex>> = OnceLock::new();
    let forms = FORMS.get_or_init(|| {
        Regex::new(concat!(
            r"(?P<plain>sk-[A-Za-z0-9_-]{20,})",
            r"|(?P<key>gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}",
            r"|xox[abprs]-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,}",
            r"|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
            r"|(?P<block>-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----)",
        ))
        .ok()
    });
    forms.as_ref()
}

/// User, password and host of an address, behind its `://`.
fn login() -> Option<&'static Regex> {
    static LOGIN: OnceLock<Option<Regex>> = OnceLock::new();
    let login = LOGIN.get_or_init(|| {
        Regex::new(r"\A(?P<user>[^\s/:@{}<>$]+):(?P<password>[^\s/@{}<>$]+)@(?P<host>[A-Za-z0-9.\[\]:_-]*)")
            .ok()
    });
    login.as_ref()
}

/// What has the form of a key or of an address with a password, and which part of it is one.
struct Form {
    whole: Span,
    key: Option<Span>,
}

/// Nothing shorter between two blanks can be one or begin one: the head of a private key has so many bytes before its
/// first blank, all other forms have more and no blank.
const LEAST_UNBROKEN: usize = 10;

/// Where keys are in a text, in order.
pub(super) fn find(text: &str) -> Vec<Span> {
    // Messages are of short words.
    if text.as_bytes().split(|byte| *byte == b' ').all(|word| word.len() < LEAST_UNBROKEN) {
        return Vec::new();
    }
    let Some(forms) = forms() else { return Vec::new() };
    // Groups are asked for where there is something: most texts have no key.
    let keys = forms.find_iter(text).filter_map(|found| {
        let found = forms.captures_at(text, found.start())?;
        let whole = found.get(0)?;
        Some(Form { whole: Span::new(whole.start(), whole.end()), key: key(text, &found) })
    });
    let marks = memchr::memmem::find_iter(text.as_bytes(), "://");
    let mut all: Vec<Form> = keys.chain(marks.filter_map(|mark| address(text, mark))).collect();
    all.sort_by_key(|form| form.whole);
    // What stands inside of another form is a part of it.
    let mut end = 0;
    all.retain(|form| {
        let is_apart = end <= form.whole.start;
        end = if is_apart { form.whole.end } else { end };
        is_apart
    });
    all.into_iter().filter_map(|form| form.key).collect()
}

/// The address with a password around a `://`.
fn address(text: &str, mark: usize) -> Option<Form> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-');
    let before = text.as_bytes().get(..mark)?;
    let scheme = before.iter().rev().take_while(|byte| is_part(byte)).count();
    let start = mark - scheme + before.get(mark - scheme..)?.iter().position(u8::is_ascii_alphabetic)?;
    let rest = mark + "://".len();
    let found = login()?.captures(text.get(rest..)?)?;
    let part = |name| found.name(name).map_or("", |part| part.as_str());
    let password = found.name("password")?;
    let is_key = is_password(part("user"), password.as_str(), part("host"));
    let key = Span::new(rest + password.start(), rest + password.end());
    let whole = Span::new(start, rest + found.get(0)?.end());
    Some(Form { whole, key: is_key.then_some(key) })
}

/// Whether all of a text is a key.
pub(super) fn is_key(text: &str) -> bool {
    matches!(find(text).as_slice(), [only] if only.range() == (0..text.len()))
}

/// A text in which no key can be read.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let keys = find(text);
    if keys.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for key in keys {
        out.push_str(text.get(at..key.start as usize).unwrap_or_default());
        out.push_str("***");
        at = key.end as usize;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

fn key(text: &str, found: &Captures<'_>) -> Option<Span> {
    let span = |part: regex::Match<'_>| Span::new(part.start(), part.end());
    if let Some(block) = found.name("block") {
        return has_block(text.get(block.end()..)?).then(|| span(block));
    }
    let part = found.name("plain").or_else(|| found.name("key"))?;
    let before = text.get(..part.start())?.chars().next_back();
    let goes_on = before.is_some_and(|char| char.is_alphanumeric() || matches!(char, '_' | '-'));
    let written = part.as_str();
    let body = match found.name("plain") {
        Some(_) => plain_body(written),
        None => written.get(4..).unwrap_or_default(),
    };
    (!goes_on && !is_example(written) && is_drawn(body)).then(|| span(part))
}

/// What is drawn in a key that begins with `sk-`: words may begin so too, but no word is that long.
fn plain_body(written: &str) -> &str {
    let body = written.strip_prefix("sk-").unwrap_or(written);
    let long = ["ant-", "proj-", "or-v1-", "svcacct-"].iter().find_map(|kind| body.strip_prefix(kind));
    long.unwrap_or_else(|| {
        let parts = body.split(['-', '_']);
        parts.max_by_key(|part| part.len()).filter(|part| 16 <= part.len()).unwrap_or_default()
    })
}

/// Whether the lines behind the head of a private key hold one.
fn has_block(after: &str) -> bool {
    let mut end = after.len().min(400);
    while !after.is_char_boundary(end) {
        end -= 1;
    }
    let near = after.get(..end).unwrap_or_default();
    let near = near.split("-----END").next().unwrap_or_default();
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '=');
    // In a string a line break is written `\n`.
    near.replace("\\n", "\n").split(|char| !is_part(char)).any(|line| 40 <= line.len() && is_drawn(line))
}

/// Whether a password in an address opens something: not in an example, not a word that stands for one.
fn is_password(user: &str, password: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let name = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    let examples = ["example", "test", "invalid", "localhost", "local"];
    let is_example_host = name.rsplit('.').take(2).any(|part| examples.contains(&part))
        || name.starts_with("127.")
        || host.starts_with("::1")
        || name == "0.0.0.0";
    let decoded: String = decode(password).to_lowercase();
    // `passw0rd` is a word too.
    let word: String = decoded.chars().map(plain_letter).collect();
    let words = ["passw", "secret", "token", "letmein", "admin", "user", "test", "demo", "dummy", "foobar"];
    8 <= password.chars().count()
        && !is_example_host
        && !is_example(&decoded)
        && !words.iter().any(|other| word.contains(other))
        && decoded != user.to_lowercase()
        && decoded.chars().any(|char| char.is_ascii_digit())
        && is_mixed(password, 2)
}

/// `%2F` as what it stands for, roughly: only the kinds of characters matter.
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '%' {
            chars.by_ref().take(2).for_each(drop);
            out.push('/');
        } else {
            out.push(char);
        }
    }
    out
}

fn plain_letter(char: char) -> char {
    match char {
        '0' => 'o',
        '1' => 'l',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    }
}

/// What documentation writes instead of a key.
fn is_example(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = [
        "example",
        "your",
        "xxxx",
        "placeholder",
        "redacted",
        "...",
        "****",
        "changeme",
        "dummy",
        "fake",
        "sample",
        "insert",
        "abcdef",
        "123456",
        "098765",
    ];
    words.iter().any(|word| lower.contains(word))
}

/// Whether a text looks drawn: many characters, mixed, and not in the order of the alphabet.
fn is_drawn(text: &str) -> bool {
    let mut distinct: Vec<char> = text.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let steps = text.as_bytes().windows(2).filter(|pair| pair[0].checked_add(1) == Some(pair[1])).count();
    8 <= distinct.len() && steps * 3 < text.len() && is_mixed(text, (text.len() / 6).clamp(3, 8))
}

/// Whether a text changes between lower case, upper case and digits at least so often.
fn is_mixed(text: &str, changes: usize) -> bool {
    let kind = |char: char| match char {
        'a'..='z' => Some(0),
        'A'..='Z' => Some(1),
        '0'..='9' => Some(2),
        _ => None,
    };
    let kinds: Vec<i32> = text.chars().filter_map(kind).collect();
    changes <= kinds.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_keys_are_found() {
        for text in [
            "sk-a8Fh3kD92mQz71LpWx04",
            "sk-proj-Kd8_f3Lq-9ZxV2nB7mT1yR5wC0sA",
            "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",
            "ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R",
            "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",
            "AKIAQ7RT2LXM4PZ6WVNB",
            "npm_8Qw2Er5Ty7Ui1Op4As6Df9Gh3Jk0Lz5Xc8Vb",
        ] {
            assert!(is_key(text), "{text}");
            assert_eq!(masked(&format!("use `{text}`.")), "use `***`.");
        }
        for url in [
            "https://bot:h7Gx2pQ9@files.acme.dev/a",
            "HTTPS://bot:h7Gx2pQ9@files.acme.dev",
            "postgres://app:t4Kz9wQm@db:5432",
            "see 2https://bot:h7Gx2pQ9@files.acme.dev, or git+ssh://bot:words@acme.dev",
        ] {
            assert_eq!(find(url).len(), 1, "{url}");
        }
        let inside = "https://bot:ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R@files.acme.dev/a";
        assert_eq!(find(inside), [Span::new(12, 52)]);
        let block = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7b8Xq2k9Zr4Tn1Vw6Yc3Lf0Hs5Jd8Gp2Mu7Ke1Ra4Bt9Xo3Q\n";
        assert_eq!(find(block).len(), 1);
        assert_eq!(find(&block.replace('\n', "\\n")).len(), 1);
    }

    #[test]
    fn words_and_examples_are_no_keys() {
        for text in [
            "task-management-guidelines-for-agents",
            "multi-task-learning-with-agents-2024-11",
            "see #sk-list-items-extension-of-gfm-2",
            "sk-learn-contrib-projects-version-1-2-3",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-abcdefghijklmnopqrstuvwxyz",
            "sk-1234567890abcdefghijklmnop",
            "sk-your-openai-api-key-goes-here",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "https://abc:xyz@example.com",
            "https://user:he%2F%2Fo@pypi.company.com",
            "https://bot:h7Gx2pQ9@files.example.org/a",
            "postgres://postgres:postgres@localhost:5432/db",
            "http://admin:Passw0rd1@host",
            "amqp://guest:guest@rabbit",
            "-----BEGIN PRIVATE KEY-----\nXXXX\nXXXX\n-----END PRIVATE KEY-----",
            "it starts with `-----BEGIN PRIVATE KEY-----`",
        ] {
            assert_eq!(find(text), [], "{text}");
        }
    }
}
