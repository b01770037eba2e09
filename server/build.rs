//! Packs the example of `demo` into the binary, so that an installed one needs nothing else: each file of it with its path, and
//! whether it is a program. Builds the first process of sandboxes, small and static, to be packed too. And has the linker lay the
//! functions that an editing session runs side by side, where it can.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the example lies, from this package.
const EXAMPLE: &str = "../tests/examples/demo";
/// The model that answers in it.
const PERSONA: &str = "../tests/examples/personas/hasty.toml";
/// The functions that an editing session runs, as `tests/bench/order.py` has learnt them: symbols, one on each line.
const ORDER: &str = "functions.order";

fn main() -> std::io::Result<()> {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let target = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    lay(&package.join(ORDER), &target);
    embed(&package, &target)?;
    pack(&package, &target)
}

/// The crate of the first process, from this package, and what else decides what comes of it.
const INNER: &str = "inner";
const OF_INNER: [&str; 5] =
    ["inner/src", "inner/Cargo.toml", "inner/README.md", "../Cargo.toml", "../Cargo.lock"];
/// Its program, and the profile of the workspace by which it is built.
const FIRST: &str = "first-process";
/// What the build around this one has set for itself, and what would make another program of it.
const OF_OTHERS: [&str; 9] = [
    "RUSTFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_UNSTABLE_BUILD_STD",
];

/// Leaves the first process of sandboxes beside the other generated files, or an empty file where it cannot be built: sandboxes
/// take the whole executable then, which is slower and does the same.
fn embed(package: &Path, target: &Path) -> std::io::Result<()> {
    for path in OF_INNER {
        println!("cargo::rerun-if-changed={}", package.join(path).display());
    }
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let program = if system == "linux" { build(package, target) } else { Ok(Vec::new()) };
    let program = program.unwrap_or_else(|why| {
        println!(
            "cargo::warning=sandboxes will start slower, because their small first process cannot be built: {why}; it needs \
             a static C library (on Fedora the package `glibc-static`)"
        );
        Vec::new()
    });
    fs::write(target.join(FIRST), program)
}

/// Builds it with a target directory of its own, such that no lock of the build around is waited for.
fn build(package: &Path, target: &Path) -> Result<Vec<u8>, String> {
    let triple = std::env::var("TARGET").unwrap_or_default();
    let place = target.join(INNER);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in OF_OTHERS {
        cargo.env_remove(name);
    }
    // For the target alone, because it is named: macros and build scripts are no static programs.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    cargo.args(["build", "--locked", "--quiet", "--bin", FIRST, "--profile", FIRST, "--target", &triple]);
    cargo.arg("--manifest-path").arg(package.join(INNER).join("Cargo.toml")).arg("--target-dir").arg(&place);
    let output = cargo.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
        return Err(first.to_owned());
    }
    let built = place.join(triple).join(FIRST).join(FIRST);
    fs::read(&built).map_err(|error| format!("`{}`: {error}", built.display()))
}

fn pack(package: &Path, target: &Path) -> std::io::Result<()> {
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

/// Tells the linker of a release build the order of functions. Pages of code come into memory sixteen at a time: what runs
/// lies side by side then, and what does not run stays on disk. A list that is out of date, or a linker that knows of no such
/// list, costs memory and is no error.
fn lay(order: &Path, target: &Path) {
    println!("cargo::rerun-if-changed={}", order.display());
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    if !is("PROFILE", "release")
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ARCH", "x86_64")
    {
        return;
    }
    let arguments = [
        format!("-Wl,--symbol-ordering-file={}", order.display()),
        String::from("-Wl,--no-warn-symbol-ordering"),
    ];
    // A compiler that cannot be tried is one that fails to link them.
    if links(&arguments, target).unwrap_or(false) {
        for argument in arguments {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}

/// Whether an empty program can be linked with these arguments, by the compiler, the flags and the linker of this build.
fn links(arguments: &[String], target: &Path) -> std::io::Result<bool> {
    let mut compiler = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    compiler.args(["--crate-name", "probe", "--crate-type", "bin", "-", "-o"]).arg(target.join("probe"));
    compiler.arg("--target").arg(std::env::var_os("TARGET").unwrap_or_default());
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    compiler.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Some(linker) = std::env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        compiler.arg("-C").arg(option);
    }
    compiler.args(arguments.iter().flat_map(|argument| ["-C".to_owned(), format!("link-arg={argument}")]));
    let mut probe = compiler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut source) = probe.stdin.take() {
        source.write_all(b"fn main() {}\n")?;
    }
    Ok(probe.wait()?.success())
}
