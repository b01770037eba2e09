//! What only some task's instruction or tests say: runs of words as digests, ids and canaries. Nothing here can be read
//! back as text, so held-out text cannot leave through it.

use std::collections::VecDeque;
use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::suite::Task;
use crate::files::Files;
use crate::split::Split;
use crate::task;
use crate::text::Span;

/// So many words in a row are a quotation; where words are written without blanks, twice as many characters.
pub const RUN: usize = 8;

/// The weight of a word between blanks, and of a character that is not set apart.
const WORD: usize = 2;
const CHARACTER: usize = 1;

/// Where something in a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotation {
    /// The index of the task.
    pub task: usize,
    /// Where it stands in the text that was searched.
    pub span: Span,
}

/// Digests of what tasks say.
#[derive(Debug, Default)]
pub struct WordRuns {
    /// Run of words → task, or [`SHARED`].
    runs: FxHashMap<u64, u32>,
    /// Id → task.
    ids: FxHashMap<String, u32>,
    /// Canary ids.
    canaries: Vec<String>,
}

/// More than one task says it, or a held-in one: no secret.
const SHARED: u32 = u32::MAX;

impl WordRuns {
    /// The digests of all tasks that must stay unseen.
    #[must_use]
    pub fn of(tasks: &[Task], files: &Files) -> Self {
        let mut all = Self::default();
        for (index, task) in tasks.iter().enumerate() {
            let secret = matches!(task.split, Some(Split::HeldOut | Split::Sealed));
            let owner = if secret { u32::try_from(index).unwrap_or(SHARED) } else { SHARED };
            let texts = task.instructions().into_iter().chain(task.secrets().into_iter().cloned());
            for document in texts.filter_map(|path| files.document(&path).cloned()) {
                let source = document.source();
                for (run, _) in runs(source) {
                    all.runs
                        .entry(run)
                        .and_modify(|known| *known = if *known == owner { owner } else { SHARED })
                        .or_insert(owner);
                }
                all.canaries.extend(
                    task::canaries(source).into_iter().filter(|canary| 8 <= canary.len()).map(str::to_owned),
                );
            }
            if secret && is_telling(&task.id) {
                all.ids.insert(task.id.to_lowercase(), owner);
            }
        }
        all.runs.retain(|_, owner| *owner != SHARED);
        all.canaries.sort();
        all.canaries.dedup();
        all
    }

    /// Whether no task has to stay unseen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.ids.is_empty() && self.canaries.is_empty()
    }

    /// Runs of words and ids in `text` that belong to one unseen task; neighbouring runs of one task are one quotation.
    #[must_use]
    pub fn quotations(&self, text: &str) -> Vec<Quotation> {
        let mut found: Vec<Quotation> = Vec::new();
        if !self.runs.is_empty() {
            for (run, span) in runs(text) {
                let Some(task) = self.runs.get(&run) else { continue };
                let task = *task as usize;
                match found.last_mut() {
                    Some(last) if last.task == task && span.start <= last.span.end => {
                        last.span.end = span.end
                    }
                    _ => found.push(Quotation { task, span }),
                }
            }
        }
        if !self.ids.is_empty() {
            for (name, span) in names(text).flat_map(|(name, span)| parts(name, span)) {
                let Some(task) = self.ids.get(&name.to_lowercase()) else { continue };
                let quotation = Quotation { task: *task as usize, span };
                if !found.iter().any(|other| other.task == quotation.task && other.span.contains(span)) {
                    found.push(quotation);
                }
            }
        }
        found
    }

    /// Where canaries of the suite stand in `text`.
    #[must_use]
    pub fn canaries(&self, text: &str) -> Vec<Span> {
        let each = self.canaries.iter();
        each.flat_map(|canary| text.match_indices(canary.as_str()))
            .map(|(at, canary)| Span::new(at, at + canary.len()))
            .collect()
    }
}

/// An id that is no ordinary word: it has a digit or a mark, and some length.
fn is_telling(id: &str) -> bool {
    4 <= id.len() && id.contains(|char: char| char.is_ascii_digit() || matches!(char, '-' | '_' | '.' | '/'))
}

/// Each run of [`RUN`] words with its place.
fn runs(text: &str) -> impl Iterator<Item = (u64, Span)> {
    let mut window: VecDeque<(u64, Span, usize)> = VecDeque::with_capacity(LONGEST + 1);
    let (mut weight, mut digest) = (0, 0_u64);
    let powers = powers();
    words(text).filter_map(move |(word, span, own)| {
        window.push_back((word, span, own));
        weight += own;
        // A polynomial of the words, so that a window that moves by one word costs one step (Karp and Rabin, 1987).
        digest = digest.wrapping_mul(BASE).wrapping_add(word);
        // The shortest run that weighs enough, so that both sides cut alike.
        while let Some((word, _, first)) = window.front().copied()
            && RUN * WORD <= weight - first
        {
            weight -= first;
            let power = powers.get(window.len() - 1).copied().unwrap_or_default();
            digest = digest.wrapping_sub(word.wrapping_mul(power));
            window.pop_front();
        }
        let (_, first, _) = *window.front()?;
        (RUN * WORD <= weight).then(|| (digest, first.cover(span)))
    })
}

/// The longest window: characters alone, and the one that makes it too heavy.
const LONGEST: usize = RUN * WORD / CHARACTER + 1;

/// An odd number with its bits well spread (the golden ratio of 64 bits).
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The powers of [`BASE`], as many as a window can need.
fn powers() -> [u64; LONGEST + 1] {
    let mut power = 1_u64;
    std::array::from_fn(|_| {
        let this = power;
        power = power.wrapping_mul(BASE);
        this
    })
}

/// Each word as a digest of its letters and digits in lower case, with its weight.
fn words(text: &str) -> impl Iterator<Item = (u64, Span, usize)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    // The whole prompt is read at each keystroke, and most of it is ASCII: bytes first, characters where they are needed.
    let character = move |at: usize| text.get(at..).and_then(|rest| rest.chars().next());
    std::iter::from_fn(move || {
        let first = loop {
            let byte = *bytes.get(at)?;
            if byte.is_ascii_alphanumeric() {
                break char::from(byte);
            }
            let char = if byte.is_ascii() { char::from(byte) } else { character(at)? };
            if char.is_alphanumeric() {
                break char;
            }
            at += char.len_utf8();
        };
        let start = at;
        let mut hasher = FxHasher::default();
        if is_unspaced(first) {
            at += first.len_utf8();
            hasher.write_u32(u32::from(first));
            return Some((hasher.finish(), Span::new(start, at), CHARACTER));
        }
        while let Some(byte) = bytes.get(at) {
            if byte.is_ascii() {
                if !byte.is_ascii_alphanumeric() {
                    break;
                }
                hasher.write_u32(u32::from(byte.to_ascii_lowercase()));
                at += 1;
                continue;
            }
            let Some(char) = character(at).filter(|char| char.is_alphanumeric() && !is_unspaced(*char))
            else {
                break;
            };
            hasher.write_u32(u32::from(char.to_lowercase().next().unwrap_or(char)));
            at += char.len_utf8();
        }
        Some((hasher.finish(), Span::new(start, at), WORD))
    })
}

/// Scripts that are written without blanks between words: Thai and its neighbours, Han, Kana.
fn is_unspaced(char: char) -> bool {
    matches!(char, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Each name of letters, digits and `-_./` that could be an id: with a digit or a mark, and some length.
fn names(text: &str) -> impl Iterator<Item = (&str, Span)> {
    let is_part = |byte: u8| {
        !byte.is_ascii() || byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/')
    };
    let is_mark = |char: char| !(char.is_ascii() || char.is_alphanumeric());
    // At bytes first: what is not ASCII is looked at again, which is rare.
    let can_tell = |piece: &&[u8]| {
        4 <= piece.len() && piece.iter().any(|byte| byte.is_ascii_digit() || b"-_./".contains(byte))
    };
    let pieces = text.as_bytes().split(move |byte| !is_part(*byte)).filter(can_tell);
    let pieces = pieces.filter_map(|piece| std::str::from_utf8(piece).ok());
    pieces.flat_map(move |piece| piece.split(is_mark)).filter_map(move |name| {
        let trimmed = name.trim_matches(['.', '/', '-', '_']);
        let start = trimmed.as_ptr() as usize - text.as_ptr() as usize;
        (!trimmed.is_empty()).then(|| (trimmed, Span::new(start, start + trimmed.len())))
    })
}

/// A name, and what it has between slashes: an id may stand in a path, with an ending, and have slashes itself.
fn parts(name: &str, span: Span) -> impl Iterator<Item = (&str, Span)> {
    let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
    let ends: Vec<usize> = ends.take(MAX_PARTS).collect();
    let starts = std::iter::once(0).chain(ends.iter().map(|at| at + 1)).collect::<Vec<_>>();
    let mut all = Vec::new();
    // A plain word is no id.
    if is_telling(name) {
        for start in starts {
            for end in ends.iter().filter(|end| start < **end) {
                let Some(part) = name.get(start..*end) else { continue };
                let stem = part.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty());
                for part in std::iter::once(part).chain(stem) {
                    all.push((part, Span::new(start, start + part.len()).offset(span.start as usize)));
                }
            }
        }
    }
    all.into_iter()
}

/// A path is searched so far.
const MAX_PARTS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::FilePath;

    fn suite(texts: &[(&str, Split, &str)]) -> (Vec<Task>, Files) {
        let files: Vec<(String, &str)> = texts
            .iter()
            .flat_map(|(id, _, text)| {
                [(format!("tasks/{id}/instruction.md"), *text), (format!("tasks/{id}/task.toml"), "")]
            })
            .collect();
        let files = Files::from_texts(files.iter().map(|(name, text)| (name.as_str(), *text)));
        let mut tasks = super::super::suite::find(&files, &FilePath::parse("tasks").unwrap());
        for task in &mut tasks {
            task.split = texts.iter().find(|(id, _, _)| *id == task.id).map(|(_, split, _)| *split);
        }
        (tasks, files)
    }

    #[test]
    fn a_quotation_is_eight_words_that_only_one_unseen_task_has() {
        let shared = "Write the answer to the file out.txt in the working directory.";
        let (tasks, files) = suite(&[
            ("task-1", Split::HeldIn, shared),
            (
                "task-2",
                Split::HeldOut,
                "Count how many of the red apples lie beside the green door today.\n\nWrite the answer to the file out.txt in the working directory.",
            ),
        ]);
        let runs = WordRuns::of(&tasks, &files);
        let text = "Remember: count HOW many of the red apples, lie beside it. Write the answer to the file out.txt in the working directory.";
        let quoted: Vec<_> = runs.quotations(text).iter().map(|quotation| quotation.span.of(text)).collect();
        assert_eq!(quoted, ["count HOW many of the red apples, lie beside"]);
        let named: Vec<_> =
            runs.quotations("as in task-2, or task-1").iter().map(|quotation| quotation.span).collect();
        assert_eq!(named, [Span::new(6, 12)]);
        for text in
            ["see tasks/task-2/instruction.md", "[x](task-2/y)", "\"tasks/task-2\"", "task-2.md", "TASK-2."]
        {
            let named: Vec<_> = runs.quotations(text).iter().map(|found| found.span.of(text)).collect();
            assert_eq!(named.len(), 1, "{text}");
            assert!(named[0].eq_ignore_ascii_case("task-2"), "{named:?}");
        }
        assert_eq!(runs.quotations("task-21, my-task-2, task/2"), []);
    }

    #[test]
    fn scripts_without_blanks_are_quoted_by_characters() {
        let sentence = "この課題では、名簿の名前を最後の文字で並べ替えて保存してください。";
        let (tasks, files) = suite(&[("task-1", Split::HeldOut, sentence)]);
        let runs = WordRuns::of(&tasks, &files);
        assert_eq!(runs.quotations("規則: 名簿の名前を最後の文字で並べ替えて保存すること").len(), 1);
        assert_eq!(runs.quotations("保存してください。"), []);
    }
}
