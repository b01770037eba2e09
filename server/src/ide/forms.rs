//! Every form in which something is shown (`editor` 3.4, 3.5), in one snapshot: whoever changes one reads it beside all others. Each is
//! text and nothing else, so that it can be read without a colour and without a picture.

use harness_schema::text::Span;

use super::evidence::fixture::{REREAD, TESTED, World, measured, run};
use super::offers::{self, Trigger};
use super::switches::Switches;
use super::{decided, evidence, hints, hover, lenses, standing};
use crate::engine::board::{Environment, RunLine, Spot, Status, StoreState, Trust};
use crate::engine::cycle::Decision;

const PROMPT: &str = "prompts/system.md";
const MANIFEST: &str = "harness.toml";

/// What is shown, by the names of `editor` 3.5.
#[derive(Default)]
struct Forms(Vec<(&'static str, String)>);

impl Forms {
    fn add(&mut self, form: &'static str, text: impl Into<String>) {
        let one = (form, text.into());
        if !self.0.contains(&one) {
            self.0.push(one);
        }
    }

    /// Everything that is shown of a world at a file.
    fn of(&mut self, world: &World, file: &str) {
        let site = world.site(file);
        let all = Span { start: 0, end: u32::MAX };
        let switches = Switches { show_old: true, tokens: true, ..Switches::default() };
        let known = site.project.problems(&site.file);
        for problem in known.iter().chain(&evidence::problems(&site, switches)) {
            self.add("problem", format!("{} ⏎ {}", problem.message, problem.why));
        }
        for hint in hints::hints(&site, all, switches) {
            self.add("hint", hint.text());
        }
        let names = if file == MANIFEST { ["lens 1", "lens 2", "lens 3"].as_slice() } else { &["lens"] };
        for (name, lens) in names.iter().zip(lenses::lenses(&site)) {
            self.add(name, lens.title);
        }
        if file == MANIFEST {
            self.add("status", standing::status([&site.project]).text);
        }
        self.offers(world, file);
        if let Some(offset) = world.files[file].find("before you stop")
            && let Some(hover) = hover::hover(&site, offset)
        {
            self.add("hover", hover.text.replace("\n\n", "\n"));
        }
    }

    /// What can be chosen in a world, and why it cannot.
    fn offers(&mut self, world: &World, file: &str) {
        let all = Span { start: 0, end: u32::MAX };
        for offer in offers::offers(&world.site(file), all, Trigger::Invoked, false) {
            self.add("action", offer.title);
            if let Some(why) = offer.disabled {
                self.add("disabled", why);
            }
        }
    }
}

fn with_run(status: Status, cause: &str) -> World {
    let mut world = World::validated();
    world.board.runs = vec![RunLine { cause: cause.to_owned(), ..run(status) }];
    world
}

/// A harness whose run has spent what it may.
fn capped() -> World {
    let mut world = with_run(Status::Result, "$5.00 spent, 58/72 trials");
    let harness = world.site(MANIFEST).project.identity().to_string();
    (world.board.runs[0].harness, world.board.runs[0].is_capped) = (harness, true);
    world
}

fn changed(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world
}

/// A world for each state that something is shown in.
fn worlds() -> Vec<World> {
    let tool = "[[tool]]\nname = \"grep_file\"\ndescription = \"Searches.\"\nrun = [\"grep\"]\n[runtime]";
    let edited = || World::validated().edited(PROMPT, "Be brief.", "Be very brief.");
    let sandbox = Environment {
        code: "SH904",
        at: Spot::Key(&["agent"]),
        message: String::from("no sandbox: `bwrap` is missing; install the package `bubblewrap`"),
        why: String::from("nothing runs without one"),
    };
    let key = changed(World::bare(), |world| {
        world.board.next.missing_key = Some(String::from("MODEL_API_KEY"));
    });
    let priceless = changed(World::bare(), |world| world.board.next.price.clear());
    let waiting = changed(World::evaluated(), |world| world.board.next.waiting = vec![8, 9]);
    let priced = |mut world: World| {
        let next = &mut world.board.next;
        next.propose = String::from("about $0.20");
        next.validate = String::from("about $1.80");
        next.resume = String::from("about $0.70");
        world
    };
    let imported = changed(World::validated(), |world| world.board.store = StoreState::Imported);
    let unreadable = changed(World::bare(), |world| {
        world.board.store = StoreState::Unreadable(String::from("it is no database"));
    });
    let untrusted = changed(World::validated(), |world| world.board.trust = Trust::Untrusted);
    let stale = changed(World::validated(), |world| {
        world.board.trust =
            Trust::Changed(vec![String::from("harness.toml [agent]"), String::from("36 tasks")]);
    });
    let no_sandbox = changed(World::evaluated(), |world| world.board.environment = vec![sandbox]);
    vec![
        World::bare(),
        World::bare().edited(MANIFEST, "[runtime]", tool).edited(
            PROMPT,
            "Read the task",
            "Use the `grep_files` tool",
        ),
        World::evaluated(),
        World::validated(),
        edited(),
        edited().edited(PROMPT, "Say what", "Tell what"),
        World::validated().edited(PROMPT, TESTED, REREAD),
        World::evaluated().edited(MANIFEST, "max_steps = 40", "max_steps = 30"),
        key,
        priceless,
        priced(World::evaluated()),
        priced(changed(World::evaluated(), |world| world.board.next.waiting = vec![8, 9])),
        priced(with_run(Status::Interrupted, "")),
        capped(),
        changed(with_run(Status::Running, ""), |world| world.board.runs[0].is_confined = false),
        waiting,
        with_run(Status::Queued, "r-0147 runs"),
        with_run(Status::Running, ""),
        with_run(Status::Paused, ""),
        with_run(Status::Paused, "provider answered 503 since 14:02"),
        with_run(Status::Interrupted, ""),
        imported,
        unreadable,
        untrusted,
        stale,
        no_sandbox,
    ]
}

/// What can be decided, and on what it rests.
fn decisions(forms: &mut Forms) {
    for decision in Decision::all() {
        let mut world = World::validated();
        let six = world.board.proposals.get_mut(&6).unwrap();
        six.decision = Some(decision);
        match decision.word() {
            "rejected" if decision.why().starts_with("screen") => {}
            "rejected" if decision.why().starts_with("confirm") => {
                six.measured = Some(measured((15.5, 15.25), (7.0, 7.0), -0.1));
            }
            "rejected" => six.measured = None,
            _ => six.measured = Some(measured((15.5, 16.0), (7.0, 7.0), 1.2)),
        }
        forms.add("decision", decided::decision(&world.board, &world.board.proposals[&6]));
        forms.offers(&world, PROMPT);
    }
}

#[test]
fn ux_40_every_form_is_known_and_needs_neither_a_colour_nor_a_picture() {
    let mut forms = Forms::default();
    for world in worlds() {
        forms.of(&world, MANIFEST);
        forms.of(&world, PROMPT);
    }
    decisions(&mut forms);
    forms.0.sort_by_key(|(form, _)| *form);
    let text: Vec<String> = forms.0.iter().map(|(form, text)| format!("{form:<9} {text}")).collect();
    insta::assert_snapshot!(text.join("\n"));
    for (form, text) in &forms.0 {
        // Letters, digits, signs of a keyboard, and those that the grammar of scores and sentences has.
        let is_text = |char: char| char.is_ascii_graphic() || " \n·…→–−×≈⏎“”".contains(char);
        assert!(text.chars().all(is_text), "{form}: {text}");
        // The names of icons in VS Code.
        assert!(!text.contains("$("), "{form}: {text}");
        assert!(text.chars().any(char::is_alphabetic), "{form}: {text}");
    }
}
