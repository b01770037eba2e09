//! What the Dockerfile of a task comes to: one tree, and what is done to it.

use harness_schema::path::FilePath;
use harness_schema::syntax::decode::Spanned;

use super::{Planning, unreadable, variable_refused};
use crate::engine::dockerfile::{self, Dockerfile, Step};
use crate::host::sandbox::spec::Env;
use crate::host::suite::places;
use crate::host::suite::plan::{Build, BuildStep, Note, TaskRefused};

/// Where a task is that names no other place.
pub(super) const WORKDIR: &str = "/app";

/// What the Dockerfile comes to.
pub(super) struct Environment {
    /// The image of its `FROM`; empty without a Dockerfile.
    pub(super) from: String,
    pub(super) root: String,
    pub(super) workdir: String,
    pub(super) env: Vec<(String, String)>,
    pub(super) build: Vec<Build>,
}

impl Planning<'_> {
    /// The same where the root is that of this machine, and a ready image cannot be had.
    ///
    /// # Errors
    /// As [`Planning::environment`].
    pub(super) fn on_this_machine(&mut self) -> Result<Environment, TaskRefused> {
        match &self.task.config.environment.docker_image {
            Some(image) if !self.harness.files().is_file(&self.dockerfile()) => {
                Err(self.refused(image.span, "a ready image needs a container"))
            }
            _ => self.environment(),
        }
    }

    /// Where the tree lies, what makes it, and which variables it has.
    ///
    /// # Errors
    /// The first line that a sandbox cannot carry out.
    pub(super) fn environment(&mut self) -> Result<Environment, TaskRefused> {
        let ignore = self.below(&self.task.environment, ".dockerignore");
        if self.harness.files().is_file(&ignore) {
            let reason = "what `.dockerignore` leaves out is known to a container engine only";
            return Err(TaskRefused::new(ignore, 1, reason));
        }
        let file = self.dockerfile();
        let read = if self.harness.files().is_file(&file) {
            let document = self.harness.document(&file).ok_or_else(|| unreadable(&file))?;
            dockerfile::parse(document.source())
                .map_err(|refused| TaskRefused::new(file.clone(), refused.line, refused.reason))?
        } else {
            Dockerfile::default()
        };
        for ignored in &read.ignored {
            let what = format!("`{}` means nothing without an image", ignored.what);
            self.notes.push(Note { file: file.clone(), line: ignored.line, what });
        }
        if self.images.is_none() && !read.image.is_empty() {
            let what = format!("image `{}` is not built here: host tools are used", read.image);
            self.notes.push(Note { file: file.clone(), line: read.image_line, what });
        }
        let own = self.task.config.environment.workdir.clone();
        let (root, workdir) = self.workdirs(&read, own.as_ref(), &file)?;
        let from = read.image.clone();
        let mut made = Environment { from, root, workdir, env: Vec::new(), build: Vec::new() };
        let mut at = if read.instructions.iter().any(|one| matches!(one.step, Step::Workdir(_))) {
            made.root.clone()
        } else {
            own.map_or_else(|| WORKDIR.to_owned(), |own| places::absolute("/", &own).unwrap_or_default())
        };
        for instruction in &read.instructions {
            let refused = |reason: String| TaskRefused::new(file.clone(), instruction.line, reason);
            self.step(instruction.line, &instruction.step, &mut at, &mut made).map_err(refused)?;
        }
        if let Some(directory) =
            places::below(&made.workdir, &made.root).filter(|path| !path.as_os_str().is_empty())
        {
            made.build.push(Build { line: 0, step: BuildStep::Directory(directory) });
        }
        Ok(made)
    }

    /// Where the tree lies, and the directory in it where everybody works: all directories that the Dockerfile works in
    /// have to lie in one of them.
    fn workdirs(
        &self,
        read: &Dockerfile,
        own: Option<&Spanned<String>>,
        file: &FilePath,
    ) -> Result<(String, String), TaskRefused> {
        let mut all: Vec<(String, FilePath, usize)> = Vec::new();
        let mut at = String::from("/");
        for instruction in &read.instructions {
            let Step::Workdir(written) = &instruction.step else { continue };
            let outside =
                || TaskRefused::new(file.clone(), instruction.line, "the directory lies above the root");
            at = places::absolute(&at, written).ok_or_else(outside)?;
            all.push((at.clone(), file.clone(), instruction.line));
        }
        if let Some(own) = own {
            let path = places::absolute("/", own).unwrap_or_default();
            if !own.starts_with('/') {
                return Err(self.refused(own.span, "`workdir` is no path from the root"));
            }
            all.push((path, self.config_file(), self.line(own.span)));
        }
        if all.is_empty() {
            all.push((WORKDIR.to_owned(), file.clone(), 1));
        }
        let root =
            all.iter().map(|(path, ..)| path).min_by_key(|path| path.len()).cloned().unwrap_or_default();
        for (path, file, line) in &all {
            let refused = |reason: String| TaskRefused::new(file.clone(), *line, reason);
            places::check_root(path).map_err(refused)?;
            if places::below(path, &root).is_none() {
                return Err(refused(format!(
                    "`{path}` does not lie in `{root}`, and there is one tree only"
                )));
            }
        }
        let workdir = all.last().map(|(path, ..)| path.clone()).unwrap_or_default();
        Ok((root, workdir))
    }

    fn step(&self, line: usize, step: &Step, at: &mut String, made: &mut Environment) -> Result<(), String> {
        let step = match step {
            Step::Workdir(written) => {
                *at = places::absolute(at, written).unwrap_or_default();
                BuildStep::Directory(places::below(at, &made.root).unwrap_or_default())
            }
            Step::Env(set) => {
                Env::of(set.iter().cloned()).map_err(|error| variable_refused(&error))?;
                made.env.retain(|(name, _)| !set.iter().any(|(other, _)| other == name));
                made.env.extend(set.iter().cloned());
                return Ok(());
            }
            Step::Copy(copy) => {
                let target =
                    places::absolute(at, &copy.target).and_then(|path| places::below(&path, &made.root));
                let target = target.ok_or_else(|| {
                    format!(
                        "`{}` lies outside of `{}`, and nothing else can be written",
                        copy.target, made.root
                    )
                })?;
                let is_directory =
                    copy.target.ends_with('/') || copy.target.ends_with("/.") || copy.target == ".";
                let sources = copy.sources.iter().map(|source| {
                    places::source(source).ok_or_else(|| format!("`{source}` leads out of `environment/`"))
                });
                let sources = sources.collect::<Result<_, _>>()?;
                BuildStep::Copy { sources, target, is_directory, mode: copy.mode }
            }
            Step::Shell(script) => {
                self.run(["/bin/sh", "-c", script].map(str::to_owned).to_vec(), at, made)?
            }
            Step::Program(argv) => self.run(argv.clone(), at, made)?,
        };
        made.build.push(Build { line, step });
        Ok(())
    }

    fn run(&self, argv: Vec<String>, at: &str, made: &Environment) -> Result<BuildStep, String> {
        let env = Env::of(made.env.iter().cloned()).map_err(|error| variable_refused(&error))?;
        Ok(BuildStep::Run { argv, directory: at.to_owned(), env })
    }
}
