//! An edit that acts on some tasks only is tried on these, and on one of the others to see that it leaves them alone.

use std::collections::BTreeSet;

use self_harness::host::record::EventRecord;

use crate::lab::Lab;
use crate::persona::answers;

/// What the rule says when it fires.
const REMINDER: &str = "Nobody has looked at the result. Look at it before you end.";

/// A model that writes a wrong number below 46 and ends without a look at it, unless it is reminded; all others it writes and reads
/// back. Asked for a rule it proposes the reminder, and nothing else.
fn persona() -> String {
    let reply = serde_json::json!({
        "action": "edit", "slot": "SLOT", "cluster": "${cluster}", "mechanism": "${mechanism}",
        "edits": [{ "surface": "${surface}", "find": "", "at": "end", "replace": REMINDER }],
        "scope": { "when": { "detector": "${mechanism}" } }, "summary": "Reminds of what was not looked at.",
        "why": "Its work is not looked at again.",
    });
    let reply = reply.to_string().replace("\"SLOT\"", "${slot}");
    let rule =
        answers("[0-9]+", &reply).replace("(?P<surface>\\S+)'", "(?P<surface>\\S+)\\nedit: add-trigger '");
    assert!(rule.contains("add-trigger"), "{rule}");
    let decline = answers("[0-9]+", "{\"action\": \"decline\", \"reason\": \"there is nothing to add\"}");
    format!(
        r#"
name = "forgetful"

{rule}{decline}
[[rule]]
when = {{ last = "Nobody has looked", any = "the number (?P<number>4[0-5])" }}
reply = {{ text = "I write it again.", calls = [{{ tool = "shell", arguments = {{ command = "echo ${{number}} > answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 0 }}
reply = {{ text = "I look.", calls = [{{ tool = "shell", arguments = {{ command = "ls -la" }} }}], usage = {{ input = 100, output = 10 }} }}

[[rule]]
when = {{ step = 1, any = "the number 4[0-5]" }}
reply = {{ text = "I write.", calls = [{{ tool = "shell", arguments = {{ command = "echo 7 > answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 1, any = "the number (?P<number>[0-9]+)" }}
reply = {{ text = "I write.", calls = [{{ tool = "shell", arguments = {{ command = "echo ${{number}} > answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 2, any = "the number 4[0-5]" }}
reply = {{ text = "Done: the number is written.", usage = {{ input = 200, output = 5 }} }}

[[rule]]
when = {{ step = 2 }}
reply = {{ text = "I read it back.", calls = [{{ tool = "shell", arguments = {{ command = "cat answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
when = {{ step = 5 }}
reply = {{ text = "I read it back.", calls = [{{ tool = "shell", arguments = {{ command = "cat answer.txt" }} }}], usage = {{ input = 150, output = 20 }} }}

[[rule]]
reply = {{ text = "Done: the number is written.", usage = {{ input = 200, output = 5 }} }}
"#
    )
}

#[test]
fn a_rule_is_tried_where_it_acts_and_looked_at_elsewhere() {
    let lab = Lab::new("triggered", &persona(), 12);
    lab.write_harness(12, "[improve]\nproposals = 2\nrounds = 1\n\n[budget]\nmax_parallel = 4\n");
    lab.ok(&["improve", "--yes"]);
    let store = lab.store();
    let proposals = store.proposals().unwrap();
    let run = store.latest_run().unwrap().unwrap();
    let events = store.events(run.number, 0).unwrap();
    let told = || events.iter().map(|event| format!("{:?}\n", event.event)).collect::<String>();
    let rule =
        proposals.iter().find(|stored| stored.record.edits.iter().any(|edit| edit.after.contains(REMINDER)));
    let rule = rule.unwrap_or_else(|| panic!("no rule was proposed\n{}", told()));
    assert!(rule.record.scope.get("when").is_some(), "{:?}", rule.record);
    let decision = store.decisions().unwrap()[&rule.number].word();
    assert_eq!(decision, "accepted", "{}", told());
    // Where the model looks at its result anyway the rule says nothing, so the edit cannot change anything there.
    let sloppy: BTreeSet<String> = (0..6).map(|number| format!("t-{number:02}")).collect();
    let of_candidate = events.iter().filter_map(|event| match &event.event {
        EventRecord::Planned { slot } if slot.arm != 0 => Some(slot),
        _ => None,
    });
    let (audits, tried): (Vec<_>, Vec<_>) = of_candidate.partition(|slot| slot.role == "audit");
    let tried_tasks: BTreeSet<String> = tried.iter().map(|slot| slot.task.clone()).collect();
    assert_eq!(tried_tasks, sloppy, "{}", told());
    // One of twenty of the others, rounded up.
    let audited: Vec<&str> = audits.iter().map(|slot| slot.task.as_str()).collect();
    assert!(audited.len() == 1 && !sloppy.contains(audited[0]), "{audited:?}");
    let quiet = events
        .iter()
        .any(|event| matches!(&event.event, EventRecord::Activated { tasks, .. } if tasks.is_empty()));
    assert!(quiet, "{}", told());
}
