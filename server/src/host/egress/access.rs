//! Which hosts a phase of a task may reach. Names are exact, or stand for all below a name; addresses are never named.

use std::collections::BTreeSet;
use std::fmt;

use super::target;
use crate::host::machine::Ceiling;

/// The ports that can be reached: the web's. The format of tasks has no word for others.
pub const PORTS: [u16; 2] = [443, 80];

/// What a phase may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nobody.
    #[default]
    Off,
    /// The hosts of a list.
    Hosts(AllowList),
    /// Any host with a public address.
    Public,
}

/// Hosts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    exact: BTreeSet<String>,
    /// Names that stand for all below them, and not for themselves.
    below: BTreeSet<String>,
}

/// A host that cannot be in a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` in `allowed_hosts` is no name of a host: {why}")]
pub struct BadHost {
    /// As it is written, without what controls a terminal.
    pub host: String,
    /// Why not.
    pub why: &'static str,
}

impl AllowList {
    /// Reads the hosts of a task, as Harbor does: in any case, perhaps with a dot at the end; `*.` at the start stands for all
    /// names below, at any depth.
    ///
    /// # Errors
    /// The first that is no name of a host. Harbor's addresses and ranges are none.
    pub fn of<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Result<Self, BadHost> {
        let mut list = Self::default();
        for written in hosts {
            let written = written.as_ref();
            let lower = written.trim().to_ascii_lowercase();
            let name = lower.strip_suffix('.').unwrap_or(&lower);
            let (set, name) = match name.strip_prefix("*.") {
                Some(name) => (&mut list.below, name),
                None => (&mut list.exact, name),
            };
            target::check_host(name)
                .map_err(|why| BadHost { host: target::shown(written.as_bytes()), why })?;
            set.insert(name.to_owned());
        }
        Ok(list)
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// Whether a name that was checked is in it, or below one that stands for all below it.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let mut above = host;
        self.exact.contains(host)
            || std::iter::from_fn(|| {
                above = above.split_once('.')?.1;
                Some(above)
            })
            .any(|name| self.below.contains(name))
    }

    /// Its entries, sorted, as they would be written.
    pub fn entries(&self) -> impl Iterator<Item = String> {
        self.exact.iter().cloned().chain(self.below.iter().map(|name| format!("*.{name}")))
    }
}

impl Access {
    /// What a machine has to allow for it.
    #[must_use]
    pub fn needs(&self) -> Ceiling {
        match self {
            Self::Off => Ceiling::Off,
            Self::Hosts(_) => Ceiling::Allowlist,
            Self::Public => Ceiling::Public,
        }
    }

    /// Whether a name that was checked may be reached; its address is another question.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Hosts(list) => list.allows(host),
            Self::Public => true,
        }
    }
}

/// One canonical text for each, which goes into the digest of a task.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("no host"),
            Self::Public => f.write_str("any public host"),
            Self::Hosts(list) => f.write_str(&list.entries().collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_stars_stand_for_what_is_below() {
        let list = AllowList::of(["PyPI.org", "files.example.com.", " *.cdn.example.net "]).unwrap();
        for host in ["pypi.org", "files.example.com", "a.cdn.example.net", "a.b.cdn.example.net"] {
            assert!(list.allows(host), "{host}");
        }
        for host in [
            "example.com",
            "x.files.example.com",
            "xpypi.org",
            "pypi.org.evil.com",
            "cdn.example.net",
            "xcdn.example.net",
            "net",
            "",
        ] {
            assert!(!list.allows(host), "{host}");
        }
        let access = Access::Hosts(list);
        assert_eq!(access.to_string(), "files.example.com, pypi.org, *.cdn.example.net");
        assert!(Access::Public.allows("any.example") && !Access::Off.allows("any.example"));
        let needs = [Access::Off, access, Access::Public].map(|access| access.needs());
        assert_eq!(needs, [Ceiling::Off, Ceiling::Allowlist, Ceiling::Public]);
        assert!(needs[0] < needs[1] && needs[1] < needs[2]);
    }

    #[test]
    fn what_is_no_name_is_in_no_list() {
        for (host, why) in [
            ("192.0.2.1", "it is an address"),
            ("10.0.0.0/8", "it has a character"),
            ("2001:db8::1", "it has a character"),
            ("https://a.example", "it has a character"),
            ("a.example:443", "it has a character"),
            ("*", "it has a character"),
            ("a.*.example", "it has a character"),
            ("*.com", "it has no dot"),
            ("localhost", "it has no dot"),
            ("", "it has no dot"),
            ("bücher.example", "it has a character"),
        ] {
            let error = AllowList::of([host]).unwrap_err();
            assert!(error.why.starts_with(why), "{error}");
        }
        assert_eq!(AllowList::of(["a\u{1b}[31m"]).unwrap_err().host, "a?[31m");
    }
}
