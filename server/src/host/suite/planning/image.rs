//! Which image a task runs on where there are containers, and what of its environment is left to be made. Nothing is fetched or
//! built: what is missing is said with the command that a person runs.

use super::dockerfile::{Environment, WORKDIR};
use super::{Note, Planning};
use crate::host::sandbox::container::images::BUILT;
use crate::host::sandbox::{Image, Images};
use crate::host::suite::bundle::Bundle;
use crate::host::suite::places;
use crate::host::suite::plan::{Build, BuildStep, TaskRefused};

/// How many digits of a digest tell the environments of tasks apart.
const DIGITS: usize = 16;

impl Planning<'_> {
    /// The image of a task: the one that `task.toml` names; else the one that a person made of its `environment/`; else, if the
    /// Dockerfile can be carried out in a sandbox, the one that it starts from, or the machine's own.
    ///
    /// # Errors
    /// The line that needs an image that is not here, with the way to it.
    pub(super) fn on_image(&mut self, images: &dyn Images) -> Result<(Environment, Image), TaskRefused> {
        if let Some(name) = self.task.config.environment.docker_image.clone() {
            let image = images
                .named(&name)
                .map_err(|missing| self.refused(name.span, &missing.reason).with_remedy(missing.remedy))?;
            return Ok((self.ready(&image)?, image));
        }
        if !self.harness.files().is_file(&self.dockerfile()) {
            let environment = self.environment()?;
            let image = self.base(images, &environment)?;
            return Ok((environment, image));
        }
        let directory = self.on_host(&self.task.environment);
        let files = Bundle::read(&directory).map_err(|error| self.broken(&error))?;
        let built = format!("{BUILT}:{}", files.digest().short(DIGITS));
        if let Ok(image) = images.named(&built) {
            return Ok((self.ready(&image)?, image));
        }
        match self.environment() {
            Ok(environment) => {
                let image = self.base(images, &environment)?;
                Ok((environment, image))
            }
            Err(refused) => {
                let words = ["build", "--tag", &built, &directory.to_string_lossy()];
                let remedy = format!("build its image yourself with `{}`", images.typed(&words));
                Err(refused.with_remedy(remedy))
            }
        }
    }

    /// The image under a tree that is made by us: the one of `FROM`, or the machine's own, which stands in for it as the root of
    /// this machine would.
    fn base(&mut self, images: &dyn Images, environment: &Environment) -> Result<Image, TaskRefused> {
        let (file, line) = self.line_of_from();
        let from = environment.from.as_str();
        if !from.is_empty()
            && let Ok(image) = images.named(from)
        {
            return Ok(image);
        }
        let standard = images.standard();
        let image = images.named(standard).map_err(|missing| {
            TaskRefused::new(file.clone(), line, missing.reason).with_remedy(missing.remedy)
        })?;
        if !from.is_empty() {
            let what = format!("`{from}` is not on this machine, `{standard}` stands in for it");
            self.notes.push(Note { file, line, what });
        }
        Ok(image)
    }

    fn line_of_from(&self) -> (harness_schema::path::FilePath, usize) {
        let file = self.dockerfile();
        let Some(document) = self.harness.document(&file) else { return (self.config_file(), 1) };
        let is_from =
            |line: &str| line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("from"));
        let line = document.source().lines().position(is_from).unwrap_or_default() + 1;
        (file, line)
    }

    /// The environment of an image in which everything is: the tree starts as what it has in its directory.
    fn ready(&self, image: &Image) -> Result<Environment, TaskRefused> {
        let own = self.task.config.environment.workdir.clone();
        let of_image = match image.workdir.trim_end_matches('/') {
            "" => WORKDIR,
            path => path,
        };
        let (workdir, line) = match &own {
            Some(own) if !own.starts_with('/') => {
                return Err(self.refused(own.span, "`workdir` is no path from the root"));
            }
            Some(own) => (places::absolute("/", own).unwrap_or_default(), self.line(own.span)),
            None => (of_image.to_owned(), 1),
        };
        let root =
            if places::below(&workdir, of_image).is_some() { of_image.to_owned() } else { workdir.clone() };
        places::check_root(&root).map_err(|reason| {
            let remedy = "name another directory as `environment.workdir`, and make it in the image";
            TaskRefused::new(self.config_file(), line, reason).with_remedy(remedy)
        })?;
        let mut build = vec![Build { line: 0, step: BuildStep::Image }];
        if let Some(directory) = places::below(&workdir, &root).filter(|path| !path.as_os_str().is_empty()) {
            build.push(Build { line: 0, step: BuildStep::Directory(directory) });
        }
        Ok(Environment { from: String::new(), root, workdir, env: Vec::new(), build })
    }
}
