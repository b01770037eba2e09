//! The words that a program is started with: arguments and variables with their placeholders filled in (`formats` 5.2). None of
//! them tells task, split or repeat, and none comes from the host's environment.

use harness_schema::harness::Harness;
use harness_schema::manifest::Protocol;

use super::{CommandError, Env, HARNESS_DIR, INSTRUCTION_FILE, SandboxError, TRANSCRIPT, Work};
use crate::engine::placeholder;
use crate::host::sandbox::spec::MODEL_ADDRESS;

/// What the placeholders stand for.
pub(super) struct Words {
    instruction: String,
    workdir: String,
    key: String,
    name: String,
    protocol: Protocol,
}

impl Words {
    /// Those of a trial with that token.
    pub(super) fn of(work: &Work<'_>, token: &str) -> Self {
        let settings = work.client.settings();
        Self {
            instruction: work.instruction.to_owned(),
            workdir: work.workdir.to_owned(),
            key: token.to_owned(),
            name: settings.name.clone(),
            protocol: settings.protocol,
        }
    }

    /// Of no trial, to see whether all can be filled.
    pub(super) fn sample(harness: &Harness) -> Self {
        let model = &harness.manifest().model;
        Self {
            instruction: String::new(),
            workdir: String::from("/app"),
            key: String::from("token"),
            name: model.name.value.clone(),
            protocol: model.protocol.value,
        }
    }

    /// The program and its arguments.
    pub(super) fn argv(&self, harness: &Harness) -> Result<Vec<String>, CommandError> {
        let argv = &harness.manifest().agent.argv;
        let filled: Result<Vec<String>, _> =
            argv.iter().map(|word| self.filled("agent.argv", &word.value, false)).collect();
        let filled = filled?;
        match filled.first().is_none_or(|program| program.is_empty()) {
            true => Err(CommandError::NoProgram),
            false => Ok(filled),
        }
    }

    /// Where the program leaves its transcript.
    pub(super) fn transcript(&self, harness: &Harness) -> Result<String, CommandError> {
        self.filled("agent.transcript", &harness.manifest().agent.transcript.value, false)
    }

    /// The variables: those by which clients find the model, unless the manifest says otherwise, then the manifest's.
    pub(super) fn env(&self, harness: &Harness) -> Result<Env, CommandError> {
        let declared = &harness.manifest().agent.env.0;
        let (base, key) = (self.endpoint(), self.key.clone());
        let own = match self.protocol {
            Protocol::Openai => {
                vec![("OPENAI_BASE_URL", base.clone()), ("OPENAI_API_BASE", base), ("OPENAI_API_KEY", key)]
            }
            Protocol::Anthropic => vec![
                ("ANTHROPIC_BASE_URL", format!("http://{MODEL_ADDRESS}")),
                ("ANTHROPIC_API_KEY", key),
                ("ANTHROPIC_MODEL", self.name.clone()),
            ],
        };
        let is_declared = |name: &str| declared.iter().any(|(declared, _)| declared.value == name);
        let mut all: Vec<(String, String)> = own
            .into_iter()
            .filter(|(name, _)| !is_declared(name))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        for (name, value) in declared {
            all.push((name.value.clone(), self.filled("agent.env", &value.value, true)?));
        }
        Env::of_agent(all).map_err(|error| match error {
            SandboxError::Variable { name } => CommandError::Variable { name },
            other => CommandError::Variable { name: other.to_string() },
        })
    }

    fn endpoint(&self) -> String {
        format!("http://{MODEL_ADDRESS}/v1")
    }

    fn value(&self, placeholder: &str) -> Option<String> {
        Some(match placeholder {
            "instruction_file" => INSTRUCTION_FILE.to_owned(),
            "instruction" => self.instruction.clone(),
            "workdir" => self.workdir.clone(),
            "harness_dir" => HARNESS_DIR.to_owned(),
            "transcript" => TRANSCRIPT.to_owned(),
            "model_endpoint" => self.endpoint(),
            "model_key" => self.key.clone(),
            "model_name" => self.name.clone(),
            "model_protocol" => match self.protocol {
                Protocol::Openai => String::from("openai"),
                Protocol::Anthropic => String::from("anthropic"),
            },
            _ => return None,
        })
    }

    /// A text with its placeholders filled. In variables `${NAME}` is the program's own.
    fn filled(&self, key: &'static str, text: &str, has_variables: bool) -> Result<String, CommandError> {
        placeholder::filled(text, has_variables, |name| self.value(name))
            .map_err(|name| CommandError::Placeholder { key, name })
    }
}

#[cfg(test)]
mod tests {
    use harness_schema::check::agent::PLACEHOLDERS;
    use harness_schema::files::Files;

    use super::*;

    fn harness(agent: &str) -> Harness {
        let text = format!(
            "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m-1\"\n[agent]\nkind = \"command\"\n{agent}\n"
        );
        Harness::resolve(&Files::from_texts([("harness.toml", text.as_str())]), None)
    }

    fn words(protocol: Protocol) -> Words {
        Words {
            instruction: String::from("do {workdir}"),
            workdir: String::from("/app"),
            key: String::from("token"),
            name: String::from("m-1"),
            protocol,
        }
    }

    #[test]
    fn every_placeholder_of_the_check_is_filled() {
        let words = words(Protocol::Openai);
        for name in PLACEHOLDERS {
            assert!(words.value(name).is_some(), "{name}");
        }
        assert!(words.value("task").is_none());
    }

    #[test]
    fn braces_are_filled_doubled_or_left() {
        let harness = harness(
            r#"argv = ["a", "{instruction}", "{workdir}/x {model_protocol} {{name}} {} {\"a\": {\"b\": 1}} {print $1}", "{{{model_name}}}", "openai/{model_name}", "{model_endpoint}"]"#,
        );
        let argv = words(Protocol::Openai).argv(&harness).unwrap();
        let expected = [
            "a",
            "do {workdir}",
            "/app/x openai {name} {} {\"a\": {\"b\": 1}} {print $1}",
            "{m-1}",
            "openai/m-1",
            "http://127.0.0.1:3129/v1",
        ];
        assert_eq!(argv, expected);
    }

    #[test]
    fn unknown_placeholders_and_missing_programs_are_said() {
        let error = |agent: &str| words(Protocol::Openai).argv(&harness(agent)).unwrap_err().to_string();
        assert_eq!(
            error(r#"argv = ["a", "{task}"]"#),
            "`agent.argv` in `harness.toml` holds the unknown placeholder `{task}`; write `{{` for a brace"
        );
        assert!(error("").contains("names no program"));
        assert!(error(r#"argv = ["", "x"]"#).contains("names no program"));
    }

    #[test]
    fn variables_lead_to_the_relay_unless_they_are_declared() {
        let env = |protocol, agent: &str| {
            let env = words(protocol).env(&harness(agent)).unwrap();
            env.each().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let openai = ["OPENAI_BASE_URL=http://127.0.0.1:3129/v1", "OPENAI_API_BASE=http://127.0.0.1:3129/v1"];
        let all: Vec<&str> = openai.into_iter().chain(["OPENAI_API_KEY=token"]).collect();
        assert_eq!(env(Protocol::Openai, ""), all);
        let declared = r#"env = { OPENAI_API_KEY = "Bearer {model_key}", A = "${B} {workdir}" }"#;
        let all: Vec<&str> =
            openai.into_iter().chain(["OPENAI_API_KEY=Bearer token", "A=${B} /app"]).collect();
        assert_eq!(env(Protocol::Openai, declared), all);
        let expected =
            ["ANTHROPIC_BASE_URL=http://127.0.0.1:3129", "ANTHROPIC_API_KEY=token", "ANTHROPIC_MODEL=m-1"];
        assert_eq!(env(Protocol::Anthropic, ""), expected);
    }

    #[test]
    fn variables_that_carry_secrets_or_load_something_are_refused() {
        for name in ["LD_PRELOAD", "GITHUB_TOKEN", "HTTPS_PROXY", "PYTHONPATH", "ANTHROPIC_AUTH_TOKEN"] {
            let harness = harness(&format!("env = {{ {name} = \"x\" }}"));
            let error = words(Protocol::Openai).env(&harness).unwrap_err().to_string();
            assert!(error.contains(&format!("sets `{name}`")), "{error}");
        }
    }
}
