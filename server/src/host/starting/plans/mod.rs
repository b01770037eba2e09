//! What each verb makes of a project: the plans of runs. Nothing is stored, executed or asked here.

mod evaluation;
mod improvement;
mod working_tree;
mod sealing;

pub use evaluation::{Evaluate, evaluate};
pub use improvement::{Improve, candidates, improve, propose, rules, validate};
pub use sealing::{read_before, seal};
pub use working_tree::working_tree;
