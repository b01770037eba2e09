//! Editor features in editor words: pure functions of a harness, a file and a byte offset. They know no protocol, change
//! nothing and never touch the machine.
#![forbid(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod actions;
pub mod splits;
pub mod context;
pub mod headers;
pub mod switches;
pub mod command;
pub mod anchor;
pub mod applying;
pub mod standing;
pub mod decided;
pub mod accepted;
pub mod evidence;
pub mod told;
pub mod hover;
pub mod lenses;
pub mod hints;
pub mod offers;
pub mod completion;
pub mod navigation;
pub mod moving;
pub mod renaming;
pub mod calls;
pub mod symbols;
pub mod tokens;
pub mod structure;
pub mod links;
pub mod pages;
pub mod tree;
pub mod testing;

#[cfg(test)]
mod forms;
