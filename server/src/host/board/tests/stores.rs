//! Stores that are elsewhere, replaced, unreadable or another one than the contract of now.

use std::fs;
use std::time::Duration;

use super::super::*;
use super::project::*;
use crate::engine::board::Status;
use crate::engine::cycle::Decision;
use crate::host::store::RunState;

#[test]
fn a_store_from_elsewhere_is_read_only_where_the_project_is_trusted() {
    let project = Project::new("foreign");
    let elsewhere = Known::at(&project.0.join("elsewhere"));
    let mut store = Store::open_with(&project.root(), &elsewhere).unwrap();
    let lease = store.claim().unwrap().unwrap();
    let mut written = Written { store, lease, slots: Vec::new(), run: 0 };
    let record = project.record("evaluate", &Project::all());
    written.evaluated(&record, &["pass", "fail", "pass", "fail", "pass"]);
    written.begin(&record);
    written.trials(&["pass"]);
    drop(written);

    let mut reader = project.reader();
    let board = reader.board(0);
    assert_eq!((&board.store, &board.trust), (&StoreState::Imported, &Trust::Untrusted));
    assert!(board.runs.is_empty() && board.measured.is_empty() && board.mined.is_none());
    assert!(board.tests.states.is_empty() && board.proposals.is_empty() && !reader.has_news());

    project.memory().trust(&project.root(), &project.subject().execution_items()).unwrap();
    let board = reader.board(0);
    assert_eq!((&board.store, &board.trust), (&StoreState::Imported, &Trust::Trusted));
    assert_eq!(board.runs.len(), 2);
    // Nobody here works on a run of theirs, and nobody can go on with it.
    let open = &board.runs[0];
    assert_eq!((open.status, open.line.as_str(), open.progress.running), (Status::Cancelled, "", 0));
    assert!(open.sentence.contains("1 of 5 trials") && open.sentence.contains("copied"), "{}", open.sentence);
    assert_eq!((board.active(), board.resumable(), board.open()), (None, None, None));
    assert_eq!(board.runs[1].status, Status::Result);

    // Trust that is taken back takes away what was read.
    project.memory().forget(&project.root()).unwrap();
    assert!(reader.board(0).runs.is_empty());
}

#[test]
fn another_store_in_the_place_of_the_first_is_followed() {
    let project = Project::new("replaced");
    let record = project.record("evaluate", &Project::all());
    let mut reader = project.reader();
    assert!(!reader.has_news());
    let mut written = project.store();
    written.evaluated(&record, &["pass"; 5]);
    assert_eq!(written.store.path(), project.root().join(".self-harness/state.db"));
    assert!(reader.has_news());
    assert_eq!(reader.board(0).runs.len(), 1);
    assert!(!reader.has_news());
    drop(written);

    // In one step, as whoever makes a new one in its place does it.
    let aside = project.0.join("aside");
    fs::rename(project.root().join(".self-harness"), &aside).unwrap();
    let mut written = project.store();
    written.begin(&record);
    written.begin(&record);
    assert!(reader.has_news());
    let board = reader.board(0);
    assert_eq!((board.runs.len(), board.runs[0].status), (2, Status::Running));
    assert!(!reader.has_news());
    written.state(RunState::Ended);
    assert!(reader.has_news());
    assert_eq!(reader.board(0).runs[0].status, Status::Failed);

    // Without a look before it.
    drop(written);
    fs::remove_dir_all(project.root().join(".self-harness")).unwrap();
    let board = reader.board(0);
    assert_eq!((board.store, board.runs.len()), (StoreState::Missing, 0));
    assert!(!reader.has_news());
}

#[test]
fn a_store_that_cannot_be_read_is_left_alone_for_longer_and_longer() {
    let project = Project::new("unreadable");
    fs::create_dir_all(project.root().join(".self-harness")).unwrap();
    let path = project.root().join(".self-harness/state.db");
    fs::write(&path, "no database at all\n".repeat(100)).unwrap();
    let (mut reader, begin) = (project.reader(), Instant::now());
    let mut at = begin;
    assert!(reader.has_news_at(at));
    for wait in [2, 4, 8, 16, 32, 60, 60] {
        let board = reader.board_at(0, at);
        assert!(matches!(&board.store, StoreState::Unreadable(why) if why.contains("state.db")));
        assert!(!reader.has_news_at(at + SECOND * wait - Duration::from_millis(1)), "{wait}");
        // Whoever looks in between makes nobody wait longer.
        assert!(matches!(reader.board_at(0, at + SECOND).store, StoreState::Unreadable(_)));
        at += SECOND * wait;
        assert!(reader.has_news_at(at), "{wait}");
    }
    fs::remove_dir_all(project.root().join(".self-harness")).unwrap();
    assert_eq!(reader.board_at(0, at).store, StoreState::Missing);
    assert!(!reader.has_news_at(at + SECOND * 600));
    let mut written = project.store();
    written.begin(&project.record("evaluate", &Project::all()));
    assert!(reader.has_news_at(at));
    assert_eq!(reader.board_at(0, at).store, StoreState::Own);
    assert!(!reader.has_news_at(at));
}

#[test]
fn under_containers_the_images_that_trials_ran_on_stand_for_those_of_now() {
    let machine = || {
        let text = "sandbox = \"container\"\n[container]\nengine = \"podman\"\nimage = \"debian:12\"\n";
        Ok(toml::from_str::<Machine>(text).unwrap())
    };
    let project = Project::new("containers");
    let mut subject = Subject::unasked(&project.root(), &Guarantees::untried(), &machine().unwrap());
    // As if an engine had been asked.
    let image = Digest::of(b"debian");
    for task in &mut subject.tasks {
        task.plan.as_mut().unwrap().digests.image = Some(image);
    }
    let mut record = project.record("evaluate", &Project::all());
    record.sandbox = "container".into();
    record.contract = subject.contract_of(&record).to_string();
    let mut written = project.store();
    written.begin(&record);
    for (slot, verdict) in ["pass", "fail", "pass", "fail", "pass"].into_iter().enumerate() {
        written.trial(slot, verdict, |trial| trial.image = image.to_string());
    }
    written.end("complete");
    // The same on an image that is not the one of its contract.
    written.begin(&record);
    for slot in 0..5 {
        written.trial(slot, "pass", |trial| trial.image = Digest::of(b"other").to_string());
    }
    written.end("complete");
    let board = project.reader_on(machine).board(0);
    let [measured] = board.measured.as_slice() else { panic!("{:?}", board.measured.len()) };
    assert_eq!(measured.run, "r-0001");
    assert_eq!((score(measured.held_in), score(measured.held_out)), (Some((2.0, 3)), Some((1.0, 2))));
    assert!(board.mined.is_some_and(|mined| mined.is_current && mined.run == "r-0001"));
    // Another sandbox is another contract.
    assert!(project.reader().board(0).measured.is_empty());
}

#[test]
fn what_judges_is_hidden_while_a_run_is_open_and_what_was_known_stays() {
    let project = Project::new("open");
    let record = project.record("evaluate", &Project::all());
    let mut written = project.store();
    written.evaluated(&record, &["pass", "fail", "pass", "fail", "fail"]);
    let improve = project.record("improve", &Project::all());
    let number = written.improving(&improve);
    let texts: BTreeMap<String, String> =
        improve.files.clone().into_iter().chain([(FILE.to_owned(), edited(&improve))]).collect();
    let adopted = project.subject().digest_with(&texts).to_string();
    let next = written.propose(&adopted, "at once\n");

    let mut reader = project.reader();
    for (state, status) in [(RunState::Running, Status::Running), (RunState::Paused, Status::Paused)] {
        written.state(state);
        let board = reader.board(0);
        assert_eq!(board.open().map(|run| (run.number, run.status)), Some((2, status)));
        let [measured] = board.measured.as_slice() else { panic!("{status:?}") };
        assert_eq!(measured.run, "r-0001", "{status:?}");
        assert_eq!(score(measured.held_out), Some((0.0, 2)), "{status:?}");
        assert!(board.accepted.is_empty(), "{status:?}");
        let proposal = &board.proposals[&number];
        assert_eq!((proposal.decision, proposal.look), (None, None), "{status:?}");
        assert!(proposal.measured.is_none() && !board.next.waiting.contains(&number), "{status:?}");
        // Its place in the text is told, and so is that of what was made for what it has adopted.
        let path = FilePath::parse(FILE).unwrap();
        assert_eq!(proposal.base.get(&path), improve.files.get(FILE), "{status:?}");
        assert_eq!(board.proposals[&next].base.get(&path), Some(&edited(&improve)), "{status:?}");
        // A task that judges is named nowhere.
        assert_eq!(proposal.fixes, [HELD_IN[1]], "{status:?}");
        // Whoever opens an editor now sees what failed before.
        assert_eq!(board.mined.as_ref().map(|mined| mined.run.as_str()), Some("r-0001"), "{status:?}");
        assert_eq!(project.reader().board(0).mined, board.mined, "{status:?}");
    }
    written.end("rounds");
    let board = reader.board(0);
    assert_eq!(board.open(), None);
    assert_eq!(board.proposals[&number].decision, Some(Decision::Accepted));
    let [accepted] = board.accepted.as_slice() else { panic!("{}", board.accepted.len()) };
    assert_eq!((&accepted.result, &accepted.harness), (&adopted, &improve.harness));
    // What the edit was not tried on can be anything.
    assert_eq!(board.measured.iter().map(|scored| &scored.harness).next(), Some(&adopted));
    assert_eq!(board.measured[0].held_in.and_then(|point| point.bounds()), Some((1.0, 3.0)));
    assert_eq!((score(board.measured[1].held_in), &*board.measured[1].run), (Some((2.0, 3)), "r-0002"));
}
