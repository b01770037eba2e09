//! The key is nowhere but where it is sent.

use crate::lab::{Lab, files};

const KEY: &str = "sk-test-4f9aQz71canaryKEYx82Lw";

/// A model that says the key back, in every way it can, and looks for it where it works.
fn indiscreet() -> String {
    format!(
        r#"
name = "indiscreet"

[[rule]]
when = {{ step = 0, attempt = 0 }}
reply = {{ error = {{ status = 500, message = "bad key {KEY}", body = "{{\"error\": {{\"message\": \"the key {KEY} is fine\"}}}}" }} }}

[[rule]]
when = {{ step = 0 }}
reply = {{ text = "Your key is {KEY}.", reasoning = "{KEY}", calls = [{{ tool = "shell", arguments = {{ command = "env; cat /proc/*/environ /proc/*/cmdline 2> /dev/null | tr '\\0' '\\n'; echo {KEY}; echo {KEY} | base64; echo {KEY} > answer.txt; echo {KEY} >&2" }} }}] }}

[[rule]]
reply = {{ text = "done with {KEY}" }}
"#
    )
}

#[test]
fn esc_113_a_key_that_is_everywhere_is_kept_nowhere() {
    let mut lab = Lab::new("secrets", &indiscreet(), 2);
    let manifest = std::fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &manifest.replace("seed = 3", "seed = 3\napi_key_env = \"LAB_MODEL_KEY\""));
    lab.variables.insert(String::from("LAB_MODEL_KEY"), String::from(KEY));
    lab.variables.insert(String::from("SELF_HARNESS_LOG"), String::from("debug"));
    let output = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace = lab.run(&["trace", "latest", "t-00", "--full"]);
    let shown = String::from_utf8_lossy(&trace.stdout).into_owned();
    assert!(shown.contains("→ shell"), "{shown}");
    let mut sinks = files(&lab.root().join(".self-harness"));
    sinks.extend(files(&lab.state()));
    for (name, text) in [("stdout", output.stdout), ("stderr", output.stderr), ("trace", trace.stdout)] {
        sinks.push((name.into(), text));
    }
    assert!(sinks.iter().any(|(path, _)| path.ends_with("trajectory.json")), "{sinks:?}");
    let encoded = [KEY.to_owned(), base64(KEY), base64(&format!("{KEY}\n"))];
    for (path, bytes) in &sinks {
        for key in &encoded {
            let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
            assert!(!found, "the key is in {}", path.display());
        }
    }
    // The sandbox had no variable of that name to show.
    assert!(!shown.contains("LAB_MODEL_KEY"), "{shown}");
}

/// RFC 4648, without the characters at the end that depend on what follows.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let chunks = text.as_bytes().chunks_exact(3);
    let digits = chunks.flat_map(|chunk| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift) as usize & 63] as char)
    });
    digits.collect()
}
