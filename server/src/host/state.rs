//! Where this user's machine keeps what belongs to no project, and documents there: private, replaced as a whole, and changed
//! by one process at a time. What is damaged is set aside and not lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// More than any document of ours has.
const MAX_BYTES: u64 = 64 << 20;

/// `$XDG_STATE_HOME/self-harness`, or what stands for it.
#[must_use]
pub fn directory() -> PathBuf {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("self-harness")
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refuses.
    #[error("cannot {what} `{path}`: {source}; see whether the directory is yours and the disk has room", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What was said.
        source: io::Error,
    },
    /// A later version of the program wrote it.
    #[error("`{path}` was written by a later version of self-harness (format {version}); install that one, or move the file away", path = .path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u64,
    },
    /// It belongs to somebody else, who may say anything in it.
    #[error("`{path}` belongs to another user; move it away, or set `XDG_STATE_HOME` to a directory of your own", path = .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It has no JSON form.
    #[error("`{path}` cannot be written: {source}", path = .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl StateError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}

/// What a document holds.
pub trait Kept: Serialize + DeserializeOwned + Default {
    /// The newest format that is known.
    const VERSION: u64;
}

/// A document in a directory of this user.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
}

/// What was read: what the document holds, and what there is to say about it.
#[derive(Debug)]
pub struct Found<T> {
    /// What it holds; nothing if it is not there or cannot be believed.
    pub content: T,
    /// A sentence for the person if it was set aside or cannot be used.
    pub notice: Option<String>,
}

/// Nobody else changes what belongs to it until it is dropped.
#[derive(Debug)]
pub struct Locked {
    _file: File,
}

impl Document {
    /// The document of a name in a directory.
    #[must_use]
    pub fn new(directory: &Path, name: &str) -> Self {
        Self { path: directory.join(name) }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds. One that is damaged is set aside; one that cannot be read holds nothing.
    #[must_use]
    pub fn read<T: Kept>(&self) -> Found<T> {
        match self.look() {
            Ok(content) => Found { content, notice: None },
            // Somebody may be about to replace it.
            Err(Unread::Damaged(_)) => match self.lock().and_then(|_lock| self.believed()) {
                Ok(found) => found,
                Err(error) => Found { content: T::default(), notice: Some(error.to_string()) },
            },
            Err(Unread::Error(error)) => Found { content: T::default(), notice: Some(error.to_string()) },
        }
    }

    /// Changes it, and says what there is to say about how it was before.
    ///
    /// # Errors
    /// A [`StateError`]; the document is then as it was.
    pub fn change<T: Kept, R>(
        &self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<(R, Option<String>), StateError> {
        let _lock = self.lock()?;
        let Found { mut content, notice } = self.believed::<T>()?;
        let done = change(&mut content);
        self.replace(&content)?;
        Ok((done, notice))
    }

    /// Waits until nobody else changes it.
    ///
    /// # Errors
    /// A [`StateError`].
    pub fn lock(&self) -> Result<Locked, StateError> {
        let path = self.beside(".lock");
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        make_private(directory).map_err(StateError::io("make", directory))?;
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        private(&mut options);
        let file = options.open(&path).map_err(StateError::io("open", &path))?;
        file.lock().map_err(StateError::io("lock", &path))?;
        Ok(Locked { _file: file })
    }

    fn look<T: Kept>(&self) -> Result<T, Unread> {
        let mut options = OpenOptions::new();
        options.read(true);
        private(&mut options);
        let file = match options.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => {
                // A link is refused by the system.
                let is_link = fs::symlink_metadata(&self.path).is_ok_and(|there| there.is_symlink());
                return Err(match is_link {
                    true => Unread::Damaged("it is a link"),
                    false => Unread::Error(StateError::io("read", &self.path)(error)),
                });
            }
        };
        let failed = |error| Unread::Error(StateError::io("read", &self.path)(error));
        let there = file.metadata().map_err(failed)?;
        if !there.is_file() {
            return Err(Unread::Damaged("it is no file"));
        }
        if !is_ours(&there) {
            return Err(Unread::Error(StateError::NotOurs { path: self.path.clone() }));
        }
        if is_open_to_others(&there) {
            return Err(Unread::Damaged("others could write to it"));
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Unread::Error(StateError::io("read", &self.path)(error)))?;
        if MAX_BYTES < bytes.len() as u64 {
            return Err(Unread::Damaged("it is too large"));
        }
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|_| Unread::Damaged("it is no JSON document"))?;
        let version =
            value.get("version").and_then(Value::as_u64).ok_or(Unread::Damaged("it has no version"))?;
        if T::VERSION < version {
            return Err(Unread::Error(StateError::TooNew { path: self.path.clone(), version }));
        }
        let content = value.get("content").cloned().unwrap_or_default();
        serde_json::from_value(content).map_err(|_| Unread::Damaged("it has another form than it should"))
    }

    /// What it holds, under its lock: a damaged one is set aside.
    fn believed<T: Kept>(&self) -> Result<Found<T>, StateError> {
        match self.look() {
            Ok(content) => Ok(Found { content, notice: None }),
            Err(Unread::Error(error)) => Err(error),
            Err(Unread::Damaged(why)) => {
                let aside = (1..u32::MAX)
                    .map(|number| self.beside(&format!(".damaged-{number}")))
                    .find(|path| fs::symlink_metadata(path).is_err())
                    .unwrap_or_else(|| self.beside(".damaged"));
                fs::rename(&self.path, &aside).map_err(StateError::io("set aside", &self.path))?;
                let notice = format!(
                    "`{}` cannot be believed, because {why}; it is kept as `{}`",
                    self.path.display(),
                    aside.display()
                );
                Ok(Found { content: T::default(), notice: Some(notice) })
            }
        }
    }

    fn replace<T: Kept>(&self, content: &T) -> Result<(), StateError> {
        let unwritable = |source| StateError::Unwritable { path: self.path.clone(), source };
        let content = serde_json::to_value(content).map_err(unwritable)?;
        let document = json!({ "version": T::VERSION, "content": content });
        let text = serde_json::to_string_pretty(&document).map_err(unwritable)?;
        let new = self.beside(".new");
        let written = || {
            // Whoever was interrupted has left it; nobody else is here.
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            private(&mut options);
            let mut file = options.open(&new)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            if cfg!(unix)
                && let Some(directory) = self.path.parent()
            {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        };
        written().map_err(StateError::io("write", &self.path))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(suffix);
        self.path.with_file_name(name)
    }
}

enum Unread {
    Damaged(&'static str),
    Error(StateError),
}

/// Nobody else can read what is made, and no link is followed.
#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

/// Where it can be told who owns a file.
#[cfg(target_os = "linux")]
fn is_ours(there: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    there.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(target_os = "linux"))]
fn is_ours(_: &fs::Metadata) -> bool {
    true
}

#[cfg(unix)]
fn is_open_to_others(there: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    there.mode() & 0o022 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}

/// Makes a directory that only its owner can look into, with those above it.
///
/// # Errors
/// If it cannot be made.
pub fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Names(Vec<String>);

    impl Kept for Names {
        const VERSION: u64 = 3;
    }

    fn place(name: &str) -> (PathBuf, Document) {
        let directory =
            std::env::temp_dir().join(format!("self-harness-state-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        (directory.clone(), Document::new(&directory.join("state"), "names.json"))
    }

    fn push(document: &Document, name: &str) -> Result<Option<String>, StateError> {
        document.change(|names: &mut Names| names.0.push(name.into())).map(|(_, notice)| notice)
    }

    #[test]
    fn a_document_is_private_and_is_there_again() {
        let (directory, document) = place("again");
        assert_eq!(document.read::<Names>().content, Names::default());
        assert!(!directory.exists(), "reading makes nothing");
        push(&document, "a").unwrap();
        push(&document, "b").unwrap();
        let found = document.read::<Names>();
        assert_eq!((found.content, found.notice), (Names(vec!["a".into(), "b".into()]), None));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(document.path()), mode(&directory.join("state"))), (0o600, 0o700));
        for entry in fs::read_dir(directory.join("state")).unwrap().flatten() {
            assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let (directory, document) = place("many");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let document = &document;
                scope.spawn(move || {
                    for number in 0..25 {
                        push(document, &format!("{writer}-{number}")).unwrap();
                        assert!(document.read::<Names>().notice.is_none());
                    }
                });
            }
        });
        let mut names = document.read::<Names>().content.0;
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 200);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_cannot_be_believed_is_set_aside_and_kept() {
        let (directory, document) = place("damaged");
        push(&document, "a").unwrap();
        let good = fs::read(document.path()).unwrap();
        type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
        let damages: [Damage<'_>; 5] = [
            ("no JSON document", &|path| fs::write(path, "{\"version\": 3, \"con").unwrap()),
            ("no version", &|path| fs::write(path, "[]").unwrap()),
            ("another form", &|path| fs::write(path, "{\"version\": 3, \"content\": {\"a\": 1}}").unwrap()),
            ("others could write", &|path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
            }),
            ("it is a link", &|path| {
                let elsewhere = path.with_file_name("elsewhere");
                fs::rename(path, &elsewhere).unwrap();
                symlink(elsewhere, path).unwrap();
            }),
        ];
        for (at, (why, damage)) in damages.iter().enumerate() {
            damage(document.path());
            let found = document.read::<Names>();
            let notice = found.notice.unwrap();
            assert!(notice.contains(why) && found.content.0.is_empty(), "{notice}");
            let aside = document.beside(&format!(".damaged-{}", at + 1));
            assert!(fs::symlink_metadata(&aside).is_ok() && notice.contains(aside.to_str().unwrap()));
            fs::write(document.path(), &good).unwrap();
            fs::set_permissions(document.path(), fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_document_of_a_later_version_is_left_alone() {
        let (directory, document) = place("later");
        push(&document, "a").unwrap();
        let later = "{\"version\": 4, \"content\": [\"b\"]}";
        fs::write(document.path(), later).unwrap();
        let found = document.read::<Names>();
        assert!(found.content.0.is_empty() && found.notice.unwrap().contains("later version"));
        assert!(matches!(push(&document, "c"), Err(StateError::TooNew { version: 4, .. })));
        assert_eq!(fs::read_to_string(document.path()).unwrap(), later);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_document_of_another_user_is_not_believed() {
        let (directory, document) = place("other");
        push(&document, "a").unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(document.path(), Some(4711), None).is_ok() {
            let found = document.read::<Names>();
            assert!(found.content.0.is_empty() && found.notice.unwrap().contains("another user"));
            assert!(matches!(push(&document, "b"), Err(StateError::NotOurs { .. })));
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
