//! The key of a model: from a variable of the environment, or from a command that this machine's configuration names.
//! It is shown nowhere, and no error holds it.

use std::ffi::OsString;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::host::redact::SecretString;

/// How long a command may think: it may ask the person for a finger or a password.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// More than any key.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// What a command gets of our environment: enough to find its program, its user's files and its agent.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "PASSWORD_STORE_DIR",
    "SYSTEMROOT",
    "USERPROFILE",
];

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The server wants none.
    None,
    /// The variable that `model.api_key_env` names.
    Variable(String),
    /// A program and its arguments, from this machine's configuration and never from a project: it prints the key.
    Command(Vec<String>),
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The variable is not set, or empty.
    #[error("the variable `{name}`, which `model.api_key_env` names, is not set; set it to the model's key")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// The variable has a meaning of its own.
    #[error(
        "`model.api_key_env` names `{name}`, which is no variable for a key; name one such as `MODEL_API_KEY`"
    )]
    Reserved {
        /// The variable.
        name: String,
    },
    /// What was found cannot be sent as a key.
    #[error("what {from} holds is no key: a key is one line of ASCII characters without blanks")]
    NotAKey {
        /// Where it was found.
        from: String,
    },
    /// The command gave no key.
    #[error("the key command `{program}` {why}; run it by hand to see what it says")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What happened.
        why: String,
    },
}

impl KeySource {
    /// Reads the key; `variable` looks a variable up (`std::env::var_os`). It blocks while a command runs.
    ///
    /// # Errors
    /// A [`KeyError`], without the key.
    pub fn read(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<SecretString>, KeyError> {
        match self {
            Self::None => Ok(None),
            Self::Variable(name) if is_reserved(name) => Err(KeyError::Reserved { name: name.clone() }),
            Self::Variable(name) => {
                let value = variable(name).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| KeyError::NotSet { name: name.clone() })?;
                checked(value.into_encoded_bytes(), || format!("the variable `{name}`")).map(Some)
            }
            Self::Command(argv) => {
                let (program, arguments) = argv.split_first().ok_or_else(|| KeyError::Command {
                    program: String::new(),
                    why: String::from("names no program"),
                })?;
                let failed = |why| KeyError::Command { program: program.clone(), why };
                let printed = printed_by(program, arguments, variable, COMMAND_TIMEOUT).map_err(failed)?;
                checked(printed, || format!("the output of the key command `{program}`")).map(Some)
            }
        }
    }
}

/// Names that mean something to programs; a manifest that names one would have it sent to a server.
fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let names = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PWD",
        "OLDPWD",
        "TERM",
        "LANG",
        "TMPDIR",
        "HOSTNAME",
        "ENV",
        "BASH_ENV",
        "NODE_OPTIONS",
        "RUBYOPT",
        "PERL5OPT",
    ];
    let beginnings = ["LD_", "DYLD_", "LC_", "XDG_", "SSH_", "GIT_", "DBUS_", "PYTHON", "SELF_HARNESS_"];
    names.contains(&upper.as_str())
        || beginnings.iter().any(|beginning| upper.starts_with(beginning))
        || upper.ends_with("_PROXY")
}

fn checked(bytes: Vec<u8>, from: impl Fn() -> String) -> Result<SecretString, KeyError> {
    let wrong = || KeyError::NotAKey { from: from() };
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    Ok(SecretString::new(key))
}

/// What a program prints. It starts with an environment of its own and without a terminal, not in the project, and what
/// it says on standard error is dropped: it may hold what it should not.
fn printed_by(
    program: &str,
    arguments: &[String],
    variable: impl Fn(&str) -> Option<OsString>,
    timeout: Duration,
) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + timeout;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, variable(name)?))));
    if cfg!(unix) {
        command.current_dir("/");
    }
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let printed = read_until(&mut child, deadline);
    let status = printed.and_then(|printed| Ok((printed, wait_until(&mut child, deadline)?)));
    let (printed, succeeded) = status.inspect_err(|_| {
        // It has ended already, or nobody waits for it any more.
        let _ = child.kill();
        let _ = child.wait();
    })?;
    if succeeded { Ok(printed) } else { Err(String::from("failed")) }
}

fn read_until(child: &mut Child, deadline: Instant) -> Result<Vec<u8>, String> {
    let Some(out) = child.stdout.take() else { return Err(String::from("has no output")) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut printed = Vec::new();
        let outcome = out.take(MAX_KEY_BYTES).read_to_end(&mut printed);
        // The receiver may have given up.
        let _ = sender.send(outcome.map(|_| printed));
    });
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(outcome) => outcome.map_err(|error| format!("cannot be read: {error}")),
        Err(_) => Err(String::from("took too long")),
    }
}

fn wait_until(child: &mut Child, deadline: Instant) -> Result<bool, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if deadline <= Instant::now() => return Err(String::from("took too long")),
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &KeySource, value: Option<&str>) -> Result<Option<String>, KeyError> {
        let is_variable = matches!(source, KeySource::Variable(_));
        let key = source.read(|name| match name {
            _ if is_variable => value.map(OsString::from),
            "PATH" => std::env::var_os("PATH"),
            _ => None,
        });
        key.map(|key| key.map(|key| key.expose().to_owned()))
    }

    #[test]
    fn a_variable_holds_the_key() {
        let source = KeySource::Variable(String::from("MODEL_API_KEY"));
        assert_eq!(read(&source, Some("a-key\n")), Ok(Some(String::from("a-key"))));
        let not_set = KeyError::NotSet { name: String::from("MODEL_API_KEY") };
        assert_eq!(read(&source, None), Err(not_set.clone()));
        assert_eq!(read(&source, Some("")), Err(not_set));
        let error = read(&source, Some("a secret\nwith lines")).unwrap_err().to_string();
        assert!(error.contains("`MODEL_API_KEY`") && !error.contains("secret"), "{error}");
        assert_eq!(read(&KeySource::None, None), Ok(None));
    }

    #[test]
    fn variables_with_a_meaning_hold_no_key() {
        for name in ["PATH", "HOME", "LD_PRELOAD", "https_proxy", "GIT_SSH_COMMAND"] {
            let error = read(&KeySource::Variable(name.to_owned()), Some("x")).unwrap_err();
            assert_eq!(error, KeyError::Reserved { name: name.to_owned() });
        }
    }

    #[cfg(unix)]
    fn shell(script: &str) -> KeySource {
        KeySource::Command(["/bin/sh", "-c", script].map(String::from).to_vec())
    }

    #[cfg(unix)]
    #[test]
    fn a_command_prints_the_key_and_sees_little() {
        assert_eq!(read(&shell("echo a-key"), None), Ok(Some(String::from("a-key"))));
        let source = shell("echo \"$PWD:${CARGO_MANIFEST_DIR:-nothing}\"");
        assert_eq!(read(&source, None), Ok(Some(String::from("/:nothing"))));
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_fails_shows_nothing_of_what_it_said() {
        let error = read(&shell("echo half-a-key; echo why >&2; exit 1"), None).unwrap_err().to_string();
        assert_eq!(error, "the key command `/bin/sh` failed; run it by hand to see what it says");
        let error = read(&KeySource::Command(vec![String::from("/no/such")]), None).unwrap_err().to_string();
        assert!(error.starts_with("the key command `/no/such` cannot be started"), "{error}");
        assert!(read(&KeySource::Command(Vec::new()), None).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_hangs_is_stopped() {
        let before = Instant::now();
        let arguments = [String::from("-c"), String::from("echo a; sleep 20")];
        let outcome = printed_by("/bin/sh", &arguments, |_| None, Duration::from_millis(100));
        assert_eq!(outcome, Err(String::from("took too long")));
        assert!(before.elapsed() < Duration::from_secs(10));
    }
}
