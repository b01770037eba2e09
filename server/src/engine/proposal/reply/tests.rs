//! Replies as models write them, and as nobody should.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object() -> Value {
    json!({
        "action": "edit", "slot": 3, "cluster": "c-1f", "mechanism": "never-verified",
        "edits": [{"surface": "prompt.system", "find": "Be quick.", "replace": "Be quick, and run the tests {first}."}],
        "summary": "run the tests before the end", "why": "nothing was verified in 3 of 4 failures",
        "differs": "says when, not only that", "fixes": ["T1", "T4"], "risks": []
    })
}

fn edit(reply: Result<Reply, Unusable>) -> Draft {
    match reply {
        Ok(Reply::Edit(draft)) => draft,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> String {
    let unusable = read(text).unwrap_err();
    format!("{}: {unusable}", unusable.guard())
}

#[test]
fn every_style_gives_the_same_proposal() {
    let written = object().to_string();
    let pretty = serde_json::to_string_pretty(&object()).unwrap();
    let expected = edit(read(&written));
    assert_eq!((expected.slot, expected.edits.len(), &expected.scope), (3, 1, &Scope::Always));
    let styles = [
        format!("  {pretty}\n"),
        format!("Here it is:\n\n```json\n{pretty}\n```\nI hope it helps."),
        format!("~~~~\n{pretty}\n~~~~"),
        format!("```json\n{{\"action\": 1}}\n```\nNo, better:\n```json\n{pretty}\n```"),
        format!("```json\n{pretty}"),
        format!("Sure! My edit {{as asked}} is {written}, and \"that\" is all."),
        format!("{{\"proposal\": {written}}}"),
        format!("<think>{{\"action\": \"decline\", \"reason\": \"hm\"}}</think>{written}"),
        format!("it begins in the template</think>\n{written}"),
        format!("{} , }}", pretty.replace("\"T4\"", "\"T4\" , ").trim_end_matches('}').trim_end()),
    ];
    for style in styles {
        assert_eq!(edit(read(&style)), expected, "{style}");
    }
    assert_eq!(edit(read_call(&object())), expected);
    assert_eq!(edit(read_call(&json!(written))), expected);
}

#[test]
fn what_is_no_proposal_is_named() {
    let with = |key: &str, value: Value| {
        let mut object = object();
        object[key] = value;
        object.to_string()
    };
    let many: Vec<Value> = (0..200).map(|_| json!({"surface": "a", "find": "b", "replace": "c"})).collect();
    let cut = object().to_string();
    let replies = [
        String::new(),
        String::from("I would rather tell the agent to run its tests."),
        cut[..cut.len() / 2].to_owned(),
        String::from("{\"action\": \"delete\"}"),
        String::from("<think>the whole reply is a thought {\"action\": \"edit\"}"),
        format!("{{{}", " ".repeat(MAX_BYTES)),
        String::from("{\"action\": \"decline\"}"),
        with("edits", json!(many)),
        with("edits", json!([])),
        with("edits", json!([{"surface": "a", "replace": "b"}])),
        with("edits", json!([{"surface": "a", "find": "x", "at": "end", "replace": "b"}])),
        with("edits", json!([{"surface": "a", "find": "x", "replace": "b", "file": "/etc/passwd"}])),
        with("edits", json!([{"surface": "a", "at": "middle", "replace": "b"}])),
        with("summary", json!("x".repeat(161))),
        with("summary", json!("  ")),
        with("scope", json!("sometimes")),
        with("slot", json!("third")),
    ];
    let said: Vec<String> = replies.iter().map(|reply| refused(reply)).collect();
    insta::assert_snapshot!(said.join("\n"));
    assert!(
        read("").unwrap_err().may_be_repaired() && !read("{\"action\": 1}").unwrap_err().may_be_repaired()
    );
}

#[test]
fn a_model_may_decline() {
    let reply = read("{\"action\": \"decline\", \"reason\": \"no surface is about it\"}");
    assert_eq!(reply, Ok(Reply::Decline { reason: String::from("no surface is about it") }));
}

#[test]
fn a_trigger_and_what_nobody_asked_for_are_kept() {
    let mut object = object();
    object["scope"] = json!({"when": {"detector": "loop-identical-fail", "count": 3}});
    object["confidence"] = json!(0.9);
    let draft = edit(read(&object.to_string()));
    assert!(matches!(&draft.scope, Scope::When(when) if when["count"] == 3));
    assert_eq!(draft.unknown["confidence"], json!(0.9));
    // It reads back as it is written.
    let mut written = serde_json::to_value(&draft).unwrap();
    written["action"] = json!("edit");
    assert_eq!(edit(read(&written.to_string())), draft);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_panics(text in "(?s)(\\{|\\}|\"|\\\\|,|`{3}|~{3}|\n|<think>|</think>|action|edit|:|\\[|\\]|[a-zé]| ){0,80}") {
        let _ = read(&text);
    }

    /// Prose around it changes nothing, whatever the prose is, as long as it holds no brace, fence or thought.
    #[test]
    fn prose_is_ignored(before in "[^{}`~<]{0,60}", after in "[^{}`~<]{0,60}") {
        let text = format!("{before}\n{}\n{after}", object());
        prop_assert_eq!(edit(read(&text)), edit(read(&object().to_string())));
    }

    #[test]
    fn texts_of_edits_are_kept_to_the_letter(find in "(?s).{1,40}", replace in "(?s).{0,40}") {
        let mut object = object();
        object["edits"] = json!([{"surface": "s", "find": find, "replace": replace}]);
        for style in [object.to_string(), format!("so:\n{object}")] {
            let draft = edit(read(&style));
            prop_assert_eq!((&draft.edits[0].find, &draft.edits[0].replace), (&find, &replace));
        }
    }
}
