//! Words that authors know from other tools, words that only the machine may say, and words kept for later.

/// A word of another tool, and our key for it.
struct Synonym {
    /// The table, its keys joined with dots; empty for the root.
    table: &'static str,
    /// Our key, from the same table; with a dot from the root.
    key: &'static str,
    /// The words.
    words: &'static [&'static str],
}

const SYNONYMS: &[Synonym] = &[
    Synonym { table: "", key: "schema", words: &["version", "schema_version"] },
    Synonym { table: "", key: "tool", words: &["tools", "functions"] },
    Synonym { table: "", key: "surface", words: &["surfaces", "components", "mutable"] },
    Synonym {
        table: "",
        key: "tasks",
        words: &["task", "dataset", "datasets", "benchmark", "evaluation", "evals"],
    },
    Synonym { table: "", key: "prompt", words: &["prompts", "templates"] },
    Synonym {
        table: "",
        key: "orchestration",
        words: &["workflow", "graph", "states", "state", "state_machine"],
    },
    Synonym { table: "", key: "improve", words: &["optimizer", "optimize", "evolve", "evolution"] },
    Synonym { table: "", key: "budget", words: &["budgets", "cost"] },
    Synonym { table: "", key: "model", words: &["llm", "lm"] },
    Synonym { table: "", key: "prompt.system", words: &["system_prompt", "instructions", "system"] },
    Synonym { table: "", key: "runtime.rule", words: &["rule", "rules"] },
    Synonym { table: "", key: "runtime.max_steps", words: &["max_turns", "max_iterations", "max_steps"] },
    Synonym { table: "", key: "tasks.held_in", words: &["train", "trainset", "held_in"] },
    Synonym {
        table: "",
        key: "tasks.held_out",
        words: &["holdout", "held_out", "validation", "valset", "devset"],
    },
    Synonym {
        table: "model",
        key: "endpoint",
        words: &["base_url", "api_base", "url", "api_url", "host", "openai_base_url"],
    },
    Synonym { table: "model", key: "name", words: &["model", "model_name", "id", "model_id"] },
    Synonym { table: "model", key: "protocol", words: &["provider", "api", "kind", "type"] },
    Synonym { table: "model", key: "api_key_env", words: &["api_key", "key", "key_env", "api_key_variable"] },
    Synonym { table: "model", key: "max_output_tokens", words: &["max_tokens", "max_completion_tokens"] },
    Synonym {
        table: "model",
        key: "context_window",
        words: &["context_length", "max_context", "num_ctx", "context"],
    },
    Synonym { table: "model", key: "request", words: &["extra_body", "extra", "kwargs", "model_kwargs"] },
    Synonym { table: "model", key: "retries", words: &["max_retries", "num_retries"] },
    Synonym { table: "model", key: "price", words: &["cost", "pricing"] },
    Synonym { table: "agent", key: "kind", words: &["type"] },
    Synonym { table: "agent", key: "argv", words: &["command", "cmd", "args", "run"] },
    Synonym { table: "agent", key: "env", words: &["environ", "environment_variables"] },
    Synonym { table: "agent", key: "timeout", words: &["timeout_sec", "time_limit"] },
    Synonym { table: "agent", key: "transcript", words: &["trajectory", "output"] },
    Synonym { table: "prompt", key: "system", words: &["system_prompt", "system_template", "instructions"] },
    Synonym {
        table: "prompt",
        key: "task",
        words: &["user", "user_prompt", "instance", "instance_template"],
    },
    Synonym { table: "prompt", key: "observation", words: &["observation_template", "tool_result"] },
    Synonym { table: "prompt", key: "variables", words: &["vars", "context", "inputs"] },
    Synonym { table: "tool", key: "parameters", words: &["input_schema", "schema", "args", "arguments"] },
    Synonym { table: "tool", key: "run", words: &["command", "cmd", "argv", "exec"] },
    Synonym { table: "tool", key: "file", words: &["path"] },
    Synonym {
        table: "runtime",
        key: "max_steps",
        words: &["max_turns", "max_iterations", "max_iters", "step_limit", "max_calls", "steps"],
    },
    Synonym { table: "runtime", key: "tool_timeout", words: &["timeout", "command_timeout"] },
    Synonym { table: "runtime", key: "rule", words: &["rules", "hooks"] },
    Synonym { table: "runtime", key: "max_output_bytes", words: &["max_output", "output_limit"] },
    Synonym { table: "runtime.rule", key: "id", words: &["name"] },
    Synonym { table: "runtime.rule", key: "when", words: &["if", "on", "trigger", "condition"] },
    Synonym { table: "runtime.rule", key: "inject", words: &["message", "say", "text", "prompt"] },
    Synonym { table: "runtime.rule", key: "max_fires", words: &["times", "max_times"] },
    Synonym { table: "runtime.rule.when", key: "detector", words: &["mechanism"] },
    Synonym { table: "orchestration", key: "state", words: &["states", "nodes"] },
    Synonym { table: "orchestration", key: "start", words: &["initial", "entry"] },
    Synonym { table: "orchestration.state", key: "id", words: &["name"] },
    Synonym { table: "orchestration.state", key: "next", words: &["transitions", "edges", "to"] },
    Synonym { table: "orchestration.state", key: "prompt", words: &["instructions", "message"] },
    Synonym { table: "orchestration.state", key: "max_steps", words: &["max_turns", "max_iterations"] },
    Synonym { table: "surface", key: "id", words: &["name"] },
    Synonym { table: "surface", key: "file", words: &["path", "files"] },
    Synonym { table: "surface", key: "select", words: &["selector", "at"] },
    Synonym { table: "surface", key: "requires", words: &["placeholders", "required"] },
    Synonym { table: "surface", key: "one_of", words: &["choices", "enum", "options"] },
    Synonym { table: "tasks", key: "held_in", words: &["train", "training", "trainset"] },
    Synonym {
        table: "tasks",
        key: "held_out",
        words: &["holdout", "hold_out", "validation", "val", "valset", "dev", "devset", "eval"],
    },
    Synonym { table: "tasks", key: "sealed", words: &["test", "testset", "final"] },
    Synonym { table: "tasks", key: "dir", words: &["path", "root", "directory", "folder"] },
    Synonym { table: "tasks", key: "exclude", words: &["ignore", "skip"] },
    Synonym { table: "tasks.split", key: "held_in", words: &["train"] },
    Synonym { table: "tasks.split", key: "held_out", words: &["holdout", "validation", "val"] },
    Synonym { table: "tasks.split", key: "sealed", words: &["test"] },
    Synonym {
        table: "improve",
        key: "proposals",
        words: &["k", "candidates", "population", "population_size"],
    },
    Synonym { table: "improve", key: "rounds", words: &["iterations", "generations", "epochs", "t"] },
    Synonym { table: "improve", key: "repeats", words: &["trials", "n_attempts", "attempts", "repeat"] },
    Synonym { table: "improve", key: "gate", words: &["acceptance", "mode", "criterion"] },
    Synonym { table: "budget", key: "max_cost_usd", words: &["max_cost", "cost_limit", "max_usd", "cost"] },
    Synonym {
        table: "budget",
        key: "max_trials",
        words: &["trials", "max_runs", "max_evals", "max_metric_calls"],
    },
    Synonym { table: "budget", key: "max_time", words: &["max_duration", "timeout", "time_limit"] },
    Synonym {
        table: "budget",
        key: "max_parallel",
        words: &[
            "parallel",
            "concurrency",
            "n_concurrent",
            "max_concurrency",
            "workers",
            "max_workers",
            "num_threads",
        ],
    },
    Synonym { table: "lint.allow", key: "rule", words: &["code", "id", "name"] },
    Synonym { table: "lint.allow", key: "file", words: &["path", "files"] },
    Synonym { table: "lint.allow", key: "reason", words: &["why", "because", "comment"] },
];

/// Our key for a word of another tool, in a table (its keys joined with dots).
pub(super) fn our_key(table: &str, word: &str) -> Option<&'static str> {
    SYNONYMS
        .iter()
        .find(|synonym| synonym.table == table && synonym.words.contains(&word))
        .map(|synonym| synonym.key)
}

/// What the machine chooses, and the words for it.
const MACHINE: &[(&str, &[&str])] = &[
    ("the sandbox", &["sandbox", "sandbox_backend", "backend", "unsandboxed", "no_sandbox", "isolation"]),
    ("what it trusts", &["trust", "trusted", "trust_level"]),
    (
        "the programs",
        &[
            "bwrap",
            "bwrap_path",
            "engine",
            "engine_path",
            "container_engine",
            "docker_path",
            "podman_path",
            "harbor_path",
        ],
    ),
    ("the toolchains", &["toolchain", "toolchains", "toolchain_dirs", "toolchain_directories"]),
    (
        "the upper limits",
        &["limits", "machine", "max_memory", "memory_mb", "max_memory_mb", "max_disk", "disk_mb"],
    ),
    ("the network", &["network", "network_mode", "network_ceiling", "allowed_hosts"]),
    ("the user", &["run_as"]),
    ("where keys come from", &["key_command", "key_commands", "api_key_command"]),
];

/// Tables of the manifest in which such words are looked for; the root is the empty one.
const MACHINE_TABLES: &[&str] = &["", "agent", "model", "runtime", "tasks", "budget", "improve"];

/// What the machine chooses, if the word is one that only the machine may say.
pub(super) fn machine_choice(table: &str, word: &str) -> Option<&'static str> {
    if !MACHINE_TABLES.contains(&table) {
        return None;
    }
    MACHINE.iter().find(|(_, words)| words.contains(&word)).map(|(what, _)| *what)
}

/// What a key of the root is kept for, if it is kept for a later version.
pub(super) fn reserved(table: &str, word: &str) -> Option<&'static str> {
    match (table, word) {
        ("", "extends") => Some("a manifest that this one adds to"),
        ("", "models") => Some("overlays for several models"),
        _ => None,
    }
}
