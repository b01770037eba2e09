//! What a task may not ask of a container. Pure: a service of a task's compose file goes in, what is refused comes out.
//!
//! Nothing of a task file reaches an engine's command line; this says so to the author of the task, and by name.

use serde_json::Value;

/// Keys that are refused whatever they say: each gives rights, or something of the machine.
const KEYS: &[&str] = &[
    "blkio_config",
    "cap_add",
    "cgroup",
    "cgroup_parent",
    "configs",
    "credential_spec",
    "device_cgroup_rules",
    "devices",
    "env_file",
    "extends",
    "external_links",
    "gpus",
    "group_add",
    "oom_kill_disable",
    "oom_score_adj",
    "ports",
    "runtime",
    "secrets",
    "security_opt",
    "sysctls",
    "use_api_socket",
    "userns_mode",
    "volumes_from",
];
/// Keys that choose a namespace, which is always one of its own.
const NAMESPACES: &[&str] = &["pid", "ipc", "uts", "network_mode"];

/// What is refused in a service, as sentences; empty if it may be run.
#[must_use]
pub fn service(service: &Value) -> Vec<String> {
    let Some(service) = service.as_object() else { return vec![String::from("a service has to be a table")] };
    let mut refused = Vec::new();
    for (key, value) in service {
        match key.as_str() {
            "privileged" if *value != Value::Bool(false) => {
                refused.push(String::from(
                    "`privileged` gives the container the rights of root on this machine",
                ));
            }
            key if KEYS.contains(&key) => {
                refused.push(format!("`{key}` gives the container something of this machine"))
            }
            key if NAMESPACES.contains(&key) => {
                let own = value.as_str().is_some_and(|value| matches!(value, "none" | "private" | ""));
                if !own {
                    refused.push(format!("`{key}` has the container share a namespace"));
                }
            }
            "volumes" => refused.extend(volumes(value)),
            "build" => refused.extend(build(value)),
            _ => {}
        }
    }
    refused
}

fn volumes(volumes: &Value) -> Vec<String> {
    let Some(volumes) = volumes.as_array() else { return vec![String::from("`volumes` has to be a list")] };
    let host = |volume: &&Value| match volume {
        Value::String(text) => {
            // `NAME:PLACE` and `PLACE` stay with the engine; a path, a home or a variable leads to this machine.
            text.split_once(':')
                .is_some_and(|(source, _)| source.starts_with(['/', '.', '~', '$']) || source.contains('/'))
        }
        // `bind`, and whatever comes to be.
        Value::Object(volume) => {
            let kind = volume.get("type").and_then(Value::as_str).unwrap_or_default();
            !matches!(kind, "volume" | "tmpfs")
        }
        _ => true,
    };
    volumes
        .iter()
        .filter(host)
        .map(|volume| format!("the volume `{volume}` is a path of this machine"))
        .collect()
}

fn build(build: &Value) -> Vec<String> {
    let Some(build) = build.as_object() else { return Vec::new() };
    let keys =
        ["privileged", "ssh", "secrets", "network", "entitlements", "additional_contexts", "extra_hosts"];
    let asked = keys.iter().filter(|key| build.contains_key(**key));
    asked.map(|key| format!("`build.{key}` gives a build something of this machine")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn esc_149_what_opens_a_container_is_refused() {
        for (key, value) in [
            ("privileged", json!(true)),
            ("privileged", json!("yes")),
            ("pid", json!("host")),
            ("ipc", json!("shareable")),
            ("network_mode", json!("host")),
            ("network_mode", json!("container:other")),
            ("uts", json!("host")),
            ("userns_mode", json!("host")),
            ("devices", json!(["/dev/kvm:/dev/kvm"])),
            ("cap_add", json!(["SYS_ADMIN"])),
            ("security_opt", json!(["seccomp:unconfined"])),
            ("volumes", json!(["/var/run/docker.sock:/var/run/docker.sock"])),
            ("volumes", json!(["./here:/there"])),
            ("volumes", json!(["~/.ssh:/root/.ssh:ro"])),
            ("volumes", json!(["${HOME}:/h"])),
            ("volumes", json!([{"type": "bind", "source": "/", "target": "/host"}])),
            ("volumes", json!({"a": "b"})),
            ("build", json!({"context": ".", "privileged": true})),
            ("secrets", json!(["key"])),
        ] {
            let refused = service(&json!({"image": "x", key: value}));
            assert_eq!(refused.len(), 1, "{key}: {value}: {refused:?}");
        }
        assert_eq!(service(&json!([])).len(), 1);
    }

    #[test]
    fn an_ordinary_service_may_run() {
        let ordinary = json!({
            "image": "x", "command": ["sleep", "infinity"], "environment": {"A": "b"}, "privileged": false,
            "network_mode": "none", "volumes": ["data:/data", {"type": "tmpfs", "target": "/scratch"}],
            "build": {"context": "."},
        });
        assert!(service(&ordinary).is_empty());
    }
}
