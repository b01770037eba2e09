//! Which images an engine has, and what is in them. Each is asked for once, and known by its identity from then on; none is
//! ever fetched or made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness_schema::digest::Digest;
use serde::Deserialize;

use super::super::guarantee::Unavailable;
use super::super::image::{Image, Images, is_name};
use super::super::snapshot::TreeLimits;
use super::super::spec::{Env, SandboxError};
use super::super::tree::{TreeError, TrialTree};
use super::engine::{Kind, NO_IMAGE};
use super::running::{PATIENCE, Vessel, lock};
use super::{Container, arguments};
use crate::host::random;

/// What an image of a task is called that a person made: the name, and a colon with a digest of what it was made from.
pub const BUILT: &str = "localhost/self-harness-task";

/// An image as its engine tells it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    id: String,
    #[serde(default)]
    config: Option<Config>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    working_dir: Option<String>,
}

impl Container {
    /// The image for tasks that have none of their own.
    ///
    /// # Errors
    /// As [`Container::find`].
    pub fn image(&self) -> Result<Image, SandboxError> {
        self.find(&self.image)
    }

    /// The image of a name, a digest or an identity, by which trials under it are compared.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] if it is not there; [`SandboxError::Refused`] if that is no name of an image.
    pub fn find(&self, name: &str) -> Result<Image, SandboxError> {
        if let Some(known) = lock(&self.known.images).get(name) {
            return Ok(known.clone());
        }
        self.engine.check().map_err(SandboxError::Unavailable)?;
        if !is_name(name) {
            return Err(SandboxError::Refused(format!("`{name}` is no name of an image")));
        }
        if name.starts_with(BUILT) && !self.built()?.contains(name) {
            return Err(SandboxError::Unavailable(self.missing(name)));
        }
        let said = self
            .engine
            .ask(&["image", "inspect", name], PATIENCE)
            .map_err(|error| self.told_missing(name, error))?;
        let image = read(name, &said).map_err(|why| {
            SandboxError::Start(format!(
                "the engine says of the image `{name}` what is not understood: {why}"
            ))
        })?;
        lock(&self.known.images).insert(name.to_owned(), image.clone());
        Ok(image)
    }

    fn told_missing(&self, name: &str, error: SandboxError) -> SandboxError {
        match error {
            SandboxError::Unavailable(told) if told.reason.starts_with(NO_IMAGE) => {
                SandboxError::Unavailable(self.missing(name))
            }
            error => error,
        }
    }

    fn missing(&self, name: &str) -> Unavailable {
        let remedy = format!("pull it yourself with `{}`", self.engine.typed(&["pull", name]));
        Unavailable::new(format!("{NO_IMAGE}: `{name}`"), remedy)
    }

    /// The images of tasks that a person made.
    fn built(&self) -> Result<BTreeSet<String>, SandboxError> {
        let mut known = lock(&self.known.built);
        if let Some(built) = &*known {
            return Ok(built.clone());
        }
        let filter = format!("reference={BUILT}");
        let words = ["images", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}}"];
        let built: BTreeSet<String> =
            self.engine.ask(&words, PATIENCE)?.lines().map(|line| line.trim().to_owned()).collect();
        Ok(known.insert(built).clone())
    }

    /// Brings what an image has in a directory into a tree. The image is not run.
    pub(super) fn bring_out(&self, image: &str, from: &str, tree: &TrialTree) -> Result<(), SandboxError> {
        let id = random::name().map_err(TreeError::io("name a container for", tree.directory()))?;
        let vessel = Vessel::new(&self.engine, arguments::name(&id), None);
        self.idle(&id, image, &[])?;
        let name = Path::new(from).file_name().unwrap_or_default().to_string_lossy();
        match vessel.bring(from, &format!("{name}/"), &tree.path(), tree, &TreeLimits::default()) {
            Err(SandboxError::Start(why)) if NO_DIRECTORY.iter().any(|piece| why.contains(piece)) => Ok(()),
            brought => brought,
        }
    }

    /// Makes a container that is never started; it is removed by whoever wanted it, or by the sweep.
    pub(super) fn idle(&self, id: &str, image: &str, more: &[&str]) -> Result<(), SandboxError> {
        let name = arguments::name(id);
        let trial = format!("{}={id}", arguments::TRIAL);
        let (worker, house) = (self.worker(), self.house());
        let [worker, house] = arguments::Whose { worker: &worker, house: &house }.labels();
        let mut words = vec!["create", "--pull", "never", "--name", &name, "--network", "none"];
        words.extend(["--label", &trial, "--label", &worker, "--label", &house]);
        if self.engine.kind == Kind::Podman {
            // What the image has there, and not a copy of it.
            words.extend(["--image-volume", "ignore"]);
        }
        words.extend(more);
        words.extend(["--entrypoint", "/never-started", image, "never-started"]);
        self.engine.ask(&words, PATIENCE).map(drop)
    }
}

/// What engines say of a directory that an image does not have.
const NO_DIRECTORY: &[&str] = &["could not be found on container", "Could not find the file"];

impl Images for Container {
    fn named(&self, name: &str) -> Result<Image, Unavailable> {
        self.find(name).map_err(|error| match error {
            SandboxError::Unavailable(unavailable) => unavailable,
            error => {
                Unavailable::new(error.to_string(), "name an image of this machine, such as `debian:12`")
            }
        })
    }

    fn standard(&self) -> &str {
        &self.image
    }

    fn typed(&self, arguments: &[&str]) -> String {
        self.engine.typed(arguments)
    }
}

/// Reads what an engine says of one image.
fn read(name: &str, said: &str) -> Result<Image, String> {
    let told: Vec<Told> = serde_json::from_str(said).map_err(|error| error.to_string())?;
    let [told] = told.as_slice() else { return Err(format!("there are {} images of that name", told.len())) };
    let id = told.id.strip_prefix("sha256:").unwrap_or(&told.id);
    let id: Digest = id.parse().map_err(|_| format!("`{id}` is no digest"))?;
    let empty = Config::default();
    let config = told.config.as_ref().unwrap_or(&empty);
    let variables = config.env.iter().flatten().filter_map(|variable| variable.split_once('='));
    let may_be_set = |name: &str, value: &str| name == "PATH" || Env::of([(name, value)]).is_ok();
    let variables: BTreeMap<String, String> = variables
        .filter(|(name, value)| may_be_set(name, value))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let workdir = config.working_dir.clone().unwrap_or_default();
    Ok(Image { name: name.to_owned(), id, workdir, variables })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "2f54c4ecd6fcdd3a2712214439baa3e49fe526e55b86a9fa0a0ae435bbd0989c";

    #[test]
    fn both_engines_are_understood() {
        let docker = format!(
            r#"[{{"Id": "sha256:{ID}", "Config": {{"Env": ["PATH=/x", "A=b=c", "LD_PRELOAD=/y"], "WorkingDir": "/srv"}}}}]"#
        );
        let image = read("x:1", &docker).unwrap();
        assert_eq!((image.name.as_str(), image.workdir.as_str()), ("x:1", "/srv"));
        assert_eq!(image.id.to_string(), ID);
        let variables: Vec<(&str, &str)> =
            image.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(variables, [("A", "b=c"), ("PATH", "/x")]);
        let podman = format!(r#"[{{"Id": "{ID}", "Digest": "sha256:0", "Config": {{}}}}]"#);
        let image = read("x:1", &podman).unwrap();
        assert!(image.workdir.is_empty() && image.variables.is_empty() && image.id.to_string() == ID);
        for unclear in ["", "[]", "{}", r#"[{"Id": "latest"}]"#] {
            assert!(read("x:1", unclear).is_err(), "{unclear}");
        }
    }
}
