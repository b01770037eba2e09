//! The states of the orchestration, and the way through them. Without the table there is one state with all tools.

use harness_schema::harness::{END, Harness, TextRole};

/// The state of a harness without an orchestration.
const ONLY: &str = "main";

/// The state machine of a trial.
#[derive(Debug)]
pub(super) struct States {
    all: Vec<State>,
    current: usize,
    /// Steps of this visit.
    steps: u32,
    /// Whether there is an orchestration at all.
    is_declared: bool,
}

/// A state.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) id: String,
    /// The template of a user message on entry.
    pub(super) prompt: Option<String>,
    /// The tools that it offers; all if none is named.
    pub(super) tools: Option<Vec<String>>,
    pub(super) next: Vec<String>,
    max_steps: Option<u32>,
    max_visits: u32,
    on_limit: String,
    visits: u32,
}

/// Where a way led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Into a state, which is now the current one.
    Entered,
    /// To the end, as the harness wants it.
    End,
    /// To the end, because this state had no visits or steps left.
    Limit(String),
}

impl States {
    /// The states of a harness; none is entered yet.
    pub(super) fn of(harness: &Harness) -> Self {
        let Some(table) = &harness.manifest().orchestration else { return Self::only() };
        let prompt = |id: &str| {
            let mut texts = harness.texts().iter().filter(|text| text.role == TextRole::State);
            texts.find(|text| text.owner == id)?.text(harness.files()).map(str::to_owned)
        };
        let all: Vec<State> = table
            .state
            .iter()
            .map(|state| State {
                id: state.id.value.clone(),
                prompt: prompt(&state.id),
                tools: state
                    .tools
                    .as_ref()
                    .map(|tools| tools.iter().map(|tool| tool.value.clone()).collect()),
                next: state.next.iter().map(|next| next.value.clone()).collect(),
                max_steps: state.max_steps.as_ref().map(|most| most.value),
                max_visits: state.max_visits.value,
                on_limit: state.on_limit.value.clone(),
                visits: 0,
            })
            .collect();
        let start = all.iter().position(|state| state.id == table.start.value);
        // Without a beginning there is no machine; the checks report that.
        let Some(current) = start else { return Self::only() };
        Self { all, current, steps: 0, is_declared: true }
    }

    fn only() -> Self {
        let state = State {
            id: ONLY.to_owned(),
            prompt: None,
            tools: None,
            next: vec![END.to_owned()],
            max_steps: None,
            max_visits: 1,
            on_limit: END.to_owned(),
            visits: 0,
        };
        Self { all: vec![state], current: 0, steps: 0, is_declared: false }
    }

    /// The current state's name.
    pub(super) fn id(&self) -> &str {
        self.all.get(self.current).map_or(ONLY, |state| state.id.as_str())
    }

    /// The current state's name, if there is an orchestration.
    pub(super) fn declared(&self) -> Option<String> {
        self.is_declared.then(|| self.id().to_owned())
    }

    pub(super) fn current(&self) -> Option<&State> {
        self.all.get(self.current)
    }

    /// Where the current state leads.
    pub(super) fn next(&self) -> &[String] {
        self.current().map_or(&[], |state| &state.next)
    }

    /// Enters the first state.
    pub(super) fn begin(&mut self) -> Way {
        let start = self.id().to_owned();
        self.go(&start)
    }

    /// Goes to a state or to the end. A state that has no visits left leads where its `on_limit` says.
    pub(super) fn go(&mut self, name: &str) -> Way {
        let mut name = name.to_owned();
        let mut full = None;
        // On a way of limits no state comes twice.
        for _ in 0..=self.all.len() {
            let Some(at) = self.all.iter().position(|state| state.id == name) else { break };
            let Some(state) = self.all.get_mut(at) else { break };
            if state.visits < state.max_visits {
                state.visits += 1;
                self.current = at;
                self.steps = 0;
                return Way::Entered;
            }
            name.clone_from(&state.on_limit);
            full = Some(state.id.clone());
        }
        match full {
            Some(id) => Way::Limit(format!("state `{id}` has no visits left")),
            None => Way::End,
        }
    }

    /// A step was taken. Where it leads if that was the last of this visit.
    pub(super) fn take_step(&mut self) -> Option<Way> {
        self.steps += 1;
        let state = self.current()?;
        let most = state.max_steps.filter(|most| *most <= self.steps)?;
        let (id, on_limit) = (state.id.clone(), state.on_limit.clone());
        if on_limit == END {
            return Some(Way::Limit(format!("state `{id}` has taken its {most} steps")));
        }
        Some(self.go(&on_limit))
    }
}
