//! Which tasks of a project an imported name means, and whether they may teach. What judges here must not teach, under whatever name
//! it comes: of two tasks that a name can mean, the one that judges counts.

use std::collections::BTreeMap;

use harness_schema::harness::Harness;
use harness_schema::split::{Published, Split, TaskPattern};

/// What a name means in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A task that teaches, by its id here.
    Teaches(String),
    /// A task that judges, or is sealed.
    Judges,
    /// A task that the project does not know, or puts into no split.
    Elsewhere,
}

/// The tasks of a project.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The splits of ids, by their last part in lower case.
    tasks: BTreeMap<String, Vec<(String, Option<Split>)>>,
    /// Patterns of tasks that judge, whether their directories are here or not.
    judging: Vec<TaskPattern>,
    /// A suite whose splits are published.
    published: Option<&'static Published>,
}

impl Known {
    /// Those of a harness.
    #[must_use]
    pub fn of(harness: &Harness) -> Self {
        let mut known = Self::default();
        for task in &harness.suite().tasks {
            known.add(&task.id, task.split);
        }
        if let Some(tasks) = &harness.manifest().tasks {
            let lists = [&tasks.value.held_out, &tasks.value.sealed];
            let written = lists.into_iter().flatten().flat_map(|list| &list.value);
            known.judging = written.map(|pattern| TaskPattern::new(&pattern.value)).collect();
            known.published = tasks.value.preset.as_ref().and_then(|preset| preset.value.published());
        }
        known
    }

    fn add(&mut self, id: &str, split: Option<Split>) {
        self.tasks.entry(last(id)).or_default().push((id.to_owned(), split));
    }

    /// What a name means here.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Meaning {
        let short = last(name);
        let here = self.tasks.get(&short).map(Vec::as_slice).unwrap_or_default();
        let judges = |split: &Split| matches!(split, Split::HeldOut | Split::Sealed);
        let published = self.published.and_then(|suite| suite.split_of(&short));
        let is_listed =
            |pattern: &TaskPattern| tails(name).any(|tail| pattern.matches(tail)) || pattern.matches(&short);
        if here.iter().filter_map(|(_, split)| split.as_ref()).chain(&published).any(judges)
            || self.judging.iter().any(is_listed)
        {
            return Meaning::Judges;
        }
        let teaches = here.iter().filter(|(_, split)| *split == Some(Split::HeldIn));
        // Of several the one that is named whole.
        let best = teaches.min_by_key(|(id, _)| !tails(name).any(|tail| tail == id));
        best.map_or(Meaning::Elsewhere, |(id, _)| Meaning::Teaches(id.clone()))
    }
}

fn last(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_lowercase()
}

/// A name, and what is left of it without its first parts.
fn tails(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('/').map(|(_, tail)| tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let mut known = Known::default();
        let all = [
            ("t-01", Some(Split::HeldIn)),
            ("t-02", Some(Split::HeldOut)),
            ("web/t-03", Some(Split::Sealed)),
            ("a/twin", Some(Split::HeldIn)),
            ("b/twin", Some(Split::HeldOut)),
            ("c/both", Some(Split::HeldIn)),
            ("d/both", Some(Split::HeldIn)),
            ("left-out", None),
        ];
        for (id, split) in all {
            known.add(id, split);
        }
        known.judging = vec![TaskPattern::new("exam-*"), TaskPattern::new("deep/*")];
        known
    }

    #[test]
    fn what_judges_is_known_under_any_name() {
        let known = known();
        for name in ["t-02", "T-02", "org/t-02", "/srv/suite/t-02", "t-03", "other/t-03", "twin", "a/twin"] {
            assert_eq!(known.meaning(name), Meaning::Judges, "{name}");
        }
        for name in ["exam-9", "/srv/exam-9", "org/Exam-9", "suite/deep/x"] {
            assert_eq!(known.meaning(name), Meaning::Judges, "{name}");
        }
    }

    #[test]
    fn a_task_that_teaches_has_its_id_here_and_others_keep_their_name() {
        let known = known();
        assert_eq!(known.meaning("suite/t-01"), Meaning::Teaches("t-01".into()));
        assert_eq!(known.meaning("x/d/both"), Meaning::Teaches("d/both".into()));
        assert_eq!(known.meaning("both"), Meaning::Teaches("c/both".into()));
        for name in ["left-out", "astropy__astropy-1", "t-0"] {
            assert_eq!(known.meaning(name), Meaning::Elsewhere, "{name}");
        }
    }

    #[test]
    fn a_suite_that_is_published_is_known_without_its_directories() {
        let known = Known { published: Published::named("terminal-bench-2"), ..Known::default() };
        assert_eq!(known.meaning("terminal-bench/tune-mjcf"), Meaning::Judges);
        assert_eq!(known.meaning("fix-git"), Meaning::Elsewhere);
    }
}
