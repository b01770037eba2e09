//! Where a preset is going to be written: the directory as meant, what is in the way there, and how a shell is told its
//! name. Looks, and makes nothing.

use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use harness_schema::harness::MANIFEST;

use crate::cli::report::excerpt::visible;
use crate::failure::Failure;
use crate::host::write::NewFile;

/// The directory that is meant, there or to be made: `..` behind a directory that is not there takes it back, so that
/// nothing is made on the way.
///
/// # Errors
/// A [`Failure`] if it can be no directory.
pub(super) fn settled(directory: &Path) -> Result<PathBuf, Failure> {
    if directory.is_relative() && env::current_dir().is_err() {
        return Err(Failure::user(
            "the current directory is not there any more",
            "change to one that is there",
        ));
    }
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    let mut settled = PathBuf::new();
    for part in directory.components() {
        match part {
            Component::ParentDir if !settled.as_os_str().is_empty() && !is_there(&settled) => {
                settled.pop();
            }
            part => settled.push(part),
        }
    }
    if settled.as_os_str().is_empty() {
        settled.push(".");
    }
    let there = settled.ancestors().find(|above| !above.as_os_str().is_empty() && is_there(above));
    match there.filter(|above| !above.is_dir()) {
        None => Ok(settled),
        Some(there) => {
            let what = if there.is_symlink() && !there.exists() {
                "a link that leads nowhere"
            } else {
                "no directory"
            };
            let message = format!("`{}` is {what}", there.display());
            Err(Failure::user(message, "name a directory, or one that is to be made"))
        }
    }
}

/// Sees whether files can be made: none is there, and none of the directories for them is something else.
///
/// # Errors
/// A [`Failure`] that names what is in the way.
pub(super) fn nothing_in_the_way<'a>(
    root: &Path,
    files: impl IntoIterator<Item = &'a NewFile>,
) -> Result<(), Failure> {
    // A link that leads nowhere is in the way as well.
    let there = |name: &str| fs::symlink_metadata(root.join(name)).is_ok();
    let mut names: Vec<String> = Vec::new();
    for file in files {
        let above = file.path.as_str().match_indices('/').map(|(end, _)| &file.path.as_str()[..end]);
        let mut above = above.filter(|name| there(name) && !root.join(name).is_dir());
        let name = above.next().or_else(|| Some(file.path.as_str()).filter(|name| there(name)));
        let Some(name) = name.map(|name| format!("`{name}`")) else { continue };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let Some((last, rest)) = names.split_last() else { return Ok(()) };
    let which = match rest {
        [] => format!("{last} is"),
        rest => format!("{} and {last} are", rest.join(", ")),
    };
    let hint = if names.iter().any(|name| name.contains(MANIFEST)) {
        "this is a harness already: `self-harness check` looks at it; for another one choose another directory"
    } else {
        "choose another directory, or move them away"
    };
    Err(Failure::user(format!("{which} already in `{}`; nothing was written", root.display()), hint))
}

/// A path as one word of a shell's command line. Bytes that nobody could type are escaped as bash and zsh read them.
pub(super) fn shell_word(path: &Path) -> String {
    let name = path.to_string_lossy();
    // Else it would be an option.
    let dot = if name.starts_with('-') { "./" } else { "" };
    let is_plain = |char: char| char.is_alphanumeric() || "._-/+:@%,".contains(char);
    match name {
        name if name.contains([char::REPLACEMENT_CHARACTER, '\n']) || visible(&name) != name => {
            format!("{dot}$'{}'", escaped(path))
        }
        name if name.chars().all(is_plain) => format!("{dot}{name}"),
        name => format!("{dot}'{}'", name.replace('\'', r"'\''")),
    }
}

fn escaped(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let escaped = bytes.map(|byte| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_one_word() {
        let words = [
            ("my-agent/é", "my-agent/é"),
            ("sp ace d'q", r"'sp ace d'\''q'"),
            ("-dash", "./-dash"),
            ("$HOME", "'$HOME'"),
            ("~", "'~'"),
            ("a\nb'", r"$'a\x0ab\''"),
            ("\u{202e}", r"$'\xe2\x80\xae'"),
        ];
        for (path, word) in words {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(shell_word(Path::new(OsStr::from_bytes(b"a\xffb"))), r"$'a\xffb'");
    }
}
