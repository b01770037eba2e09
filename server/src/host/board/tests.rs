//! Boards of stores that are written here.
