//! What is known only once a trial is over, and what evidence has to do with the rest of it.

use super::*;

fn ended(name: &str, told: &Told, ending: &Ending) -> Vec<usize> {
    let reading = Reading::of(&told.0, "/app");
    find_after(&reading, detector::named(name).unwrap(), ending).map(|found| found.steps).unwrap_or_default()
}

#[test]
fn every_other_detector_has_a_rule_for_the_end() {
    for detector in DETECTORS {
        let has_rule = AFTERWARDS.iter().any(|(id, _)| *id == detector.id);
        assert_eq!(has_rule, detector.on == On::End, "{}", detector.name);
    }
    assert_eq!(ended("loop-consecutive", &Told::new(TASK), &Ending::default()), Vec::<usize>::new());
}

#[test]
fn work_that_came_late() {
    let look =
        |count: usize| (0..count).fold(Told::new(TASK), |told, at| told.ran(&format!("cat f{at}"), 0, ""));
    let end = Ending::default();
    // The tenth of ten steps, the ninth of ten, and the fourth of four.
    assert_eq!(ended("artifact-late", &look(9).ran("echo 3 > out.txt", 0, ""), &end), [11]);
    assert_eq!(ended("late-first-write", &look(9).ran("echo 3 > out.txt", 0, ""), &end), [11]);
    let early = look(8).ran("echo 3 > out.txt", 0, "").ran("cat out.txt", 0, "");
    assert_eq!(ended("artifact-late", &early, &end), Vec::<usize>::new());
    assert_eq!(ended("late-first-write", &early, &end), [10]);
    assert_eq!(ended("late-first-write", &look(3).ran("echo 3 > out.txt", 0, ""), &end), Vec::<usize>::new());
    // Few steps, and nearly all of the time.
    let at = |moment: &str, command: &str| Step {
        started: Some(format!("2026-01-01T00:{moment}Z")),
        calls: vec![shell(command, 0, "")],
        ..Step::default()
    };
    let timed = |moment: &str| {
        let told = Told::new(TASK).step(at("00:00", "ls")).step(at(moment, "echo 3 > out.txt"));
        ended("artifact-late", &told.step(at("10:00", "ls")), &end)
    };
    assert_eq!(timed("09:00"), [3]);
    assert_eq!(timed("07:00"), Vec::<usize>::new());
    // The clock of a trial that was over in seconds says nothing.
    let at = |moment: &str, command: &str| at(&format!("00:{moment}"), command);
    let quick = Told::new(TASK).step(at("00", "ls")).step(at("27", "echo 3 > out.txt")).step(at("30", "ls"));
    assert_eq!(ended("artifact-late", &quick, &end), Vec::<usize>::new());
}

#[test]
fn looking_until_the_limit() {
    let limited = Ending { is_limited: true, ..Ending::default() };
    let look =
        |told: Told, count: usize| (0..count).fold(told, |told, at| told.ran(&format!("cat f{at}"), 0, ""));
    let told = look(Told::new(TASK), 10);
    assert_eq!(ended("limit-exploring", &told, &limited), [9, 10, 11]);
    assert_eq!(ended("limit-exploring", &told, &Ending::default()), Vec::<usize>::new());
    let busy = look(Told::new(TASK), 8).ran("make", 0, "").ran("make test", 0, "");
    assert_eq!(ended("limit-exploring", &busy, &limited), Vec::<usize>::new());
}

#[test]
fn services_that_went_with_their_shell() {
    let down = Ending { misses_service: true, ..Ending::default() };
    let told = Told::new(TASK).ran("python3 server.py &", 0, "");
    assert_eq!(ended("background-service-gone", &told, &down), [2]);
    assert_eq!(ended("background-service-gone", &told, &Ending::default()), Vec::<usize>::new());
    let kept = Told::new(TASK).ran("nohup python3 server.py > log 2>&1 &", 0, "");
    assert_eq!(ended("background-service-gone", &kept, &down), Vec::<usize>::new());
}

#[test]
fn results_of_a_form_that_nobody_can_read() {
    let bad = Ending { dislikes_format: true, ..Ending::default() };
    let told = Told::new(TASK).wrote("out.txt", "3").ran("ls", 0, "");
    assert_eq!(ended("output-format", &told, &bad), [2]);
    assert_eq!(ended("output-format", &Told::new(TASK).ran("ls", 0, ""), &bad), [2]);
    assert_eq!(ended("output-format", &told, &Ending::default()), Vec::<usize>::new());
}

#[test]
fn malformed_calls_are_severe_if_they_are_many() {
    let raw = || Call { arguments: Arguments::Raw(String::from("{")), ..shell("", 0, "") };
    let severe = |told: &Told| {
        let reading = Reading::of(&told.0, "/app");
        find(&reading, detector::named("tool-call-parse").unwrap(), None)
            .map(|found| reading.is_severe(&found))
    };
    let long = |told: Told| (0..20).fold(told, |told, _| told.ran("ls", 0, ""));
    assert_eq!(severe(&Told::new(TASK).call(raw())), Some(true));
    assert_eq!(severe(&long(Told::new(TASK).call(raw()))), Some(false));
    assert_eq!(severe(&long(Told::new(TASK).call(raw()).call(raw()).call(raw()))), Some(true));
    assert_eq!(severe(&Told::new(TASK).ran("ls", 0, "")), None);
}

#[test]
fn texts_name_paths_without_lines() {
    let names = named_in("src/a.py:12:5: error in tests/test_b.py::test_c; No module named 'yaml'");
    for name in ["src/a.py", "a.py", "tests/test_b.py::test_c", "test_c", "yaml"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
}
