//! The detectors on public records of coding agents (`method` 3.10). The records are no part of the repository;
//! `SELF_HARNESS_RECORDS` names their directory, and without it the test says that it did nothing.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use harness_schema::detector::DETECTORS;
use harness_schema::manifest::TranscriptFormat;
use self_harness::engine::detector::{Reading, find};
use self_harness::engine::transcript;
use serde_json::Value;

#[test]
fn habits_of_coding_agents() {
    let Some(directory) = std::env::var_os("SELF_HARNESS_RECORDS") else {
        println!("skipped: SELF_HARNESS_RECORDS names no directory with public records");
        return;
    };
    let file = std::fs::File::open(PathBuf::from(directory).join("dgm_atif.jsonl.gz")).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    // Failed and passed trials of a suite, and how many of them each detector fires in.
    let mut trials: BTreeMap<(String, bool), usize> = BTreeMap::new();
    let mut fired: BTreeMap<(&str, String, bool), usize> = BTreeMap::new();
    for line in text.lines() {
        let raw: Value = serde_json::from_str(line).unwrap();
        let suite = raw["extra"]["suite"].as_str().unwrap().to_owned();
        let passed = raw["extra"]["passed"].as_bool().unwrap();
        *trials.entry((suite.clone(), passed)).or_default() += 1;
        let reading = Reading::of(&transcript::read(line, TranscriptFormat::Atif).unwrap(), "/testbed");
        for detector in DETECTORS.iter().filter(|detector| find(&reading, detector, None).is_some()) {
            *fired.entry((detector.id, suite.clone(), passed)).or_default() += 1;
        }
    }
    let share = |id: &'static str, suite: &str, passed: bool| {
        let fired = fired.get(&(id, suite.to_owned(), passed)).copied().unwrap_or_default();
        fired as f64 / trials[&(suite.to_owned(), passed)] as f64
    };
    assert_eq!(trials.values().sum::<usize>(), 275);
    let is_habit =
        |id: &'static str, suite: &str| 0.8 <= share(id, suite, false) && 0.8 <= share(id, suite, true);
    let habits = |suite: &str| {
        let ids = DETECTORS.iter().map(|detector| detector.id);
        ids.filter(|id| is_habit(id, suite)).collect::<Vec<_>>()
    };
    assert_eq!(habits("poly"), ["M11", "M12"]);
    assert_eq!(habits("swe"), Vec::<&str>::new());
    // What repeats a failing call fails more often.
    for id in ["M01", "M05"] {
        assert!(share(id, "swe", true) + 0.1 < share(id, "swe", false), "{id}");
    }
}
