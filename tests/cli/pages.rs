//! `check --explain` and `check --render`.

use crate::{Directory, MANIFEST, harness};

#[test]
fn a_rule_is_explained_by_id_or_name() {
    let directory = Directory::new("explain");
    let page = directory.run(&["check", "--explain", "SH104"]);
    assert_eq!(page.code, Some(0));
    insta::assert_snapshot!(page.out);
    for word in ["sh104", "unknown-tool"] {
        assert_eq!(directory.run(&["check", "--explain", word]).out, page.out);
    }
}

#[test]
fn an_unknown_rule_has_a_near_one() {
    let directory = Directory::new("no-rule");
    let explain = directory.run(&["check", "--explain", "unknown-tol"]);
    assert_eq!(explain.code, Some(2));
    assert_eq!(explain.err, "error: there is no rule `unknown-tol`\nhint: did you mean `unknown-tool`?\n");
    let explain = directory.run(&["check", "--explain", "zebra"]);
    assert_eq!(
        explain.err,
        "error: there is no rule `zebra`\nhint: a rule has an id such as `SH104` and a name such as `unknown-tool`\n"
    );
}

#[test]
fn a_prompt_renders_with_sample_values() {
    let directory = harness("render");
    directory.write(
        "prompts/system.md",
        "In {{ workdir }}: {{ runtime.max_steps }} steps, {{ runtime.tool_timeout }}. {# not sent #}{{ team|upper }}\n{% for tool in tools %}{{ tool.name }}: {{ tool.description }}{% endfor %}\n{{ task.instruction }}\n",
    );
    directory.write("harness.toml", format!("{MANIFEST}\n[prompt.variables]\nteam = \"core\"\n"));
    let rendered = directory.run(&["check", "--render", "prompts/system.md"]);
    assert_eq!(rendered.code, Some(0), "{}", rendered.err);
    assert_eq!(
        rendered.out,
        "In /app: 40 steps, 1m. CORE\nshell: Runs a command.\n‹the instruction of the task›\n"
    );
    assert!(rendered.err.starts_with("note: `‹…›` stands where a run puts its own text"), "{}", rendered.err);
}

#[test]
fn what_is_rendered_is_exact() {
    let directory = harness("exact");
    directory.write("prompts/system.md", "a\u{1b}[31m\u{200b}b\r\n");
    let rendered = directory.run(&["check", "--render", "prompts/system.md"]);
    assert!(rendered.out.starts_with("a\u{1b}[31m\u{200b}b"), "{:?}", rendered.out);
}

#[test]
fn inline_texts_of_the_manifest_render_below_their_names() {
    let directory = harness("inline");
    let rendered = directory.run(&["check", "--render", "harness.toml"]);
    assert_eq!(rendered.code, Some(0), "{}", rendered.err);
    assert_eq!(rendered.out, "==> tool.shell.description <==\nRuns a command.\n==> rule.stop <==\nStop.\n");
}

#[test]
fn what_does_not_render_is_a_problem_with_its_place() {
    let directory = harness("unrendered");
    directory.write("prompts/system.md", "Hello,\n{{ workdri }}\n");
    let rendered = directory.run(&["check", "--render", "prompts/system.md"]);
    assert_eq!((rendered.code, rendered.out.as_str()), (Some(1), ""));
    assert!(rendered.err.contains("error[SH101]: unknown variable `workdri`"), "{}", rendered.err);
    // Nothing is undefined here: it fails on what the values are.
    directory.write("prompts/system.md", "Hello,\n{{ step|join }}\n");
    let rendered = directory.run(&["check", "--render", "prompts/system.md"]);
    assert_eq!((rendered.code, rendered.out.as_str()), (Some(1), ""));
    insta::assert_snapshot!(rendered.err);
}

#[test]
fn other_agents_read_their_own_files() {
    let directory = Directory::new("foreign");
    directory.write(
        "harness.toml",
        "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[agent]\nkind = \"command\"\nargv = [\"agent\", \"{transcript}\"]\n[[surface]]\nid = \"rules\"\nfile = \"RULES.md\"\n",
    );
    directory.write("RULES.md", "Be kind.\n");
    let rendered = directory.run(&["check", "--render", "RULES.md"]);
    assert_eq!(rendered.code, Some(2));
    assert_eq!(
        rendered.err,
        "error: `RULES.md` holds no text to render\nhint: only the texts of the native agent are rendered; other agents read their files themselves\n"
    );
}
