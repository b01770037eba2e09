//! The language server from outside: the real binary over its pipes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[expect(dead_code, reason = "what `tests/editor` needs besides")]
mod client;
mod disk;
mod features;
mod large;
mod protocol;
mod pull;
mod sync;

/// A harness with something wrong in each of its files.
const FILES: [(&str, &str); 3] = [
    (
        "harness.toml",
        "schema = 1\n\n[model]\nendpoint = \"http://127.0.0.1:8080/v1\"\nname = \"m\"\n\n[prompt]\nsystem = \"prompts/system.md\"\n\n[[tool]]\nfile = \"tools/grep.toml\"\n\n[orchestration]\nstart = \"work\"\n\n[[orchestration.state]]\nid = \"work\"\ntools = [\"grep_file\"]\nnext = [\"verfy\"]\n\n[[orchestration.state]]\nid = \"verify\"\nnext = [\"work\", \"end\"]\n",
    ),
    (
        "prompts/system.md",
        "# Rules 😀\n\nUse the `grep_files` tool in {{ workdri }}.\n\nAsk `grep_file` twice.\n",
    ),
    (
        "tools/grep.toml",
        "name = \"grep_file\"\ndescription = \"Searches one file.\"\nrun = [\"grep\", \"-n\", \"{pattern}\"]\n",
    ),
];
