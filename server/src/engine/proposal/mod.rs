//! A proposal: what a model answers when it is asked for an edit, and what has to hold before a trial is spent on it.

pub mod reply;
