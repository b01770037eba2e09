//! Harbor's program on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::HarborError;
use crate::host::machine::Harbor;
use crate::host::spawn;

/// Its name on the path.
const NAME: &str = "harbor";

/// The variables of the user that Harbor needs: to find programs, its cache, and the engine that makes environments.
const PASSED: [&str; 15] = [
    "HOME",
    "PATH",
    "LANG",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "CONTAINER_HOST",
    "KUBECONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What is said to Harbor and its libraries: tell nobody, fetch no price list, write nothing beside the harness.
const SAID: [(&str, &str); 5] = [
    ("HARBOR_TELEMETRY", "off"),
    ("DO_NOT_TRACK", "1"),
    ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
];

/// Harbor on this machine.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    variables: Vec<(String, OsString)>,
}

impl Program {
    /// The program that the machine names, or the first on the path.
    ///
    /// # Errors
    /// [`HarborError::NotFound`] if there is none.
    pub fn of(harbor: &Harbor) -> Result<Self, HarborError> {
        let found = match &harbor.program {
            Some(named) if named.is_file() => named.clone(),
            Some(named) => {
                let reason = format!("`{}` of your configuration is no file", named.display());
                return Err(HarborError::NotFound { reason });
            }
            None => on_path().ok_or_else(|| HarborError::NotFound {
                reason: format!("no directory of `PATH` has a `{NAME}`"),
            })?,
        };
        let own = harbor.variables.iter().map(String::as_str);
        let variables = PASSED.into_iter().chain(own);
        let variables = variables.filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)));
        Ok(Self { path: found, variables: variables.collect() })
    }

    /// A command of it that sees no other variable than it needs.
    pub(super) fn command(&self) -> Command {
        let mut command = spawn::command(&self.path);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).envs(SAID);
        command.stdin(Stdio::null());
        command
    }

    /// Whether it is that version.
    ///
    /// # Errors
    /// [`HarborError::Version`] if it is another one.
    pub(super) fn is(&self, wanted: &str) -> Result<(), HarborError> {
        let found = self.version()?;
        if found == wanted {
            return Ok(());
        }
        Err(HarborError::Version { wanted: wanted.to_owned(), found })
    }

    /// What it says its version is.
    fn version(&self) -> Result<String, HarborError> {
        let mut command = self.command();
        command.arg("--version").stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = |source| HarborError::File { what: "run", path: self.path.clone(), source };
        let output = spawn::start(command).and_then(std::process::Child::wait_with_output).map_err(failed)?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let found = printed.split_whitespace().last().unwrap_or("unknown").trim_start_matches('v');
        Ok(found.chars().take(40).collect())
    }
}

/// What is to be said of Harbor on this machine, in one line; its version is asked of it.
#[must_use]
pub fn here(harbor: &Harbor) -> String {
    let found = Program::of(harbor).and_then(|program| Ok((program.version()?, program.path)));
    match found {
        Ok((version, path)) => {
            format!(
                "{version} ({}); it runs its agents in environments of its own, outside of this sandbox",
                path.display()
            )
        }
        Err(error) => format!("none, and only agents of the kind `harbor` need it ({error})"),
    }
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let here = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    here.map(|directory| directory.join(NAME)).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_program_that_is_not_there_the_line_says_where_it_was_named() {
        let harbor = Harbor { program: Some(PathBuf::from("/nowhere/harbor")), ..Harbor::default() };
        let line = here(&harbor);
        assert!(line.starts_with("none, and only agents of the kind `harbor` need it"), "{line}");
        assert!(line.contains("`/nowhere/harbor` of your configuration is no file"), "{line}");
    }

    #[test]
    fn a_program_is_asked_for_its_version() {
        use std::os::unix::fs::PermissionsExt;
        let directory = std::env::temp_dir().join(format!("self-harness-harbor-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let program = directory.join(NAME);
        std::fs::write(&program, "#!/bin/sh\necho harbor v9.8.7\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let line = here(&Harbor { program: Some(program), ..Harbor::default() });
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(line.starts_with("9.8.7 ("), "{line}");
    }
}
