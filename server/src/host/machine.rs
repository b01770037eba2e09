//! What belongs to this machine and its user, and that no project may say: where programs lie, where keys come from, how much a
//! run may cost at most (`security` 2.4). `$XDG_CONFIG_HOME/self-harness/config.toml`:
//!
//! ```toml
//! max_cost_usd = 5.0            # the lower of this and the manifest's holds; 5 if nothing is said
//! max_parallel = 8              # and of this
//! sandbox = "auto"              # bubblewrap; or "container", or "none" on machines that are thrown away: see `host::sandbox`
//! network = "allowlist"         # what tasks may reach at most: "off", the hosts that they name, or "public" for any host
//! toolchains = ["/opt/agents"]  # directories with programs that can be read inside of sandboxes, except in containers
//!
//! [harbor]                      # for `agent.kind = "harbor"`
//! program = "/opt/harbor/bin/harbor"  # the first `harbor` on the path if nothing is said
//! variables = ["DAYTONA_API_KEY"]     # what it sees of your variables, besides the key of the model
//!
//! [container]                   # for `sandbox = "container"`
//! engine = "podman"             # or "docker"
//! image = "debian:12"           # the root of tasks that have no image of their own; it has to be on this machine
//!
//! [[key]]                       # where a key comes from, by where it is sent
//! origin = "https://models.example.com"
//! command = ["pass", "show", "models"]
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use harness_schema::manifest::Model;
use serde::Deserialize;

use super::model::{Endpoint, KeySource};
use super::sandbox::image::Kind;
use super::sandbox::{self, Backend, Choice, Containers, Images, SandboxError};
use crate::failure::Failure;

/// What a run may cost if nobody says otherwise, in US dollars.
const DEFAULT_MAX_COST: f64 = 5.0;

/// What a sandbox has of its own, so that nothing of the machine is seen below it.
const HIDDEN: [&str; 3] = ["/tmp", "/dev", "/proc"];

/// The configuration of this machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// What a run may cost at most, in US dollars.
    pub max_cost_usd: f64,
    /// How many trials may run side by side at most.
    pub max_parallel: Option<usize>,
    /// How trials are kept apart from this machine.
    sandbox: Wanted,
    /// What tasks may reach at most.
    pub network: Ceiling,
    /// Directories with programs that can be read inside of sandboxes.
    pub toolchains: Vec<PathBuf>,
    /// Which engine makes containers, and from what.
    container: Option<Container>,
    /// How Harbor is run.
    pub harbor: Harbor,
    /// Where keys come from.
    key: Vec<Key>,
}

/// How Harbor is run on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Harbor {
    /// Its program; the first `harbor` on the path if nothing is said.
    pub program: Option<PathBuf>,
    /// The variables of the user that it sees, besides the key of the model.
    pub variables: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Container {
    /// The engine.
    engine: Engine,
    /// The root of tasks that have no image of their own.
    image: Option<String>,
}

/// The words for engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    #[default]
    Podman,
    Docker,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    /// Where it is sent: scheme, host and port.
    origin: String,
    /// A program and its arguments, which prints it.
    #[serde(default)]
    command: Vec<String>,
    /// A variable that holds it.
    #[serde(default)]
    variable: Option<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            max_cost_usd: DEFAULT_MAX_COST,
            max_parallel: None,
            sandbox: Wanted::Auto,
            network: Ceiling::default(),
            toolchains: Vec::new(),
            container: None,
            harbor: Harbor::default(),
            key: Vec::new(),
        }
    }
}

/// The words for backends. `auto` is never `none`, and never `container`: images are somebody's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    #[default]
    Auto,
    Bubblewrap,
    Container,
    None,
    /// No word: what an agent of Harbor's asks for, whatever else is configured.
    #[serde(skip)]
    Harbor,
}

/// What the tasks of any project may reach of the network at most. No value reaches addresses that are not public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ceiling {
    /// Nobody.
    Off,
    /// The hosts that a task names.
    #[default]
    Allowlist,
    /// Any host.
    Public,
}

impl Ceiling {
    /// The word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Allowlist => "allowlist",
            Self::Public => "public",
        }
    }
}

/// Where the configuration lies.
#[must_use]
pub fn path() -> PathBuf {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .unwrap_or_else(|| PathBuf::from("/etc"))
        .join("self-harness/config.toml")
}

impl Machine {
    /// The configuration of this machine; without a file, the defaults.
    ///
    /// # Errors
    /// A [`Failure`] if the file is there and cannot be read, or says something that means nothing.
    pub fn read() -> Result<Self, Failure> {
        let path = path();
        match fs::read_to_string(&path) {
            Ok(text) => Self::of(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                let message = format!("cannot read `{}`: {error}", path.display());
                Err(Failure::config(message, "see whether the file is yours and a text"))
            }
        }
    }

    fn of(path: &Path, text: &str) -> Result<Self, Failure> {
        let wrong = |what: String, hint: &str| Failure::config(format!("`{}` {what}", path.display()), hint);
        let machine: Self = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
            wrong(
                format!("cannot be understood{place}: {}", error.message()),
                "correct it, or remove the line",
            )
        })?;
        if !(machine.max_cost_usd.is_finite() && 0.0 <= machine.max_cost_usd) {
            return Err(wrong(
                String::from("has a `max_cost_usd` that is no amount"),
                "write one such as `5.0`",
            ));
        }
        if let Some(toolchain) = machine.toolchains.iter().find(|path| !path.is_absolute()) {
            let what = format!("names the toolchain `{}`, which is no absolute path", toolchain.display());
            return Err(wrong(what, "write the path from the root"));
        }
        let is_hidden = |path: &&PathBuf| HIDDEN.iter().any(|hidden| path.starts_with(hidden));
        if let Some(toolchain) = machine
            .toolchains
            .iter()
            .find(is_hidden)
            .filter(|_| matches!(machine.sandbox, Wanted::Auto | Wanted::Bubblewrap))
        {
            let what = format!(
                "names the toolchain `{}`, where a sandbox has a place of its own and nothing of this machine",
                toolchain.display()
            );
            return Err(wrong(what, "move it to a directory such as `/opt`"));
        }
        let image = machine.container.as_ref().and_then(|container| container.image.as_deref());
        if let Some(image) = image.filter(|image| !sandbox::image::is_name(image)) {
            let what = format!("names the image `{image}` in `[container]`, which is no name of an image");
            return Err(wrong(
                what,
                "write a name such as `debian:12`, or one with its digest, `debian@sha256:…`",
            ));
        }
        if machine.sandbox == Wanted::Container && image.is_none() {
            let what = "says `sandbox = \"container\"` and has no `image` in `[container]`";
            let hint = "name an image of this machine, such as `image = \"debian:12\"`: tasks without an image of their own run on it";
            return Err(wrong(String::from(what), hint));
        }
        if let Some(program) = machine.harbor.program.as_ref().filter(|path| !path.is_absolute()) {
            let what = format!("names Harbor's program `{}`, which is no absolute path", program.display());
            return Err(wrong(what, "write the path from the root"));
        }
        for key in &machine.key {
            if Endpoint::read(&key.origin).map(|endpoint| endpoint.origin()).ok().as_deref()
                != Some(key.origin.trim_end_matches('/'))
            {
                let what = format!("has a key for `{}`, which is no origin", key.origin);
                return Err(wrong(what, "write scheme, host and port, such as `https://models.example.com`"));
            }
            if key.command.is_empty() == key.variable.is_none() {
                let what = format!("says no one way to the key for `{}`", key.origin);
                return Err(wrong(what, "write either `command` or `variable`"));
            }
        }
        Ok(machine)
    }

    /// The backend of trials.
    #[must_use]
    pub fn sandbox(&self) -> Choice {
        match self.sandbox {
            Wanted::Auto | Wanted::Bubblewrap => Choice::Bubblewrap,
            Wanted::Container => Choice::Container,
            Wanted::None => Choice::None,
            Wanted::Harbor => Choice::Harbor,
        }
    }

    /// The machine as an agent of Harbor's sees it: environments are Harbor's, whatever sandbox is configured for others.
    #[must_use]
    pub fn with_harbor(self) -> Self {
        Self { sandbox: Wanted::Harbor, ..self }
    }

    /// The machine as a run sees it that was started with that sandbox.
    #[must_use]
    pub fn of_run(self, started: &str) -> Self {
        if Choice::named(started) == Some(Choice::Harbor) { self.with_harbor() } else { self }
    }

    fn containers(&self) -> Containers {
        let container = self.container.clone().unwrap_or_default();
        let engine = match container.engine {
            Engine::Podman => Kind::Podman,
            Engine::Docker => Kind::Docker,
        };
        Containers { engine, image: container.image.unwrap_or_default() }
    }

    /// What makes the sandboxes of trials.
    #[must_use]
    pub fn backend(&self) -> Box<dyn Backend> {
        sandbox::backend(self.sandbox(), self.toolchains.clone(), &self.containers())
    }

    /// Who knows the images that tasks can be run on; `None` where there are no containers.
    #[must_use]
    pub fn images(&self) -> Option<Box<dyn Images>> {
        sandbox::images(self.sandbox(), &self.containers())
    }

    /// Removes what workers that died have left behind; how many sandboxes that were.
    ///
    /// # Errors
    /// A [`SandboxError`] if the directory of the trial trees cannot be read, or the engine does not answer.
    pub fn sweep(&self) -> Result<usize, SandboxError> {
        sandbox::sweep(self.sandbox(), &self.containers())
    }

    /// Whether a run that was started with a backend can go on here.
    ///
    /// # Errors
    /// A [`Failure`] if this machine has another one by now.
    pub fn still_has(&self, started: &str) -> Result<(), Failure> {
        let (started, chosen) = (Choice::named(started).unwrap_or_default(), self.sandbox());
        if started == chosen {
            return Ok(());
        }
        let message = format!(
            "the run was started with the sandbox `{}`, and this machine has `{}` now",
            started.word(),
            chosen.word()
        );
        Err(Failure::config(message, "set `sandbox` in your configuration back, or start another run"))
    }

    /// Where the key of a model comes from.
    ///
    /// # Errors
    /// A [`Failure`] if its endpoint cannot be read.
    pub fn key_of(&self, model: &Model) -> Result<KeySource, Failure> {
        let endpoint = Endpoint::read(&model.endpoint.value).map_err(|error| {
            Failure::config(error.to_string(), "correct `model.endpoint` in `harness.toml`")
        })?;
        Ok(self.key_source(&endpoint, model.api_key_env.as_ref().map(|name| name.value.as_str())))
    }

    /// Where the key for an endpoint comes from: from what this machine says of its origin, else from the variable that the
    /// manifest names.
    fn key_source(&self, endpoint: &Endpoint, api_key_env: Option<&str>) -> KeySource {
        let origin = endpoint.origin();
        let known = self.key.iter().find(|key| key.origin.trim_end_matches('/') == origin);
        match (known, api_key_env) {
            (Some(Key { variable: Some(variable), .. }), _) => KeySource::Variable(variable.clone()),
            (Some(key), _) => KeySource::Command(key.command.clone()),
            (None, Some(variable)) => KeySource::Variable(variable.to_owned()),
            (None, None) => KeySource::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Machine, String> {
        Machine::of(Path::new("config.toml"), text).map_err(|failure| failure.to_string())
    }

    #[test]
    fn keys_are_found_by_where_they_are_sent() {
        let machine = read(
            "max_cost_usd = 2\n[[key]]\norigin = \"https://a.example\"\ncommand = [\"pass\", \"a\"]\n[[key]]\norigin = \"https://b.example:8443/\"\nvariable = \"B_KEY\"\n",
        )
        .unwrap();
        assert_eq!((machine.max_cost_usd, machine.sandbox()), (2.0, Choice::Bubblewrap));
        assert_eq!(read("sandbox = \"none\"\n").unwrap().sandbox(), Choice::None);
        assert_eq!(machine.network, Ceiling::Allowlist);
        for ceiling in [Ceiling::Off, Ceiling::Allowlist, Ceiling::Public] {
            assert_eq!(read(&format!("network = \"{}\"\n", ceiling.word())).unwrap().network, ceiling);
        }
        let source = |url: &str| machine.key_source(&Endpoint::read(url).unwrap(), Some("MODEL_API_KEY"));
        assert_eq!(source("https://a.example/v1"), KeySource::Command(vec!["pass".into(), "a".into()]));
        assert_eq!(source("https://b.example:8443/v1"), KeySource::Variable("B_KEY".into()));
        // Another port is another origin.
        assert_eq!(source("https://b.example/v1"), KeySource::Variable("MODEL_API_KEY".into()));
        let none = Machine::default().key_source(&Endpoint::read("http://127.0.0.1:1/v1").unwrap(), None);
        assert_eq!(none, KeySource::None);
    }

    #[test]
    fn containers_are_chosen_by_word_and_never_by_auto() {
        let machine =
            read("sandbox = \"container\"\n[container]\nengine = \"docker\"\nimage = \"debian@sha256:00\"\n")
                .unwrap();
        assert_eq!(machine.sandbox(), Choice::Container);
        let wanted = Containers { engine: Kind::Docker, image: String::from("debian@sha256:00") };
        assert_eq!(machine.containers(), wanted);
        assert_eq!(Choice::named(machine.sandbox().word()), Some(Choice::Container));
        // Who has an image need not use it.
        let machine = read("[container]\nimage = \"debian:12\"\n").unwrap();
        assert_eq!((machine.sandbox(), machine.containers().engine), (Choice::Bubblewrap, Kind::Podman));
        assert!(machine.images().is_none());
    }

    #[test]
    fn what_means_nothing_is_named_with_its_line() {
        for (text, wrong) in [
            ("max_cost = 3\n", "line 1: unknown field `max_cost`"),
            ("\nmax_cost_usd = \"3\"\n", "line 2: invalid type"),
            ("max_cost_usd = -1\n", "no amount"),
            ("sandbox = \"container\"\n", "`config.toml` says `sandbox = \"container\"` and has no `image`"),
            (
                "sandbox = \"container\"\n[container]\nengine = \"podman\"\n",
                "has no `image` in `[container]`",
            ),
            (
                "[container]\nengine = \"lxc\"\n",
                "line 2: unknown variant `lxc`, expected `podman` or `docker`",
            ),
            ("[container]\nimages = \"x\"\n", "line 2: unknown field `images`"),
            (
                "[container]\nimage = \"--privileged\"\n",
                "the image `--privileged` in `[container]`, which is no",
            ),
            ("network = \"all\"\n", "line 1: unknown variant `all`"),
            ("[harbor]\nprogram = \"harbor\"\n", "Harbor's program `harbor`, which is no absolute path"),
            ("sandbox = \"harbor\"\n", "line 1: unknown variant `harbor`"),
            ("toolchains = [\"agents\"]\n", "the toolchain `agents`, which is no absolute path"),
            (
                "toolchains = [\"/tmp/agents\"]\n",
                "the toolchain `/tmp/agents`, where a sandbox has a place of its own",
            ),
            ("[[key]]\norigin = \"models.example\"\nvariable = \"A\"\n", "which is no origin"),
            ("[[key]]\norigin = \"https://a.example\"\n", "no one way"),
            ("[[key]]\norigin = \"https://a.example\"\nvariable = \"A\"\ncommand = [\"b\"]\n", "no one way"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
