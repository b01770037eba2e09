//! A task that names hosts, with the real binary: what is asked before, what the agent may reach, what is told afterwards, and
//! machines that allow less. Nothing here leaves the machine: who is refused is not even looked up.

use std::fs;

use crate::lab::Lab;

/// Asks for a host that nobody named, and writes the number.
const CURIOUS: &str = r#"
name = "curious"

[[rule]]
when = { step = 0, any = "the number (?P<number>[0-9]+)" }
reply = { text = "I ask.", calls = [{ tool = "shell", arguments = { command = '''
echo ${number} > answer.txt
python3 - <<'END'
import os, socket
host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").split(":")
s = socket.create_connection((host, int(port)), 20)
s.sendall(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n")
print(s.makefile().readline())
END''' } }] }

[[rule]]
reply = { text = "done" }
"#;

const NAMED: &str = "schema_version = \"1.4\"\n\n[environment]\nnetwork_mode = \"allowlist\"\n\
    allowed_hosts = [\"files.example.com\"]\n";
const PUBLIC: &str = "schema_version = \"1.4\"\n\n[environment]\nnetwork_mode = \"public\"\n";

fn configured(lab: &mut Lab, text: &str) {
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    fs::write(config.join("self-harness/config.toml"), text).unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
}

#[test]
fn hosts_are_asked_for_before_and_told_afterwards() {
    let lab = Lab::new("network", CURIOUS, 2);
    // The other task says nothing of a network, and has none.
    lab.write("tasks/t-00/task.toml", NAMED);
    let output = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    let aside = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{aside}\n{}", lab.worker_log());
    assert!(
        aside.contains("without network but for what tasks name: files.example.com (ports 443 and 80)"),
        "{aside}"
    );
    assert!(
        aside.contains("and nowhere else; what runs in a sandbox may send what it sees to the hosts above\n")
    );
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("HTTP/1.1 403 Forbidden"), "{trace}");
    let refused =
        "agent evil.example:443 refused: `evil.example` is not among the `allowed_hosts` of the task";
    assert!(trace.contains(&format!("\nnetwork\n    {refused}\n")), "{trace}");
    let verdicts = lab.verdicts();
    assert_eq!(verdicts.values().filter(|verdict| *verdict == "pass").count(), 2, "{verdicts:?}");
}

#[test]
fn what_a_machine_does_not_allow_is_left_out_with_its_key() {
    let mut lab = Lab::new("network-ceiling", CURIOUS, 2);
    lab.write("tasks/t-00/task.toml", NAMED);
    lab.write("tasks/t-01/task.toml", PUBLIC);
    let evaluate = |lab: &Lab| {
        let output = lab.run(&["evaluate", "--repeats", "1", "--yes", "--max-cost-usd", "1"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let aside = evaluate(&lab);
    assert!(
        aside.contains("`tasks/t-01/task.toml`, line 4: the task asks for any public host, and `network = \"allowlist\"` in")
            && aside.contains("`network = \"public\"`"),
        "{aside}"
    );
    assert!(aside.contains("without network but for what tasks name: files.example.com"), "{aside}");
    configured(&mut lab, "network = \"off\"\n");
    let aside = evaluate(&lab);
    assert!(aside.contains("2 tasks that cannot be run here; the first: t-00 (`tasks/t-00/task.toml`, line 4: the task asks for hosts of the network"), "{aside}");
    assert!(aside.contains(", without network\n") && aside.contains(", and nowhere else\n"), "{aside}");
    let void = lab.store().trials(2).unwrap();
    assert!(void.iter().all(|trial| trial.verdict == "void"), "{void:?}");
    configured(&mut lab, "network = \"public\"\n");
    let aside = evaluate(&lab);
    assert!(
        aside.contains("with the network: tasks may reach any public host (ports 443 and 80)"),
        "{aside}"
    );
    // A project cannot raise what the machine allows.
    lab.write_harness(2, "[sandbox]\nnetwork = \"public\"\n");
    assert_eq!(lab.run(&["evaluate", "--yes"]).status.code(), Some(3));
}
