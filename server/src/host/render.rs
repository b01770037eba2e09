//! Renders a prompt as the native agent does, with sample values where a run would have real ones.

use harness_schema::harness::{Harness, TextRole};
use harness_schema::syntax::template;
use minijinja::context;
use serde_json::{Map, Value};

/// A template with sample values: `‹…›` stands where a run puts its own.
///
/// # Errors
/// minijinja's, if the template does not compile or uses an undefined name.
pub fn with_samples(harness: &Harness, source: &str) -> Result<String, minijinja::Error> {
    let tools: Vec<Value> = harness
        .tools()
        .iter()
        .map(|tool| {
            let id = format!("tool.{}.description", tool.name);
            let text = harness.texts().iter().find(|text| text.id == id);
            let description = text.and_then(|text| text.text(harness.files())).unwrap_or_default();
            serde_json::json!({"name": tool.name.as_str(), "description": description})
        })
        .collect();
    let own = harness.texts().iter().filter(|text| text.role == TextRole::Variable);
    let variables: Map<String, Value> = own
        .map(|text| (text.owner.to_string(), Value::from(text.text(harness.files()).unwrap_or_default())))
        .collect();
    let runtime = &harness.manifest().runtime.value;
    let max_steps = runtime.max_steps.value;
    // What is not set is undefined, so that no prompt says `None`.
    let max_tokens =
        runtime.max_tokens.as_ref().map_or(minijinja::Value::UNDEFINED, |tokens| tokens.value.into());
    let values = context! {
        task => context! { instruction => "‹the instruction of the task›" },
        workdir => "/app",
        tools => tools,
        runtime => context! {
            max_steps => max_steps,
            max_tokens => max_tokens,
            max_format_errors => runtime.max_format_errors.value,
            finish => runtime.finish.value,
            tool_timeout => runtime.tool_timeout.value,
            max_output_bytes => runtime.max_output_bytes.value,
            compaction => runtime.compaction.value,
            compaction_at => runtime.compaction_at.value,
        },
        state => context! { id => "‹state›" },
        step => 1,
        steps_left => max_steps,
        output => context! { text => "‹output›", exit => 0, timed_out => false, cut_bytes => 0 },
        tool => context! { name => "‹tool›" },
        ..minijinja::Value::from_serialize(variables)
    };
    // One final line break is dropped, which is Jinja's own habit.
    template::environment().render_str(source, values)
}
