//! Harbor, really installed, with an environment of bubblewrap that is given by an import path: agents of one's own, our native agent,
//! Terminus-2 and mini-swe-agent through Harbor's own, and what becomes of jobs that are killed, slow, broken or stale.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self_harness::host::record::TrialRecord;

use crate::installed::toolchain;
use crate::lab::{Lab, kill, processes};
use crate::persona::{Part, REMEDY, persona};
use crate::python::improved;

/// The gate and the budget of a run that is over soon.
const SHORT: &str = "[improve]\ngate = \"exact\"\nproposals = 2\nrounds = 1\n\n[improve.repeats]\nbaseline = 2\nscreen = 1\n\n\
                     [budget]\nmax_trials = 400\nmax_parallel = 2\n";

/// Harbor's keys of an agent of our own, whose prompt is a file.
const OWN: &str = "agent = \"writer_agent:WriterAgent\"\nfiles = [\"writer_agent.py\", \"bwrap_env.py\"]\n\
                   kwargs = { prompt = \"{harness_dir}/writer.md\" }\n\n\
                   [[surface]]\nid = \"system\"\nfile = \"writer.md\"\nselect = [\"file\"]\nkind = \"prompt\"\n";

/// How the agent of our own is played.
const PART: Part<'_> =
    Part { tool: "shell", end: None, surface: "system", added: "Read back what you wrote before you end.\n" };

/// A project whose agent is one of Harbor's; `agent` are its keys, and what follows them.
fn lab(name: &str, persona: &str, tasks: usize, agent: &str) -> Option<Lab> {
    let harbor = toolchain("harbor")?;
    let mut lab = Lab::new(name, persona, tasks);
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    let program = format!("[harbor]\nprogram = \"{}\"\n", harbor.join("bin/harbor").display());
    fs::write(config.join("self-harness/config.toml"), program).unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real/harbor");
    for entry in fs::read_dir(own).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        lab.write(&entry.file_name().to_string_lossy(), &fs::read_to_string(entry.path()).unwrap());
    }
    lab.write("writer.md", "You write numbers.\n");
    write_manifest(&lab, tasks, agent);
    Some(lab)
}

fn write_manifest(lab: &Lab, tasks: usize, agent: &str) {
    let ids = |wanted: usize| {
        let ids = (0..tasks).filter(|number| number % 2 == wanted);
        ids.map(|number| format!("\"t-{number:02}\"")).collect::<Vec<_>>().join(", ")
    };
    let (held_in, held_out, endpoint) = (ids(0), ids(1), lab.endpoint());
    lab.write(
        "harness.toml",
        &format!(
            "schema = 1\nname = \"lab\"\n\n[model]\nendpoint = \"{endpoint}\"\nname = \"writer-1\"\nseed = 3\n\
             context_window = 32768\n\n[tasks]\nheld_in = [{held_in}]\nheld_out = [{held_out}]\n\n{SHORT}\n\
             [agent]\nkind = \"harbor\"\nversion = \"0.24.0\"\ntimeout = \"2m\"\n\
             environment = \"bwrap_env:BwrapEnvironment\"\n{agent}"
        ),
    );
}

/// The trials of the newest run, by task.
fn trials(lab: &Lab) -> BTreeMap<String, Vec<TrialRecord>> {
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    let mut trials: BTreeMap<String, Vec<TrialRecord>> = BTreeMap::new();
    for trial in store.trials(run.number).unwrap() {
        trials.entry(trial.task.clone()).or_default().push(trial);
    }
    trials
}

/// The directory of what Harbor runs for a project.
fn workshop(lab: &Lab) -> PathBuf {
    let all = fs::read_dir(lab.state().join("self-harness/harbor")).unwrap();
    all.flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap()
}

/// The processes of Harbor that run jobs of a project.
fn harbors(lab: &Lab) -> Vec<u32> {
    let state = lab.state().display().to_string();
    let is_own = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(&state) && line.contains("run\0-y")
    };
    processes().filter(is_own).collect()
}

#[test]
fn an_agent_of_ones_own_improves_in_harbor() {
    let Some(lab) = lab("harbor-own", &persona(&PART), 4, OWN) else { return };
    assert_eq!(lab.ok(&["check"]).lines().last().map(|line| line.contains("error")), Some(false));
    let with = improved(&lab, "writer.md");
    assert_eq!(with, "You write numbers.\nRead back what you wrote before you end.\n");
    // Each harness lies where its digest says, and nobody has changed it.
    let candidates: Vec<PathBuf> = fs::read_dir(workshop(&lab).join("candidates"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let texts: Vec<String> =
        candidates.iter().map(|path| fs::read_to_string(path.join("writer.md")).unwrap()).collect();
    assert!(texts.contains(&with) && texts.contains(&String::from("You write numbers.\n")), "{texts:?}");
    // Tokens are those that Harbor was told by the agent.
    let all = trials(&lab);
    assert!(
        all.values().flatten().filter(|trial| trial.verdict != "void").all(|trial| 0 < trial.input_tokens)
    );
    // The harness of before is still measured as it was: the file was changed, its path is another one.
    lab.write("writer.md", &with);
    lab.ok(&["evaluate", "--yes", "--repeats", "1"]);
    assert_eq!(lab.verdicts().values().filter(|verdict| *verdict == "pass").count(), 4);
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("cat /app/answer.txt") && trace.contains("(exit 0)"), "{trace}");
    assert_eq!(harbors(&lab), Vec::<u32>::new());
}

#[test]
fn what_goes_wrong_in_harbor_has_its_verdict() {
    let agent = "agent = \"trouble_agent:TroubleAgent\"\nfiles = [\"trouble_agent.py\", \"bwrap_env.py\"]\n\
                 kwargs = { prompt = \"{harness_dir}/writer.md\" }\n\n\
                 [[surface]]\nid = \"system\"\nfile = \"writer.md\"\nselect = [\"file\"]\nkind = \"prompt\"\n";
    let Some(lab) = lab("harbor-trouble", &persona(&PART), 6, agent) else { return };
    let limits = |agent: &str, verifier: &str| {
        format!(
            "schema_version = \"1.4\"\n[environment]\nnetwork_mode = \"no-network\"\n[agent]\ntimeout_sec = {agent}\n[verifier]\ntimeout_sec = {verifier}\n"
        )
    };
    let say = |task: &str, what: &str| {
        lab.write(&format!("tasks/{task}/instruction.md"), &format!("Trouble: {what}.\n"));
    };
    // It writes the right number, and then does not end.
    say("t-00", "right then slow 40");
    lab.write("tasks/t-00/task.toml", &limits("2.0", "60.0"));
    say("t-01", "wrong then slow");
    lab.write("tasks/t-01/task.toml", &limits("2.0", "60.0"));
    // What it leaves keeps the verifier busy, which the solution does not.
    say("t-02", "a trap");
    lab.write("tasks/t-02/task.toml", &limits("60.0", "3.0"));
    say("t-03", "an exception");
    say("t-04", "no reward");
    say("t-05", "a failing provider");
    for (task, wanted) in [("t-00", 40), ("t-01", 41), ("t-02", 42), ("t-03", 43), ("t-04", 44), ("t-05", 45)]
    {
        lab.write(
            &format!("tasks/{task}/tests/test.sh"),
            &format!(
                "#!/bin/bash\n[ -e trap ] && sleep 60\n[ -e silent ] && exit 0\n[ \"$(cat answer.txt 2> /dev/null)\" = {wanted} ] && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt\n"
            ),
        );
    }
    // What is void is tried again after a while, which is not waited for.
    let mut evaluate = lab.command(&["evaluate", "--yes", "--repeats", "1"]).spawn().unwrap();
    lab.until("every task was tried", |lab| lab.has_run() && trials(lab).len() == 6);
    let all = trials(&lab);
    lab.ok(&["status", "--cancel"]);
    lab.ok(&["status", "--cancel"]);
    evaluate.wait().unwrap();
    let of = |task: &str| {
        let trial = all.get(task).and_then(|trials| trials.first());
        let trial = trial.unwrap_or_else(|| panic!("{task}: {all:?}\n{}", lab.worker_log()));
        (trial.verdict.as_str(), trial.cause.as_deref(), trial.end.as_str(), trial.detail.clone())
    };
    let (verdict, cause, end, _) = of("t-00");
    assert_eq!((verdict, cause, end), ("pass", None, "time"));
    assert!(all["t-00"][0].flags.contains(&String::from("timed-out")), "{:?}", all["t-00"]);
    let (verdict, cause, end, _) = of("t-01");
    assert_eq!((verdict, cause, end), ("fail", None, "time"));
    let (verdict, cause, _, detail) = of("t-02");
    assert_eq!((verdict, cause), ("fail", None), "{detail}");
    assert!(all["t-02"][0].flags.contains(&String::from("verifier-timeout")), "{:?}", all["t-02"]);
    let (verdict, cause, _, detail) = of("t-03");
    assert_eq!((verdict, cause), ("void", Some("adapter")), "{detail}");
    assert!(detail.contains("ValueError: what it says"), "{detail}");
    assert_eq!(of("t-04").1, Some("verifier-crash"));
    let (verdict, cause, _, detail) = of("t-05");
    assert_eq!((verdict, cause), ("void", Some("provider")), "{detail}");
}

#[test]
fn a_job_that_is_killed_goes_on_and_one_that_is_finished_is_not_run_again() {
    let agent = "agent = \"trouble_agent:TroubleAgent\"\nfiles = [\"trouble_agent.py\", \"bwrap_env.py\"]\n\
                 kwargs = { prompt = \"{harness_dir}/writer.md\", begun = \"BEGUN\" }\n\n\
                 [[surface]]\nid = \"system\"\nfile = \"writer.md\"\nselect = [\"file\"]\nkind = \"prompt\"\n";
    let Some(lab) = lab("harbor-kill", &persona(&PART), 2, agent) else { return };
    let begun = lab.state().with_file_name("begun");
    fs::create_dir_all(&begun).unwrap();
    write_manifest(&lab, 2, &agent.replace("BEGUN", &begun.display().to_string()));
    // One is over soon; the other waits as long as nobody has killed it once.
    lab.write("tasks/t-00/instruction.md", "Trouble: quick 40.\n");
    lab.write("tasks/t-01/instruction.md", "Trouble: waits once 41.\n");
    let count = |what: &str| {
        let all = fs::read_dir(&begun).unwrap().flatten();
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with(what)).count()
    };
    let mut evaluate = lab.command(&["evaluate", "--yes", "--repeats", "1"]).spawn().unwrap();
    lab.until("both agents work", |_| count("quick") == 1 && count("waits") == 1);
    let job = |wanted: &str| {
        let jobs = fs::read_dir(workshop(&lab).join("jobs")).unwrap().flatten().map(|entry| entry.path());
        jobs.filter(|path| path.is_dir()).find(|path| {
            fs::read_dir(path).unwrap().flatten().any(|entry| {
                entry.file_name().to_string_lossy().starts_with(wanted)
                    && entry.path().join("result.json").exists()
            })
        })
    };
    lab.until("the quick one is judged", |_| job("t-00").is_some());
    kill(lab.worker().unwrap());
    evaluate.kill().unwrap();
    evaluate.wait().unwrap();
    // Nobody pays for an agent that nobody watches.
    lab.until("Harbor has ended", |lab| harbors(lab).is_empty());
    let printed = lab.ok(&["status", "--resume", "--yes"]);
    lab.until("the run is over", |lab| lab.worker().is_none() && lab.verdicts().len() == 2);
    assert!(lab.verdicts().values().all(|verdict| verdict == "pass"), "{printed} {:?}", trials(&lab));
    assert_eq!((count("quick"), count("waits")), (1, 2), "only what was not finished was run again");
}

#[test]
fn a_cancelled_run_leaves_no_process_and_no_job() {
    let agent = "agent = \"trouble_agent:TroubleAgent\"\nfiles = [\"trouble_agent.py\", \"bwrap_env.py\"]\n\
                 kwargs = { prompt = \"{harness_dir}/writer.md\" }\n\n\
                 [[surface]]\nid = \"system\"\nfile = \"writer.md\"\nselect = [\"file\"]\nkind = \"prompt\"\n";
    let Some(lab) = lab("harbor-cancel", &persona(&PART), 2, agent) else { return };
    for task in ["t-00", "t-01"] {
        lab.write(&format!("tasks/{task}/instruction.md"), "Trouble: wrong then slow.\n");
    }
    let mut evaluate = lab.command(&["evaluate", "--yes", "--repeats", "1"]).spawn().unwrap();
    let jobs = || {
        let all = fs::read_dir(workshop(&lab).join("jobs")).unwrap().flatten();
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with("r-")).count()
    };
    lab.until("a trial runs", |lab| {
        lab.has_run() && lab.state().join("self-harness/harbor").exists() && 0 < jobs()
    });
    std::thread::sleep(Duration::from_secs(3));
    // The second time says that nobody waits for what runs.
    lab.ok(&["status", "--cancel"]);
    lab.ok(&["status", "--cancel"]);
    lab.until("the run is over", |lab| lab.worker().is_none());
    evaluate.wait().unwrap();
    assert_eq!((harbors(&lab), jobs()), (Vec::new(), 0));
    assert!(trials(&lab).is_empty(), "{:?}", trials(&lab));
}

#[test]
fn our_native_agent_improves_in_harbor() {
    let native = "agent = \"self-harness\"\nfiles = [\"bwrap_env.py\"]\n\n[prompt]\nsystem = \"writer.md\"\n\n\
                  [[tool]]\nname = \"shell\"\nbuiltin = \"shell\"\ndescription = \"Runs a command.\"\n\n[runtime]\nmax_steps = 8\n";
    let part = Part { surface: "prompt.system", ..PART };
    let Some(lab) = lab("harbor-native", &persona(&part), 4, native) else { return };
    let with = improved(&lab, "writer.md");
    assert_eq!(with, "You write numbers.\nRead back what you wrote before you end.\n");
    lab.write("writer.md", &with);
    lab.ok(&["evaluate", "--yes", "--repeats", "1"]);
    assert_eq!(lab.verdicts().values().filter(|verdict| *verdict == "pass").count(), 4);
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("cat /app/answer.txt") && trace.contains("(exit 0)"), "{trace}");
    let all = trials(&lab);
    assert!(all.values().flatten().all(|trial| trial.end == "finished" && 0 < trial.input_tokens), "{all:?}");
}

#[test]
fn mini_swe_agent_improves_through_harbors_own_agent() {
    let Some(mini) = toolchain("mini-swe-agent") else { return };
    let agent = format!(
        "agent = \"mini-swe-agent\"\nfiles = [\"bwrap_env.py\"]\nkwargs = {{ config_file = \"{{harness_dir}}/mini.yaml\" }}\n\
         environment_kwargs = {{ preinstalled = \"{}\" }}\n\
         env = {{ LITELLM_LOCAL_MODEL_COST_MAP = \"True\", MSWEA_SILENT_STARTUP = \"1\" }}\n\n[[surface]]\nid = \"system\"\nfile = \"mini.yaml\"\n\
         select = [\"yaml\", \"agent\", \"system_template\"]\nkind = \"prompt\"\nmax_tokens = 400\n",
        mini.display()
    );
    let part = Part {
        tool: "bash",
        end: Some("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
        surface: "system",
        added: "Read back what you wrote before you end.\n",
    };
    let Some(lab) = lab("harbor-mini", &persona(&part), 4, &agent) else { return };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/examples/mini-swe-agent/mini.yaml");
    let before = fs::read_to_string(example).unwrap();
    lab.write("mini.yaml", &before);
    let with = improved(&lab, "mini.yaml");
    let line = with.lines().find(|line| line.contains(REMEDY)).unwrap();
    assert_eq!(with.replace(&format!("{line}\n"), ""), before);
}

/// A model that works in a terminal by JSON, as Terminus-2 wants it, and mostly writes a wrong number.
const AT_A_TERMINAL: &str = r#"
name = "terminal"

[[rule]]
when = { step = 0 }
reply = { text = '{"analysis": "A desk.", "plan": "I look.", "commands": [{"keystrokes": "ls -la\n", "duration": 0.1}]}', usage = { input = 100, output = 10 } }

[[rule]]
when = { step = 1, any = "the number (?P<number>[0-9]+)", coin = { heads = 0.2, name = "skill", per = "conversation" } }
reply = { text = '{"analysis": "A note.", "plan": "I write.", "commands": [{"keystrokes": "echo ${number} > /app/answer.txt\n", "duration": 0.2}]}', usage = { input = 150, output = 20 } }

[[rule]]
when = { step = 1 }
reply = { text = '{"analysis": "A note.", "plan": "I write.", "commands": [{"keystrokes": "echo 7 > /app/answer.txt\n", "duration": 0.2}]}', usage = { input = 150, output = 20 } }

[[rule]]
reply = { text = '{"analysis": "It is written.", "plan": "I end.", "commands": [], "task_complete": true}', usage = { input = 200, output = 5 } }
"#;

#[test]
fn terminus_2_is_evaluated_and_mined() {
    let agent = "agent = \"terminus:Terminus\"\nfiles = [\"terminus.py\", \"bwrap_env.py\"]\n\n[agent.kwargs]\n\
                 api_base = \"{model_endpoint}\"\nrecord_terminal_session = false\nmax_turns = 8\n\
                 model_info = { max_input_tokens = 32768, max_output_tokens = 4096, input_cost_per_token = 0.0, output_cost_per_token = 0.0 }\n\n\
                 [[surface]]\nid = \"prompt\"\nfile = \"terminus.txt\"\nselect = [\"file\"]\nkind = \"prompt\"\n\
                 template = \"str.format\"\nrequires = [\"{instruction}\", \"{terminal_state}\"]\n";
    let Some(lab) = lab("harbor-terminus", AT_A_TERMINAL, 4, agent) else { return };
    lab.ok(&["evaluate", "--yes", "--repeats", "2"]);
    let verdicts = lab.verdicts();
    assert_eq!(verdicts.len(), 8, "{:?}", trials(&lab));
    assert!(verdicts.values().any(|verdict| verdict == "fail"), "{verdicts:?}");
    let mined = lab.ok(&["mine"]);
    assert!(mined.contains(" fail"), "{mined}");
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("/app/answer.txt"), "{trace}");
}
