//! Reports of SWE-bench on which instances were resolved, in every form that is around: the summary of a run (`resolved_ids`), the
//! lists of older versions (`resolved`), and the report of single instances (`{id: {resolved}}`), which also names tests.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::engine::reward::{Check, CheckStatus};

/// What a report says of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its tests pass.
    Resolved,
    /// They do not; those that are named.
    Unresolved(Vec<Check>),
    /// Nothing was measured; the list that says so.
    Error(&'static str),
}

/// What reports say, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    told: BTreeMap<String, Told>,
    /// Instances that reports say different things of.
    torn: Vec<String>,
    /// Whether a report names those that were resolved and leaves it at that: all others were not.
    has_rest: bool,
}

/// What a list says of the instances in it.
#[derive(Clone, Copy)]
enum Listed {
    Resolved,
    Unresolved,
    Error,
}

/// The lists of a summary; an instance in several is what the first of them says.
const LISTS: [(&str, Listed); 15] = [
    ("infra_failure_ids", Listed::Error),
    ("error_ids", Listed::Error),
    ("resolved_ids", Listed::Resolved),
    ("unresolved_ids", Listed::Unresolved),
    ("empty_patch_ids", Listed::Unresolved),
    ("install_fail", Listed::Error),
    ("reset_failed", Listed::Error),
    ("no_logs", Listed::Error),
    ("test_errored", Listed::Error),
    ("resolved", Listed::Resolved),
    ("unresolved", Listed::Unresolved),
    ("no_generation", Listed::Unresolved),
    ("not_generated", Listed::Unresolved),
    ("no_apply", Listed::Unresolved),
    ("test_timeout", Listed::Unresolved),
];

impl Reports {
    /// Whether nothing was told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && !self.has_rest
    }

    /// What is told of an instance; `None` if nothing is.
    ///
    /// # Errors
    /// In words, if two reports say different things of it.
    pub fn of(&self, instance: &str) -> Result<Option<Told>, &'static str> {
        if self.torn.iter().any(|torn| torn == instance) {
            return Err("two reports say different things of it");
        }
        let rest = || self.has_rest.then(|| Told::Unresolved(Vec::new()));
        Ok(self.told.get(instance).cloned().or_else(rest))
    }

    /// Takes in a document; false if it is no report.
    pub fn add(&mut self, document: &Value) -> bool {
        let Some(entries) = document.as_object() else { return false };
        let is_summary = |key: &str| entries.get(key).is_some_and(Value::is_array);
        if is_summary("resolved_ids") || is_summary("resolved") {
            self.add_summary(entries);
            // With `resolved_ids` those that were not resolved have a list of their own.
            self.has_rest |= !is_summary("resolved_ids") && !is_summary("unresolved");
            return true;
        }
        let single: Vec<(&String, bool, &Value)> =
            entries.iter().filter_map(|(id, of)| Some((id, of.get("resolved")?.as_bool()?, of))).collect();
        for (id, is_resolved, of) in &single {
            let told = if *is_resolved { Told::Resolved } else { Told::Unresolved(checks(of)) };
            self.note(id, told);
        }
        !single.is_empty()
    }

    fn add_summary(&mut self, entries: &Map<String, Value>) {
        let mut told: BTreeMap<&str, Told> = BTreeMap::new();
        for (list, listed) in LISTS {
            let say = || match listed {
                Listed::Resolved => Told::Resolved,
                Listed::Unresolved => Told::Unresolved(Vec::new()),
                Listed::Error => Told::Error(list),
            };
            let ids = entries.get(list).and_then(Value::as_array).into_iter().flatten();
            for id in ids.filter_map(Value::as_str) {
                told.entry(id).or_insert_with(say);
            }
        }
        for (id, told) in told {
            self.note(id, told);
        }
    }

    fn note(&mut self, id: &str, told: Told) {
        let merged = match (self.told.remove(id), told) {
            (None, told) => told,
            (Some(Told::Resolved), Told::Resolved) => Told::Resolved,
            (Some(Told::Unresolved(known)), Told::Unresolved(more)) => {
                Told::Unresolved(if known.is_empty() { more } else { known })
            }
            (Some(Told::Error(list)), Told::Error(_)) => Told::Error(list),
            (Some(known), _) => {
                self.torn.push(id.to_owned());
                known
            }
        };
        self.told.insert(id.to_owned(), merged);
    }
}

/// The tests of an instance, as its own report has them.
fn checks(of: &Value) -> Vec<Check> {
    let Some(groups) = of.get("tests_status").and_then(Value::as_object) else { return Vec::new() };
    let mut checks = Vec::new();
    for group in groups.values() {
        for (key, status) in [("success", CheckStatus::Passed), ("failure", CheckStatus::Failed)] {
            let names = group.get(key).and_then(Value::as_array).into_iter().flatten();
            checks.extend(names.filter_map(Value::as_str).map(|name| Check {
                name: name.to_owned(),
                status,
                message: String::new(),
                trace: String::new(),
                file: String::new(),
            }));
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reports(documents: &[Value]) -> Reports {
        let mut reports = Reports::default();
        for document in documents {
            assert!(reports.add(document), "{document}");
        }
        reports
    }

    #[test]
    fn a_summary_names_each_of_them() {
        let reports = reports(&[json!({
            "total_instances": 6, "schema_version": 2, "resolved_ids": ["a"], "unresolved_ids": ["b", "f"],
            "empty_patch_ids": ["c"], "error_ids": ["d"], "infra_failure_ids": ["f"], "incomplete_ids": ["e"],
        })]);
        assert_eq!(reports.of("a"), Ok(Some(Told::Resolved)));
        assert_eq!(reports.of("b"), Ok(Some(Told::Unresolved(Vec::new()))));
        assert_eq!(reports.of("c"), Ok(Some(Told::Unresolved(Vec::new()))));
        assert_eq!(reports.of("d"), Ok(Some(Told::Error("error_ids"))));
        assert_eq!(reports.of("f"), Ok(Some(Told::Error("infra_failure_ids"))));
        // It was not judged.
        assert_eq!(reports.of("e"), Ok(None));
    }

    #[test]
    fn a_list_of_those_that_were_resolved_says_it_of_all_others() {
        let old = json!({"no_generation": ["c"], "no_logs": ["d"], "resolved": ["a"]});
        let reports = reports(&[old]);
        assert_eq!(reports.of("a"), Ok(Some(Told::Resolved)));
        assert_eq!(reports.of("z"), Ok(Some(Told::Unresolved(Vec::new()))));
        assert_eq!(reports.of("d"), Ok(Some(Told::Error("no_logs"))));
        let whole = super::Reports::default();
        assert!(whole.is_empty() && whole.of("z") == Ok(None));
    }

    #[test]
    fn the_report_of_an_instance_names_tests() {
        let single = json!({"b": {"patch_exists": true, "resolved": false, "tests_status": {
            "FAIL_TO_PASS": {"success": ["t1"], "failure": ["t2"]}, "PASS_TO_PASS": {"success": [], "failure": []}}}});
        let reports = reports(&[json!({"resolved_ids": ["a"], "unresolved_ids": ["b"]}), single]);
        let Ok(Some(Told::Unresolved(checks))) = reports.of("b") else { panic!("{reports:?}") };
        let told: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.status)).collect();
        assert_eq!(told, [("t1", CheckStatus::Passed), ("t2", CheckStatus::Failed)]);
    }

    #[test]
    fn what_is_no_report_is_none_and_reports_that_differ_tell_nothing() {
        for other in [
            json!([]),
            json!({"model_patch": "x"}),
            json!({"a": {"resolved": "yes"}}),
            json!({"resolved": 3}),
        ] {
            assert!(!Reports::default().add(&other), "{other}");
        }
        let torn = reports(&[json!({"a": {"resolved": true}}), json!({"a": {"resolved": false}})]);
        assert_eq!(torn.of("a"), Err("two reports say different things of it"));
    }
}
