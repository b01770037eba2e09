//! The texts of the native agent: templates of the harness with the values of a trial.

use harness_schema::harness::{Harness, TextRole};
use harness_schema::syntax::template;
use minijinja::value::merge_maps;
use minijinja::{Environment, Value, context};
use serde_json::{Map, json};

/// How a result is shown if the manifest does not say.
const OBSERVATION: &str = "{{ output.text }}{% if output.timed_out %}\n(timed out, exit {{ output.exit }}){% elif output.exit != 0 %}\n(exit {{ output.exit }}){% endif %}";

/// Renders texts. No task id, split or date is among its values: a run must not depend on them.
pub(super) struct Prompts {
    environment: Environment<'static>,
    /// What stays the same in a trial.
    fixed: Value,
    observation: String,
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    /// The state.
    pub(super) state: &'a str,
    /// Steps that were taken.
    pub(super) steps: u32,
    /// Steps that are left.
    pub(super) steps_left: u32,
}

/// What a call printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output<'a> {
    pub(super) tool: &'a str,
    pub(super) text: &'a str,
    pub(super) exit: i64,
    pub(super) timed_out: bool,
    pub(super) cut_bytes: u64,
}

impl Prompts {
    /// The texts of a harness for a task.
    pub(super) fn of(harness: &Harness, instruction: &str, workdir: &str, tools: &[(&str, &str)]) -> Self {
        let own = harness.texts().iter().filter(|text| text.role == TextRole::Variable);
        let variables: Map<String, serde_json::Value> = own
            .map(|text| (text.owner.to_string(), text.text(harness.files()).unwrap_or_default().into()))
            .collect();
        let tools: Vec<serde_json::Value> = tools
            .iter()
            .map(|(name, description)| json!({"name": name, "description": description}))
            .collect();
        let runtime = &harness.manifest().runtime.value;
        // What is not set is undefined, so that no prompt says `None`.
        let max_tokens = runtime.max_tokens.as_ref().map_or(Value::UNDEFINED, |tokens| tokens.value.into());
        let fixed = context! {
            task => context! { instruction => instruction },
            workdir => workdir,
            tools => tools,
            runtime => context! {
                max_steps => runtime.max_steps.value,
                max_tokens => max_tokens,
                max_format_errors => runtime.max_format_errors.value,
                finish => runtime.finish.value,
                tool_timeout => runtime.tool_timeout.value,
                max_output_bytes => runtime.max_output_bytes.value,
                compaction => runtime.compaction.value,
                compaction_at => runtime.compaction_at.value,
            },
            ..Value::from_serialize(variables)
        };
        let observation = text(harness, TextRole::Observation).unwrap_or(OBSERVATION).to_owned();
        Self { environment: template::environment(), fixed, observation }
    }

    /// A template with the values of this moment.
    ///
    /// # Errors
    /// minijinja's, in words.
    pub(super) fn render(&self, source: &str, scene: &Scene<'_>) -> Result<String, String> {
        self.rendered(source, scene, context! {})
    }

    /// What the model is shown of a result.
    ///
    /// # Errors
    /// minijinja's, in words.
    pub(super) fn observation(&self, output: &Output<'_>, scene: &Scene<'_>) -> Result<String, String> {
        let shown = context! {
            output => context! {
                text => output.text,
                exit => output.exit,
                timed_out => output.timed_out,
                cut_bytes => output.cut_bytes,
            },
            tool => context! { name => output.tool },
        };
        self.rendered(&self.observation, scene, shown).map_err(|why| format!("`prompt.observation`: {why}"))
    }

    fn rendered(&self, source: &str, scene: &Scene<'_>, more: Value) -> Result<String, String> {
        let values = context! {
            state => context! { id => scene.state },
            step => scene.steps.max(1),
            steps_left => scene.steps_left,
        };
        let values = merge_maps([values, more, self.fixed.clone()]);
        self.environment.render_str(source, values).map_err(|error| error.to_string())
    }
}

/// The text that the harness has for a role that there is one of.
pub(super) fn text(harness: &Harness, role: TextRole) -> Option<&str> {
    harness.texts().iter().find(|text| text.role == role)?.text(harness.files())
}
