//! ESC-108 to 110, from end to end: a key that has to be written in another way in a URL and in JSON, said in every one of these
//! ways and in pieces, is in no file, no report and no log of a run.

use crate::lab::{Lab, files};

const KEY: &str = "sk/test+4f9aQz71canaryKEY=x82Lw";

/// Ways to write it: how it is said, and what of that may not be found. The base64 of a text depends at its ends on what
/// stands around it.
fn forms() -> Vec<(&'static str, String, String)> {
    let url: String = KEY
        .chars()
        .map(|char| match char {
            '/' | '+' | '=' => format!("%{:02X}", u32::from(char)),
            char => char.to_string(),
        })
        .collect();
    let whole = |name, text: String| (name, text.clone(), text);
    let encoded = |name, before: &str, skip: usize| {
        let said = base64(&format!("{before}{KEY} and more"));
        let kept = said[skip..(before.len() + KEY.len()) / 3 * 4].to_owned();
        (name, said, kept)
    };
    vec![
        whole("plain", KEY.to_owned()),
        whole("URL", url.clone()),
        whole("lower-case URL", url.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")),
        whole("JSON", KEY.replace('/', "\\/")),
        encoded("base64", "", 0),
        encoded("base64, one later", "x", 4),
        encoded("base64, two later", "xy", 4),
    ]
}

/// A model that says all of it, and lets a tool say it in pieces.
fn talkative() -> String {
    let all: Vec<String> = forms().into_iter().map(|(_, said, _)| said).collect();
    let all = all.join(" , ");
    let (one, other) = KEY.split_at(14);
    format!(
        r#"
name = "talkative"

[[rule]]
when = {{ step = 0, attempt = 0 }}
reply = {{ error = {{ status = 500, message = 'no: {all}' }} }}

[[rule]]
when = {{ step = 0 }}
reply = {{ text = 'I say {all}', reasoning = 'I think {all}', calls = [{{ tool = "shell", arguments = {{ command = '''
printf %s '{one}'; sleep 0.3; echo '{other}'
printf %s '{one}' >&2; sleep 0.3; echo '{other}' >&2
cat <<'END'
{all}
END
echo '{KEY}' > 'file-{other}'; ls''' }} }}] }}

[[rule]]
reply = {{ text = 'done with {all}' }}
"#
    )
}

#[test]
fn esc_108_109_110_a_key_is_in_no_sink_in_whatever_form() {
    let mut lab = Lab::new("sinks", &talkative(), 2);
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("seed = 3", "seed = 3\napi_key_env = \"LAB_MODEL_KEY\""));
    lab.variables.insert(String::from("LAB_MODEL_KEY"), String::from(KEY));
    lab.variables.insert(String::from("SELF_HARNESS_LOG"), String::from("trace"));
    let output = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut sinks = files(&lab.root().join(".self-harness"));
    sinks.extend(files(&lab.state()));
    sinks.push(("stdout".into(), output.stdout));
    sinks.push(("stderr".into(), output.stderr));
    for arguments in
        [&["trace", "latest", "t-00", "--full"][..], &["status", "--json"], &["report", "r-0001"]]
    {
        let shown = lab.run(arguments);
        assert!(shown.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&shown.stderr));
        sinks.push((arguments.join(" ").into(), [shown.stdout, shown.stderr].concat()));
    }
    let said = |text: &str| sinks.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(text));
    assert!(sinks.iter().any(|(path, _)| path.ends_with("trajectory.json")), "{sinks:?}");
    assert!(said("I say ") && said("done with ") && said("file-"), "nothing was said");
    let mut found = Vec::new();
    for (path, bytes) in &sinks {
        for (form, _, key) in forms() {
            if bytes.windows(key.len()).any(|window| window == key.as_bytes()) {
                found.push(format!("{form}: {}", path.display()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// RFC 4648, with its padding.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift) as usize & 63] as char;
            encoded.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    encoded
}
