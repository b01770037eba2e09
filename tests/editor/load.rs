//! Two editors and a command line at one project while its worker is killed again and again (`editor` 8, UX-34): nothing is paid twice,
//! nothing is lost, nobody finds the store locked, and one worker works at a time.
//!
//! `SELF_HARNESS_LOAD_SECONDS` says how long (20), `SELF_HARNESS_LOAD_SEED` which dice (1).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self_harness::engine::plan::State;
use self_harness::host::following;
use self_harness::host::record::EventRecord;
use self_harness::host::store::{RunState, StoredEvent, StoredRun, run_name};
use serde_json::{Value, json};

use crate::desk::{PROMPT, PROMPT_FILE};
use crate::lab::{Lab, WRITER};

mod person;
mod workers;

use self::person::Person;
use self::workers::{kill_workers, watch, workers};

/// Tasks of the project.
const TASKS: usize = 8;

/// Trials side by side.
const PARALLEL: u32 = 3;

/// Each of them reads four versions of the prompt, so that some trials are new and some were measured before.
const NOTES: u64 = 4;

/// What no message and no log may hold. `blocked` is another word.
const WRONG: [&str; 5] = ["locked", "panicked", "has a bug here", "cannot read state.db", "malformed"];

/// Answers that only say that a text has changed meanwhile.
const OVERTAKEN: [i64; 3] = [-32800, -32801, -32802];

/// Numbers that are the same with each run of the test.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn rest(&mut self, least: u64, most: u64) {
        thread::sleep(Duration::from_millis(least + self.roll(most - least)));
    }
}

/// What everybody shares.
struct Load<'a> {
    lab: &'a Lab,
    seed: u64,
    /// Nothing new is done.
    is_over: AtomicBool,
    /// Nothing goes on any more.
    is_settled: AtomicBool,
    kills: AtomicUsize,
    /// What was read that must not be said, and where.
    wrong: Mutex<Vec<String>>,
}

impl Load<'_> {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    fn read(&self, place: &str, text: &str) {
        let is_word = |word: &str, at: usize| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            word != "locked" || before.is_none_or(|before| !before.is_alphanumeric())
        };
        let found = WRONG.iter().find(|word| text.match_indices(**word).any(|(at, _)| is_word(word, at)));
        if let Some(word) = found {
            self.wrong.lock().unwrap().push(format!("{place} says `{word}`: {text}"));
        }
    }
}

/// A version of the prompt.
fn note(number: u64) -> String {
    format!("{PROMPT}\nNote {number}.\n")
}

fn project(seconds: u64) -> Lab {
    // Slow enough that most kills come in the middle of a trial.
    let persona = WRITER.replace("command = \"ls -la\"", "command = \"sleep 0.4; ls -la\"");
    let lab = Lab::new(&format!("load-{seconds}"), &persona, TASKS);
    lab.write_harness(TASKS, &format!("[improve]\nrepeats = {{ screen = 1, baseline = 2, confirm = 2 }}\n\n[budget]\nmax_parallel = {PARALLEL}\n"));
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    // A request that is tried again would look like one that is paid twice.
    let (inline, timeout) = ("system = { text = \"You write numbers.\" }", "timeout = \"2s\"");
    assert!(manifest.contains(inline) && manifest.contains(timeout));
    let manifest = manifest.replace(inline, &format!("system = \"{PROMPT_FILE}\""));
    lab.write("harness.toml", &manifest.replace(timeout, "timeout = \"60s\""));
    lab.write(PROMPT_FILE, PROMPT);
    lab
}

/// Where what a server has to say is kept.
fn log(lab: &Lab, name: &str) -> std::path::PathBuf {
    lab.state().with_file_name(format!("{name}.log"))
}

/// Commands, one after the other; whoever follows a run is sometimes killed. How many did something.
fn type_commands(load: &Load<'_>) -> usize {
    let mut dice = Dice(load.seed.wrapping_mul(77));
    let mut done = 0;
    while load.goes_on() {
        let repeats = (1 + dice.roll(3)).to_string();
        let arguments: &[&str] = match dice.roll(20) {
            0..6 => &["evaluate", "--repeats", &repeats, "--yes", "--detach"],
            6..8 => &["status", "--cancel"],
            8..14 => &["status", "--resume", "--yes"],
            14 => &["status", "--retry", "--yes"],
            15 => &["status", "--discard"],
            16 => &["report"],
            _ => &["status", "--json"],
        };
        let mut command = load.lab.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + Duration::from_millis(1500 + dice.roll(3000));
        while child.try_wait().unwrap().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        let is_killed = child.kill().is_ok() && child.try_wait().unwrap().is_none();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let said = said.concat();
        load.read(&arguments.join(" "), &said);
        // 1 to 4 are refusals and ends that are told; 130 is a run that somebody cancelled.
        let code = output.status.code();
        assert!(is_killed || matches!(code, None | Some(0..=4 | 130)), "{arguments:?}: {code:?} {said}");
        done += usize::from(code == Some(0));
        dice.rest(50, 600);
    }
    done
}

/// Follows all runs as an editor does, with one look after the other: what it has made of their events.
fn follow(load: &Load<'_>) -> BTreeMap<i64, following::Seen> {
    let mut seen: BTreeMap<i64, following::Seen> = BTreeMap::new();
    let look = |seen: &mut BTreeMap<i64, following::Seen>| {
        if !load.lab.has_run() {
            return;
        }
        let store = load.lab.store();
        for run in store.runs().unwrap() {
            match seen.get_mut(&run.number) {
                Some(seen) => following::look_again(&store, &run, seen).unwrap(),
                None => drop(seen.insert(run.number, following::look_at(&store, &run).unwrap())),
            }
        }
    };
    while !load.is_settled.load(Ordering::SeqCst) {
        look(&mut seen);
        thread::sleep(Duration::from_millis(100));
    }
    look(&mut seen);
    seen
}

/// How many trials ran when their worker was killed, as those tell who came after it.
fn given_up(lab: &Lab) -> usize {
    if !lab.has_run() {
        return 0;
    }
    let store = lab.store();
    let events = |run: StoredRun| store.events(run.number, 0).unwrap();
    let all = store.runs().unwrap().into_iter().flat_map(events);
    all.filter(|stored| matches!(stored.event, EventRecord::Discarded { .. })).count()
}

/// Brings all runs to an end: the newest is completed, the others are given up.
fn settle(load: &Load<'_>) {
    let lab = load.lab;
    let state = |name: &str| -> Value { serde_json::from_str(&lab.ok(&["status", name, "--json"])).unwrap() };
    let began = Instant::now();
    let patience = || {
        assert!(began.elapsed() < Duration::from_secs(240), "{}\n{}", lab.ok(&["status"]), lab.worker_log());
        thread::sleep(Duration::from_millis(100));
    };
    let mut runs = lab.store().runs().unwrap();
    let newest = run_name(runs.pop().unwrap().number);
    for run in runs {
        let name = run_name(run.number);
        while state(&name)["state"] != "ended" {
            let output = lab.run(&["status", &name, "--discard"]);
            load.read("discard", &String::from_utf8_lossy(&output.stderr));
            // One that waits may have lost its worker, and nobody obeys then.
            if workers(lab).is_empty() && state(&name)["state"] == "queued" {
                lab.run(&["status", &name, "--resume", "--yes"]);
            }
            patience();
        }
    }
    while state(&newest)["finish"] != "complete" {
        let output = lab.run(&["status", &newest, "--resume", "--yes"]);
        load.read("resume", &String::from_utf8_lossy(&output.stderr));
        patience();
    }
    let newest = state(&newest);
    assert_eq!((&newest["state"], &newest["finish"]), (&json!("ended"), &json!("complete")), "{newest}");
    while lab.worker().is_some() {
        patience();
    }
}

/// What a slot was started, ended and given up for.
#[derive(Default)]
struct Slot {
    runs: bool,
    started: usize,
    measured: usize,
}

/// The events of a run make sense one after the other: nothing starts twice at once, and nothing that was measured starts again.
fn in_order(run: &StoredRun, events: &[StoredEvent]) -> BTreeMap<usize, Slot> {
    let mut slots: BTreeMap<usize, Slot> = BTreeMap::new();
    for StoredEvent { seq, event, .. } in events {
        let (number, begins, measures) = match event {
            EventRecord::Started { slot, .. } => (*slot, true, false),
            EventRecord::Ended { slot, verdict, .. } => (*slot, false, verdict != "void"),
            EventRecord::Discarded { slot, .. } | EventRecord::Dropped { slot, .. } => (*slot, false, false),
            EventRecord::Reused { slot, .. } => {
                let slot = slots.entry(*slot).or_default();
                assert!(!slot.runs && slot.measured == 0, "{}: event {seq}", run_name(run.number));
                slot.measured += 1;
                continue;
            }
            _ => continue,
        };
        let slot = slots.entry(number).or_default();
        assert_eq!(slot.runs, !begins, "{}: event {seq} of slot {number}", run_name(run.number));
        assert!(!begins || slot.measured == 0, "{}: slot {number} was measured", run_name(run.number));
        slot.runs = begins;
        slot.started += usize::from(begins);
        slot.measured += usize::from(measures);
    }
    assert!(slots.values().all(|slot| !slot.runs), "{}: something still runs", run_name(run.number));
    slots
}

/// What the model was asked: how many conversations began and how many came to their last call, by prompt and number to write.
fn conversations(lab: &Lab) -> BTreeMap<(String, String), (usize, usize)> {
    let mut all: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    let text = fs::read_to_string(lab.state().with_file_name("requests.jsonl")).unwrap();
    for line in text.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let messages = request["messages"].as_array().unwrap();
        let of = |role: &str| messages.iter().filter(|message| message["role"] == role).collect::<Vec<_>>();
        let system = of("system")[0]["content"].as_str().unwrap().trim().to_owned();
        let asked = of("user")[0]["content"].to_string();
        let number = asked.split("the number ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let (begun, complete) = all.entry((system, number)).or_default();
        match of("assistant").len() {
            0 => *begun += 1,
            1 => {}
            _ => *complete += 1,
        }
    }
    all
}

fn quantile(times: &[Duration], share: f64) -> Duration {
    let at = (times.len() as f64 * share).ceil() as usize;
    times.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

#[test]
fn ux_34_two_editors_and_a_command_line_under_load_lose_nothing_and_pay_nothing_twice() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
    };
    let seconds = number("SELF_HARNESS_LOAD_SECONDS", 20);
    let lab = project(seconds);
    let load = Load {
        lab: &lab,
        seed: number("SELF_HARNESS_LOAD_SEED", 1),
        is_over: AtomicBool::new(false),
        is_settled: AtomicBool::new(false),
        kills: AtomicUsize::new(0),
        wrong: Mutex::default(),
    };
    let load = &load;
    let (people, typed, sampled, followed) = thread::scope(|scope| {
        let sit = |name, dice| {
            scope.spawn(move || {
                let mut person = Person::new(load, name, dice);
                person.work();
                person.end()
            })
        };
        let people = [sit("one editor", 1), sit("another editor", 2)];
        let typed = scope.spawn(|| type_commands(load));
        let sampled = scope.spawn(|| watch(load));
        let followed = scope.spawn(|| follow(load));
        let killer = scope.spawn(|| kill_workers(load));
        // On a machine with other work it takes longer until something has happened that could go wrong.
        let (began, usual) = (Instant::now(), Duration::from_secs(seconds));
        let is_enough = || 2 <= given_up(load.lab) && 2 <= load.kills.load(Ordering::SeqCst);
        while began.elapsed() < usual || (!is_enough() && began.elapsed() < usual * 6) {
            if people.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
            thread::sleep(Duration::from_millis(250));
        }
        load.is_over.store(true, Ordering::SeqCst);
        let typed = typed.join();
        killer.join().unwrap();
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| settle(load)));
        // Whatever went wrong, nobody waits for ever.
        load.is_settled.store(true, Ordering::SeqCst);
        settled.unwrap_or_else(|wrong| std::panic::resume_unwind(wrong));
        (
            people.map(|person| person.join().unwrap()),
            typed.unwrap(),
            sampled.join().unwrap(),
            followed.join().unwrap(),
        )
    });

    for place in ["one editor", "another editor"] {
        load.read(place, &fs::read_to_string(log(&lab, place)).unwrap());
    }
    load.read("the worker's log", &lab.worker_log());
    let wrong = load.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} times, first {:#?}", wrong.len(), wrong.iter().take(3).collect::<Vec<_>>());

    // No event is lost: their numbers have no gap over all runs, and each follower comes to the same state as one who reads them anew.
    let store = lab.store();
    let runs = store.runs().unwrap();
    let mut numbers = Vec::new();
    let mut verdicts: BTreeMap<(String, u32), String> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    let mut started: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut paid, mut measured, mut reused, mut discarded) = (0, 0, 0, 0);
    for run in &runs {
        let name = run_name(run.number);
        let events = store.events(run.number, 0).unwrap();
        numbers.extend(events.iter().map(|event| event.seq));
        let slots = in_order(run, &events);
        let (cycle, _) = store.fold(run).unwrap();
        let seen = followed.get(&run.number).unwrap_or_else(|| panic!("{name} was never seen"));
        assert_eq!(format!("{:?}", seen.cycle), format!("{cycle:?}"), "{name}");
        assert_eq!(seen.state, RunState::Ended, "{name}");
        let filled = cycle.trials().states().iter().filter(|state| matches!(state, State::Filled(_))).count();
        let fresh: Value = serde_json::from_str(&lab.ok(&["status", &name, "--json"])).unwrap();
        assert_eq!(fresh["trials"]["done"], filled, "{name}");
        assert_eq!(fresh["spent"]["trials"], cycle.trials().spent().trials, "{name}");
        for person in &people {
            // Of a run that was over before it was read nothing is told.
            let Some(told) = person.runs.get(&name) else { continue };
            assert_eq!(told["trials"]["done"], filled, "{} of {name}: {told}", person.name);
        }

        // No slot has two measurements, and none was measured anew that was measured before.
        let mut of_slot: BTreeSet<usize> = BTreeSet::new();
        for (slot, trial) in store.trials_by_slot(run.number).unwrap() {
            if trial.verdict == "void" {
                continue;
            }
            measured += 1;
            assert!(of_slot.insert(slot), "{name}: slot {slot} is stored twice");
            assert!(keys.insert(trial.key.clone()), "{name}: {} #{} is paid twice", trial.task, trial.repeat);
            // Whoever was killed meanwhile, the verdict is that of the model's dice.
            let known = verdicts.entry((trial.task.clone(), trial.repeat)).or_insert(trial.verdict.clone());
            assert_eq!(*known, trial.verdict, "{name}: {} #{}", trial.task, trial.repeat);
        }
        let how_many =
            |is: fn(&EventRecord) -> bool| events.iter().filter(|stored| is(&stored.event)).count();
        reused += how_many(|event| matches!(event, EventRecord::Reused { .. }));
        discarded += how_many(|event| matches!(event, EventRecord::Discarded { .. }));
        paid += slots.values().map(|slot| slot.started).sum::<usize>();
        let prompt = run.record.files[PROMPT_FILE].trim().to_owned();
        for (slot, what) in slots {
            let task = &cycle.trials().design().slots[slot].task;
            let number = 40 + task.trim_start_matches("t-").parse::<usize>().unwrap();
            *started.entry((prompt.clone(), number.to_string())).or_default() += what.started;
        }
    }
    numbers.sort_unstable();
    let all: Vec<i64> = (1..=i64::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, all, "an event is lost");

    // The model was asked for no conversation that is not in the events.
    let asked = conversations(&lab);
    for (which, (begun, complete)) in &asked {
        let started = started.get(which).copied().unwrap_or_default();
        assert!(*begun <= started, "{which:?}: {begun} conversations for {started} trials");
        assert!(complete <= begun, "{which:?}");
    }
    let complete: usize = asked.values().map(|(_, complete)| complete).sum();
    assert!(measured <= complete, "{measured} trials measured by {complete} conversations");

    let kills = load.kills.load(Ordering::SeqCst);
    let requests: usize = asked.values().map(|(begun, _)| begun).sum();
    eprintln!(
        "{seconds} s: {} runs, {} events, {paid} trials started, {measured} measured, {discarded} given up, {reused} reused; {requests} conversations begun, \
         {complete} complete; {kills} kills; commands that did something: {typed} typed, {} and {} in editors; a worker at work in {sampled} samples",
        runs.len(),
        numbers.len(),
        people[0].done,
        people[1].done,
    );
    for person in people {
        for (method, mut times) in person.took {
            times.sort_unstable();
            eprintln!(
                "{}: {method} × {}: p50 {:?}, p99 {:?}, longest {:?}",
                person.name,
                times.len(),
                quantile(&times, 0.5),
                quantile(&times, 0.99),
                times.last().unwrap()
            );
        }
        assert!(0 < person.done && !person.runs.is_empty(), "{} did nothing", person.name);
    }
    // A load that was none proves nothing.
    assert!(2 <= runs.len() && 2 <= kills && 4 <= measured && 1 <= discarded && 0 < typed && 10 <= sampled);
}
