//! What the phases of a task may reach: what a phase says itself, else what the environment says, else nobody. As in Harbor a step
//! comes before the task; unlike there, what is not written is no network.

use harness_schema::syntax::decode::Spanned;
use harness_schema::task::{AgentConfig, NetworkMode, VerifierConfig};

use super::Planning;
use crate::host::egress::{Access, AllowList};
use crate::host::suite::plan::{Reach, TaskRefused};

/// Where a mode and its hosts are written.
pub(super) struct Written<'a> {
    mode: Option<&'a Spanned<NetworkMode>>,
    hosts: Option<&'a Spanned<Vec<Spanned<String>>>>,
}

impl<'a> Written<'a> {
    pub(super) fn of_agent(agent: &'a AgentConfig) -> Self {
        Self { mode: agent.network_mode.as_ref(), hosts: agent.allowed_hosts.as_ref() }
    }

    pub(super) fn of_verifier(verifier: &'a VerifierConfig) -> Self {
        Self { mode: verifier.network_mode.as_ref(), hosts: verifier.allowed_hosts.as_ref() }
    }
}

impl Planning<'_> {
    /// What a phase may reach. `phases` are those of the task first and of the step last; the last that names a mode counts.
    ///
    /// # Errors
    /// A host that is no name, on its line.
    pub(super) fn network<'a>(
        &self,
        phases: impl Iterator<Item = Written<'a>>,
    ) -> Result<Reach, TaskRefused> {
        let environment = &self.task.config.environment;
        let own = phases.filter(|written| written.mode.is_some()).last();
        let (mode, span, hosts) = match own {
            Some(Written { mode: Some(mode), hosts }) => (mode.value, mode.span, hosts),
            _ => {
                let older = environment.allow_internet.as_ref().map(|value| value.span);
                let span = environment.network_mode.as_ref().map(|mode| mode.span).or(older);
                let mode = environment.network().unwrap_or(NetworkMode::NoNetwork);
                (mode, span.unwrap_or_default(), environment.allowed_hosts.as_ref())
            }
        };
        let access = match mode {
            NetworkMode::NoNetwork => Access::Off,
            NetworkMode::Public => Access::Public,
            NetworkMode::Allowlist => {
                let mut all = Vec::new();
                for host in hosts.iter().flat_map(|hosts| hosts.iter()) {
                    // One by one, because each has its own line.
                    AllowList::of([&host.value])
                        .map_err(|error| self.refused(host.span, &error.to_string()))?;
                    all.push(&host.value);
                }
                let list = AllowList::of(all).unwrap_or_default();
                if list.is_empty() { Access::Off } else { Access::Hosts(list) }
            }
        };
        Ok(Reach { access, file: self.config_file(), line: self.line(span) })
    }
}
