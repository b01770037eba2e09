//! The one parser of the proxy: from the head of a request to the host and the port that are wanted. Pure; it knows one form and
//! refuses all others, so that no two readers understand a name differently.

/// The longest head of a request.
pub(super) const MAX_HEAD_BYTES: usize = 8 * 1024;
/// As much of a target as is noted.
const SHOWN_CHARS: usize = 120;

/// Where somebody wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A name that [`check_host`] takes.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
}

/// Why a head names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTarget {
    /// It is no request.
    #[error("the request has no readable form: {0}")]
    Form(&'static str),
    /// It asks for something else.
    #[error("`CONNECT` is the only method here; ask for `https` addresses, or tunnel through the proxy")]
    Method,
    /// The target is no name with a port.
    #[error("`{shown}` is no target: {why}")]
    Target {
        /// What was written, for people.
        shown: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Where the head of a request ends: after its empty line.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a head: everything to its empty line, which is part of it.
pub(super) fn parse(head: &[u8]) -> Result<Target, NoTarget> {
    let lines = head.strip_suffix(b"\r\n\r\n").ok_or(NoTarget::Form("it has no end"))?;
    let mut lines = lines.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NoTarget::Form("its first line has not three words"));
    };
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        return Err(NoTarget::Form("it is of another version"));
    }
    if method != b"CONNECT" {
        return Err(NoTarget::Method);
    }
    let target = self::target(target)?;
    // Each line ended with both characters: nobody else sees another line there.
    let ends = head.iter().filter(|byte| **byte == b'\n').count();
    let pairs = head.windows(2).filter(|window| window == b"\r\n").count();
    let returns = head.iter().filter(|byte| **byte == b'\r').count();
    if ends != pairs || returns != pairs {
        return Err(NoTarget::Form("a line does not end as lines do"));
    }
    lines.try_for_each(check_field)?;
    Ok(target)
}

/// A field of the head. Nothing of it goes on, but it has to be one.
fn check_field(line: &[u8]) -> Result<(), NoTarget> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(NoTarget::Form("a field has no name"))?;
    let (name, value) = line.split_at(colon);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_name) {
        return Err(NoTarget::Form("a field has no name"));
    }
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(NoTarget::Form("a field has a control character"));
    }
    // What follows the head belongs to the tunnel, and to nothing else.
    if name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding") {
        return Err(NoTarget::Form("it has a body"));
    }
    Ok(())
}

fn target(written: &[u8]) -> Result<Target, NoTarget> {
    let wrong = |why| NoTarget::Target { shown: shown(written), why };
    let colon = written.iter().rposition(|byte| *byte == b':').ok_or_else(|| wrong("it has no port"))?;
    let (host, port) = written.split_at(colon);
    let port = port.get(1..).unwrap_or_default();
    let host = std::str::from_utf8(host).map_err(|_| wrong(ALPHABET))?;
    check_host(host).map_err(wrong)?;
    Ok(Target {
        host: host.to_owned(),
        port: self::port(port).ok_or_else(|| wrong("its port is no number"))?,
    })
}

/// A port as it is written in one way only.
fn port(digits: &[u8]) -> Option<u16> {
    if digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const ALPHABET: &str = "it has a character that is no lower-case letter, digit, hyphen or dot";

/// Whether something is the full name of a host: lower-case letters, digits, hyphens and dots, two labels or more. An address is
/// none in any of its forms, because all end with a number.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !host.bytes().all(is_allowed) {
        return Err(ALPHABET);
    }
    if 253 < host.len() {
        return Err("it has more than 253 characters");
    }
    let (_, last) = host.rsplit_once('.').ok_or("it has no dot, so it is no full name")?;
    if host.split('.').any(|label| label.is_empty() || 63 < label.len()) {
        return Err("between its dots stands nothing, or too much");
    }
    if host.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
        return Err("a part of it begins or ends with a hyphen");
    }
    if !last.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("it is an address, and only names can be reached");
    }
    Ok(())
}

/// What somebody wrote, for people: short, and without what controls a terminal.
pub(super) fn shown(written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written);
    let plain = |char: char| if char == ' ' || char.is_ascii_graphic() { char } else { '?' };
    text.chars().take(SHOWN_CHARS).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn connect(target: &str) -> Result<Target, NoTarget> {
        parse(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes())
    }

    #[test]
    fn one_form_is_understood() {
        let expected = Target { host: String::from("a-1.example.com"), port: 443 };
        assert_eq!(connect("a-1.example.com:443"), Ok(expected.clone()));
        // As `http.client` of Python writes it.
        assert_eq!(parse(b"CONNECT a-1.example.com:443 HTTP/1.0\r\n\r\n"), Ok(expected.clone()));
        let fields = b"CONNECT a-1.example.com:443 HTTP/1.1\r\nProxy-Authorization: x\r\nA:\t\xff b\r\n\r\n";
        assert_eq!(parse(fields), Ok(expected));
        assert_eq!(connect("xn--bcher-kva.example:80").unwrap().port, 80);
    }

    #[test]
    fn esc_114_what_is_no_plain_name_is_no_target() {
        for target in [
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:080",
            "example.com:65536",
            "example.com:+80",
            "example.com:443:443",
            "example.com.:443",
            ".example.com:443",
            "a..example.com:443",
            "-a.example.com:443",
            "a-.example.com:443",
            "EXAMPLE.com:443",
            "user@example.com:443",
            "user:word@example.com:443",
            "example.com\0.evil.com:443",
            "example.com%00.evil.com:443",
            "example.com/:443",
            "example.com\t:443",
            "exam_ple.com:443",
            "bücher.example:443",
            "example\u{3002}com:443",
            "ⓔxample.com:443",
            "127.0.0.1:443",
            "127.1:443",
            "0x7f.0.0.1:443",
            "0x7f.0x1:443",
            "a.0x7f:443",
            "2130706433:443",
            "017700000001:443",
            "1.2.3.4.:443",
            "[::1]:443",
            "[::ffff:1.2.3.4]:443",
            "::1:443",
            "localhost:443",
            "com:443",
            "*.example.com:443",
            ":443",
            &format!("{}.com:443", "a".repeat(64)),
            &format!("{}com:443", "a.".repeat(130)),
        ] {
            assert!(
                matches!(connect(target), Err(NoTarget::Target { .. })),
                "{target}: {:?}",
                connect(target)
            );
        }
    }

    #[test]
    fn what_is_no_request_is_refused_as_one() {
        for head in [
            "",
            "\r\n\r\n",
            "CONNECT\r\n\r\n",
            "CONNECT a.example:443\r\n\r\n",
            "CONNECT a.example:443 HTTP/2\r\n\r\n",
            "CONNECT  a.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1 \r\n\r\n",
            " CONNECT a.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\nHost: b\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\nHost: b\rX: y\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\n folded\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\nHost : b\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\nA: \0\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\n",
        ] {
            assert!(matches!(parse(head.as_bytes()), Err(NoTarget::Form(_))), "{head:?}");
        }
        for head in ["GET http://a.example/ HTTP/1.1\r\n\r\n", "connect a.example:443 HTTP/1.1\r\n\r\n"] {
            assert_eq!(parse(head.as_bytes()), Err(NoTarget::Method), "{head:?}");
        }
        assert_eq!(end_of_head(b"a\r\n\r\nb"), Some(5));
        assert_eq!(end_of_head(b"a\r\n\r"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_surprise(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut head = b"CONNECT ".to_vec();
            head.extend(&bytes);
            let _ = parse(&bytes);
            let _ = parse(&head);
            head.extend(b" HTTP/1.1\r\n\r\n");
            if let Ok(target) = parse(&head) {
                prop_assert!(check_host(&target.host).is_ok());
            }
        }

        #[test]
        fn what_is_understood_is_what_was_written(
            target in "[A-Za-z0-9.:@%*\\[\\]\u{0}é-]{0,20}(com|[0-9]{1,3})?(:[0-9]{1,6})?"
        ) {
            if let Ok(read) = connect(&target) {
                prop_assert_eq!(format!("{}:{}", read.host, read.port), target.as_str());
                prop_assert!(read.host.parse::<std::net::IpAddr>().is_err());
            }
        }

        #[test]
        fn every_plain_name_is_understood(host in "[a-z0-9]{1,8}(-[a-z0-9]{1,3})?(\\.[a-z0-9]{1,9}){0,3}\\.[a-z][a-z0-9]{1,5}", port in 1_u16..) {
            let read = connect(&format!("{host}:{port}"));
            prop_assert_eq!(read, Ok(Target { host, port }));
        }
    }
}
