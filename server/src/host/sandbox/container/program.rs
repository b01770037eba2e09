//! The first process as containers have it: in a volume that a worker fills once, which all of its containers mount read-only.
//! A copy into each of them would be the longest part of a start.

use std::fs::File;
use std::path::Path;
use std::process::ChildStdin;

use super::super::spec::SandboxError;
use super::super::tree::TreeError;
use super::engine::Engine;
use super::pack::{Owner, Packer};
use super::running::{PATIENCE, Vessel, lock};
use super::{Container, arguments};
use crate::host::random;

/// The name of the program in the volume.
const NAME: &str = "init";

/// A volume that holds the first process; it is removed with the last backend that knows it.
#[derive(Debug)]
pub(super) struct Program {
    engine: Engine,
    volume: String,
}

impl Container {
    /// The volume that holds an executable, of that build.
    pub(super) fn program(&self, executable: File, build: &str, image: &str) -> Result<String, SandboxError> {
        let mut programs = lock(&self.known.programs);
        if let Some(program) = programs.get(build) {
            return Ok(program.volume.clone());
        }
        let program = self.bring_program(executable, image)?;
        let volume = program.volume.clone();
        programs.insert(build.to_owned(), program);
        Ok(volume)
    }

    fn bring_program(&self, mut executable: File, image: &str) -> Result<Program, SandboxError> {
        let trials = self.trials.directory();
        let id = random::name().map_err(TreeError::io("name a volume beside", trials))?;
        let volume = volume(&id);
        let (worker, house) = (self.worker(), self.house());
        let [worker, house] = arguments::Whose { worker: &worker, house: &house }.labels();
        // From here on it is removed if anything goes wrong.
        let program = Program { engine: self.engine.clone(), volume };
        let words = ["volume", "create", "--label", &worker, "--label", &house, &program.volume];
        self.engine.ask(&words, PATIENCE)?;
        let mounted = format!("{}:{}:nocopy", program.volume, arguments::PROGRAM);
        let vessel = Vessel::new(&self.engine, arguments::name(&id), None);
        self.idle(&id, image, &["--volume", &mounted])?;
        self.copy(
            &vessel.name,
            arguments::PROGRAM,
            |packer: &mut Packer<std::io::BufWriter<ChildStdin>>| {
                packer.file(&mut executable, Path::new(NAME), 0o755, Owner::Root)
            },
        )?;
        Ok(program)
    }

    /// Removes the volumes of workers that are gone.
    pub(super) fn sweep_programs(&self) -> Result<(), SandboxError> {
        let filter = format!("label={}={}", arguments::HOUSE, self.house());
        let listed = self.engine.ask(&["volume", "ls", "--quiet", "--filter", &filter], PATIENCE)?;
        let format = format!("{{{{index .Labels \"{}\"}}}}", arguments::WORKER_LABEL);
        for volume in listed.split_whitespace() {
            // One that goes away meanwhile is somebody else's to remove.
            let Ok(worker) = self.engine.ask(&["volume", "inspect", "--format", &format, volume], PATIENCE)
            else {
                continue;
            };
            if super::is_dead(worker.trim()) {
                // One that is in use stays for the next sweep.
                let _ = self.engine.ask(&["volume", "rm", volume], PATIENCE);
            }
        }
        Ok(())
    }
}

/// Where the first process is in a container.
pub(super) fn inside() -> String {
    format!("{}/{NAME}", arguments::PROGRAM)
}

fn volume(id: &str) -> String {
    format!("{}-program", arguments::name(id))
}

impl Drop for Program {
    fn drop(&mut self) {
        // What is in use, or cannot be removed now, is swept later.
        let _ = self.engine.ask(&["volume", "rm", &self.volume], PATIENCE);
    }
}
