//! Lays out a harness at a path that says what is in it: Harbor looks at paths, and would take an old result for a file that was
//! changed behind the same one.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness_schema::digest::Digest;
use harness_schema::harness::Harness;

use super::HarborError;
use crate::host::agents::command;
use crate::host::{random, state};

/// The directory of a harness below `above`, laid out by its digest and read-only. One that is there already is looked at: if it is
/// not what it must be, it is laid out again.
///
/// # Errors
/// [`HarborError::File`] if it cannot be written.
pub fn lay_out(
    harness: &Harness,
    root: &Path,
    digest: &Digest,
    above: &Path,
) -> Result<PathBuf, HarborError> {
    let failed = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| HarborError::File { what, path, source }
    };
    let at = above.join(digest.to_string());
    state::make_private(above).map_err(failed("make", above))?;
    let name = random::name().map_err(failed("name", &at))?;
    let new = above.join(format!(".{name}"));
    let written = command::lay_out_files(harness, root, &new).map_err(|error| match error {
        command::CommandError::File { what, path, source } => HarborError::File { what, path, source },
        other => HarborError::File { what: "write", path: new.clone(), source: io::Error::other(other) },
    });
    let settled = written.and_then(|()| {
        // Our own agent reads all of a harness, and is not inside of what it works on.
        if harness.is_native() {
            let manifest = &harness.manifest_file().document;
            let path = new.join(manifest.path().as_str());
            fs::write(&path, manifest.source()).map_err(failed("write", &path))?;
        }
        close(&new, false).map_err(failed("set the modes of", &new))?;
        if is_same(&new, &at).unwrap_or(false) {
            return Ok(());
        }
        remove(&at).map_err(failed("replace", &at))?;
        match fs::rename(&new, &at) {
            // Another trial of the same harness was faster.
            Err(_) if is_same(&new, &at).unwrap_or(false) => Ok(()),
            renamed => renamed.map_err(failed("make", &at)),
        }
    });
    // What stays is only in the way of the disk.
    let _ = remove(&new);
    settled.map(|()| at)
}

/// Removes what was laid out below `above`, all but one. What is needed again is laid out again.
///
/// # Errors
/// What the file system says of the first that cannot be removed; the others are gone.
pub fn keep_only(kept: &Path, above: &Path) -> io::Result<()> {
    let mut failed = Ok(());
    for entry in fs::read_dir(above)? {
        let path = entry?.path();
        if path != kept {
            failed = failed.and(remove(&path));
        }
    }
    failed
}

/// Lets nobody write a directory and all below it, or lets its owner again.
fn close(at: &Path, is_open: bool) -> io::Result<()> {
    let there = fs::symlink_metadata(at)?;
    let own = if is_open { 0o200 } else { 0 };
    if there.is_dir() {
        fs::set_permissions(at, fs::Permissions::from_mode(0o555 | own))?;
        for entry in fs::read_dir(at)? {
            close(&entry?.path(), is_open)?;
        }
    } else if there.is_file() {
        let executable = there.permissions().mode() & 0o111;
        fs::set_permissions(at, fs::Permissions::from_mode(0o444 | executable | own))?;
    }
    Ok(())
}

fn remove(at: &Path) -> io::Result<()> {
    match fs::symlink_metadata(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if there.is_dir() => {
            close(at, true)?;
            fs::remove_dir_all(at)
        }
        Ok(_) => fs::remove_file(at),
    }
}

/// Whether two directories hold the same files.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let names = |at: &Path| -> io::Result<Vec<_>> {
        let mut names =
            fs::read_dir(at)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let own = names(one)?;
    if own != names(other)? {
        return Ok(false);
    }
    for name in own {
        let (one, other) = (one.join(&name), other.join(&name));
        let (first, second) = (fs::symlink_metadata(&one)?, fs::symlink_metadata(&other)?);
        let is_equal = match (first.is_dir(), second.is_dir()) {
            (true, true) => is_same(&one, &other)?,
            (false, false) if first.is_file() && second.is_file() => {
                first.len() == second.len()
                    && first.permissions().mode() == second.permissions().mode()
                    && fs::read(&one)? == fs::read(&other)?
            }
            _ => false,
        };
        if !is_equal {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use harness_schema::files::Files;

    use super::*;

    #[test]
    fn a_harness_lies_where_its_digest_says_and_is_mended() {
        let directory = std::env::temp_dir().join(format!("self-harness-candidate-{}", std::process::id()));
        let _ = remove(&directory);
        let text = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n[agent]\nkind = \"harbor\"\nagent = \"a:B\"\n[[surface]]\nid = \"s\"\nfile = \"sub/mini.yaml\"\nselect = [\"yaml\", \"a\"]\n";
        let files = Files::from_texts([("harness.toml", text), ("sub/mini.yaml", "a: b\n")]);
        let harness = Harness::resolve(&files, None);
        let digest = harness.digest(|_| None);
        let at = lay_out(&harness, Path::new("/nowhere"), &digest, &directory).unwrap();
        assert_eq!(at, directory.join(digest.to_string()));
        let file = at.join("sub/mini.yaml");
        assert_eq!(fs::read_to_string(&file).unwrap(), "a: b\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o444);
        // The manifest says which tasks there are, and is nobody's business there.
        assert!(!at.join("harness.toml").exists());
        close(&at, true).unwrap();
        fs::write(&file, "a: stale\n").unwrap();
        assert_eq!(lay_out(&harness, Path::new("/nowhere"), &digest, &directory).unwrap(), at);
        assert_eq!(fs::read_to_string(&file).unwrap(), "a: b\n");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing else is left there");
        let other = Files::from_texts([("harness.toml", text), ("sub/mini.yaml", "a: c\n")]);
        let other = Harness::resolve(&other, None);
        let older = lay_out(&other, Path::new("/nowhere"), &other.digest(|_| None), &directory).unwrap();
        assert!(older.exists() && older != at);
        keep_only(&at, &directory).unwrap();
        assert!(at.exists() && !older.exists());
        remove(&directory).unwrap();
    }
}
