//! What a run measures: a harness, its tasks and the contract that both stand under, read from a project and identified by
//! digests. Executes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use harness_schema::digest::Digest;
use harness_schema::files::Files;
use harness_schema::harness::{Executed, Harness};
use harness_schema::manifest::{AgentKind, Manifest};
use harness_schema::path::FilePath;
use harness_schema::split::Split;
use harness_schema::syntax::Document;
use harness_schema::syntax::decode::{Json, Spanned};
use harness_schema::text::Text;

use super::agents::harbor::is_harbor;
use super::disk;
use super::egress::{Access, AllowList};
use super::machine::Machine;
use super::record::RunRecord;
use super::sandbox::container::images::BUILT;
use super::sandbox::{Choice, Guarantee, Guarantees, Image, Images, POLICY, Unavailable};
use super::suite::{TaskPlan, TaskRefused, registered};
use crate::engine::consent::{self, ItemKind, Items};
use crate::engine::contract::{self, Contract, Task};
use crate::failure::Failure;

/// The version of the native agent: what changes its behaviour changes this.
const NATIVE: &str = "1";

/// A harness with its tasks.
#[derive(Debug)]
pub struct Subject {
    /// The directory of the manifest.
    pub root: PathBuf,
    /// The harness.
    pub harness: Harness,
    /// The tasks that are in a split, in the order of their ids.
    pub tasks: Vec<Planned>,
    /// What is held fixed.
    pub contract: Contract,
}

/// A task that is in a split.
#[derive(Debug)]
pub struct Planned {
    /// Its id.
    pub id: String,
    /// Its split.
    pub split: Split,
    /// How it is run; or why it cannot be run here.
    pub plan: Result<TaskPlan, TaskRefused>,
}

impl Subject {
    /// Reads the harness of a project as it is on disk, under the guarantees of a sandbox and as a machine can run it: on which
    /// images, and how far tasks may reach.
    #[must_use]
    pub fn read(root: &Path, guarantees: &Guarantees, machine: &Machine) -> Self {
        let (files, harness) = disk::complete(root, disk::scan(root), None);
        drop(files);
        Self::of(root, harness, guarantees, machine, machine.images())
    }

    /// The same for somebody who only looks: no engine is asked for images, so nothing is started. Where there are containers, the
    /// image of a plan is a name without an identity, and a task whose environment lies in its image may be planned wrongly or not
    /// at all. Nothing can be run by such a plan.
    #[must_use]
    pub fn unasked(root: &Path, guarantees: &Guarantees, machine: &Machine) -> Self {
        let (files, harness) = disk::complete(root, disk::scan(root), None);
        drop(files);
        Self::of(root, harness, guarantees, machine, unasked(machine))
    }

    /// Reads a harness whose texts are these, and the tasks as they are on disk.
    #[must_use]
    pub fn with_texts(
        root: &Path,
        texts: &BTreeMap<String, String>,
        guarantees: &Guarantees,
        machine: &Machine,
    ) -> Self {
        Self::of(root, with_texts(root, disk::scan(root), texts), guarantees, machine, machine.images())
    }

    /// The same for somebody who only looks, as [`unasked`](Self::unasked).
    #[must_use]
    pub fn unasked_with_texts(
        root: &Path,
        texts: &BTreeMap<String, String>,
        guarantees: &Guarantees,
        machine: &Machine,
    ) -> Self {
        Self::of(root, with_texts(root, disk::scan(root), texts), guarantees, machine, unasked(machine))
    }

    fn of(
        root: &Path,
        harness: Harness,
        guarantees: &Guarantees,
        machine: &Machine,
        images: Option<Box<dyn Images>>,
    ) -> Self {
        let delegated = is_harbor(&harness).then(Guarantees::delegated);
        let kept = digest_of(delegated.as_ref().unwrap_or(guarantees));
        let contract = contract(harness.manifest(), harness.is_native(), kept);
        let (ceiling, choice) = (machine.network, machine.sandbox());
        let scheduled = harness.suite().tasks.iter().filter(|task| !task.excluded);
        let tasks = scheduled.filter_map(|task| {
            let plan = match delegated {
                Some(_) => TaskPlan::delegated(&harness, root, task),
                None => TaskPlan::on(&harness, root, task, images.as_deref())
                    .and_then(|plan| plan.within(ceiling, choice)),
            };
            Some(Planned { id: task.id.clone(), split: task.split?, plan })
        });
        let mut tasks: Vec<Planned> = tasks.collect();
        if delegated.is_some() {
            let of_registry = registered(&harness).into_iter();
            tasks.extend(of_registry.map(|(id, split, plan)| Planned { id, split, plan: Ok(plan) }));
        }
        tasks.sort_by(|one, other| one.id.cmp(&other.id));
        Self { root: root.to_path_buf(), tasks, contract, harness }
    }

    /// A machine as this harness sees it.
    #[must_use]
    pub fn on(&self, machine: &Machine) -> Machine {
        let machine = machine.clone();
        if is_harbor(&self.harness) { machine.with_harbor() } else { machine }
    }

    /// Whether the agent can be run in sandboxes of that choice.
    ///
    /// # Errors
    /// A [`Failure`] of the configuration if it cannot.
    pub fn fits(&self, choice: Choice) -> Result<(), Failure> {
        if choice == Choice::Container && self.harness.manifest().agent.value.kind.value == AgentKind::Command
        {
            let message = "containers have no road to the model, which an agent with `agent.kind = \"command\"` asks itself";
            let hint = "set `sandbox = \"auto\"` in your configuration, or use `agent.kind = \"native\"`, whose calls are made outside";
            return Err(Failure::config(message, hint));
        }
        Ok(())
    }

    /// The texts of the harness, by path: what a run is started with, and what it reads.
    #[must_use]
    pub fn texts(&self) -> BTreeMap<String, String> {
        let below_tasks = |path: &FilePath| {
            self.harness.suite().directory.as_ref().is_some_and(|directory| path.is_below(directory))
        };
        let named = self.harness.named_files().filter(|path| !below_tasks(path));
        let texts = named.filter_map(|path| {
            let document = self.harness.document(path)?;
            Some((path.as_str().to_owned(), document.source().to_owned()))
        });
        texts.collect()
    }

    /// The digest of the harness.
    #[must_use]
    pub fn harness_digest(&self) -> Digest {
        self.digest_of(&self.harness)
    }

    /// The digest of a harness that was made of this one.
    #[must_use]
    pub fn digest_of(&self, harness: &Harness) -> Digest {
        harness.digest(|path| self.of_file(path))
    }

    /// The digest of a harness whose texts are these, and which is as this one in everything else.
    #[must_use]
    pub fn digest_with(&self, texts: &BTreeMap<String, String>) -> Digest {
        self.digest_of(&with_texts(&self.root, self.harness.files().clone(), texts))
    }

    /// Whether a harness that was made of this one holds everything fixed that this one does.
    #[must_use]
    pub fn is_comparable(&self, harness: &Harness) -> bool {
        contract(harness.manifest(), harness.is_native(), self.contract.guarantees) == self.contract
    }

    /// The digest of the contract over these tasks.
    #[must_use]
    pub fn contract_digest<'a>(&'a self, ids: impl Fn(&str) -> bool + 'a) -> Digest {
        let tasks = self.tasks.iter().filter(|task| ids(&task.id)).filter_map(|task| {
            let plan = task.plan.as_ref().ok()?;
            Some((task.id.as_str(), task.split.word(), plan.digests))
        });
        self.contract.digest(tasks)
    }

    /// Everything that decides what is executed, where, and at whose cost, with its digest (`security` 2.3).
    #[must_use]
    pub fn execution_items(&self) -> Items {
        let executed = self.harness.executed(|path| self.of_file(path)).into_iter().map(|(item, digest)| {
            let item = match item {
                Executed::Key(name) => (ItemKind::Key, name),
                Executed::Tool(name) => (ItemKind::Tool, name),
                Executed::Program(path) => (ItemKind::Program, path),
            };
            (item, digest)
        });
        let tasks = self.tasks.iter().map(|task| {
            let digest = task.plan.as_ref().map_or_else(
                |_| Digest::of(b""),
                |plan| {
                    let Task { task, verifier, image } = plan.digests;
                    let [solution, image] = [plan.solution, image]
                        .map(|digest| digest.map(|digest| digest.bytes().to_vec()).unwrap_or_default());
                    Digest::of_parts([task.bytes().as_slice(), verifier.bytes(), &solution, &image])
                },
            );
            ((ItemKind::Task, task.id.clone()), digest)
        });
        let sandbox = ((ItemKind::Sandbox, String::from("guarantees")), self.contract.guarantees);
        executed.chain(tasks).chain([sandbox]).collect()
    }

    /// The digest of the contract over the tasks of a run.
    #[must_use]
    pub fn contract_of(&self, run: &RunRecord) -> Digest {
        let wanted: BTreeSet<&str> = run.slots.iter().map(|slot| slot.task.as_str()).collect();
        self.contract_digest(|id| wanted.contains(id))
    }

    /// The digest of the contract over the tasks of a run, on the images that its trials ran on, by task: nobody is asked which
    /// images there are now. A task without a trial is taken to have run on the image of the others, if they share one. It is the
    /// run's own if everything but images is as it was then.
    #[must_use]
    pub fn contract_on(&self, run: &RunRecord, images: &BTreeMap<String, Digest>) -> Digest {
        let wanted: BTreeSet<&str> = run.slots.iter().map(|slot| slot.task.as_str()).collect();
        let mut all = images.values();
        let only = all.next().copied().filter(|first| all.all(|other| other == first));
        let tasks = self.tasks.iter().filter(|task| wanted.contains(task.id.as_str())).filter_map(|task| {
            let mut digests = task.plan.as_ref().ok()?.digests;
            digests.image =
                digests.image.map(|unknown| images.get(&task.id).copied().or(only).unwrap_or(unknown));
            Some((task.id.as_str(), task.split.word(), digests))
        });
        self.contract.digest(tasks)
    }

    /// The digest of all that decides what is executed, where, and at whose cost (`security` 2.3).
    #[must_use]
    pub fn execution_digest(&self) -> Digest {
        consent::execution_digest(&self.execution_items())
    }

    /// What the phases of all tasks may reach.
    fn networks(&self) -> impl Iterator<Item = &Access> {
        let plans = self.tasks.iter().filter_map(|task| task.plan.as_ref().ok());
        plans.flat_map(TaskPlan::networks).map(|reach| &reach.access)
    }

    /// Whether any task may reach a host.
    #[must_use]
    pub fn has_network(&self) -> bool {
        self.networks().any(|access| *access != Access::Off)
    }

    /// Which hosts the tasks may reach together, in words that follow what runs where.
    #[must_use]
    pub fn network(&self) -> String {
        if self.networks().any(|access| *access == Access::Public) {
            return String::from("with the network: tasks may reach any public host (ports 443 and 80)");
        }
        let lists = self.networks().filter_map(|access| match access {
            Access::Hosts(list) => Some(list),
            Access::Off | Access::Public => None,
        });
        let hosts: BTreeSet<String> = lists.flat_map(AllowList::entries).collect();
        match hosts.is_empty() {
            true => String::from("without network"),
            false => {
                let hosts: Vec<String> = hosts.into_iter().collect();
                format!("without network but for what tasks name: {} (ports 443 and 80)", hosts.join(", "))
            }
        }
    }

    /// The key of a trial of a task.
    #[must_use]
    pub fn key(&self, harness: Digest, task: &TaskPlan, role: contract::Role, repeat: u32) -> Digest {
        self.contract.key(harness, task.digests, role, repeat)
    }

    /// The task with an id.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&Planned> {
        let at = self.tasks.binary_search_by(|task| task.id.as_str().cmp(id)).ok()?;
        self.tasks.get(at)
    }

    /// The digest of the bytes of a file; `None` if it cannot be read.
    #[must_use]
    pub fn of_file(&self, path: &FilePath) -> Option<Digest> {
        std::fs::read(self.root.join(path.as_str())).ok().map(|bytes| Digest::of(&bytes))
    }
}

/// Whether the harness of a project is run by Harbor, as it is on disk or with these texts over it.
#[must_use]
pub fn is_delegated(root: &Path, texts: Option<&BTreeMap<String, String>>) -> bool {
    let nothing = BTreeMap::new();
    is_harbor(&with_texts(root, disk::scan(root), texts.unwrap_or(&nothing)))
}

/// A harness of these files, some with other texts.
fn with_texts(root: &Path, files: Files, texts: &BTreeMap<String, String>) -> Harness {
    let open = texts
        .iter()
        .filter_map(|(path, text)| Some(Document::new(FilePath::parse(path).ok()?, Text::new(text))));
    let files = open.fold(files, |files, document| files.with_open(document));
    let (files, harness) = disk::complete(root, files, None);
    drop(files);
    harness
}

/// Stands for the engine where nobody may ask it.
struct Unasked;

/// What is there in its place, where this machine has containers.
fn unasked(machine: &Machine) -> Option<Box<dyn Images>> {
    match machine.sandbox() {
        Choice::Container => Some(Box::new(Unasked)),
        Choice::Bubblewrap | Choice::None | Choice::Harbor => None,
    }
}

impl Images for Unasked {
    fn named(&self, name: &str) -> Result<Image, Unavailable> {
        // Most tasks have none that somebody made of their environment, and what is in it only the engine knows.
        if name.starts_with(BUILT) {
            return Err(Unavailable { reason: String::from("no engine was asked"), remedy: String::new() });
        }
        let id = Digest::of(b"no engine was asked");
        Ok(Image { name: name.to_owned(), id, workdir: String::new(), variables: BTreeMap::new() })
    }

    fn standard(&self) -> &str {
        "the image of this machine"
    }

    fn typed(&self, arguments: &[&str]) -> String {
        arguments.join(" ")
    }
}

/// What the manifest and the machine hold fixed.
fn contract(manifest: &Manifest, is_native: bool, guarantees: Digest) -> Contract {
    let model = &manifest.model.value;
    let agent = &manifest.agent.value;
    // Defaults are written out, so that a key that is written with its default changes nothing.
    let decoding = serde_json::json!({
        "max_output_tokens": model.max_output_tokens.value,
        "context_window": model.context_window.as_ref().map(|value| value.value),
        "temperature": model.temperature.as_ref().map(|value| value.value),
        "top_p": model.top_p.as_ref().map(|value| value.value),
        "seed": model.seed.as_ref().map(|value| value.value),
        "request": model.request.as_ref().map(|value| value.to_json()),
        "endpoint": model.endpoint.value,
    });
    let timeout = std::time::Duration::from(agent.timeout.value);
    let rewards = manifest.tasks.as_ref().map(|tasks| &tasks.value.rewards.0).into_iter().flatten();
    let rewards: BTreeMap<&str, f64> =
        rewards.map(|(name, value)| (name.value.as_str(), value.value)).collect();
    let limits = serde_json::json!({
        "agent_timeout_ms": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        "rewards": rewards,
    });
    let (kind, adapter, version) = match agent.kind.value {
        AgentKind::Native => ("native", String::from("native"), NATIVE.to_owned()),
        AgentKind::Command => {
            let argv: Vec<&str> = agent.argv.iter().map(|part| part.value.as_str()).collect();
            let env: BTreeMap<&str, &str> =
                agent.env.0.iter().map(|(name, value)| (name.value.as_str(), value.value.as_str())).collect();
            let version = agent.version.as_ref().map(|version| version.value.clone());
            ("command", serde_json::json!([argv, env]).to_string(), version.unwrap_or_default())
        }
        AgentKind::Harbor => {
            let env: BTreeMap<&str, &str> =
                agent.env.0.iter().map(|(name, value)| (name.value.as_str(), value.value.as_str())).collect();
            let options =
                |kwargs: &Option<Spanned<Json>>| kwargs.as_ref().map(|kwargs| kwargs.value.to_json());
            let python_path: Vec<&str> = agent.python_path.iter().map(|path| path.value.as_str()).collect();
            let adapter = serde_json::json!([
                agent.agent.as_ref().map(|name| name.value.as_str()),
                agent.model.value,
                agent.environment.value,
                options(&agent.kwargs),
                options(&agent.environment_kwargs),
                env,
                python_path,
            ]);
            let version = agent.version.as_ref().map(|version| version.value.clone());
            let own = is_native.then(|| format!("native {NATIVE}"));
            ("harbor", adapter.to_string(), own.into_iter().chain(version).collect::<Vec<_>>().join(", "))
        }
    };
    Contract {
        model: contract::Model {
            protocol: format!("{:?}", model.protocol.value).to_lowercase(),
            name: model.name.value.clone(),
            revision: String::new(),
            decoding: decoding.to_string(),
        },
        limits: limits.to_string(),
        agent: contract::Agent { kind: kind.to_owned(), adapter, version },
        guarantees,
    }
}

/// What a sandbox guarantees, with the version of its policy. The backend's own version is no part of it: a newer one that
/// keeps the same promises measures the same.
fn digest_of(guarantees: &Guarantees) -> Digest {
    let mut parts = vec![POLICY.to_le_bytes().to_vec()];
    for (name, _, guarantee) in guarantees.each() {
        let word = match guarantee {
            Guarantee::Held => "held",
            Guarantee::Weaker(_) => "weaker",
            Guarantee::Missing(_) => "missing",
        };
        parts.push(format!("{name} {word}").into_bytes());
    }
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}
