//! Files that a surface `["new", glob]` lets a proposal create.

use globset::GlobBuilder;

use super::Refusal;
use crate::path::FilePath;
use crate::selector::Selector;
use crate::surface::{Keep, NewFiles, protection};

/// The path of a file that a proposal may create.
///
/// `exists` says what is there already, and `made` how many files the surface has made so far.
///
/// # Errors
/// A [`Refusal`] if the path is no path below the root, is not what the pattern says, is kept from proposals, exists,
/// or is one too many.
pub fn new_file(
    glob: &str,
    written: &str,
    allowed: &NewFiles,
    made: usize,
    keep: Keep<'_>,
    exists: impl Fn(&FilePath) -> bool,
) -> Result<FilePath, Refusal> {
    let refuse = |why: String| Err(Refusal::Unwritable(why));
    let Ok(path) = FilePath::parse(written) else {
        return refuse(format!("`{written}` names no file of the project"));
    };
    let matcher = GlobBuilder::new(glob).literal_separator(true).build().map(|glob| glob.compile_matcher());
    if !matcher.is_ok_and(|matcher| matcher.is_match(path.as_str())) {
        return refuse(format!("`{path}` is not what `{glob}` lets a proposal create"));
    }
    if let Some(reason) = protection(&path, &Selector::New(glob.to_owned()), keep) {
        return refuse(format!("a proposal may not create `{path}`: it {}", reason.words()));
    }
    if exists(&path) {
        return refuse(format!("`{path}` exists already"));
    }
    if allowed.max <= made {
        return refuse(format!("the surface may create {} files, and has", allowed.max));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_pattern_says_is_created() {
        let manifest = FilePath::parse("harness.toml").unwrap();
        let keep = Keep { manifest: &manifest, tasks: None };
        let allowed = NewFiles { max: 2, skeleton: String::new() };
        let made = |glob: &str, path: &str, made| {
            new_file(glob, path, &allowed, made, keep, |path| path.as_str() == "tools/old.py")
                .map(|path| path.to_string())
                .map_err(|refusal| refusal.to_string())
        };
        assert_eq!(made("tools/*.py", "tools/./new.py", 1), Ok("tools/new.py".into()));
        let outside = "`../x.py` names no file of the project";
        assert_eq!(made("tools/*.py", "../x.py", 0), Err(outside.into()));
        let other = "`tools/sub/x.py` is not what `tools/*.py` lets a proposal create";
        assert_eq!(made("tools/*.py", "tools/sub/x.py", 0), Err(other.into()));
        let kept = "a proposal may not create `.git/hooks/x`: it makes programs execute";
        assert_eq!(made("**", ".git/hooks/x", 0), Err(kept.into()));
        assert_eq!(made("tools/*.py", "tools/old.py", 0), Err("`tools/old.py` exists already".into()));
        assert_eq!(
            made("tools/*.py", "tools/b.py", 2),
            Err("the surface may create 2 files, and has".into())
        );
    }
}
