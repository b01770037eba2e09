//! Takes secrets out of whatever leaves the process: the one redactor before every sink. It never shows a secret itself.
//!
//! A live secret is found as it is and as base64, URL-encoded and escaped for JSON; then whatever has the form of a key
//! of a known service. What is cut into chunks reads as if it were whole.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

/// What stands where a secret stood.
pub const MARK: &str = "[redacted]";

/// A live secret shorter than this is not looked for: it is what people write where a server wants no key (`none`,
/// `EMPTY`), and no service issues keys that short.
pub const SHORTEST: usize = 8;

/// A secret. It has no `Debug`, no `Display` and no `Serialize`, so it gets nowhere by accident.
#[derive(Clone)]
pub struct SecretString(Arc<str>);

impl SecretString {
    /// Takes a text as a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into().into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Finds secrets in texts and puts [`MARK`] in their place. Cloning is cheap.
#[derive(Clone)]
pub struct Redactor {
    needles: Arc<[Needle]>,
    /// The bytes that a needle or a form of a key may begin with.
    starts: Arc<[bool; 256]>,
    /// Whether it looks for forms of keys too.
    has_forms: bool,
}

/// One way to write one secret.
struct Needle {
    bytes: Vec<u8>,
    /// Whether programs break it over lines, as they do with base64.
    wraps: bool,
}

/// The form of the keys of a service, as that service documents it.
struct Form {
    prefix: &'static str,
    is_part: fn(u8) -> bool,
    /// How many such bytes follow at least.
    least: usize,
}

const fn form(prefix: &'static str, is_part: fn(u8) -> bool, least: usize) -> Form {
    Form { prefix, is_part, least }
}

const FORMS: &[Form] = &[
    form("sk-", is_slug, 20),
    form("ghp_", is_alphanumeric, 36),
    form("gho_", is_alphanumeric, 36),
    form("ghu_", is_alphanumeric, 36),
    form("ghs_", is_alphanumeric, 36),
    form("ghr_", is_alphanumeric, 36),
    form("github_pat_", is_slug, 40),
    form("glpat-", is_slug, 20),
    form("xoxa-", is_slug, 20),
    form("xoxb-", is_slug, 20),
    form("xoxp-", is_slug, 20),
    form("xoxr-", is_slug, 20),
    form("xoxs-", is_slug, 20),
    form("AKIA", is_alphanumeric, 16),
    form("AIza", is_slug, 35),
    form("hf_", is_alphanumeric, 30),
    form("gsk_", is_alphanumeric, 40),
    form("r8_", is_alphanumeric, 37),
    form("npm_", is_alphanumeric, 36),
    form("pypi-", is_slug, 50),
    form("-----BEGIN PRIVATE KEY-----", is_block, 40),
    form("-----BEGIN RSA PRIVATE KEY-----", is_block, 40),
    form("-----BEGIN EC PRIVATE KEY-----", is_block, 40),
    form("-----BEGIN OPENSSH PRIVATE KEY-----", is_block, 40),
];

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_slug(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The lines of a private key, also inside of a string, where a line break is written `\n`.
fn is_block(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b'\r' | b'\n' | b' ')
}

impl Redactor {
    /// A redactor of these secrets, and of whatever has the form of a key.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        Self::of(secrets, FORMS)
    }

    /// A redactor of these secrets alone: for texts that have to stay what they are otherwise.
    #[must_use]
    pub fn live<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        Self::of(secrets, &[])
    }

    fn of<'a>(secrets: impl IntoIterator<Item = &'a SecretString>, forms: &[Form]) -> Self {
        let mut plain = BTreeSet::new();
        let mut wrapped = BTreeSet::new();
        for secret in secrets {
            let secret = secret.expose();
            if secret.len() < SHORTEST {
                continue;
            }
            plain.insert(secret.as_bytes().to_vec());
            plain.extend(url_forms(secret));
            plain.extend(json_forms(secret));
            wrapped.extend(base64_forms(secret.as_bytes()));
        }
        let plain = plain.into_iter().map(|bytes| Needle { bytes, wraps: false });
        let needles: Vec<Needle> =
            plain.chain(wrapped.into_iter().map(|bytes| Needle { bytes, wraps: true })).collect();
        let mut starts = [false; 256];
        let firsts = needles.iter().filter_map(|needle| needle.bytes.first());
        for first in firsts.chain(forms.iter().filter_map(|form| form.prefix.as_bytes().first())) {
            starts[usize::from(*first)] = true;
        }
        Self { needles: needles.into(), starts: Arc::new(starts), has_forms: !forms.is_empty() }
    }

    /// A text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let clean = self.bytes(text.as_bytes());
        if clean == text.as_bytes() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
    }

    /// Bytes without secrets.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut out);
        stream.finish(&mut out);
        out
    }

    /// A text without secrets, of values within a JSON value too; names of fields stay.
    pub fn json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(|field| self.json(field)),
            _ => {}
        }
    }

    /// Starts a text that comes in chunks.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream {
            redactor: self.clone(),
            held: Vec::new(),
            covered: 0,
            runs: None,
            is_marked: false,
            before: None,
        }
    }

    /// A writer that passes on what is no secret.
    pub fn writer<W: Write>(&self, inner: W) -> Writer<W> {
        Writer { inner: Some(inner), stream: Some(self.stream()), out: Vec::new() }
    }

    /// How many bytes from here are a secret, in some way of writing, and whether more bytes could make it one.
    fn needle_at(&self, text: &[u8]) -> (usize, bool) {
        let mut longest = 0;
        let mut is_open = false;
        for needle in self.needles.iter() {
            match fit(needle, text) {
                Fit::Whole(length) => longest = longest.max(length),
                Fit::Open => is_open = true,
                Fit::No => {}
            }
        }
        (longest, is_open)
    }
}

/// How a needle fits to the beginning of a text.
enum Fit {
    /// It is these bytes.
    Whole(usize),
    /// It is all of the text, and more bytes could complete it.
    Open,
    /// It does not.
    No,
}

fn fit(needle: &Needle, text: &[u8]) -> Fit {
    let mut at = 0;
    for byte in &needle.bytes {
        let mut breaks = 0;
        loop {
            match text.get(at) {
                None => return Fit::Open,
                Some(found) if found == byte => break,
                Some(b'\r' | b'\n') if needle.wraps && 0 < at && breaks < 2 => breaks += 1,
                Some(_) => return Fit::No,
            }
            at += 1;
        }
        at += 1;
    }
    Fit::Whole(at)
}

/// The form that a text begins with: its prefix, and enough of what follows; and whether more bytes could make it one.
fn form_at(text: &[u8]) -> (Option<&'static Form>, bool) {
    let mut is_open = false;
    for form in FORMS {
        let prefix = form.prefix.as_bytes();
        let Some(rest) = text.strip_prefix(prefix) else {
            is_open |= prefix.starts_with(text);
            continue;
        };
        let run = rest.iter().take(form.least).take_while(|byte| (form.is_part)(**byte)).count();
        if run == form.least {
            return (Some(form), false);
        }
        is_open |= run == rest.len();
    }
    (None, is_open)
}

/// A text that comes in chunks. However it is cut, the result is the same.
pub struct Stream {
    redactor: Redactor,
    /// What is not decided: it may be the beginning of a secret.
    held: Vec<u8>,
    /// So many of the next bytes are of a secret that was found.
    covered: usize,
    /// The rest of a key goes on as long as such bytes follow.
    runs: Option<fn(u8) -> bool>,
    /// Whether the mark of what is hidden stands already.
    is_marked: bool,
    /// The byte before what is held.
    before: Option<u8>,
}

impl Stream {
    /// Takes a chunk and appends to `out` what is decided.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(chunk);
        self.decide(false, out);
    }

    /// Appends the rest: nothing more comes.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.decide(true, out);
    }

    fn decide(&mut self, is_last: bool, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        while let Some(&byte) = held.get(at) {
            let text = held.get(at..).unwrap_or_default();
            if self.redactor.starts[usize::from(byte)] {
                let (length, needle_is_open) = self.redactor.needle_at(text);
                let begins_word = self.redactor.has_forms && !self.before.is_some_and(is_slug);
                let (form, form_is_open) = if begins_word { form_at(text) } else { (None, false) };
                if !is_last && (needle_is_open || form_is_open) {
                    break;
                }
                self.covered = self.covered.max(length);
                if let Some(form) = form {
                    self.covered = self.covered.max(form.prefix.len());
                    self.runs = Some(form.is_part);
                }
            }
            if self.hides(byte) {
                if !self.is_marked {
                    out.extend_from_slice(MARK.as_bytes());
                }
                self.is_marked = true;
            } else {
                out.push(byte);
                self.is_marked = false;
            }
            self.before = Some(byte);
            at += 1;
        }
        self.held = held.get(at..).unwrap_or_default().to_vec();
    }

    /// Whether the next byte belongs to what was found.
    fn hides(&mut self, byte: u8) -> bool {
        if 0 < self.covered {
            self.covered -= 1;
            return true;
        }
        let goes_on = self.runs.is_some_and(|is_part| is_part(byte));
        if !goes_on {
            self.runs = None;
        }
        goes_on
    }
}

/// Passes on what is no secret. What may be the beginning of one waits for the next write, or for [`Writer::finish`].
pub struct Writer<W: Write> {
    inner: Option<W>,
    stream: Option<Stream>,
    out: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the rest and gives the inner writer back.
    ///
    /// # Errors
    /// What the inner writer says.
    pub fn finish(mut self) -> io::Result<W> {
        self.end()?;
        self.inner.take().ok_or_else(|| io::Error::other("the writer has ended"))
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(stream) = self.stream.take() {
            stream.finish(&mut self.out);
        }
        self.pass_on()?;
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if let Some(inner) = &mut self.inner {
            inner.write_all(&self.out)?;
        }
        self.out.clear();
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(stream) = &mut self.stream {
            stream.push(bytes, &mut self.out);
        }
        self.pass_on()?;
        Ok(bytes.len())
    }

    /// Flushes what is decided; the beginning of a secret still waits.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.end();
    }
}

/// A text as it stands in a URL, with digits in both cases.
fn url_forms(text: &str) -> [Vec<u8>; 2] {
    let encode = |upper: bool| {
        let mut out = String::new();
        for byte in text.bytes() {
            match byte {
                b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
                _ if upper => out.push_str(&format!("%{byte:02X}")),
                _ => out.push_str(&format!("%{byte:02x}")),
            }
        }
        out.into_bytes()
    };
    [encode(true), encode(false)]
}

/// A text as it stands in a JSON string: as short as can be, with `\/`, and in ASCII alone.
fn json_forms(text: &str) -> Vec<Vec<u8>> {
    let quoted = serde_json::Value::from(text).to_string();
    let plain =
        quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned();
    let mut ascii = String::new();
    for char in plain.chars() {
        if char.is_ascii() {
            ascii.push(char);
        } else {
            let mut units = [0; 2];
            char.encode_utf16(&mut units).iter().for_each(|unit| ascii.push_str(&format!("\\u{unit:04x}")));
        }
    }
    let slashed = [plain.replace('/', "\\/"), ascii.replace('/', "\\/")];
    [plain, ascii].into_iter().chain(slashed).map(String::into_bytes).collect()
}

/// What is the same in the base64 of every text that holds these bytes, at each of the three places where they may begin
/// in a group, in both alphabets.
fn base64_forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for alphabet in [b"+/", b"-_"] {
        for offset in 0..3_usize {
            let mut padded = vec![0; offset];
            padded.extend_from_slice(bytes);
            let encoded = base64(&padded, *alphabet);
            // Characters that hold bits of what stands before or behind are left out.
            let first = (offset * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            forms.extend(encoded.get(first..last).map(<[u8]>::to_vec));
        }
    }
    forms
}

/// Base64 without padding (RFC 4648, section 4; section 5 with `-_`).
fn base64(bytes: &[u8], last_two: [u8; 2]) -> Vec<u8> {
    let digit = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => last_two[0],
        _ => last_two[1],
    };
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word =
            group.iter().enumerate().fold(0_u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        let digits = (group.len() * 8).div_ceil(6);
        out.extend((0..digits).map(|at| digit((word >> (18 - 6 * at) & 63) as u8)));
    }
    out
}

#[cfg(test)]
mod tests;
