//! Compose files of a task: what they may not ask of this machine is said by name and line; their services are not started.

use harness_schema::syntax::Document;
use harness_schema::syntax::data::{Entry, Kind, Value};
use serde_json::json;

use super::Planning;
use crate::host::sandbox::container::forbidden;
use crate::host::suite::plan::TaskRefused;

/// Files that describe several containers.
const COMPOSE: &[&str] = &["docker-compose.yaml", "docker-compose.yml", "compose.yaml", "compose.yml"];

impl Planning<'_> {
    /// A task with a compose file is not run here; what would open a container is named first.
    ///
    /// # Errors
    /// The first line that is refused.
    pub(super) fn check_compose(&self) -> Result<(), TaskRefused> {
        for name in COMPOSE {
            let file = self.below(&self.task.environment, name);
            if !self.harness.files().is_file(&file) {
                continue;
            }
            if let Some((line, reason)) = self.harness.document(&file).and_then(|document| demanded(document))
            {
                let remedy = "no container is given that: take it out of the task";
                return Err(TaskRefused::new(file, line, reason).with_remedy(remedy));
            }
            let reason = match self.images {
                Some(_) => "the services of a compose file are not started",
                None => "several services need a container",
            };
            return Err(TaskRefused::new(file, 1, reason));
        }
        Ok(())
    }
}

/// The first line of a compose file that asks for something of this machine, and for what.
fn demanded(document: &Document) -> Option<(usize, String)> {
    let services = document.data()?.root.get("services")?.as_table()?;
    let entries = services.entries.iter().filter_map(|service| service.value.as_table());
    let mut found: Vec<(usize, String)> = entries
        .flat_map(|service| &service.entries)
        .flat_map(|entry| {
            let line = document.text().line_of(entry.span().range().start) + 1;
            refused(entry).into_iter().map(move |reason| (line, reason))
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

/// What is refused in one entry of a service.
fn refused(entry: &Entry) -> Vec<String> {
    forbidden::service(&json!({ entry.key.name.as_str(): plain(&entry.value) }))
}

/// A value without its spans; what an alias stands for is not known, and so is nothing that may be allowed.
fn plain(value: &Value) -> serde_json::Value {
    match &value.kind {
        Kind::Table(table) => {
            let entries = table.entries.iter().map(|it| (it.key.name.to_string(), plain(&it.value)));
            serde_json::Value::Object(entries.collect())
        }
        Kind::List(list) => list.items.iter().map(plain).collect(),
        Kind::Text(text) => json!(text.value.as_str()),
        Kind::Integer(number) => json!(number),
        Kind::Float(number) => json!(number),
        Kind::Boolean(is) => json!(is),
        Kind::Date | Kind::Null | Kind::Alias | Kind::Broken => serde_json::Value::Null,
    }
}
