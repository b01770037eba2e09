//! The program that is the first process of sandboxes: a small static one that `build.rs` builds and embeds, in memory that nobody
//! can change any more. It lies in no directory, so there is nothing to reach, to replace, or to be out of date.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::wire;

/// The program; empty where it could not be built.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/first-process"));

/// Which program a backend takes: the small one, unless it was given up. Clones of a backend share it.
#[derive(Clone, Debug, Default)]
pub struct First(Arc<AtomicBool>);

impl First {
    /// Our whole executable, which does the same and takes longer.
    #[must_use]
    pub fn whole() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Has our whole executable taken from now on, because the small program cannot be executed here.
    pub(super) fn give_up(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The small program; `None` if our whole executable is taken.
    pub(super) fn small(&self) -> Option<&'static File> {
        if self.0.load(Ordering::Relaxed) { None } else { sealed() }
    }

    /// The small program as a file that is read from its beginning; `None` if our whole executable is taken.
    pub(super) fn opened(&self) -> Option<File> {
        self.small().and_then(|small| File::open(wire::program(small.as_raw_fd())).ok())
    }

    /// Whether it is the small program.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.small().is_some()
    }
}

/// The small program in memory, once for all sandboxes of this process; `None` if there is none, or this machine lets nothing be
/// executed from memory.
pub(super) fn sealed() -> Option<&'static File> {
    static SEALED: OnceLock<Option<File>> = OnceLock::new();
    let seal = || -> Option<OwnedFd> {
        if PROGRAM.is_empty() { None } else { wire::sealed_program("self-harness", PROGRAM).ok() }
    };
    SEALED.get_or_init(|| seal().map(File::from)).as_ref()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_small_program_needs_no_other_file_and_cannot_be_changed() {
        let first = First::default();
        let mut file = first.small().expect("it was built, and memory can be executed");
        assert!(file.write_all(b"other").is_err());
        // An interpreter would be named in a header of that kind.
        const INTERPRETER: u32 = 3;
        let word = |at: usize| usize::from(PROGRAM[at]) | usize::from(PROGRAM[at + 1]) << 8;
        assert_eq!(&PROGRAM[..5], b"\x7fELF\x02");
        let (from, size, count) = (word(32), word(54), word(56));
        let kind = |number: usize| {
            let at = from + number * size;
            u32::from_le_bytes(PROGRAM[at..at + 4].try_into().unwrap())
        };
        assert!(0 < count && (0..count).all(|number| kind(number) != INTERPRETER));
    }

    #[test]
    fn what_was_given_up_is_given_up_by_all() {
        let first = First::default();
        let other = first.clone();
        assert!(other.is_small());
        first.give_up();
        assert!(!other.is_small() && !First::whole().is_small());
    }
}
