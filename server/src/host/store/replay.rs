//! Tells a run by its events, however many there are. A trial writes two of them, so these two are read without the detour
//! that a tagged enum takes, and none is kept.

use std::borrow::Cow;
use std::time::Duration;

use rusqlite::types::ValueRef;
use serde::Deserialize;

use super::{Store, StoreError, StoredRun, unsigned};
use crate::engine::cycle::{self, Cycle};
use crate::engine::plan::Event;
use crate::host::record::{EventRecord, SpentRecord, verdict_of};

/// An event of the two kinds that there are many of.
#[derive(Deserialize)]
struct Frequent<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    slot: usize,
    #[serde(default)]
    attempt: u32,
    #[serde(default, borrow)]
    verdict: Cow<'a, str>,
    #[serde(default, borrow)]
    cause: Option<Cow<'a, str>>,
    #[serde(default)]
    spent: SpentRecord,
}

/// How such events begin, as the store writes them. Written in another way they are read as any other.
const STARTED: &str = "{\"event\":\"started\",";
const ENDED: &str = "{\"event\":\"ended\",";

impl Frequent<'_> {
    /// The event; `None` if it is of another kind.
    fn read(body: &str) -> Option<Event> {
        if !body.starts_with(STARTED) && !body.starts_with(ENDED) {
            return None;
        }
        let Frequent { event, slot, attempt, verdict, cause, spent } = serde_json::from_str(body).ok()?;
        Some(match &*event {
            "started" => Event::Started { slot, attempt },
            "ended" => {
                let verdict = verdict_of(&verdict, cause.as_deref());
                Event::Ended { slot, verdict, spent: spent.spent() }
            }
            _ => return None,
        })
    }
}

impl Store {
    /// Adds to a run what happened in it after one of its events; `each` hears of what is no start and no end of a trial. The
    /// number of the last event, or `after` if there is none behind it.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn replay(
        &self,
        number: i64,
        after: i64,
        run: &mut Cycle,
        mut each: impl FnMut(EventRecord),
    ) -> Result<i64, StoreError> {
        let failed = StoreError::database(&self.path);
        let query = "SELECT seq, at, body FROM event WHERE run = ?1 AND ?2 < seq ORDER BY seq";
        let mut statement = self.connection.prepare_cached(query).map_err(&failed)?;
        let mut rows = statement.query([number, after]).map_err(&failed)?;
        let mut last = after;
        while let Some(row) = rows.next().map_err(&failed)? {
            last = row.get(0).map_err(&failed)?;
            let at = Duration::from_millis(unsigned(row.get(1).map_err(&failed)?));
            let body = row.get_ref(2).and_then(|body: ValueRef<'_>| Ok(body.as_str()?)).map_err(&failed)?;
            if let Some(event) = Frequent::read(body) {
                run.apply(at, &cycle::Event::Trial(event));
                continue;
            }
            let record: EventRecord =
                serde_json::from_str(body).map_err(StoreError::damaged(&self.path, "event"))?;
            if let Some(event) = record.event() {
                run.apply(at, &event);
            }
            each(record);
        }
        Ok(last)
    }

    /// A run with everything that happened in it, and the number of the last event.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub fn fold(&self, run: &StoredRun) -> Result<(Cycle, i64), StoreError> {
        let mut folded = Cycle::new(run.record.design());
        let last = self.replay(run.number, 0, &mut folded, drop)?;
        Ok((folded, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_events_are_read_as_every_other_is() {
        let spent = SpentRecord { trials: 1, tokens: 7, cost: None, time_ms: 12 };
        let ended = |verdict: &str, cause: Option<&str>| EventRecord::Ended {
            slot: 3,
            verdict: verdict.to_owned(),
            cause: cause.map(str::to_owned),
            spent,
        };
        let quoted = "a \"cause\" of a later version";
        for event in [
            EventRecord::Started { slot: 9, attempt: 2 },
            ended("pass", None),
            ended("fail", None),
            ended("void", Some("provider")),
            ended("void", Some(quoted)),
        ] {
            let body = serde_json::to_string(&event).unwrap();
            assert_eq!(Frequent::read(&body).map(cycle::Event::Trial), event.event(), "{body}");
        }
        let others = [EventRecord::Cancelled, EventRecord::Discarded { slot: 1, spent }];
        for event in others {
            assert_eq!(Frequent::read(&serde_json::to_string(&event).unwrap()), None);
        }
        assert_eq!(Frequent::read("{\"event\":\"started\",\"slot\":-1}"), None);
    }
}
