//! Images of container engines, as far as tasks ask for them: what is known of one, and who knows it. Asks nobody.

use std::collections::BTreeMap;

use harness_schema::digest::Digest;

use super::guarantee::Unavailable;

/// A container engine; what they call differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// podman 4 or newer.
    #[default]
    Podman,
    /// Docker 20.10 or newer.
    Docker,
}

/// Which engine makes the containers of this machine, and from which image where a task has none of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// The engine.
    pub engine: Kind,
    /// The name of the image.
    pub image: String,
}

/// An image that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The name under which it was found.
    pub name: String,
    /// Its identity: containers are made by it, and trials under another one are not compared.
    pub id: Digest,
    /// The directory in which its programs work; empty if it names none.
    pub workdir: String,
    /// Variables that it sets, as far as a task may set them.
    pub variables: BTreeMap<String, String>,
}

/// Knows the images of this machine. It never fetches or makes one.
pub trait Images: Send + Sync {
    /// The image of a name, a digest or an identity.
    ///
    /// # Errors
    /// Why there is none, and what a person can do about it.
    fn named(&self, name: &str) -> Result<Image, Unavailable>;

    /// The name of the image for tasks that have none of their own.
    fn standard(&self) -> &str;

    /// A command of the engine as a person types it.
    fn typed(&self, arguments: &[&str]) -> String;
}

/// Whether an engine would take that for the name of an image, and for nothing else.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:@".contains(char);
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_option_and_no_second_word() {
        for name in ["debian:12", "localhost/a_b:1", "r.example:5000/a/b@sha256:00", "2f54c4ecd6fc"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "--privileged", "a b", "a\n", "${IMAGE}", "/etc", "a;b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
