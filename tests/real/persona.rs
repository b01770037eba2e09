//! A model that writes a wrong number most of the time, unless it is told to read back what it wrote; asked for an edit, it proposes
//! just that. The tools that it calls are those of the agent that it plays.

/// What mends its habit.
pub(crate) const REMEDY: &str = "Read back what you wrote before you end.";

/// How an agent is played.
pub(crate) struct Part<'a> {
    /// The tool that runs commands.
    pub(crate) tool: &'a str,
    /// The command that ends its work; without one it ends when it only talks.
    pub(crate) end: Option<&'a str>,
    /// The surface that the remedy belongs to.
    pub(crate) surface: &'a str,
    /// The remedy as it stands at the end of that surface.
    pub(crate) added: &'a str,
}

/// The persona.
pub(crate) fn persona(part: &Part<'_>) -> String {
    let Part { tool, end, surface, added } = part;
    let call = |command: &str| {
        format!("calls = [{{ tool = \"{tool}\", arguments = {{ command = \"{command}\" }} }}]")
    };
    let edit = serde_json::json!({
        "action": "edit", "slot": "SLOT", "cluster": "${cluster}", "mechanism": "${mechanism}",
        "edits": [{ "surface": surface, "find": "", "at": "end", "replace": added }],
        "scope": "always", "summary": REMEDY, "why": "Its work is not looked at again.",
    });
    let edit = edit.to_string().replace("\"SLOT\"", "${slot}");
    let ends = end.map(|command| format!(", {}", call(command))).unwrap_or_default();
    let (looks, right) = (call("ls -la"), call("echo ${number} > /app/answer.txt"));
    let (read_back, wrong) =
        (call("echo ${number} > /app/answer.txt; cat /app/answer.txt"), call("echo 7 > /app/answer.txt"));
    format!(
        r#"
name = "writer"

[[rule]]
when = {{ system = '\AYou improve the harness of an agent', any = '(?s)\bslot: (?P<slot>[0-9]+)\ncluster: (?P<cluster>\S+)\nmechanism: (?P<mechanism>\S+)\nsurface: {surface}' }}
reply = {{ text = '''{edit}''', usage = {{ input = 900, output = 90 }} }}

[[rule]]
when = {{ system = '\AYou improve the harness of an agent' }}
reply = {{ text = '{{"action": "decline", "reason": "there is nothing to add"}}', usage = {{ input = 900, output = 9 }} }}

[[rule]]
when = {{ step = 0 }}
reply = {{ text = "I look.", {looks}, usage = {{ input = 100, output = 10 }} }}

[[rule]]
when = {{ step = 1, system = "Read back what you wrote", any = "the number (?P<number>[0-9]+)" }}
reply = {{ text = "I write.", {read_back}, usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 1, any = "the number (?P<number>[0-9]+)", coin = {{ heads = 0.2, name = "skill", per = "conversation" }} }}
reply = {{ text = "I write.", {right}, usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 1 }}
reply = {{ text = "I write.", {wrong}, usage = {{ input = 150, output = 20 }} }}

[[rule]]
reply = {{ text = "Done: the number is written."{ends}, usage = {{ input = 200, output = 5 }} }}
"#
    )
}
