//! A model that writes a wrong number half of the time, unless it is told to read back what it wrote; and that, asked for an edit,
//! proposes what the tests want.

/// What mends its habit.
pub(crate) const REMEDY: &str = "Read back what you wrote before you end.";

/// What makes it worse.
pub(crate) const HARM: &str = "Be quick.";

/// The persona; `replies` are TOML rules that answer requests for edits, before all others.
pub(crate) fn persona(replies: &str) -> String {
    format!(
        r#"
name = "writer"

{replies}

[[rule]]
when = {{ step = 0 }}
reply = {{ text = "I look.", calls = [{{ tool = "shell", arguments = {{ command = "ls -la" }} }}], usage = {{ input = 100, output = 10 }} }}

[[rule]]
when = {{ step = 1, system = "Be quick" }}
reply = {{ text = "I write.", calls = [{{ tool = "shell", arguments = {{ command = "echo 7 > answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 1, system = "Read back what you wrote", any = "the number (?P<number>[0-9]+)" }}
reply = {{ text = "I write.", calls = [{{ tool = "shell", arguments = {{ command = "echo ${{number}} > answer.txt; cat answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 1, any = "the number (?P<number>[0-9]+)", coin = {{ heads = 0.2, name = "skill", per = "conversation" }} }}
reply = {{ text = "I write.", calls = [{{ tool = "shell", arguments = {{ command = "echo ${{number}} > answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 1 }}
reply = {{ text = "I write.", calls = [{{ tool = "shell", arguments = {{ command = "echo 7 > answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
reply = {{ text = "Done: the number is written.", usage = {{ input = 200, output = 5 }} }}
"#
    )
}

/// A rule that answers the requests for an edit whose slot fits `slots` (a regex) with this text.
pub(crate) fn answers(slots: &str, text: &str) -> String {
    format!(
        "[[rule]]\nwhen = {{ system = '\\AYou improve the harness of an agent', any = '(?s)\\bslot: (?P<slot>{slots})\\ncluster: (?P<cluster>\\S+)\\nmechanism: (?P<mechanism>\\S+)\\nsurface: (?P<surface>\\S+)' }}\n\
         reply = {{ text = '''{text}''', usage = {{ input = 900, output = 90 }} }}\n\n"
    )
}

/// A reply that adds a text to the system prompt.
pub(crate) fn adds(text: &str) -> String {
    let reply = serde_json::json!({
        "action": "edit", "slot": "SLOT", "cluster": "${cluster}", "mechanism": "${mechanism}",
        "edits": [{ "surface": "prompt.system", "find": "", "at": "end", "replace": format!(" {text}") }],
        "scope": "always", "summary": text, "why": "Its work is not looked at again.",
    });
    reply.to_string().replace("\"SLOT\"", "${slot}")
}
