//! The hidden command of the binary: it prints an address and answers there.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(persona: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_self-harness"));
    command.arg("__scripted-model").arg("--persona").arg(persona);
    command
}

#[tokio::test]
async fn the_command_prints_its_address_and_answers() {
    let persona = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/model/personas/breaks.toml");
    let mut running = Running(command(&persona).stdout(Stdio::piped()).spawn().unwrap());
    let mut address = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let endpoint = address.trim_end();
    assert!(endpoint.starts_with("http://127.0.0.1:") && endpoint.ends_with("/v1"), "{address:?}");
    let client = client(settings(endpoint, Protocol::Openai, false));
    assert_eq!(ask(&client, "hello").await.0.unwrap().reply.text, "hello");
}

#[test]
fn a_bad_persona_has_a_line_and_a_hint() {
    let path = std::env::temp_dir().join(format!("self-harness-persona-{}.toml", std::process::id()));
    std::fs::write(&path, "[[rule]]\nreply = { tekst = \"a\" }\n").unwrap();
    let output = command(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains(".toml:2:11: unknown field `tekst`") && said.contains("correct that line"),
        "{said}"
    );
    let missing = command(Path::new("no/such.toml")).output().unwrap();
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn help_does_not_show_it() {
    let help = Command::new(env!("CARGO_BIN_EXE_self-harness")).arg("--help").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("__scripted-model"));
}
