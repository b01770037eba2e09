//! Packs the example of `demo` into the binary, so that an installed one needs nothing else: each file of it with its path, and
//! whether it is a program.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the example lies, from this package.
const EXAMPLE: &str = "../tests/examples/demo";
/// The model that answers in it.
const PERSONA: &str = "../tests/examples/personas/hasty.toml";

fn main() -> std::io::Result<()> {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let example = package.join(EXAMPLE).canonicalize()?;
    let persona = package.join(PERSONA).canonicalize()?;
    println!("cargo::rerun-if-changed={}", example.display());
    println!("cargo::rerun-if-changed={}", persona.display());
    let mut files = Vec::new();
    collect(&example, &example, &mut files)?;
    files.sort();
    let mut out = String::from("&[\n");
    for (path, is_program, source) in files {
        // Writing into a text cannot fail.
        let _ = writeln!(
            out,
            "    ExampleFile {{ path: {path:?}, executable: {is_program}, bytes: include_bytes!({source:?}) }},"
        );
    }
    out.push_str("]\n");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(target.join("example.rs"), out)?;
    fs::write(target.join("persona.rs"), format!("include_str!({:?})\n", persona.display().to_string()))
}

type File = (String, bool, String);

fn collect(root: &Path, directory: &Path, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if [".self-harness", "__pycache__"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        let below = path.strip_prefix(root).unwrap_or(&path);
        let below: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
        files.push((below.join("/"), is_program(&path)?, path.display().to_string()));
    }
    Ok(())
}

#[cfg(unix)]
fn is_program(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> std::io::Result<bool> {
    Ok(path.extension().is_some_and(|ending| ending == "sh"))
}
