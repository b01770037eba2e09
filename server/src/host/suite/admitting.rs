//! Tries a task without an agent: an untouched environment must not pass, the solution must, twice, and a failing check that
//! is added must be noticed (`security` 5, `method` 2.6).

use std::collections::BTreeSet;
use std::path::Path;

use harness_schema::digest::Digest;

use super::admission::{Admission, AdmittedTask, AnotherTask, Mark, Proof};
use super::bundle::{Bundle, BundleError, Writer};
use super::canary::{self, Canary, Style, Way};
use super::environment::{self, Bench, PrepareError, Template, begin, in_words, script, told};
use super::judging::{self, Look, NotRun, Said};
use super::plan::{Changed, StepPlan, TaskPlan};
use super::verifying::ask;
use crate::engine::reward::CheckStatus;
use crate::engine::verdict::VoidCause;
use crate::host::sandbox::snapshot::{self, TreeLimits, TreeSnapshot};
use crate::host::sandbox::spec::{Env, Mount};
use crate::host::sandbox::tree::TreeError;
use crate::host::sandbox::{Ended, Phase, SandboxError};

/// The script of a solution.
const SOLVE: &str = "solve.sh";
/// How many ways to add a failing check are tried.
const WAYS: usize = 4;

/// What is said of a task that an agent passes which does nothing.
pub const PASSES_IDLE: &str = "the untouched environment passes";
/// What is said of a task whose solution fails it.
pub const FAILS_SOLUTION: &str = "`solution/solve.sh` does not pass";

/// Why a task is not scheduled.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// Who does nothing passes.
    #[error("{place}{}, so a pass means nothing; make the verifier stricter", PASSES_IDLE)]
    NullPasses {
        /// Which step, for several.
        place: String,
    },
    /// The solution does not pass.
    #[error("{place}{}: {why}", FAILS_SOLUTION)]
    OracleFails {
        /// Which step, for several.
        place: String,
        /// What was seen.
        why: String,
    },
    /// The environment cannot be made.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The verifier cannot be run.
    #[error("the verifier cannot be run ({}): {why}", void.word())]
    NotRun {
        /// What a trial would be.
        void: VoidCause,
        /// What was seen.
        why: String,
    },
    /// The task is another one by now.
    #[error(transparent)]
    Changed(#[from] Changed),
    /// It changed while it was planned.
    #[error(transparent)]
    Another(#[from] AnotherTask),
}

impl From<NotRun> for NotAdmitted {
    fn from(error: NotRun) -> Self {
        Self::NotRun { void: error.void(), why: error.to_string() }
    }
}

impl From<TreeError> for NotAdmitted {
    fn from(error: TreeError) -> Self {
        Self::Prepare(error.into())
    }
}

impl From<SandboxError> for NotAdmitted {
    fn from(error: SandboxError) -> Self {
        Self::Prepare(error.into())
    }
}

impl From<BundleError> for NotAdmitted {
    fn from(error: BundleError) -> Self {
        Self::Prepare(error.into())
    }
}

/// Tries a task. Takes about five runs of its verifier and two of its solution for each step.
///
/// # Errors
/// [`NotAdmitted`] if its verdicts would mean nothing.
pub fn admit(plan: TaskPlan, template: Template, bench: &Bench<'_>) -> Result<AdmittedTask, NotAdmitted> {
    let mut proofs = Vec::new();
    // The tree that the step before left, if it is not the start tree.
    let mut before: Option<TreeSnapshot> = None;
    let tried = plan.steps.iter().enumerate().try_for_each(|(number, step)| {
        let place = if plan.has_steps() { format!("step `{}`: ", step.name) } else { String::new() };
        let admitting = Admitting { plan: &plan, number, step, bench, place };
        // After a step without a solution nobody knows where the next one starts.
        if 0 < number && before.is_none() {
            proofs.push(unproven());
            return Ok(());
        }
        let from = before.take();
        let tried = admitting.step(from.as_ref().unwrap_or(&template.tree));
        from.iter().for_each(environment::discard);
        let (proof, after) = tried?;
        proofs.push(proof);
        before = after;
        Ok(())
    });
    before.iter().for_each(environment::discard);
    tried.and_then(|()| {
        plan.unchanged()?;
        let admission = Admission {
            task: plan.digests.task,
            verifier: plan.digests.verifier,
            solution: plan.solution.unwrap_or(Digest::of(b"")),
            steps: proofs,
        };
        Ok(AdmittedTask::restored(plan, template, admission)?)
    })
}

fn unproven() -> Proof {
    let marks = BTreeSet::from([Mark::NoSolution, Mark::NoReport, Mark::NoCanary]);
    Proof { manifest: BTreeSet::new(), canary: None, marks }
}

struct Admitting<'a> {
    plan: &'a TaskPlan,
    number: usize,
    step: &'a StepPlan,
    bench: &'a Bench<'a>,
    place: String,
}

impl Admitting<'_> {
    /// The proof of a step, and what the solution left, for the next.
    fn step(&self, before: &TreeSnapshot) -> Result<(Proof, Option<TreeSnapshot>), NotAdmitted> {
        let tests = self.step.verifier()?;
        self.null(&tests, before)?;
        let Some(solution) = &self.step.solution else { return Ok((unproven(), None)) };
        let files = Bundle::read(solution)?;
        let (once, first) = self.solved(&tests, &files, before)?;
        environment::discard(&once);
        let (after, second) = self.solved(&tests, &files, before)?;
        let proof = self.proof(&tests, &after, &[first, second]);
        match proof {
            Ok(proof) => Ok((proof, Some(after))),
            Err(error) => {
                environment::discard(&after);
                Err(error)
            }
        }
    }

    /// The null check: nobody did anything.
    fn null(&self, tests: &Bundle, before: &TreeSnapshot) -> Result<(), NotAdmitted> {
        let tree = begin(self.plan, self.number, before, self.bench)?;
        let frozen = self
            .bench
            .archive()
            .and_then(|archive| snapshot::of_directory(&tree.path(), &archive, &TreeLimits::default()));
        tree.remove()?;
        let frozen = frozen?;
        let look = judging::look(self.plan, self.step, tests, &frozen, self.bench);
        environment::discard(&frozen);
        match look?.says(&self.plan.rewards) {
            Said::Pass => Err(NotAdmitted::NullPasses { place: self.place.clone() }),
            // What is no reward is no pass.
            Said::Fail | Said::TimedOut | Said::Nothing(_) => Ok(()),
        }
    }

    /// What the solution leaves, and what the verifier says to it.
    fn solved(
        &self,
        tests: &Bundle,
        solution: &Bundle,
        before: &TreeSnapshot,
    ) -> Result<(TreeSnapshot, Look), NotAdmitted> {
        let (tree, how) = self.solve(solution, before)?;
        let look = match judging::look(self.plan, self.step, tests, &tree, self.bench) {
            Ok(look) => look,
            Err(error) => {
                environment::discard(&tree);
                return Err(error.into());
            }
        };
        let why = match look.says(&self.plan.rewards) {
            Said::Pass => return Ok((tree, look)),
            Said::Fail => look.failed(),
            Said::TimedOut => String::from("the verifier took too long"),
            Said::Nothing(why) => why,
        };
        environment::discard(&tree);
        let how = how.map(|how| format!(" (the script {how})")).unwrap_or_default();
        Err(NotAdmitted::OracleFails { place: self.place.clone(), why: format!("{why}{how}") })
    }

    /// Runs the solution in the place of an agent; how it ended, if that was not well.
    fn solve(
        &self,
        solution: &Bundle,
        before: &TreeSnapshot,
    ) -> Result<(TreeSnapshot, Option<String>), NotAdmitted> {
        let tree = begin(self.plan, self.number, before, self.bench)?;
        let directory = tree.directory().join("solution");
        if let Err(error) = written(solution, &directory, &tree) {
            // The first failure is the one that is told.
            let _ = tree.remove();
            return Err(error.into());
        }
        let mut spec = self.plan.spec(Phase::Oracle, tree);
        spec.mounts.push(Mount::new(directory, "/solution"));
        spec.env = Env::of(self.plan.env.each().chain(self.step.solution_env.each()))?;
        let access = &self.step.agent_network.access;
        spec.network = self.bench.egress.road(access, spec.network);
        let mut sandbox = self.bench.backend.start(spec)?;
        let _road = self.bench.egress.open(access, "oracle", &mut *sandbox)?;
        let command = script(&format!("/solution/{SOLVE}")).within(self.step.agent_timeout);
        let executed = sandbox.exec(&self.plan.command(command))?;
        let how = match &executed.ended {
            Ended::Finished(0) => None,
            ended => Some(format!("{}: {}", in_words(ended), told(&executed))),
        };
        let dead = sandbox.kill()?;
        let frozen = self
            .bench
            .archive()
            .and_then(|archive| snapshot::snapshot(&dead, &archive, &TreeLimits::default()));
        dead.into_tree().remove()?;
        Ok((frozen?, how))
    }

    fn proof(&self, tests: &Bundle, after: &TreeSnapshot, looks: &[Look; 2]) -> Result<Proof, NotAdmitted> {
        let [first, second] = looks.each_ref().map(passed);
        let manifest: BTreeSet<String> = first.intersection(&second).cloned().collect();
        let mut marks = BTreeSet::new();
        if manifest.is_empty() {
            marks.insert(Mark::NoReport);
        }
        let canary = match self.canary(tests, after, !manifest.is_empty())? {
            Some((canary, look)) => {
                // The same tree was judged twice, so the same checks pass.
                if !manifest.is_subset(&passed(&look)) {
                    marks.insert(Mark::VerifierFlaky);
                }
                Some(canary)
            }
            None => {
                marks.insert(Mark::NoCanary);
                let look = judging::look(self.plan, self.step, tests, after, self.bench)?;
                if look.says(&self.plan.rewards) != Said::Pass || !manifest.is_subset(&passed(&look)) {
                    marks.insert(Mark::VerifierFlaky);
                }
                None
            }
        };
        Ok(Proof { manifest, canary, marks })
    }

    /// The first way to add failing checks that the verifier notices, and what it said; better one that its report names.
    fn canary(
        &self,
        tests: &Bundle,
        after: &TreeSnapshot,
        has_report: bool,
    ) -> Result<Option<(Canary, Look)>, NotAdmitted> {
        let mut weaker: Option<(Canary, Look)> = None;
        for way in canary::ways(tests, WAYS) {
            let Some((canary, look)) = self.noticed(tests, after, way)? else { continue };
            if canary.reported || !has_report {
                return Ok(Some((canary, look)));
            }
            weaker.get_or_insert((canary, look));
        }
        Ok(weaker)
    }

    /// What the verifier notices of failing checks that are added in one way. All styles are tried at once; if one of them is
    /// too much for it, only the plainest.
    fn noticed(
        &self,
        tests: &Bundle,
        after: &TreeSnapshot,
        way: Way,
    ) -> Result<Option<(Canary, Look)>, NotAdmitted> {
        for styles in [&Style::ALL[..], &[Style::Assert]] {
            let asked = Canary { way: way.clone(), styles: styles.to_vec(), reported: false };
            let (canaries, _, look) = ask(self.plan, self.step, tests, &asked, after, self.bench)?;
            match look.says(&self.plan.rewards) {
                Said::Fail => {}
                Said::Nothing(_) => continue,
                Said::Pass | Said::TimedOut => return Ok(None),
            }
            let is_reported = |name: &str| look.has(CheckStatus::Failed, |reported| reported.contains(name));
            let seen = canaries.each().filter(|(_, name)| is_reported(name)).map(|(style, _)| style);
            let seen: Vec<Style> = seen.collect();
            let canary = if seen.is_empty() { asked } else { Canary { way, styles: seen, reported: true } };
            return Ok(Some((canary, look)));
        }
        Ok(None)
    }
}

fn written(
    solution: &Bundle,
    directory: &Path,
    tree: &crate::host::sandbox::TrialTree,
) -> Result<(), BundleError> {
    let mut solution = solution.clone();
    solution.make_executable(SOLVE);
    solution.write(&Writer::into_new(directory, tree.owner())?)
}

/// The checks that passed.
fn passed(look: &Look) -> BTreeSet<String> {
    let checks = look.checks.iter().flatten().filter(|check| check.status == CheckStatus::Passed);
    checks.map(|check| check.name.clone()).collect()
}
