//! Asks the frozen model for proposals: one request for each slot, side by side, and one more where a reply cannot be read. What
//! comes back is text; what of it may be tried is decided by the guards, and replies are handed out as they come, so that none
//! that was paid is asked for again.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use futures_util::{StreamExt, stream};
use harness_schema::digest::Digest;
use harness_schema::harness::Harness;
use tokio::runtime::Handle;

use super::agents::Cancel;
use super::mining::{self, Lesson};
use super::model::{Client, Cost, Message, Request, seed};
use super::record::RefusedRecord;
use super::store::Store;
use crate::engine::budget::Spent;
use crate::engine::proposal::context::{self, Ask, Prompt};
use crate::engine::proposal::example::Example;
use crate::engine::proposal::guard::{self, Against};
use crate::engine::proposal::reply::{self, Draft, Reply};
use crate::engine::proposal::select;
use crate::engine::proposal::slot::{self, Slot};
use crate::engine::proposal::{Author, Judged, Proposal, operator};
use crate::engine::split::HeldIn;

/// Requests side by side, at most.
const WIDTH: usize = 4;

/// What is needed to make proposals.
pub struct Asking<'a> {
    /// The harness that is to become better.
    pub harness: &'a Harness,
    /// Its digest.
    pub digest: Digest,
    /// What its trials teach.
    pub lesson: &'a Lesson,
    /// What was judged before, the oldest first.
    pub history: &'a [Judged],
    /// How many are to be tried.
    pub count: u32,
    /// The store, for what failed trials have left.
    pub store: &'a Store,
}

/// The proposals of a round.
#[derive(Debug, Default)]
pub struct Proposals {
    /// Those that are tried.
    pub chosen: Vec<Proposal>,
    /// Everything else, and why.
    pub refused: Vec<RefusedRecord>,
}

/// A reply, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Replied {
    /// The slot that it answers.
    pub slot: u32,
    /// The reply; why there is none.
    pub text: Result<String, String>,
    /// What it took.
    pub spent: Spent,
}

/// Slots that are asked for.
#[must_use]
pub fn slots(asking: &Asking<'_>) -> Vec<Slot> {
    slot::assign(&asking.lesson.weaknesses, asking.harness, asking.count)
}

/// A request for a slot.
pub struct Wanted {
    slot: u32,
    temperature: f64,
    prompt: Prompt,
}

/// The requests for those slots that have no reply yet.
#[must_use]
pub fn wanted(
    asking: &Asking<'_>,
    slots: &[Slot],
    known: &BTreeMap<u32, Result<String, String>>,
) -> Vec<Wanted> {
    let window = asking.harness.manifest().model.value.context_window.as_ref().map(|most| most.value);
    let open = slots.iter().filter(|slot| !known.contains_key(&slot.number));
    // Several slots are about one weakness, whose traces are read once.
    let mut shown: BTreeMap<&str, Vec<HeldIn<Example>>> = BTreeMap::new();
    let requests = open.filter_map(|slot| {
        let mut weaknesses = asking.lesson.weaknesses.iter();
        let weakness = weaknesses.find(|weakness| weakness.cluster.id == slot.cluster)?;
        let examples = shown
            .entry(&weakness.cluster.id)
            .or_insert_with(|| mining::examples(asking.store, asking.lesson, weakness));
        let prompt = context::prompt(&Ask {
            slot,
            weakness,
            harness: asking.harness,
            examples,
            protected: &asking.lesson.protected,
            history: asking.history,
            window,
        });
        Some(Wanted { slot: slot.number, temperature: slot.temperature, prompt })
    });
    requests.collect()
}

/// Who is asked, and how.
pub struct Proposer<'a> {
    /// The model.
    pub client: &'a Client,
    /// Where requests wait.
    pub runtime: &'a Handle,
    /// What requests are spread by, if the manifest says so.
    pub seed: Option<i64>,
    /// The harness that is asked about.
    pub digest: Digest,
    /// Somebody may want it to end.
    pub cancel: &'a Cancel,
    /// No more is asked from then on; what was asked is waited for, because it is paid.
    pub enough: &'a Cancel,
}

impl Proposer<'_> {
    /// Asks; `tell` hears of each reply as it comes.
    pub fn ask(&self, wanted: Vec<Wanted>, tell: &Sender<Replied>) {
        let each = wanted.into_iter().map(|Wanted { slot, temperature, prompt }| {
            let client = self.client.at_temperature(temperature);
            let seed = self.seed.map(|seed| seed::of_request(seed, &self.digest, "propose", u64::from(slot)));
            async move {
                if self.enough.is_cancelled() {
                    return;
                }
                tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => {}
                    replied = one(&client, slot, prompt, seed) => {
                        // Whoever asked may be gone.
                        let _ = tell.send(replied);
                    }
                }
            }
        });
        self.runtime.block_on(stream::iter(each).buffer_unordered(WIDTH).collect::<Vec<()>>());
    }
}

/// A reply, and if it cannot be read, what the model makes of it when it is told so.
async fn one(client: &Client, slot: u32, prompt: Prompt, seed: Option<u32>) -> Replied {
    let mut spent = Spent::nothing();
    let first = match asked(client, prompt, seed, &mut spent).await {
        Ok(text) => text,
        Err(why) => return Replied { slot, text: Err(why), spent },
    };
    let text = match reply::read(&first) {
        Err(unusable) if unusable.may_be_repaired() => {
            let again = context::repair(&first, &unusable.to_string());
            asked(client, again, seed, &mut spent).await.unwrap_or(first)
        }
        _ => first,
    };
    Replied { slot, text: Ok(text), spent }
}

async fn asked(
    client: &Client,
    prompt: Prompt,
    seed: Option<u32>,
    spent: &mut Spent,
) -> Result<String, String> {
    let messages = [Message::System(prompt.system), Message::User(prompt.user)];
    let request = Request { messages: &messages, tools: &[], seed };
    let answer = client.complete(&request, &mut |_| {}).await.map_err(|failed| failed.to_string())?;
    let usage = &answer.reply.usage;
    spent.tokens = spent.tokens.saturating_add(usage.input.saturating_add(usage.output));
    spent.cost = match answer.cost {
        Cost::Usd(cost) => spent.cost.map(|sum| sum + cost),
        Cost::Unknown => None,
    };
    Ok(answer.reply.text)
}

/// What of the replies, and of what structural operators offer, is to be tried.
#[must_use]
pub fn choose(
    asking: &Asking<'_>,
    slots: &[Slot],
    replies: &BTreeMap<u32, Result<String, String>>,
) -> Proposals {
    let mut offers: Vec<Proposal> = Vec::new();
    let mut refused = Vec::new();
    for slot in slots {
        let (guard, why) = match replies.get(&slot.number) {
            None => continue,
            Some(Err(why)) => ("provider", why.clone()),
            Some(Ok(text)) => match reply::read(text) {
                Err(unusable) => (unusable.guard(), unusable.to_string()),
                Ok(Reply::Decline { reason }) => ("declined", reason),
                Ok(Reply::Edit(draft)) => {
                    checked(asking, *draft, Some(slot), Author::Model, &mut offers, &mut refused);
                    continue;
                }
            },
        };
        refused.push(RefusedRecord {
            guard: guard.to_owned(),
            why,
            summary: String::new(),
            author: String::from("model"),
        });
    }
    let lesson = asking.lesson;
    // Operators fill at most half of what is asked for, and all of it where no model answers.
    let most = if slots.is_empty() || replies.is_empty() { 2 * asking.count } else { asking.count } as usize;
    let made =
        operator::offers(asking.harness, &lesson.weaknesses, &lesson.seen, lesson.mined.cold.is_cold());
    let mut passed = 0;
    for offer in made {
        if most <= passed {
            break;
        }
        let before = offers.len();
        let author = Author::Operator(offer.operator);
        checked(asking, offer.draft, None, author, &mut offers, &mut refused);
        passed += offers.len() - before;
    }
    let choice = select::choose(offers, &lesson.weaknesses, asking.history, asking.count);
    refused.extend(choice.left.into_iter().map(|(proposal, left)| RefusedRecord {
        guard: left.word().to_owned(),
        why: left.words().to_owned(),
        summary: proposal.summary.clone(),
        author: author_word(&proposal.author).to_owned(),
    }));
    let mut chosen = choice.chosen;
    for proposal in &mut chosen {
        // Predictions are about tasks; the model knows them by alias.
        for tasks in [&mut proposal.fixes, &mut proposal.risks] {
            *tasks =
                tasks.iter().filter_map(|alias| mining::task_of(lesson, alias)).map(str::to_owned).collect();
        }
    }
    Proposals { chosen, refused }
}

fn checked(
    asking: &Asking<'_>,
    draft: Draft,
    slot: Option<&Slot>,
    author: Author,
    offers: &mut Vec<Proposal>,
    refused: &mut Vec<RefusedRecord>,
) {
    let against = Against {
        harness: asking.harness,
        baseline: asking.digest,
        history: asking.history,
        protected: &asking.lesson.protected,
        tasks: &asking.lesson.facts,
        slot,
        author: &author,
    };
    match guard::check(&draft, &against) {
        Ok(proposal) => offers.push(proposal),
        Err(why) => refused.push(RefusedRecord {
            guard: why.guard.word().to_owned(),
            why: why.why,
            summary: draft.summary,
            author: author_word(&author).to_owned(),
        }),
    }
}

fn author_word(author: &Author) -> &str {
    match author {
        Author::Model => "model",
        Author::Operator(name) => name,
    }
}
