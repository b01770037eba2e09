//! Personas: what is refused and where, and which rule answers.

use serde_json::json;

use super::*;

fn asked(body: &Value, seed: i64) -> Asked {
    Asked::read(Protocol::Openai, body.to_string().as_bytes(), seed, 0).unwrap()
}

fn says(persona: &Persona, body: &Value) -> String {
    persona.reply(&asked(body, 0)).map_or_else(|words| words, |reply| reply.text)
}

/// The first line of `text` with `^` below it marks where the message stands.
#[track_caller]
fn check(text: &str, expected: &str) {
    let error = Persona::read("p.toml", text).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn what_is_wrong_has_a_line_and_a_remedy() {
    check("", "p.toml:1:1: there is no rule; add a `[[rule]]` with a `reply`");
    check(
        "[[rule]]\nreply = { text = \"a\" }\nwhen = { sistem = \"a\" }\n",
        "p.toml:3:10: unknown field `sistem`, expected one of `system`, `last`",
    );
    check(
        "[[rule]]\nreply = { text = \"a\" }\nwhen.last = \"(\"\n",
        "p.toml:3:13: `(` is no regex: unclosed group",
    );
    check("[[rule]]\nreply.delay = \"soon\"\n", "p.toml:2:15: `soon` is no duration such as `200ms` or `2s`");
    check("[[rule]]\nreply = { text = \"a\", reset = true }\n", "p.toml:2:9: a reply either speaks");
    check("[[rule]]\nreply.error.status = 99\n", "p.toml:2:1: `99` is no status");
    check("[[rule]]\nwhen.coin = 2.0\nreply = {}\n", "p.toml:1:1: a coin shows heads 2 of the time");
    check(
        "[[rule]]\nid = \"a\"\nreply = {}\n[[rule]]\nid = \"a\"\nreply = {}\n",
        "p.toml:4:1: there are two rules `a`",
    );
    check("[[rule]]\nwhen = {}\n", "p.toml:1:1: missing field `reply`");
    check("[[rule]\n", "p.toml:1:");
    let missing = Persona::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read persona `no/such.toml`: "), "{missing}");
}

const RULES: &str = r#"
[[rule]]
when = { system = "(?i)verify", step = { min = 1 }, tools = ["shell"] }
reply = { text = "verified" }
[[rule]]
when = { last = "exit (?P<code>\\d+)" }
reply = { text = "it was ${code} at ${step}, not ${HOME}" }
[[rule]]
when = { any = "secret", no_tools = ["finish"] }
reply = { text = "seen" }
[[rule]]
when = { tool_text = "shell: .*bash" }
reply = { text = "bash" }
[[rule]]
when = { step = 0 }
reply = { text = "first" }
"#;

#[test]
fn the_first_rule_that_fits_answers() {
    let persona = Persona::read("p.toml", RULES).unwrap();
    let tool = |name: &str, text: &str| json!({ "type": "function", "function": { "name": name, "description": text } });
    let user = |text: &str| json!({ "role": "user", "content": text });
    let body = |messages: Value, tools: Value| json!({ "model": "m", "messages": messages, "tools": tools });
    assert_eq!(says(&persona, &body(json!([user("go")]), json!([]))), "first");
    assert_eq!(says(&persona, &body(json!([user("go")]), json!([tool("shell", "runs bash")]))), "bash");
    let turn = json!({ "role": "assistant", "content": [{ "type": "text", "text": "a secret" }] });
    assert_eq!(says(&persona, &body(json!([user("go"), turn]), json!([]))), "seen");
    let result = json!({ "role": "tool", "tool_call_id": "x", "content": "exit 2" });
    let messages = json!([user("go"), turn, result]);
    assert_eq!(says(&persona, &body(messages, json!([]))), "it was 2 at 1, not ${HOME}");
    let messages = json!([{ "role": "system", "content": "always VERIFY" }, user("go"), turn, result]);
    assert_eq!(says(&persona, &body(messages, json!([tool("shell", "")]))), "verified");
    let none = says(&persona, &body(json!([user("go"), user("on")]), json!([tool("finish", "")])));
    assert_eq!(none, "no rule of persona `p` fits step 1; end it with a rule that has no `when`");
}

#[test]
fn a_step_is_counted_as_the_agent_needs_it() {
    let count = |how: &str| {
        let text = format!("step = \"{how}\"\n[[rule]]\nreply.text = \"${{step}}\"\n");
        let message = |role: &str| json!({ "role": role, "content": "x" });
        let roles = ["system", "user", "assistant", "tool", "tool", "user"];
        let messages: Vec<Value> = roles.into_iter().map(message).collect();
        says(&Persona::read("p.toml", &text).unwrap(), &json!({ "model": "m", "messages": messages }))
    };
    assert_eq!([count("turns"), count("assistant"), count("results")], ["2", "1", "2"]);
}

#[test]
fn a_coin_is_fair_and_the_same_each_time() {
    let text = "[[rule]]\nwhen.coin = 0.3\nreply.text = \"heads\"\n[[rule]]\nreply.text = \"tails\"\n";
    let persona = Persona::read("p.toml", text).unwrap();
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "go" }] });
    let toss = |seed| persona.reply(&asked(&body, seed)).unwrap().text;
    let heads = (0..2000).filter(|seed| toss(*seed) == "heads").count();
    assert!((520..680).contains(&heads), "{heads}");
    assert!((0..50).all(|seed| toss(seed) == toss(seed)));
    let in_body = json!({ "model": "m", "messages": [], "seed": 7 });
    assert_eq!(asked(&in_body, 3).seed, 7);
}

#[test]
fn a_coin_of_a_conversation_stays() {
    let coin = Coin::Named(NamedCoin { heads: 0.5, name: String::from("lazy"), per: Per::Conversation });
    for seed in 0..20 {
        let first = coin.shows_heads("p", "a", 0, seed);
        assert!((1..9).all(|step| coin.shows_heads("p", "b", step, seed) == first));
    }
    let per_step = Coin::Plain(0.5);
    assert!(
        (0..20).any(|step| per_step.shows_heads("p", "a", step, 1) != per_step.shows_heads("p", "a", 0, 1))
    );
}
