//! The redactor: every way of writing, every way of cutting.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

const KEY: &str = "pa/ss+wörd \"key\" 0815";

fn redactor() -> Redactor {
    Redactor::new([&SecretString::new(KEY), &SecretString::new("plain-key-4711")])
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(redactor().text(text), expected);
}

#[test]
fn a_secret_is_found_as_it_is() {
    check("a plain-key-4711 b", "a [redacted] b");
    check("plain-key-4711plain-key-4711", "[redacted]");
    check("plain-key-471", "plain-key-471");
    check(&format!("«{KEY}»"), "«[redacted]»");
}

#[test]
fn a_secret_is_found_in_a_url_and_in_json() {
    check("?k=pa%2Fss%2Bw%C3%B6rd%20%22key%22%200815&x", "?k=[redacted]&x");
    check("?k=pa%2fss%2bw%c3%b6rd%20%22key%22%200815&x", "?k=[redacted]&x");
    check(r#"{"k":"pa/ss+wörd \"key\" 0815"}"#, r#"{"k":"[redacted]"}"#);
    check(r#"{"k":"pa\/ss+w\u00f6rd \"key\" 0815"}"#, r#"{"k":"[redacted]"}"#);
}

#[test]
fn a_secret_is_found_in_base64_wherever_it_begins() {
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            for alphabet in [*b"+/", *b"-_"] {
                let text = format!("{before}{KEY}{after}");
                let encoded = String::from_utf8(base64(text.as_bytes(), alphabet)).unwrap();
                let clean = redactor().text(&encoded).into_owned();
                assert!(clean.contains(MARK), "{encoded} stays {clean}");
                // At most a digit at each end holds bits of the secret.
                let left = clean.replace(MARK, "").len();
                let around = (before.len() * 8).div_ceil(6) + (after.len() * 8).div_ceil(6);
                assert!(left <= around + 2, "{encoded} leaves {clean}");
            }
        }
    }
}

#[test]
fn base64_over_lines_is_one_text() {
    let encoded = String::from_utf8(base64(KEY.as_bytes(), *b"+/")).unwrap();
    let (a, b) = encoded.split_at(10);
    let clean = redactor().text(&format!("{a}\n{b}")).into_owned();
    assert!(clean.starts_with(MARK) && clean.len() <= MARK.len() + 1, "{clean}");
}

#[test]
fn what_has_the_form_of_a_key_is_hidden() {
    let drawn = "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T";
    check(&format!("key sk-ant-{drawn}, more"), "key [redacted], more");
    check(&format!("x=ghp_{drawn}"), "x=[redacted]");
    check(&format!("task-sk-{drawn}"), &format!("task-sk-{drawn}"));
    check("a sk-learn estimator", "a sk-learn estimator");
    check(
        &format!("-----BEGIN RSA PRIVATE KEY-----\n{drawn}\n{drawn}\n-----END RSA PRIVATE KEY-----"),
        "[redacted]-----END RSA PRIVATE KEY-----",
    );
}

#[test]
fn placeholders_are_no_secrets() {
    let redactor = Redactor::new([&SecretString::new("none"), &SecretString::new("")]);
    assert_eq!(redactor.text("there is none"), "there is none");
}

#[test]
fn values_of_json_are_cleaned_in_place() {
    let mut value = serde_json::json!({ "a": ["x plain-key-4711"], "b": 1 });
    redactor().json(&mut value);
    assert_eq!(value, serde_json::json!({ "a": ["x [redacted]"], "b": 1 }));
}

#[test]
fn a_writer_keeps_nothing_back_when_it_ends() {
    let mut writer = redactor().writer(Vec::new());
    writer.write_all(b"a plain-key-").unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.inner.as_deref(), Some(b"a ".as_slice()));
    writer.write_all(b"4711 plain-").unwrap();
    assert_eq!(writer.finish().unwrap(), b"a [redacted] plain-");
}

/// Texts in which secrets, their ways of writing and their beginnings are likely.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<Vec<u8>> = [
        KEY.as_bytes().to_vec(),
        b"plain-key-4711".to_vec(),
        b"plain-key-".to_vec(),
        b"pa/ss+w".to_vec(),
        b" ".to_vec(),
        b"\n".to_vec(),
        "ö".as_bytes()[..1].to_vec(),
        b"sk-ant-0a1B2c3D4e5F6g7H8i9J0k1L2m3N".to_vec(),
        b"sk-0a1B".to_vec(),
        base64(KEY.as_bytes(), *b"+/"),
    ]
    .into_iter()
    .chain(url_forms(KEY))
    .chain(json_forms(KEY))
    .collect();
    let part =
        prop_oneof![3 => proptest::sample::select(parts), 1 => proptest::collection::vec(any::<u8>(), 0..6)];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_text(text in texts(), cuts in proptest::collection::vec(0_usize..200, 0..12)) {
        let redactor = redactor();
        let whole = redactor.bytes(&text);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut out = Vec::new();
        let mut stream = redactor.stream();
        for pair in cuts.windows(2) {
            stream.push(&text[pair[0]..pair[1]], &mut out);
        }
        stream.finish(&mut out);
        prop_assert_eq!(&out, &whole);
        let holds = |secret: &[u8]| whole.windows(secret.len()).any(|window| window == secret);
        prop_assert!(!holds(KEY.as_bytes()) && !holds(b"plain-key-4711"));
    }
}
