//! What requests are answered with. Each takes its snapshot before its first `.await`, so that it sees what was sent before it
//! and nothing else, unless its project is still being read.

pub mod problems;
pub mod reading;
pub mod names;
pub mod structure;
pub mod tokens;
pub mod marks;
pub mod edits;
