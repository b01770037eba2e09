//! The families of agents whose files are surfaces as they are: each excerpt is written after the named documentation
//! or package, resolves to one span, and takes an edit.

use super::{document, edited_within, selector, value};
use crate::selector::ValueKind;
use crate::surface::{Dialect, Limits};

struct Family {
    /// Where the form is from.
    origin: &'static str,
    path: &'static str,
    text: &'static str,
    select: &'static str,
    requires: &'static [&'static str],
    template: Option<Dialect>,
    /// What is found.
    old: &'static str,
    /// What is written, and a line of the file afterwards.
    new: &'static str,
    line: &'static str,
}

const MINI: &str = "agent:\n  system_template: |\n    You are a helpful assistant.\n  instance_template: |\n    Please solve this issue: {{task}}\n\n    ## Rules\n\n    - Directory changes are not kept.\n  step_limit: 0\n  cost_limit: 3.\nmodel:\n  observation_template: |\n    {%- if output.output | length < 10000 -%}\n    {\"returncode\": {{ output.returncode }}, \"output\": {{ output.output | tojson }}}\n    {%- endif -%}\n";

const SWE_AGENT: &str = "agent:\n  templates:\n    system_template: |-\n      You are a helpful assistant.\n    instance_template: |-\n      {{problem_statement}}\n  tools:\n    registry_variables:\n      SUBMIT_REVIEW_MESSAGES:\n        - |\n          Look at your change once more.\n\n          <diff>\n          {{diff}}\n          </diff>\n";

const SWE_TOOL: &str = "tools:\n  str_replace_editor:\n    signature: |\n      str_replace_editor <command> <path>\n    # docs of the tool\n    docstring: >\n      Custom editing tool for viewing and\n      editing files.\n    arguments:\n      - name: command\n        type: string\n        description: \"The commands to run. Allowed: `view`, `create`.\"\n";

const DEEP_AGENT: &str = "def build_bootstrap_instruction() -> str:\n    return \"\"\"\\\nBefore you act, look at the workspace.\n\"\"\".strip()\n\n\ndef build_runtime_control_policy() -> dict:\n    return {\n        \"max_identical_calls\": 3,\n        \"stop_phrases\": [\"done\"],\n    }\n";

const CODE_AGENT: &str = "type: agent\nname: code_agent\nmax_iterations: 50\nsystem_prompt: ./systemprompt.md\ntools:\n  - name: run_shell_command\n    yaml_path: ./tools/run_shell_command.tool.yaml\n    binding: tools.shell:run_shell_command\n";

const AGENT_MD: &str = "---\nname: rust-core\ndescription: Use for the core crate.\ntools: Read, Edit\n---\n\n# Rust Core\n\n## 作業原則\n\n- 小さく変える\n\n## 出力\n\n短く\n";

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    Family { origin: "mini-swe-agent 2.4.6, config/mini.yaml", path: "mini.yaml", text: MINI,
        select: r#"["yaml", "agent", "system_template"]"#, requires: &[], template: Some(Dialect::Jinja),
        old: "You are a helpful assistant.\n", new: "You are careful: verify.\n", line: "    You are careful: verify." },
    Family { origin: "mini-swe-agent 2.4.6, config/mini.yaml", path: "mini.yaml", text: MINI,
        select: r#"["yaml", "agent", "instance_template"]"#, requires: &["{{ task }}"], template: Some(Dialect::Jinja),
        old: "Please solve this issue: {{task}}\n\n## Rules\n\n- Directory changes are not kept.\n",
        new: "Solve: {{task}}\n", line: "    Solve: {{task}}" },
    Family { origin: "mini-swe-agent 2.4.6, config/mini.yaml", path: "mini.yaml", text: MINI,
        select: r#"["yaml", "model", "observation_template"]"#, requires: &["output.output"], template: Some(Dialect::Jinja),
        old: "{%- if output.output | length < 10000 -%}\n{\"returncode\": {{ output.returncode }}, \"output\": {{ output.output | tojson }}}\n{%- endif -%}\n",
        new: "{{ output.output }}\n", line: "    {{ output.output }}" },
    Family { origin: "mini-swe-agent 2.4.6, config/mini.yaml", path: "mini.yaml", text: MINI,
        select: r#"["yaml", "agent", "cost_limit"]"#, requires: &[], template: None,
        old: "3.", new: "2", line: "  cost_limit: 2." },
    Family { origin: "SWE-agent, config/default.yaml", path: "config/default.yaml", text: SWE_AGENT,
        select: r#"["yaml", "agent", "templates", "system_template"]"#, requires: &[], template: None,
        old: "You are a helpful assistant.", new: "You are exact.", line: "      You are exact." },
    Family { origin: "SWE-agent, config/default.yaml", path: "config/default.yaml", text: SWE_AGENT,
        select: r#"["yaml", "agent", "tools", "registry_variables", "SUBMIT_REVIEW_MESSAGES", 0]"#,
        requires: &["{{diff}}"], template: None,
        old: "Look at your change once more.\n\n<diff>\n{{diff}}\n</diff>\n",
        new: "Run the tests.\n{{ diff }}\n", line: "          {{ diff }}" },
    Family { origin: "SWE-agent, tools/*/config.yaml", path: "tools/edit/config.yaml", text: SWE_TOOL,
        select: r#"["yaml", "tools", "str_replace_editor", "docstring"]"#, requires: &[], template: None,
        old: "Custom editing tool for viewing and editing files.\n",
        new: "Custom editing tool for viewing and editing files.\nOne file at a time.\n", line: "      One file at a time." },
    Family { origin: "SWE-agent, tools/*/config.yaml", path: "tools/edit/config.yaml", text: SWE_TOOL,
        select: r#"["yaml", "tools", "str_replace_editor", "arguments", 0, "description"]"#, requires: &[], template: None,
        old: "The commands to run. Allowed: `view`, `create`.", new: "One of \"view\", \"create\".",
        line: "        description: \"One of \\\"view\\\", \\\"create\\\".\"" },
    Family { origin: "Harbor 0.25.0, terminus_2/templates/terminus-json-plain.txt", path: "terminus-json-plain.txt",
        text: "Answer in JSON:\n{{\n  \"analysis\": \"…\"\n}}\n\nTask:\n{instruction}\n\nTerminal:\n{terminal_state}\n",
        select: r#"["file"]"#, requires: &["{instruction}", "{terminal_state}"], template: Some(Dialect::StrFormat),
        old: "Answer in JSON:\n{{\n  \"analysis\": \"…\"\n}}\n\nTask:\n{instruction}\n\nTerminal:\n{terminal_state}\n",
        new: "Answer {\"plan\": 1}.\n{instruction}\n{terminal_state}\n", line: "Answer {{\"plan\": 1}}." },
    Family { origin: "Terminus-KIRA, prompt-templates/terminus-kira.txt", path: "terminus-kira.txt",
        text: "Use the tools.\n{instruction}\n{terminal_state}",
        select: r#"["file"]"#, requires: &["{instruction}"], template: Some(Dialect::StrFormat),
        old: "Use the tools.\n{instruction}\n{terminal_state}", new: "Use tools.\n{instruction}\n{terminal_state}",
        line: "Use tools." },
    Family { origin: "NexAU, systemprompt.md", path: "systemprompt.md", text: "You are a coding agent.\r\n",
        select: r#"["file"]"#, requires: &[], template: None,
        old: "You are a coding agent.\n", new: "You are a tester.\n", line: "You are a tester." },
    Family { origin: "NexAU, code_agent.yaml", path: "code_agent.yaml", text: CODE_AGENT,
        select: r#"["yaml", "max_iterations"]"#, requires: &[], template: None,
        old: "50", new: "40", line: "max_iterations: 40" },
    Family { origin: "NexAU, code_agent.yaml: a new tool's registration", path: "code_agent.yaml", text: CODE_AGENT,
        select: r#"["yaml", "tools", "+"]"#, requires: &[], template: None,
        old: "", new: "name: read_file\nyaml_path: ./tools/read_file.tool.yaml", line: "  - name: read_file" },
    Family { origin: "NexAU, *.tool.yaml", path: "run.tool.yaml", text: "name: run\ndescription: >-\n  Runs a command.\n",
        select: r#"["yaml", "description"]"#, requires: &[], template: None,
        old: "Runs a command.", new: "Runs one command.", line: "  Runs one command." },
    Family { origin: "NexAU, tools/**/*.py", path: "tools/shell.py",
        text: "import os\n\n\ndef run_shell_command(command: str) -> str:\n    \"\"\"Runs it.\"\"\"\n    return os.popen(command).read()\n",
        select: r#"["py.function", "run_shell_command"]"#, requires: &[], template: None,
        old: "def run_shell_command(command: str) -> str:\n    \"\"\"Runs it.\"\"\"\n    return os.popen(command).read()",
        new: "def run_shell_command(command: str) -> str:\n    return os.popen(command).read()[:4096]",
        line: "    return os.popen(command).read()[:4096]" },
    Family { origin: "deepagents, a function per surface", path: "harness.py", text: DEEP_AGENT,
        select: r#"["py.return", "build_bootstrap_instruction"]"#, requires: &[], template: None,
        old: "Before you act, look at the workspace.\n", new: "Look first.\nThen act.\n", line: "Then act." },
    Family { origin: "deepagents, a function per surface", path: "harness.py", text: DEEP_AGENT,
        select: r#"["py.return", "build_runtime_control_policy"]"#, requires: &[], template: None,
        old: "{\n        \"max_identical_calls\": 3,\n        \"stop_phrases\": [\"done\"],\n    }",
        new: "{\n        \"max_identical_calls\": 2,\n        \"stop_phrases\": [],\n    }",
        line: "        \"max_identical_calls\": 2," },
    Family { origin: "better-harness, agent.py", path: "agent.py", text: "DEFAULT_SYSTEM_PROMPT = (\n    \"You are an agent. \"\n    \"Be brief.\"\n)\n",
        select: r#"["py.const", "DEFAULT_SYSTEM_PROMPT"]"#, requires: &[], template: None,
        old: "You are an agent. Be brief.", new: "You are an agent. Be exact.", line: "    \"Be exact.\"" },
    Family { origin: "Claude Code, .claude/agents/*.md", path: ".claude/agents/rust.md", text: AGENT_MD,
        select: r#"["md.frontmatter", "description"]"#, requires: &[], template: None,
        old: "Use for the core crate.", new: "Use for the core: always.", line: "description: \"Use for the core: always.\"" },
    Family { origin: "Claude Code, .claude/agents/*.md", path: ".claude/agents/rust.md", text: AGENT_MD,
        select: r#"["md.body"]"#, requires: &[], template: None,
        old: "# Rust Core\n\n## 作業原則\n\n- 小さく変える\n\n## 出力\n\n短く", new: "# Rust Core\n\nBrief.", line: "Brief." },
    Family { origin: "Claude Code, .claude/agents/*.md", path: ".claude/agents/rust.md", text: AGENT_MD,
        select: r#"["md.section", "Rust Core", "作業原則"]"#, requires: &[], template: None,
        old: "- 小さく変える", new: "- 小さく変える\n- 確かめる", line: "- 確かめる" },
    Family { origin: "Claude Code, CLAUDE.md", path: "CLAUDE.md", text: "# Rules\n", select: r#"["file"]"#,
        requires: &[], template: None, old: "# Rules\n", new: "# Rules\n\n- test\n", line: "- test" },
    Family { origin: "Codex and OpenHands, AGENTS.md", path: "AGENTS.md", text: "# Repository\n\n## Tests\n\nRun `make`.\n",
        select: r#"["md.section", "Tests"]"#, requires: &[], template: None,
        old: "Run `make`.", new: "Run `make test`.", line: "Run `make test`." },
    Family { origin: "Agent Skills, SKILL.md", path: "skills/pdf/SKILL.md", text: "---\nname: pdf\ndescription: 'Reads PDF files.'\n---\n\n# PDF\n",
        select: r#"["md.frontmatter", "description"]"#, requires: &[], template: None,
        old: "Reads PDF files.", new: "Reads and fills PDF's.", line: "description: 'Reads and fills PDF''s.'" },
    Family { origin: "OpenCode, opencode.json", path: "opencode.jsonc", text: "{\n  // agents\n  \"agent\": {\n    \"build\": { \"prompt\": \"Build it.\", \"mode\": \"primary\" },\n  },\n}\n",
        select: r#"["json", "agent", "build", "prompt"]"#, requires: &[], template: None,
        old: "Build it.", new: "Build\tit.", line: "    \"build\": { \"prompt\": \"Build\\tit.\", \"mode\": \"primary\" }," },
    Family { origin: "Goose, recipe.yaml", path: "recipe.yaml", text: "version: \"1.0.0\"\nprompt: |\n  Review {{ pr_directory }}.\n",
        select: r#"["yaml", "prompt"]"#, requires: &["{{ pr_directory }}"], template: Some(Dialect::Jinja),
        old: "Review {{ pr_directory }}.\n", new: "Review {{pr_directory}} twice.\n", line: "  Review {{pr_directory}} twice." },
    Family { origin: "Prompty, *.prompty", path: "chat.prompty", text: "---\nname: chat\nmodel:\n  api: chat\n---\nsystem:\nYou are brief.\n\nuser:\n{{question}}\n",
        select: r#"["md.body"]"#, requires: &["system:", "user:"], template: None,
        old: "system:\nYou are brief.\n\nuser:\n{{question}}", new: "system:\nYou are exact.\n\nuser:\n{{question}}", line: "You are exact." },
    Family { origin: "promptfoo, promptfooconfig.yaml", path: "promptfooconfig.yaml", text: "prompts:\n  - 'Convert to {{language}}: {{input}}'\ntests:\n  - vars: { language: French }\n",
        select: r#"["yaml", "prompts", 0]"#, requires: &["{{input}}"], template: None,
        old: "Convert to {{language}}: {{input}}", new: "To {{language}}: {{input}}", line: "  - 'To {{language}}: {{input}}'" },
    Family { origin: "smolagents 1.26.0, prompts/toolcalling_agent.yaml", path: "toolcalling_agent.yaml", text: "system_prompt: |-\n  You solve tasks.\n\n  Here are tools:\n  {%- for tool in tools.values() %}\n  - {{ tool.name }}\n  {%- endfor %}\nplanning:\n  plan: x\n",
        select: r#"["yaml", "system_prompt"]"#, requires: &["tools"], template: Some(Dialect::Jinja),
        old: "You solve tasks.\n\nHere are tools:\n{%- for tool in tools.values() %}\n- {{ tool.name }}\n{%- endfor %}",
        new: "You solve tasks.\n{{ tools }}", line: "  {{ tools }}" },
    Family { origin: "MCP, a list of tools", path: "tools.json", text: "{\"tools\": [{\"name\": \"run\", \"description\": \"Runs.\", \"inputSchema\": {\"type\": \"object\", \"properties\": {\"run\": {\"description\": \"what\"}}}}]}",
        select: r#"["json", "tools", 0, "inputSchema", "properties", "run", "description"]"#, requires: &[], template: None,
        old: "what", new: "the command", line: "{\"tools\": [{\"name\": \"run\", \"description\": \"Runs.\", \"inputSchema\": {\"type\": \"object\", \"properties\": {\"run\": {\"description\": \"the command\"}}}}]}" },
];

#[test]
fn each_resolves_to_one_span_and_takes_an_edit() {
    for family in FAMILIES {
        let Family { origin, path, text, select, .. } = family;
        assert_eq!(value(path, text, select), family.old, "{origin} {select}");
        let limits = Limits {
            requires: family.requires.iter().map(|&placeholder| placeholder.to_owned()).collect(),
            template: family.template,
            ..Limits::default()
        };
        match edited_within(path, text, select, &limits, family.new) {
            Ok(after) => {
                assert!(after.lines().any(|line| line == family.line), "{origin} {select}:\n{after}")
            }
            Err(refusal) => panic!("{origin} {select}: {refusal}"),
        }
        if !family.requires.is_empty() {
            let lost = edited_within(path, text, select, &limits, "nothing of it").unwrap_err().to_string();
            assert!(lost.contains("must keep `"), "{origin} {select}: {lost}");
        }
    }
}

#[test]
fn a_policy_is_a_table() {
    let policy = selector(r#"["py.return", "build_runtime_control_policy"]"#);
    assert_eq!(policy.resolve(&document("harness.py", DEEP_AGENT)).unwrap().kind, ValueKind::Table);
}
