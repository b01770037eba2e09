//! What an engineer would say about each mechanism: the words by which a line about it is known, the phrases that bring it about,
//! and two sentences against it (`method` 3.8 and 4.7). A table, by the detector's id; nothing here reads a harness.

use harness_schema::detector::{self, Detector};

use super::super::cause::Cause;

/// What is said about a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrases {
    /// The detector's id.
    pub id: &'static str,
    /// Words of a line that is about it: those of which it has one at least, then ` | `, then others.
    keywords: &'static str,
    /// What a line says that brings it about, with ` / ` between.
    causing: &'static str,
    /// The stock sentence for a prompt: it asks for what would be right.
    pub sentence: &'static str,
    /// The stock sentence for a runtime rule: said when it has just happened. Empty where nothing can trigger a rule.
    pub reminder: &'static str,
}

impl Phrases {
    /// Words of a line that is about it: those of which it has one at least, and others.
    #[must_use]
    pub fn keywords(&self) -> (&'static str, &'static str) {
        self.keywords.split_once(" | ").unwrap_or((self.keywords, ""))
    }

    /// What a line says that brings it about, in lower case.
    #[must_use]
    pub fn causes(&self) -> Vec<&'static str> {
        self.causing.split(" / ").collect()
    }
}

/// What is said about the mechanism of a detector.
#[must_use]
pub fn of(detector: &Detector) -> Option<&'static Phrases> {
    PHRASES.iter().find(|phrases| phrases.id == detector.id)
}

/// The detector that stands in where failures share a cause and no mechanism is known: what usually lies behind that cause, and
/// so which surfaces it points at (limits for a full context, the task prompt for what is missing). None for causes that an edit of
/// a harness cannot be about.
#[must_use]
pub fn stand_in(cause: Cause) -> Option<&'static Detector> {
    let name = match cause {
        Cause::VerifierTampered => "touched-tests",
        Cause::LimitContext => "context-overflow",
        Cause::LimitSteps => "limit-exploring",
        Cause::LimitTokens => "context-flood",
        Cause::AgentCrash => "tool-call-parse",
        Cause::AgentTimeout => "command-timeout",
        Cause::VerifierImportError | Cause::DependencyMissing => "dependency-import",
        Cause::BuildFailed | Cause::ProgramNonzero => "stopped-on-red",
        Cause::ArtifactMissing => "artifact-never-created",
        Cause::ServiceDown => "background-service-gone",
        Cause::ArtifactMalformed => "output-format",
        Cause::ValueMismatch | Cause::CheckFailed => "requirement-dropped",
        Cause::CheckTimeout | Cause::RewardZero => "claim-without-evidence",
        Cause::VerifierTimeout | Cause::VerifierNoReport => return None,
    };
    detector::named(name)
}

/// Tools that run commands, by parts of their names.
const SHELLS: &[&str] = &["shell", "bash", "terminal", "command", "exec"];
/// Tools that show files, then those that run commands.
const READERS: &[&str] = &["read", "view", "open", "shell", "bash", "terminal", "command", "exec"];
/// Tools that change files, then those that run commands.
const WRITERS: &[&str] =
    &["write", "edit", "replace", "create", "shell", "bash", "terminal", "command", "exec"];

/// What the names of tools have in them whose calls show a mechanism, the likeliest first; none if any tool's calls may.
#[must_use]
pub fn tools(detector: &Detector) -> &'static [&'static str] {
    match detector.id {
        "M20" | "M21" | "M22" | "M27" | "M30" | "M32" | "M40" => SHELLS,
        "M28" | "M33" => READERS,
        "M34" | "M35" => WRITERS,
        _ => &[],
    }
}

const fn phrases(
    id: &'static str,
    keywords: &'static str,
    causing: &'static str,
    sentence: &'static str,
    reminder: &'static str,
) -> Phrases {
    Phrases { id, keywords, causing, sentence, reminder }
}

/// What leads to an early end.
const HASTE: &str = "be brief / be quick / as few steps / few steps as possible / as fast as / finish early / \
    finish quickly / do not overthink / minimal effort / stop as soon as / do not waste steps / save steps";
/// What leads to work that nobody checks.
const UNCHECKED: &str = "do not verify / do not check / do not test / do not run the tests / no need to check / \
    no need to verify / no need to test / without checking / without testing / checking is not needed / assume \
    it works";
/// What leads to the same again.
const PERSISTENCE: &str = "keep trying / try again until / retry until / never give up / do not give up / try \
    the same / repeat until / may fail by chance / run it again until";
/// What leads to looking and no doing.
const EXPLORING: &str = "read every file / read all files / read everything / explore everything / explore the \
    whole / understand everything / take your time to explore / look at everything";

/// All of them, by id.
pub const PHRASES: &[Phrases] = &[
    phrases(
        "M01",
        "same again repeat retry another different twice | command call fail way error",
        PERSISTENCE,
        "When a command fails, read why and take another way; do not run the same command again unchanged.",
        "This command has failed in the same way several times. Do not run it again: read its output, say what \
            it means, and take another way.",
    ),
    phrases(
        "M02",
        "same twice again repeat | call command row already result different",
        PERSISTENCE,
        "Do not make the same call twice in a row: its result is already above. Use it, or try something different.",
        "You have made this very call several times in a row, and its result does not change. Use what it said, \
            or do something different.",
    ),
    phrases(
        "M03",
        "loop cycle circle repeat alternate forth | again back plan different",
        PERSISTENCE,
        "If you notice that you repeat the same few commands, stop, write down what you know, and make a different plan.",
        "You are going round in a circle of the same few commands. Stop, say in two sentences what you know, and \
            follow a different plan.",
    ),
    phrases(
        "M04",
        "fail cause hypothesis | test check same error message again fix different",
        PERSISTENCE,
        "When a check fails twice with the same message, look for the cause before you change anything again: \
            print the values that it compares.",
        "The same check has failed with the same message again and again. Change nothing yet: find out where the \
            wrong value comes from, then fix that.",
    ),
    phrases(
        "M05",
        "rewrite revert edit version | file change again back whole diff decide",
        PERSISTENCE,
        "Before you write a file again, compare it with what the task asks for and decide what is wrong; do not \
            go back and forth between versions.",
        "You have rewritten this file several times. Read it once more, decide what exactly is wrong with it, \
            and make that one change.",
    ),
    phrases(
        "M06",
        "write create produce save | file result output path task name",
        "only answer / answer in text / do not write files / do not create files / do not change any / explain \
            only / describe the solution",
        "The result is the files that the task names, not your answer: write them before you finish.",
        "Nothing has been written yet, and the task asks for files. Write each of them at the path that the task \
            names before you end.",
    ),
    phrases(
        "M07",
        "write create deliver | file path task name exact result output every exist",
        "only answer / answer in text / do not write files / do not create files / explain only / describe the solution",
        "Write every file that the task names at exactly the path that it names, and list them with `ls -l` \
            before you finish.",
        "A file that the task names was never made. Create it at exactly that path, and list it with `ls -l` \
            before you end.",
    ),
    phrases(
        "M08",
        "path place location directory copy nowhere | exact task name write file",
        "in a copy / in a temporary directory / in a scratch directory / in your own directory / below /tmp / in /tmp",
        "Results go to exactly the paths that the task names, and nowhere else.",
        "A file of the task lies in another directory than the task says. Put it at exactly the path that the \
            task names.",
    ),
    phrases(
        "M09",
        "early first draft | write version file result improve half steps",
        EXPLORING,
        "Write a first version of every file that the task names early, then improve it: a rough result is \
            better than none.",
        "",
    ),
    phrases(
        "M10",
        "overwrite remove delete clean cleanup move lose | keep result file restore",
        "clean up everything / remove all files / delete all files / remove temporary files / clean up after",
        "Once a file that the task asks for is right, do not empty, move or delete it; clean up only what you \
            made beside it.",
        "A file that the task asks for was written and is gone or empty now. Write it again, and leave it there.",
    ),
    phrases(
        "M11",
        "verify check test run confirm compare | last change after before finish result edit",
        UNCHECKED,
        "After your last change, check the result against each point of the task before you finish, and mend \
            what is wrong.",
        "Nothing was checked since your last change. Check the result before you end: run it or read it back, and \
            compare it with each point of the task.",
    ),
    phrases(
        "M12",
        "verify check test run confirm compare | read back before finish result correct",
        UNCHECKED,
        "Before you finish, check what you made: run it, or read it back, and compare it with each point of the task.",
        "What you made was never checked. Check it before you end: run it or read it back, and compare it with \
            each point of the task.",
    ),
    phrases(
        "M13",
        "fail pass red green | test check finish error until before stop",
        "even if tests fail / even if it fails / ignore failing / failing tests are fine / stop after the first",
        "Do not finish while a check fails: mend the cause, and run the check again until it passes.",
        "The last check failed, and you are about to end. Mend what it complains about, and run it again first.",
    ),
    phrases(
        "M14",
        "error exit fail ignore output | code command read message next before",
        "ignore errors / ignore warnings / do not worry about errors / errors are normal / move on / || true",
        "Read the output and the exit code of every command; when it failed, deal with that before you do anything else.",
        "A command failed, and you went on as if it had not. Look at its message, and deal with it before the next step.",
    ),
    phrases(
        "M15",
        "error fail succeed | last command finish end before fix exit",
        "even if it fails / ignore errors / do not worry about errors / stop after the first",
        "Do not end on an error: your last command before you finish must have succeeded.",
        "Your last command failed. Find out whether the result is affected, and mend it before you end.",
    ),
    phrases(
        "M16",
        "early complete requirement point | finish check done every before stop steps",
        HASTE,
        "You have time: before you finish, go through the task point by point and check that each is done.",
        "Most of your steps are left. Before you end, go through the task point by point, and check each against \
            what is really there.",
    ),
    phrases(
        "M17",
        "claim evidence prove success works | done say verify check test output show before",
        "say that it is done / report success / confirm that it is done / announce success / assume it works",
        "Say that something works only after a command has shown it: check the result first, and quote what you saw.",
        "You say that it works, but no check since your last change shows it. Check the result now, and end only \
            if it is right.",
    ),
    phrases(
        "M18",
        "explore limit enough | steps left read write stop start act look",
        EXPLORING,
        "Look only for as long as you need to act: once a third of your steps is used, write what you have and \
            improve it.",
        "",
    ),
    phrases(
        "M19",
        "early start begin first | write steps half version plan explore",
        EXPLORING,
        "Begin to write in the first third of your steps; a first version shows what is still unknown.",
        "",
    ),
    phrases(
        "M20",
        "timeout long background slow kill | time command limit seconds run",
        "run everything at once / run the whole / run the full test / wait until it finishes / wait as long",
        "A command that takes long is killed: run it in the background with its output in a file, or on a \
            smaller part, and look at it later.",
        "That command ran out of time. Run it in the background with its output in a file, or on a smaller part; \
            do not run it again as it was.",
    ),
    phrases(
        "M21",
        "server foreground background interactive editor pager nohup repl | block start command",
        "in the foreground / open an editor / use vim / use nano / use less / interactive shell / start a repl",
        "Never start a server, an editor, a pager or a REPL in the foreground: use `nohup … > log 2>&1 &`, or \
            give the program its input on the command line.",
        "That program does not end by itself, so the call was blocked. Start it in the background (`nohup … > \
            log 2>&1 &`), then look at its log.",
    ),
    phrases(
        "M22",
        "service server background nohup setsid port listen | running start survive keep",
        "stop the server / kill the server / stop all services / kill all processes / clean up processes",
        "Start a service that must go on running with `setsid nohup … > log 2>&1 &`, do not stop it, and check \
            its port before you finish.",
        "",
    ),
    phrases(
        "M23",
        "argument json parameter schema escape | call tool valid object required format",
        "write the command in plain text / answer in xml / put the command in a code block / arguments as text",
        "The arguments of a call are one valid JSON object with exactly the parameters of the tool; escape \
            quotes and line breaks in strings.",
        "The arguments of that call were no valid JSON object for the tool. Make the call again with exactly its \
            parameters; escape quotes and line breaks.",
    ),
    phrases(
        "M24",
        "offered available exist unknown | tool name call only list",
        "use any tool / any tool you know / use whatever tool",
        "Call only the tools that you are offered, by exactly their names; everything else is done with a command.",
        "There is no tool of that name. Call one of the tools that you are offered, by exactly its name.",
    ),
    phrases(
        "M25",
        "call action act | tool turn every answer text think command each step",
        "think aloud / explain your reasoning first / answer in prose / discuss the plan / explain before you act",
        "Every answer holds one call of a tool until the task is done; do not announce what you will do, do it.",
        "You have answered several times without doing anything. Make a call now that brings the task forward.",
    ),
    phrases(
        "M26",
        "context window history compact summary tokens | output long limit full",
        "print the whole / show everything / cat the whole / read every file / read all files",
        "Keep the conversation small: send long output to a file, and look at the part that you need with \
            `head`, `tail` or `grep`.",
        "The context is nearly full. From now on send output to a file and look at small parts only; write what \
            you have to the paths that the task names.",
    ),
    phrases(
        "M27",
        "large long grep head tail bytes | output limit lines whole print",
        "print the whole / show everything / cat the whole / dump the / full output / verbose",
        "Do not print large files or long logs: look at a part with `head`, `tail`, `sed -n` or `grep`, and \
            count before you print.",
        "That output was very large. Look at a part only: `head`, `tail`, `sed -n` or `grep`.",
    ),
    phrases(
        "M28",
        "truncated cut range rest | lines read output part head tail whole",
        "first lines are enough / the beginning is enough / do not read on / read only the first",
        "When output was cut, read the missing part by range (`sed -n '200,400p' file`) before you rely on it.",
        "What you read was cut in the middle. Read the missing part by range before you rely on it.",
    ),
    phrases(
        "M29",
        "package install pip apt dependency offline | network standard library available missing",
        "install whatever / install the package / pip install / apt install / apt-get install / install what you need",
        "Do not rely on installing packages: find out what is there already (`python3 -c 'import x'`, `command \
            -v x`), and use that.",
        "That package cannot be installed here. Do not try again: find out what is there already, and solve it \
            with that.",
    ),
    phrases(
        "M30",
        "installed missing available found | command program exist instead check use",
        "use jq / use rg / use ripgrep / use fd / use tmux / use your favorite / install whatever",
        "A program may be missing: ask with `command -v` before you build on it, and replace what is not there \
            (for instance by a few lines of Python).",
        "A program that you called does not exist here and was never replaced. Do that part another way before you end.",
    ),
    phrases(
        "M31",
        "module import dependency library | installed missing package python environment standard",
        "use any library / use pandas / use numpy / use requests / install whatever",
        "The result must run where it is checked: import only modules that are installed there, and run it once \
            in a fresh shell.",
        "A module could not be imported when you last checked. Use one that is installed, or do without, and \
            check again before you end.",
    ),
    phrases(
        "M32",
        "cd export variable session activate | shell directory new each command environment",
        "the shell keeps / state is kept / cd once / activate the environment first / one lasting shell",
        "Do not count on `cd`, `export` or `activate` of an earlier call: chain what belongs together in one \
            call (`cd dir && …`), or use absolute paths.",
        "What you set in an earlier call (`cd`, `export`, `activate`) is gone. Repeat it in the same call as the \
            command that needs it.",
    ),
    phrases(
        "M33",
        "guess list find ls exist | path file look directory before open",
        "assume the file / assume that the file / guess the path / assume the usual layout / you know the layout",
        "Do not guess paths: list the directory (`ls`, `find`) before you open a file in it.",
        "Several paths that you tried do not exist. List the directory first, and use the paths that are really there.",
    ),
    phrases(
        "M34",
        "read look overwrite existing | before change file write whole replace",
        "write files whole / rewrite the file / replace the whole file / write the file from scratch / always \
            write the whole",
        "Read a file before you change it, and keep what the task does not ask you to change.",
        "You have overwritten a file that you never read. Find out what was in it (`git show`, a copy), and keep \
            what the task needs.",
    ),
    phrases(
        "M35",
        "outside inside workspace scope elsewhere | directory write only system path",
        "anywhere / wherever you like / change the system / edit system files / you may change everything",
        "Write only inside the task's directory, unless the task names another path.",
        "You have written outside of the task's directory. Undo that unless the task names the path, and put \
            results where the task says.",
    ),
    phrases(
        "M36",
        "test verifier | change modify edit untouched code fix leave",
        "change the tests / edit the tests / fix the tests / adapt the tests / update the tests / make the tests \
            pass by any means",
        "Do not change tests or whatever checks the result: mend what they check.",
        "You have changed a test. Take that back, and mend the code that it checks instead.",
    ),
    phrases(
        "M37",
        "format newline json order column header parser | exact output case blank match valid",
        "format does not matter / in any format / format as you like / pretty print / add comments to the output",
        "Write results in exactly the format that the task describes (names, order, case, last line end), and \
            read the file back with a parser before you finish.",
        "",
    ),
    phrases(
        "M38",
        "requirement point every list literal | task each instruction name check complete",
        "the main point / the most important / most important part / ignore details / focus on the essential / \
            skip details",
        "Write down every name, number and path of the task at the start, and check off each of them before you finish.",
        "Something that the task names was never touched. Go through the task once more, and do what is missing \
            before you end.",
    ),
    phrases(
        "M39",
        "retry network connection download fetch | again wait offline attempt sleep",
        PERSISTENCE,
        "If the network fails twice, do not retry: work with what is on the machine, and say what could not be fetched.",
        "The network has failed several times in a row. Stop retrying, and solve the task with what is on the machine.",
    ),
    phrases(
        "M40",
        "interactive noninteractive confirm password stdin | prompt answer yes input flag wait",
        "ask before you / confirm each / interactive mode / use interactive",
        "Give programs every answer beforehand: `-y`, `--no-input`, `DEBIAN_FRONTEND=noninteractive` or input \
            from a pipe; nobody sits at the keyboard.",
        "The program asks and waits for an answer. Stop it, and start it again with a flag that answers (`-y`, \
            `--no-input`) or with its input from a pipe.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use harness_schema::detector::{DETECTORS, On};
    use harness_schema::surface::{Role, approx_tokens};

    #[test]
    fn every_detector_has_its_phrases() {
        assert_eq!(PHRASES.len(), DETECTORS.len());
        for (phrases, detector) in PHRASES.iter().zip(DETECTORS) {
            assert_eq!(phrases.id, detector.id);
            let (essential, others) = phrases.keywords();
            assert!(!essential.is_empty() && !others.is_empty(), "{}", phrases.id);
            let causes = phrases.causes();
            assert!(
                causes.iter().all(|cause| 2 < cause.len() && *cause == cause.to_lowercase()),
                "{causes:?}"
            );
            assert_eq!(phrases.reminder.is_empty(), detector.on == On::End, "{}", phrases.id);
        }
    }

    #[test]
    fn what_points_at_tools_points_at_some_or_at_any() {
        for detector in DETECTORS.iter().filter(|detector| detector.at.contains(&Role::Tool)) {
            let is_any = matches!(detector.name, "tool-call-parse" | "unknown-tool");
            assert_eq!(tools(detector).is_empty(), is_any, "{}", detector.name);
        }
    }

    #[test]
    fn sentences_fit_every_surface() {
        for sentence in PHRASES.iter().flat_map(|phrases| [phrases.sentence, phrases.reminder]) {
            // They stand in templates and in Python, YAML and TOML texts, and a proposal adds at most 120 tokens.
            assert!(!sentence.contains(['{', '}', '"', '\n', '\\', '%', '#']), "{sentence}");
            assert!(approx_tokens(sentence) <= 60, "{sentence}");
            assert!(sentence.is_empty() || sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn a_limit_stands_in_for_a_limit_and_a_prompt_for_the_rest() {
        let first = |cause| stand_in(cause).and_then(|detector| detector.at.first()).copied();
        assert_eq!(first(Cause::LimitContext), Some(Role::Limit));
        assert_eq!(first(Cause::AgentTimeout), Some(Role::Limit));
        assert_eq!(first(Cause::ArtifactMissing), Some(Role::Task));
        assert_eq!(first(Cause::VerifierNoReport), None);
        let named = Cause::ALL.into_iter().filter(|cause| stand_in(*cause).is_some()).count();
        assert_eq!(named, Cause::ALL.len() - 2);
    }
}
