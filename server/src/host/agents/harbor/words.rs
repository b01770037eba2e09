//! What a job asks for: the agent with its options and variables, placeholders filled in. A key is a template in what is written,
//! and a variable of Harbor's process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use harness_schema::harness::Harness;
use harness_schema::manifest::Protocol;
use serde_json::Value;

use super::HarborError;
use crate::engine::harbor::job::{Agent, DIGEST};
use crate::engine::placeholder;
use crate::host::redact::SecretString;

/// What a client gets as its key where the model wants none.
const NO_KEY: &str = "none";

/// Words in the names of variables that Harbor takes for secrets: what they hold it replaces in what it writes, and would then
/// not know its own job again.
const SECRET: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "AUTH"];

/// What is filled in.
#[derive(Clone, Debug)]
pub struct Words {
    endpoint: String,
    name: String,
    protocol: Protocol,
    key_variable: Option<String>,
    /// Variables of the user that Harbor may see.
    allowed: Vec<String>,
}

/// What a job asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Who works.
    pub agent: Agent,
    /// Where it works.
    pub environment: String,
    /// Options of that.
    pub environment_kwargs: Value,
    /// Variables of Harbor's process, besides the model's key.
    pub variables: BTreeMap<String, String>,
}

impl Words {
    /// Those of a harness.
    #[must_use]
    pub fn of(harness: &Harness, allowed: &[String]) -> Self {
        let model = &harness.manifest().model.value;
        Self {
            endpoint: model.endpoint.value.clone(),
            name: model.name.value.clone(),
            protocol: model.protocol.value,
            key_variable: model.api_key_env.as_ref().map(|name| name.value.clone()),
            allowed: allowed.to_vec(),
        }
    }

    /// The variable in which clients look for their key.
    fn key(&self) -> &'static str {
        match self.protocol {
            Protocol::Openai => "OPENAI_API_KEY",
            Protocol::Anthropic => "ANTHROPIC_API_KEY",
        }
    }

    /// The variables of Harbor's process that hold the model's key: those in which clients look, and the manifest's own.
    #[must_use]
    pub fn keys(&self, key: Option<&str>) -> BTreeMap<String, OsString> {
        let value = OsString::from(key.unwrap_or(NO_KEY));
        let names = std::iter::once(self.key().to_owned()).chain(self.key_variable.clone());
        names.map(|name| (name, value.clone())).collect()
    }

    /// The model's key in a process that Harbor has started.
    #[must_use]
    pub fn key_here(&self) -> Option<SecretString> {
        let key = std::env::var(self.key()).ok().filter(|key| key != NO_KEY);
        key.map(SecretString::new)
    }

    /// What a job of a harness that is laid out in `directory` asks for.
    ///
    /// # Errors
    /// A [`HarborError`] that says what to change in the manifest.
    pub fn asked(&self, harness: &Harness, directory: &Path, digest: &str) -> Result<Asked, HarborError> {
        let manifest = &harness.manifest().agent.value;
        let directory = directory.display().to_string();
        let kwargs = manifest.kwargs.as_ref().map(|kwargs| kwargs.value.to_json()).unwrap_or_default();
        let options = |key, written: Value| self.each(key, written, &directory);
        let own = manifest.environment_kwargs.as_ref().map(|kwargs| kwargs.value.to_json());
        let mut variables = BTreeMap::new();
        Ok(Asked {
            agent: Agent {
                name: manifest.agent.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
                model: Some(self.filled("agent.model", &manifest.model.value, &directory)?),
                kwargs: options("agent.kwargs", kwargs)?,
                env: self.env(harness, &directory, digest, &mut variables)?,
            },
            environment: manifest.environment.value.clone(),
            environment_kwargs: options("agent.environment_kwargs", own.unwrap_or_default())?,
            variables,
        })
    }

    /// The variables of the agent: those by which clients find the model, unless the manifest says otherwise, then the manifest's.
    fn env(
        &self,
        harness: &Harness,
        directory: &str,
        digest: &str,
        process: &mut BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, HarborError> {
        let template = format!("${{{}}}", self.key());
        let own = match self.protocol {
            Protocol::Openai => vec![
                ("OPENAI_BASE_URL", self.endpoint.clone()),
                ("OPENAI_API_BASE", self.endpoint.clone()),
                ("OPENAI_API_KEY", template),
            ],
            Protocol::Anthropic => vec![
                ("ANTHROPIC_BASE_URL", self.endpoint.trim_end_matches("/v1").to_owned()),
                ("ANTHROPIC_API_KEY", template),
                ("ANTHROPIC_MODEL", self.name.clone()),
            ],
        };
        let mut env: BTreeMap<String, String> =
            own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, value) in &harness.manifest().agent.value.env.0 {
            let value = self.variable(&value.value, directory)?;
            let is_template = value.starts_with("${") && value.ends_with('}');
            let is_secret = SECRET.iter().any(|word| name.value.to_ascii_uppercase().contains(word));
            if is_secret && !is_template {
                env.insert(name.value.clone(), format!("${{{}}}", name.value));
                process.insert(name.value.clone(), value);
            } else {
                env.insert(name.value.clone(), value);
            }
        }
        env.insert(DIGEST.to_owned(), digest.to_owned());
        Ok(env)
    }

    /// The value of a variable: a template of a variable that Harbor sees, or a text.
    fn variable(&self, written: &str, directory: &str) -> Result<String, HarborError> {
        if written == "{model_key}" {
            return Ok(format!("${{{}}}", self.key()));
        }
        if let Some(name) = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            let (name, default) =
                name.split_once(":-").map_or((name, None), |(name, rest)| (name, Some(rest)));
            let is_seen = name == self.key()
                || self.key_variable.as_deref() == Some(name)
                || self.allowed.iter().any(|allowed| allowed == name);
            return match is_seen || default.is_some() {
                true => Ok(written.to_owned()),
                false => Err(HarborError::Variable { name: name.to_owned() }),
            };
        }
        self.filled("agent.env", written, directory)
    }

    /// Options with the placeholders of every text in them filled in.
    fn each(&self, key: &'static str, written: Value, directory: &str) -> Result<Value, HarborError> {
        Ok(match written {
            Value::String(text) => Value::String(self.filled(key, &text, directory)?),
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.each(key, item, directory));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let entries =
                    entries.into_iter().map(|(name, value)| Ok((name, self.each(key, value, directory)?)));
                Value::Object(entries.collect::<Result<_, HarborError>>()?)
            }
            other => other,
        })
    }

    fn filled(&self, key: &'static str, text: &str, directory: &str) -> Result<String, HarborError> {
        let value = |name: &str| match name {
            "harness_dir" => Some(directory.to_owned()),
            "model_endpoint" => Some(self.endpoint.clone()),
            "model_name" => Some(self.name.clone()),
            "model_protocol" => Some(match self.protocol {
                Protocol::Openai => String::from("openai"),
                Protocol::Anthropic => String::from("anthropic"),
            }),
            _ => None,
        };
        placeholder::filled(text, true, value).map_err(|name| {
            let remedy = match name.as_str() {
                "model_key" => "write it as the whole value of a variable in `agent.env`",
                _ => "Harbor tells its agent what to do and where; write `{{` for a brace",
            };
            HarborError::Placeholder { key, name, remedy }
        })
    }
}

#[cfg(test)]
mod tests {
    use harness_schema::files::Files;
    use serde_json::json;

    use super::*;

    fn harness(agent: &str) -> Harness {
        let text = format!(
            "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m-1\"\napi_key_env = \"MODEL_API_KEY\"\n[agent]\nkind = \"harbor\"\nagent = \"mini-swe-agent\"\n{agent}\n"
        );
        Harness::resolve(&Files::from_texts([("harness.toml", text.as_str())]), None)
    }

    fn asked(agent: &str) -> Result<Asked, String> {
        let harness = harness(agent);
        let words = Words::of(&harness, &[String::from("MY_TOKEN")]);
        words.asked(&harness, Path::new("/c/ab"), "ab").map_err(|error| error.to_string())
    }

    #[test]
    fn options_and_variables_are_filled_in() {
        let asked = asked(
            "kwargs = { config_file = \"{harness_dir}/mini.yaml\", n = 2, list = [\"{model_name}\"] }\n\
             env = { A = \"{model_endpoint}\", B = \"{model_key}\", C = \"${MODEL_API_KEY}\", D = \"${MY_TOKEN}\", E = \"${X:-y}\", F_TOKEN = \"f\" }",
        )
        .unwrap();
        assert_eq!(asked.agent.kwargs, json!({ "config_file": "/c/ab/mini.yaml", "n": 2, "list": ["m-1"] }));
        assert_eq!(asked.agent.model.as_deref(), Some("openai/m-1"));
        assert_eq!(asked.environment, "docker");
        let env: Vec<String> =
            asked.agent.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "A=http://127.0.0.1:1/v1",
            "B=${OPENAI_API_KEY}",
            "C=${MODEL_API_KEY}",
            "D=${MY_TOKEN}",
            "E=${X:-y}",
            "F_TOKEN=${F_TOKEN}",
            "OPENAI_API_BASE=http://127.0.0.1:1/v1",
            "OPENAI_API_KEY=${OPENAI_API_KEY}",
            "OPENAI_BASE_URL=http://127.0.0.1:1/v1",
            "SELF_HARNESS_DIGEST=ab",
        ];
        assert_eq!(env, expected);
        assert_eq!(asked.variables, BTreeMap::from([(String::from("F_TOKEN"), String::from("f"))]));
    }

    #[test]
    fn what_harbor_cannot_have_is_said() {
        let error = |agent: &str| asked(agent).unwrap_err();
        assert!(error("env = { A = \"${AWS_SECRET}\" }").contains("`variables` of `[harbor]`"));
        assert!(error("kwargs = { key = \"{model_key}\" }").contains("whole value of a variable"));
        assert!(error("kwargs = { x = \"{instruction}\" }").contains("`{instruction}`"));
    }

    #[test]
    fn the_key_is_in_the_variables_in_which_it_is_looked_for() {
        let words = Words::of(&harness(""), &[]);
        let keys = words.keys(Some("secret"));
        assert_eq!(keys.keys().map(String::as_str).collect::<Vec<_>>(), ["MODEL_API_KEY", "OPENAI_API_KEY"]);
        assert!(keys.values().all(|value| value == "secret"));
        assert!(words.keys(None).values().all(|value| value == NO_KEY));
    }
}
