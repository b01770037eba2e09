//! Each problem at its place, with its words, and its fixes give the text that they promise.

use proptest::prelude::*;

use super::*;
use crate::manifest::Manifest;
use crate::problem::Change;
use crate::syntax::decode::decodes_at_once;
use crate::syntax::{json, toml};
use crate::text::apply_all;

const MINIMAL: &str =
    "schema = 1\n[model]\nname = \"m\"\nendpoint = \"http://127.0.0.1:1/v1\"\n[prompt]\nsystem = \"s.md\"\n";

fn file(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

fn found(text: &str) -> Vec<Problem> {
    check(&toml::parse(text), shape::manifest(), &file("harness.toml"), text).0
}

/// `SH002 max_step: message` for each problem.
fn said(text: &str) -> Vec<String> {
    let line = |problem: &Problem| {
        let lines: Vec<&str> = problem.span.of(text).lines().collect();
        format!("{} {}: {}", problem.rule.id, lines.join("⏎"), problem.message)
    };
    found(text).iter().map(line).collect()
}

/// What is wrong in a minimal manifest with some more lines.
fn in_minimal(more: &str) -> Vec<String> {
    said(&format!("{MINIMAL}{more}"))
}

/// The text after the first fix of the first problem, and the fix's class.
fn fixed(text: &str) -> Option<(FixClass, String)> {
    let problems = found(text);
    let fix = problems.first()?.fixes.first()?;
    let edits: Vec<_> = fix
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Edit { edit, .. } => Some(edit.clone()),
            _ => None,
        })
        .collect();
    Some((fix.class, apply_all(text, &edits)?))
}

/// The lines that a fix makes of `more` below a minimal manifest.
fn fixed_in_minimal(more: &str) -> Option<(FixClass, String)> {
    let (class, text) = fixed(&format!("{MINIMAL}{more}"))?;
    Some((class, text.strip_prefix(MINIMAL)?.to_owned()))
}

fn safe(text: &str) -> Option<(FixClass, String)> {
    Some((FixClass::Safe, text.to_owned()))
}

fn preview(text: &str) -> Option<(FixClass, String)> {
    Some((FixClass::Preview, text.to_owned()))
}

#[test]
fn the_minimal_manifest_is_right() {
    assert_eq!(said(MINIMAL), [""; 0]);
}

#[test]
fn an_unknown_key_is_near_one_or_a_word_of_another_tool() {
    let words = |more: &str| in_minimal(more).join(" | ");
    assert_eq!(
        words("[runtime]\nmax_step = 4\n"),
        "SH002 max_step: unknown key `max_step` in `[runtime]`; did you mean `max_steps`?"
    );
    assert_eq!(
        words("[[runtime.rule]]\nid = \"a\"\nwhen = { steps = 3 }\ninject = \"a\"\n"),
        "SH002 steps: unknown key `steps` in `[runtime.rule.when]`; did you mean `step`?"
    );
    assert_eq!(
        words("[tasks]\nholdout = []\n"),
        "SH002 holdout: unknown key `holdout` in `[tasks]`; did you mean `held_out`?"
    );
    assert_eq!(
        words("[runtime]\nfrobnicate = 4\n"),
        "SH002 frobnicate: unknown key `frobnicate` in `[runtime]`"
    );
    assert_eq!(
        said(&format!("temperature = 1\n{MINIMAL}")).join(""),
        "SH002 temperature: unknown key `temperature` in `harness.toml`; did you mean `model.temperature`?"
    );
}

#[test]
fn a_key_within_two_edits_is_renamed_without_a_look() {
    assert_eq!(fixed_in_minimal("[runtime]\nmax_step = 4\n"), safe("[runtime]\nmax_steps = 4\n"));
    // The word of another tool is a guess.
    assert_eq!(fixed_in_minimal("[runtime]\nmax_turns = 4\n"), preview("[runtime]\nmax_steps = 4\n"));
    // The key is set already: the other one can only go.
    assert_eq!(
        fixed_in_minimal("[runtime]\nmax_steps = 3\nmax_step = 4\n"),
        preview("[runtime]\nmax_steps = 3\n")
    );
    // Two keys are misspellings of one: which of them it is, is the author's to say.
    let twice = found(&format!("{MINIMAL}[runtime]\nmax_step = 4\nmax_stepss = 5\n"));
    let classes: Vec<_> =
        twice.iter().flat_map(|problem| &problem.fixes).map(|fix| (fix.title.as_str(), fix.class)).collect();
    assert_eq!(classes, [("Replace with `max_steps`", FixClass::Preview); 2]);
    // Two keys are near.
    let class = fixed_in_minimal("[model.price]\n").map(|(class, _)| class);
    assert_eq!(class, Some(FixClass::Preview));
}

#[test]
fn what_is_sent_as_json_holds_no_date_and_a_reason_is_none_when_blank() {
    let dated = "[model.request]\na = { b = [1, 2026-01-01] }\nc = inf\n";
    let text = MINIMAL.replace("[prompt]", &format!("{dated}[prompt]"));
    assert_eq!(
        said(&text),
        [
            "SH003 2026-01-01: `a` holds a date, which JSON does not have",
            "SH003 inf: `c` holds `inf`, which JSON does not have"
        ]
    );
    assert_eq!(
        in_minimal("[[lint.allow]]\nrule = \"SH104\"\nreason = \"  \"\n"),
        ["SH003 \"  \": `reason` must not be empty"]
    );
    assert_eq!(
        in_minimal("[[tool]]\nfile = \"tools/a.md\"\n"),
        ["SH003 \"tools/a.md\": `file` must be the path of a TOML or JSON file"]
    );
}

#[test]
fn a_share_of_the_context_needs_its_size() {
    let rules = "[[runtime.rule]]\nid = \"a\"\nwhen = { context_used = 0.5 }\ninject = { text = \"b\" }\n\
        [[runtime.rule]]\nid = \"c\"\nwhen = { context_used = 0.9 }\ninject = { text = \"d\" }\n";
    assert_eq!(in_minimal(rules), ["SH004 context_used: `context_used` needs `model.context_window`"]);
    let known = MINIMAL.replace("[prompt]", "context_window = 8192\n[prompt]");
    assert_eq!(said(&format!("{known}{rules}")), [""; 0]);
}

#[test]
fn a_limit_is_of_steps_or_of_one_tool() {
    let limit = |limit: &str| {
        let rule = "[[runtime.rule]]\nid = \"a\"\nwhen = { step = 3 }\nlimit = ";
        in_minimal(&format!("{rule}{limit}\n")).join(" | ")
    };
    assert_eq!(limit("{ steps = 3 }"), "");
    assert_eq!(limit("{ tool = \"a\", calls = 3 }"), "");
    assert_eq!(limit("{ steps = 3, calls = 3 }"), "SH003 calls: give `steps` or `calls`, not both");
    assert!(limit("{ calls = 3 }").starts_with("SH004"));
}

#[test]
fn a_table_is_renamed_in_every_header_and_dotted_key() {
    assert_eq!(
        fixed_in_minimal("[[surfce]]\nid = \"a\"\n[[surfce.parts]]\nfile = \"x\"\n[[surfce]]\nid = \"b\"\n"),
        safe("[[surface]]\nid = \"a\"\n[[surface.parts]]\nfile = \"x\"\n[[surface]]\nid = \"b\"\n")
    );
    assert_eq!(
        fixed(&format!("budgt.max_trials = 3\n\"budgt\" . max_tokens = 4\n{MINIMAL}")),
        safe(&format!("budget.max_trials = 3\n\"budget\" . max_tokens = 4\n{MINIMAL}"))
    );
    assert_eq!(
        fixed_in_minimal("[improve]\nrepeat = { screen = 1 }\n"),
        safe("[improve]\nrepeats = { screen = 1 }\n")
    );
}

#[test]
fn reserved_keys_and_keys_of_the_machine_can_only_go() {
    assert_eq!(
        in_minimal("[models.small]\nname = \"s\"\n").join(""),
        "SH002 models: `models` is reserved for overlays for several models, which this version does not read"
    );
    let sandbox = "[agent]\nsandbox = \"none\"\ntimeout = \"5m\"\n";
    assert_eq!(
        in_minimal(sandbox).join(""),
        "SH011 sandbox: the machine chooses the sandbox, not a project; remove `sandbox`"
    );
    assert_eq!(fixed_in_minimal(sandbox), preview("[agent]\ntimeout = \"5m\"\n"));
    assert_eq!(fixed_in_minimal("[limits]\nmemory_mb = 9\n# more\n[agent]\n"), preview("# more\n[agent]\n"));
    assert_eq!(
        fixed(&format!("agent = {{ run_as = 0, version = \"1\" }}\n{MINIMAL}")),
        preview(&format!("agent = {{ version = \"1\" }}\n{MINIMAL}"))
    );
}

#[test]
fn an_entry_between_braces_goes_with_its_comma() {
    let fix = |more: &str| {
        fixed(&format!("improve = {more}\n{MINIMAL}"))
            .map(|(_, text)| text.lines().next().unwrap().to_owned())
    };
    assert_eq!(fix("{ zzzzzzzz = 1, rounds = 2 }").as_deref(), Some("improve = { rounds = 2 }"));
    assert_eq!(fix("{ rounds = 2, zzzzzzzz = 1 }").as_deref(), Some("improve = { rounds = 2 }"));
    assert_eq!(fix("{ zzzzzzzz = 1 }").as_deref(), Some("improve = {}"));
}

#[test]
fn wrong_values_say_what_they_must_be() {
    let words = |more: &str| in_minimal(more).join(" | ");
    assert_eq!(
        said(&MINIMAL.replace("[prompt]", "temperature = \"0.7\"\n[prompt]")).join(""),
        "SH003 \"0.7\": `temperature` must be a number, not a text"
    );
    assert_eq!(
        words("[runtime]\nmax_steps = 0\ncompaction_at = 1.5\nmax_output_bytes = 2.5\n"),
        "SH003 0: `max_steps` must be a whole number of at least 1, not 0 | \
         SH003 1.5: `compaction_at` must be a number above 0, at most 1, not 1.5 | \
         SH003 2.5: `max_output_bytes` must be a whole number, not 2.5"
    );
    assert_eq!(
        words("[agent]\nkind = \"nativ\"\ntimeout = \"5 minutes\"\nfiles = \"a\"\n"),
        "SH003 \"nativ\": `kind` must be `native`, `command` or `harbor`; did you mean `native`? | \
         SH003 \"5 minutes\": `timeout` must be a duration above zero, such as `\"90s\"` or `\"1h30m\"` | \
         SH003 \"a\": `files` must be a list, not a text"
    );
    assert_eq!(
        words("[[runtime.rule]]\nid = \"A b\"\nwhen = { output = \"(\" }\ninject = 3\n"),
        "SH003 \"A b\": `id` must be an id: lower-case letters, digits, `.`, `_` and `-`, at most 64 characters | \
         SH003 \"(\": `output` must be a regular expression: unclosed group | \
         SH003 3: `inject` must be a path or `{ text = \"…\" }`, not a number"
    );
    assert_eq!(words("[tool]\nname = \"a\"\n"), "SH003 [tool]: `tool` must be a list of tables, not a table");
    assert_eq!(
        words("[orchestration]\nstart = \"end\"\n[[orchestration.state]]\nid = \"end\"\nnext = []\n"),
        "SH003 \"end\": `id` cannot be `end`, which has a meaning of its own | SH003 []: `next` must not be empty"
    );
    assert_eq!(
        words("[agent]\npython_path = [\"a\", 3]\n[prompt.variables]\na-b = \"x\"\n"),
        "SH003 a-b: `a-b` is no name: letters, digits and `_`, the first no digit | \
         SH003 3: an item of `python_path` must be a text, not a number"
    );
}

#[test]
fn a_value_is_never_repeated() {
    let secret = "sk-0123456789abcdef";
    for line in ["protocol", "timeout", "temperature", "stream", "price", "request"] {
        let text = MINIMAL.replace("[prompt]", &format!("{line} = \"{secret}\"\n[prompt]"));
        let problems = found(&text);
        assert!(!problems.is_empty(), "{line}");
        for problem in problems {
            let all = format!("{problem:?}");
            assert!(!problem.message.contains(secret) && !all.contains(secret), "{all}");
        }
    }
}

#[test]
fn other_rules_speak_about_their_own_texts() {
    assert_eq!(in_minimal("[[runtime.rule]]\nid = \"a\"\nwhen = { detector = \"no-such\" }\n"), [""; 0]);
    assert_eq!(said(&MINIMAL.replace("[prompt]", "api_key_env = \"sk-1\"\n[prompt]")), [""; 0]);
    assert_eq!(in_minimal("[[tool]]\nname = \"read file!\"\nbuiltin = \"read_file\"\n"), [""; 0]);
}

#[test]
fn quotes_around_a_number_or_truth_value_go_without_a_look() {
    assert_eq!(fixed_in_minimal("[runtime]\nmax_steps = \"40\"\n"), safe("[runtime]\nmax_steps = 40\n"));
    assert_eq!(
        fixed_in_minimal("[[surface]]\nid = \"rules.new\"\nenabled = \"false\"\n"),
        safe("[[surface]]\nid = \"rules.new\"\nenabled = false\n")
    );
    for (value, expected) in
        [("\"0\"", None), ("\"007\"", None), ("\"1e3\"", None), ("\"nan\"", None), ("\"\"", None)]
    {
        assert_eq!(fixed_in_minimal(&format!("[runtime]\nmax_steps = {value}\n")), expected, "{value}");
    }
}

#[test]
fn what_was_perhaps_meant_is_offered() {
    let fix = |line: &str| {
        fixed_in_minimal(&format!("[agent]\n{line}\n"))
            .map(|(class, text)| (class, text.lines().nth(1).unwrap_or_default().to_owned()))
    };
    assert_eq!(fix("kind = 'nativ'"), preview("kind = \"native\""));
    assert_eq!(fix("timeout = 900"), preview("timeout = \"900s\""));
    assert_eq!(fix("version = 2.4"), preview("version = \"2.4\""));
    assert_eq!(fix("files = \"a\""), preview("files = [\"a\"]"));
    assert_eq!(fixed_in_minimal("[tool]\nname = \"a\"\n"), preview("[[tool]]\nname = \"a\"\n"));
}

#[test]
fn missing_keys_are_said_where_they_are_missing() {
    assert_eq!(
        said("name = \"x\"\n"),
        [
            "SH004 name: `schema` is missing in `harness.toml`",
            "SH004 name: `model` is missing in `harness.toml`",
            "SH004 name: `prompt.system` is missing: the native agent needs it",
        ]
    );
    let command = "schema = 1\n[model]\nname = \"m\"\nendpoint = \"http://127.0.0.1:1/v1\"\n[agent]\nkind = \"command\"\n";
    assert_eq!(
        said(command).join(""),
        "SH004 \"command\": `agent.kind` is `command`, so `agent.argv` is needed"
    );
    assert_eq!(
        in_minimal(
            "[[tool]]\n[[surface]]\nid = \"a\"\n[[surface]]\nid = \"prompt.task\"\nenabled = false\n[[surface]]\nid = \"n\"\nselect = [\"new\", \"a/*\"]\n"
        ),
        [
            "SH004 [[tool]]: `name` is missing in `[[tool]]`",
            "SH004 [[tool]]: tool `` needs `builtin` or `run`: nothing does what it says",
            "SH004 [[surface]]: surface `a` needs `file` or `parts`: it is nowhere",
        ]
    );
    assert_eq!(
        in_minimal("[[runtime.rule]]\nid = \"a\"\nwhen = {}\nlimit = { tool = \"shell\" }\n"),
        [
            "SH004 {}: `when` must not be empty",
            "SH004 { tool = \"shell\" }: `limit` has `tool`, so `calls` is needed",
        ]
    );
}

#[test]
fn a_misspelt_key_is_not_missing_too() {
    assert_eq!(said(&MINIMAL.replace("endpoint", "endpint")).len(), 1);
    assert_eq!(said(&MINIMAL.replace("[model]", "[modell]")).len(), 1);
    assert_eq!(said(&MINIMAL.replace("[prompt]", "[promt]")).len(), 1);
    assert_eq!(said(&MINIMAL.replace("system", "sytem")).len(), 1);
}

#[test]
fn a_missing_key_is_inserted_however_its_table_is_written() {
    let fix = |text: &str| fixed(text).map(|(_, text)| text);
    let model = "name = \"m\"\nendpoint = \"http://127.0.0.1:1/v1\"\n";
    let rest = "[prompt]\nsystem = \"s.md\"\n";
    assert_eq!(
        fix(&format!("# Mine.\n[model]\n{model}{rest}")),
        Some(format!("# Mine.\nschema = 1\n[model]\n{model}{rest}"))
    );
    let local = "endpoint = \"http://127.0.0.1:11434/v1\"\n";
    // What is inserted gets the line ends of its file last of all, whichever rule it is of.
    assert_eq!(
        fix(&format!("schema = 1\r\n[model] # frozen\r\nname = \"m\"\r\n{rest}")),
        Some(format!("schema = 1\r\n[model] # frozen\n{}\r\nname = \"m\"\r\n{rest}", local.trim_end()))
    );
    assert_eq!(
        fix(&format!("schema = 1\nmodel.name = \"m\"\n{rest}")),
        Some(format!("schema = 1\nmodel.name = \"m\"\nmodel.{local}{rest}"))
    );
    assert_eq!(
        fix(&format!("schema = 1\nmodel = {{ name = \"m\" }}\n{rest}")),
        Some(format!("schema = 1\nmodel = {{ name = \"m\", {} }}\n{rest}", local.trim_end()))
    );
    assert_eq!(
        fix(&format!("schema = 1\n{rest}")),
        Some(format!("schema = 1\n{rest}\n[model]\n{local}name = \"qwen3.5:35b-a3b\"\n"))
    );
    assert_eq!(
        fix(&format!("schema = 1\n[model]\n{model}")),
        Some(format!("schema = 1\n[model]\n{model}\n{}", rest.replace("s.md", "prompts/system.md")))
    );
}

#[test]
fn of_a_newer_format_nothing_else_is_said() {
    assert_eq!(
        said("schema = 2\nnovel = true\n"),
        ["SH009 2: the manifest has schema 2, this server reads 1"]
    );
    assert_eq!(said(&MINIMAL.replace("schema = 1", "schema = 0")), ["SH003 0: `schema` must be 1, not 0"]);
}

#[test]
fn nothing_is_said_where_the_text_does_not_parse() {
    assert_eq!(said(&MINIMAL.replace("\"m\"", "")), [""; 0]);
    assert_eq!(said(&MINIMAL.replace("endpoint = \"http", "endpoint = \"\"\"http")), [""; 0]);
}

#[test]
fn a_tool_file_has_its_own_shape() {
    let text = "{ \"name\": \"a\", \"discription\": \"x\", \"timeout\": 5 }";
    let (problems, _) = check(&json::parse(text), shape::tool(), &file("tools/a.json"), text);
    let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "unknown key `discription` in `a.json`; did you mean `description`?",
            "`timeout` must be a duration above zero, such as `\"90s\"` or `\"1h30m\"`, not a number",
            "tool `a` needs `builtin` or `run`: nothing does what it says",
        ]
    );
    let edit = |at: usize| match problems[at].fixes[0].changes.as_slice() {
        [Change::Edit { edit, .. }] => apply_all(text, std::slice::from_ref(edit)).unwrap(),
        _ => panic!("one edit"),
    };
    assert!(edit(0).contains("\"description\": \"x\""));
    assert!(edit(2).ends_with("\"timeout\": 5, \"builtin\": \"shell\" }"));
}

#[test]
fn of_a_task_only_values_are_checked() {
    let text = "unknown = 1\n[agent]\ntimeout_sec = \"60\"\n[[steps]]\nmin_reward = { reward = 0.5 }\n";
    let (problems, bad) = check(&toml::parse(text), shape::task(), &file("tasks/t/task.toml"), text);
    let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(said, ["`timeout_sec` must be a number, not a text"]);
    assert!(!bad.is_empty());
}

#[test]
fn what_is_wrong_is_left_out_by_decoding() {
    let text = MINIMAL.replace("[prompt]", "temperature = 0.5\ntop_p = 7\n[prompt]");
    let tree = toml::parse(&text);
    let (_, bad) = check(&tree, shape::manifest(), &file("harness.toml"), &text);
    let manifest = Manifest::decode(&tree, &bad);
    assert_eq!((manifest.model.temperature.as_deref(), manifest.model.top_p.as_deref()), (Some(&0.5), None));
}

/// Lines that are nearly right.
fn any_manifest() -> impl Strategy<Value = String> {
    let lines = vec![
        "[model]",
        "[modell]",
        "name = \"m\"",
        "endpint = 3",
        "endpoint = \"http://127.0.0.1:1/v1\"",
        "schema = 1",
        "[[tool]]",
        "[tool]",
        "[[runtime.rule]]",
        "id = \"a\"",
        "when = { step = \"3\", stp = 1 }",
        "limit = {}",
        "[agent]",
        "kind = \"command\"",
        "sandbox = true",
        "agent.kind = \"harbor\"",
        "[[surface]]",
        "[[surface.parts]]",
        "file = [\"x\"]",
        "select = \"file\"",
        "[prompt.variables]",
        "a-b = 1",
        "[model.price]",
        "inpt = 1",
        "= 3",
        "text = \"\"\"",
        "é = \"ü\"",
        "budgt.max_trials = 3",
        "[limits]",
        "[budget",
        "\u{feff}schema = 2",
        "",
    ];
    prop::collection::vec(prop::sample::select(lines), 0..16).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn fixes_apply_and_solve_what_they_are_for(text in any_manifest()) {
        let problems = found(&text);
        let count = |text: &str, problem: &Problem| {
            found(text).iter().filter(|other| other.rule == problem.rule && other.message == problem.message).count()
        };
        for problem in &problems {
            prop_assert!(problem.span.end as usize <= text.len());
            for fix in &problem.fixes {
                let edits: Vec<_> = fix.changes.iter().filter_map(|change| match change {
                    Change::Edit { edit, .. } => Some(edit.clone()),
                    _ => None,
                }).collect();
                let after = apply_all(&text, &edits);
                prop_assert!(after.is_some(), "{:?}", fix);
                let after = after.unwrap();
                let had_errors = !toml::parse(&text).errors.is_empty();
                if !had_errors {
                    prop_assert!(count(&after, problem) < count(&text, problem), "{:?}\n{}\n---\n{}", problem, text, after);
                }
            }
        }
    }

    #[test]
    fn checked_values_decode_at_the_first_try(text in any_manifest()) {
        let tree = toml::parse(&text);
        let (_, bad) = check(&tree, shape::manifest(), &file("harness.toml"), &text);
        prop_assert!(decodes_at_once::<Manifest>(&tree.root, &bad), "{}", text);
    }
}
