//! `task.toml`, version 1.4, as types. Source: the data model `TaskConfig` of Harbor 0.24.0; older files with
//! `version = "1.0"` have the same keys.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::syntax::data::Tree;
use crate::syntax::decode::{BadSpans, Entries, Json, Spanned, decode};

/// What `task.toml` says. All keys may be left out.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, title = "task.toml of Harbor")]
pub struct TaskConfig {
    /// The version of this format.
    pub schema_version: Spanned<String>,
    /// The version of this format in old files.
    #[schemars(extend("deprecated" = true))]
    pub version: Option<Spanned<String>>,
    /// The task's name and authors, for registries.
    pub task: Option<Spanned<Package>>,
    /// Anything about the task; Harbor does not read it. `metadata.category` is its family in seeded splits.
    #[schemars(extend("type" = "object"))]
    pub metadata: Entries<Json>,
    /// How the result is judged.
    pub verifier: Spanned<VerifierConfig>,
    /// What the agent gets.
    pub agent: Spanned<AgentConfig>,
    /// Where the task takes place.
    pub environment: Spanned<EnvironmentConfig>,
    /// How the shipped solution is run.
    pub solution: Spanned<Solution>,
    /// Where the task comes from.
    pub source: Option<Spanned<String>>,
    /// How the rewards of several steps become one.
    pub multi_step_reward_strategy: Option<Spanned<RewardStrategy>>,
    /// Several instructions, one after the other.
    pub steps: Vec<Spanned<StepConfig>>,
    /// Files that are kept when the trial has ended.
    pub artifacts: Vec<Spanned<Artifact>>,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            schema_version: Spanned::unwritten("1.4".to_owned()),
            version: None,
            task: None,
            metadata: Entries::default(),
            verifier: Spanned::default(),
            agent: Spanned::default(),
            environment: Spanned::default(),
            solution: Spanned::default(),
            source: None,
            multi_step_reward_strategy: None,
            steps: Vec::new(),
            artifacts: Vec::new(),
        }
    }
}

impl TaskConfig {
    /// The configuration that a tree says; `bad` are the values that the checks found wrong.
    #[must_use]
    pub fn decode(tree: &Tree, bad: &BadSpans) -> Self {
        decode(&tree.root, bad)
    }

    /// The version of the format, by its present or its old key.
    #[must_use]
    pub fn format_version(&self) -> &Spanned<String> {
        match &self.version {
            Some(version) if !self.schema_version.is_written() => version,
            _ => &self.schema_version,
        }
    }
}

/// A task's name and authors, for registries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub struct Package {
    /// The name, `organisation/name`.
    pub name: Spanned<String>,
    /// The task's version.
    #[schemars(extend("minLength" = 1))]
    pub version: Option<Spanned<String>>,
    /// What the task is about.
    pub description: Spanned<String>,
    /// Who wrote it.
    pub authors: Vec<Spanned<Author>>,
    /// Words to find it by.
    pub keywords: Vec<Spanned<String>>,
}

/// An author of a task.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub struct Author {
    /// The name.
    pub name: Spanned<String>,
    /// The address.
    pub email: Option<Spanned<String>>,
}

/// Which addresses can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// None.
    NoNetwork,
    /// All.
    Public,
    /// Those of `allowed_hosts`.
    Allowlist,
}

/// An operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Os {
    /// Linux.
    #[default]
    Linux,
    /// Windows.
    Windows,
}

/// Where a task takes place.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// Which addresses can be reached; in the sandbox none unless it is written.
    #[schemars(extend("default" = "public"))]
    pub network_mode: Option<Spanned<NetworkMode>>,
    /// The hosts that can be reached with `network_mode = "allowlist"`.
    pub allowed_hosts: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long building may take, in seconds.
    pub build_timeout_sec: Spanned<f64>,
    /// A ready image, instead of a `Dockerfile`.
    pub docker_image: Option<Spanned<String>>,
    /// The operating system.
    pub os: Spanned<Os>,
    /// How many processors there are.
    pub cpus: Option<Spanned<i64>>,
    /// How much memory there is, in MB.
    pub memory_mb: Option<Spanned<i64>>,
    /// How much disk there is, in MB.
    pub storage_mb: Option<Spanned<i64>>,
    /// How many graphics processors there are.
    pub gpus: Option<Spanned<i64>>,
    /// Which graphics processors will do.
    pub gpu_types: Option<Spanned<Vec<Spanned<String>>>>,
    /// Which tensor processor is needed.
    pub tpu: Option<Spanned<Tpu>>,
    /// MCP servers that the agent is given.
    pub mcp_servers: Vec<Spanned<McpServer>>,
    /// Variables; `${VAR}` and `${VAR:-default}` are filled in.
    pub env: Entries<String>,
    /// A directory of skills that the agent is given.
    pub skills_dir: Option<Spanned<String>>,
    /// How it is known that the environment has started.
    pub healthcheck: Option<Spanned<Healthcheck>>,
    /// The directory in which the agent works.
    pub workdir: Option<Spanned<String>>,
    /// The older word for `network_mode`.
    #[schemars(extend("deprecated" = true))]
    pub allow_internet: Option<Spanned<bool>>,
    /// The size that Harbor reads as `memory_mb`, if it is a text.
    #[schemars(skip)]
    pub memory: Option<Spanned<Json>>,
    /// The size that Harbor reads as `storage_mb`, if it is a text.
    #[schemars(skip)]
    pub storage: Option<Spanned<Json>>,
}

impl Default for EnvironmentConfig {
    fn default() -> Self {
        Self {
            network_mode: None,
            allowed_hosts: None,
            build_timeout_sec: 600.0.into(),
            docker_image: None,
            os: Spanned::default(),
            cpus: None,
            memory_mb: None,
            storage_mb: None,
            gpus: None,
            gpu_types: None,
            tpu: None,
            mcp_servers: Vec::new(),
            env: Entries::default(),
            skills_dir: None,
            healthcheck: None,
            workdir: None,
            allow_internet: None,
            memory: None,
            storage: None,
        }
    }
}

impl EnvironmentConfig {
    /// How much memory there is, in MB, by either key, as Harbor reads them.
    #[must_use]
    pub fn memory_mb(&self) -> Option<u64> {
        in_mb(self.memory_mb.as_ref(), self.memory.as_ref())
    }

    /// How much disk there is, in MB, by either key, as Harbor reads them.
    #[must_use]
    pub fn storage_mb(&self) -> Option<u64> {
        in_mb(self.storage_mb.as_ref(), self.storage.as_ref())
    }

    /// Which addresses can be reached, by either key; `None` if neither is written.
    #[must_use]
    pub fn network(&self) -> Option<NetworkMode> {
        let older = || match self.allow_internet.as_deref() {
            Some(true) => Some(NetworkMode::Public),
            Some(false) => Some(NetworkMode::NoNetwork),
            None => None,
        };
        self.network_mode.as_deref().copied().or_else(older)
    }
}

fn in_mb(number: Option<&Spanned<i64>>, size: Option<&Spanned<Json>>) -> Option<u64> {
    match number {
        Some(number) => u64::try_from(number.value).ok(),
        None => super::size_in_mb(size?.as_text()?),
    }
}

/// A tensor processor.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["type", "topology"]))]
pub struct Tpu {
    /// Its type.
    #[schemars(extend("minLength" = 1))]
    pub r#type: Spanned<String>,
    /// Its topology.
    pub topology: Spanned<String>,
}

/// An MCP server that the agent is given.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub struct McpServer {
    /// Its name.
    pub name: Spanned<String>,
    /// How it is spoken to.
    pub transport: Spanned<Transport>,
    /// Its address, if it is not started.
    pub url: Option<Spanned<String>>,
    /// The program that is started, for `stdio`.
    pub command: Option<Spanned<String>>,
    /// The program's arguments.
    pub args: Vec<Spanned<String>>,
}

impl Default for McpServer {
    fn default() -> Self {
        Self {
            name: Spanned::default(),
            transport: Transport::Sse.into(),
            url: None,
            command: None,
            args: Vec::new(),
        }
    }
}

/// How an MCP server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Over its standard input and output.
    Stdio,
    /// Over server-sent events.
    Sse,
    /// Over streamable HTTP.
    StreamableHttp,
}

/// How it is known that an environment has started.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["command"]))]
pub struct Healthcheck {
    /// The command that ends with 0 once it has.
    pub command: Spanned<String>,
    /// The time between two tries, in seconds.
    pub interval_sec: Spanned<f64>,
    /// How long one try may take, in seconds.
    pub timeout_sec: Spanned<f64>,
    /// How long failures do not count, in seconds.
    pub start_period_sec: Spanned<f64>,
    /// The time between two tries while failures do not count, in seconds.
    pub start_interval_sec: Spanned<f64>,
    /// How many failures in a row are one too many.
    pub retries: Spanned<i64>,
}

impl Default for Healthcheck {
    fn default() -> Self {
        Self {
            command: Spanned::default(),
            interval_sec: 5.0.into(),
            timeout_sec: 30.0.into(),
            start_period_sec: 0.0.into(),
            start_interval_sec: 5.0.into(),
            retries: 3.into(),
        }
    }
}

/// What the agent gets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct AgentConfig {
    /// Which addresses the agent can reach; those of the environment if it is not set.
    pub network_mode: Option<Spanned<NetworkMode>>,
    /// The hosts that the agent can reach with `network_mode = "allowlist"`.
    pub allowed_hosts: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long the agent may work, in seconds.
    pub timeout_sec: Option<Spanned<f64>>,
    /// The user that the agent is, by name or number.
    #[schemars(extend("type" = ["string", "integer"]))]
    pub user: Option<Spanned<Json>>,
}

/// How the result is judged.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct VerifierConfig {
    /// Which addresses the verifier can reach; those of the environment if it is not set.
    pub network_mode: Option<Spanned<NetworkMode>>,
    /// The hosts that the verifier can reach with `network_mode = "allowlist"`.
    pub allowed_hosts: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long the verifier may work, in seconds.
    pub timeout_sec: Spanned<f64>,
    /// Variables of the verifier; `${VAR}` and `${VAR:-default}` are filled in.
    pub env: Entries<String>,
    /// The user that the verifier is, by name or number.
    #[schemars(extend("type" = ["string", "integer"]))]
    pub user: Option<Spanned<Json>>,
    /// Whether the verifier works where the agent worked.
    pub environment_mode: Option<Spanned<EnvironmentMode>>,
    /// The verifier's own environment, for `environment_mode = "separate"`.
    pub environment: Option<Spanned<EnvironmentConfig>>,
    /// Commands whose output is kept for the verifier.
    pub collect: Vec<Spanned<Collect>>,
}

impl Default for VerifierConfig {
    fn default() -> Self {
        Self {
            network_mode: None,
            allowed_hosts: None,
            timeout_sec: 600.0.into(),
            env: Entries::default(),
            user: None,
            environment_mode: None,
            environment: None,
            collect: Vec::new(),
        }
    }
}

/// Whether a verifier works where the agent worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentMode {
    /// In the agent's environment.
    Shared,
    /// In an environment of its own.
    Separate,
}

/// A command whose output is kept for the verifier.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["command"]))]
pub struct Collect {
    /// The command.
    pub command: Spanned<String>,
    /// The service in which it runs.
    pub service: Spanned<String>,
    /// How long it may take, in seconds.
    pub timeout_sec: Spanned<f64>,
    /// The user that it is run by, by name or number.
    #[schemars(extend("type" = ["string", "integer"]))]
    pub user: Option<Spanned<Json>>,
}

impl Default for Collect {
    fn default() -> Self {
        Self {
            command: Spanned::default(),
            service: Spanned::unwritten("main".to_owned()),
            timeout_sec: 60.0.into(),
            user: None,
        }
    }
}

/// How the shipped solution is run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Solution {
    /// Variables of the solution.
    pub env: Entries<String>,
}

/// How the rewards of several steps become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RewardStrategy {
    /// The mean of the steps that have a verdict.
    #[default]
    Mean,
    /// The last step's.
    Final,
}

/// One step of a task with several.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub struct StepConfig {
    /// Its name: the directory below `steps`, unique.
    #[schemars(extend("x-pattern" = "^[^/\\\\]*[^/\\\\.][^/\\\\]*$", "x-form" = "the name of a directory"))]
    pub name: Spanned<String>,
    /// What the agent gets in this step.
    pub agent: Spanned<AgentConfig>,
    /// How this step is judged.
    pub verifier: Spanned<VerifierConfig>,
    /// The least reward with which the trial goes on: a number, or one for each reward.
    pub min_reward: Option<Spanned<MinReward>>,
    /// How it is known that the step can start.
    pub healthcheck: Option<Spanned<Healthcheck>>,
    /// Files that are kept when the step has ended.
    pub artifacts: Vec<Spanned<Artifact>>,
}

/// The least reward with which a trial goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum MinReward {
    /// Of the only reward.
    One(f64),
    /// Of each reward.
    Each(Entries<f64>),
}

impl<'de> Deserialize<'de> for MinReward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MinRewardVisitor;

        impl<'de> Visitor<'de> for MinRewardVisitor {
            type Value = MinReward;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a table of numbers")
            }

            fn visit_i64<E>(self, least: i64) -> Result<MinReward, E> {
                Ok(MinReward::One(least as f64))
            }

            fn visit_f64<E>(self, least: f64) -> Result<MinReward, E> {
                Ok(MinReward::One(least))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MinReward, A::Error> {
                Entries::deserialize(MapAccessDeserializer::new(map)).map(MinReward::Each)
            }
        }

        deserializer.deserialize_any(MinRewardVisitor)
    }
}

impl JsonSchema for MinReward {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MinReward".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "number" }, { "type": "object", "additionalProperties": { "type": "number" } }],
            "x-form": "a number or a table of numbers",
        })
    }
}

/// A file that is kept: its path, or more about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Artifact {
    /// The path.
    Path(String),
    /// More about it.
    Table(ArtifactTable),
}

/// A file that is kept, and where and how.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Artifact", deny_unknown_fields, extend("required" = ["source"]))]
pub struct ArtifactTable {
    /// The path.
    pub source: Spanned<String>,
    /// Where it is kept.
    pub destination: Option<Spanned<String>>,
    /// What of it is left out.
    pub exclude: Vec<Spanned<String>>,
    /// The service from which it is taken.
    pub service: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Artifact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArtifactVisitor;

        impl<'de> Visitor<'de> for ArtifactVisitor {
            type Value = Artifact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a table")
            }

            fn visit_str<E>(self, path: &str) -> Result<Artifact, E> {
                Ok(Artifact::Path(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Artifact, A::Error> {
                ArtifactTable::deserialize(MapAccessDeserializer::new(map)).map(Artifact::Table)
            }
        }

        deserializer.deserialize_any(ArtifactVisitor)
    }
}

impl JsonSchema for Artifact {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ArtifactOrPath".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ArtifactTable>();
        json_schema!({ "anyOf": [{ "type": "string" }, table], "x-form": "a path or a table" })
    }
}
