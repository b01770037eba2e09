//! What only some task's instruction or tests say: runs of words as digests, ids and canaries. Nothing here can be read
//! back as text, so held-out text cannot leave through it.

use rustc_hash::FxHashMap;

use super::suite::Task;
use crate::files::Files;
use crate::split::Split;
use crate::task;
use crate::text::Span;

/// So many words in a row are a quotation; where words are written without blanks, twice as many characters.
pub const RUN: usize = 8;

/// The weight of a word between blanks, and of a character that is not set apart.
const WORD: u32 = 2;
const CHARACTER: u32 = 1;

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
                runs(source, |run, _| {
                    all.runs
                        .entry(run)
                        .and_modify(|known| *known = if *known == owner { owner } else { SHARED })
                        .or_insert(owner);
                });
                all.canaries.extend(
                    task::canaries(source).into_iter().filter(|canary| 8 <= canary.len()).map(str::to_owned),
                );
            }
            if secret && is_telling(&task.id) {
                all.ids.insert(lower(&task.id).collect(), owner);
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
            runs(text, |run, span| {
                let Some(task) = self.runs.get(&run) else { return };
                let task = *task as usize;
                match found.last_mut() {
                    Some(last) if last.task == task && span.start <= last.span.end => {
                        last.span.end = span.end
                    }
                    _ => found.push(Quotation { task, span }),
                }
            });
        }
        if !self.ids.is_empty() {
            let mut lower = String::new();
            for (name, span) in names(text) {
                parts(name, span, |part, span| {
                    lower.clear();
                    lower.extend(self::lower(part));
                    let Some(task) = self.ids.get(lower.as_str()) else { return };
                    let quotation = Quotation { task: *task as usize, span };
                    if !found.iter().any(|other| other.task == quotation.task && other.span.contains(span)) {
                        found.push(quotation);
                    }
                });
            }
        }
        found
    }

    /// The same as [`WordRuns::quotations`] of `text`, where `clean` is a text that has none: only what is near the
    /// difference of the two is searched.
    #[must_use]
    pub fn quotations_since(&self, clean: &str, text: &str) -> Vec<Quotation> {
        let near = near_difference(clean, text);
        let mut found = self.quotations(near.of(text));
        found.iter_mut().for_each(|quotation| quotation.span = quotation.span.offset(near.start as usize));
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

/// The lines of `text` that are not in `before` as they are, with so many lines around them that each run of words which
/// is not wholly in both lies inside. No name and no word goes over a line end.
fn near_difference(before: &str, text: &str) -> Span {
    let (old, new) = (before.as_bytes(), text.as_bytes());
    let prefix = common(old.chunks(BLOCK), new.chunks(BLOCK), |old, new| {
        old.iter().zip(new).take_while(|(old, new)| old == new).count()
    });
    let (old, new) = (old.get(prefix..).unwrap_or_default(), new.get(prefix..).unwrap_or_default());
    let suffix = common(old.rchunks(BLOCK), new.rchunks(BLOCK), |old, new| {
        old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count()
    });
    let line_start = |at: usize| memchr::memrchr(b'\n', &text.as_bytes()[..at]).map_or(0, |end| end + 1);
    let line_end =
        |at: usize| memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |end| at + end + 1);
    let count = |from: usize, to: usize| {
        let mut count = 0;
        words(text.get(from..to).unwrap_or_default(), |_| count += 1);
        count
    };
    let (mut from, mut to) = (line_start(prefix), line_end(text.len() - suffix));
    let (mut before, mut after) = (0, 0);
    while 0 < from && before < LONGEST {
        let above = line_start(from - 1);
        before += count(above, from);
        from = above;
    }
    while to < text.len() && after < LONGEST {
        let below = line_end(to);
        after += count(to, below);
        to = below;
    }
    Span::new(from, to)
}

/// Texts are compared in pieces of so many bytes first.
const BLOCK: usize = 64;

/// How many bytes two texts have in common, given as blocks from one of their ends.
fn common<'a>(
    old: impl Iterator<Item = &'a [u8]>,
    new: impl Iterator<Item = &'a [u8]>,
    in_block: impl Fn(&[u8], &[u8]) -> usize,
) -> usize {
    let mut same = 0;
    for (old, new) in old.zip(new) {
        if old != new {
            return same + in_block(old, new);
        }
        same += old.len();
    }
    same
}

/// In lower case, character by character.
fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Shorter ids are words.
const LEAST_ID: usize = 4;

/// An id that is no ordinary word: it has a digit or a mark, and some length.
fn is_telling(id: &str) -> bool {
    LEAST_ID <= id.len()
        && id.contains(|char: char| char.is_ascii_digit() || matches!(char, '-' | '_' | '.' | '/'))
}

/// Calls `each` with each run of [`RUN`] words and its place.
fn runs(text: &str, mut each: impl FnMut(u64, Span)) {
    let mut window = Window::default();
    words(text, |word| {
        if let Some((run, span)) = window.push(word) {
            each(run, span);
        }
    });
}

/// A word as a digest of its letters and digits in lower case.
#[derive(Clone, Copy, Default)]
struct Word {
    digest: u64,
    start: u32,
    end: u32,
    weight: u32,
}

/// The last words of a text: the shortest run that weighs enough, so that both sides cut alike.
#[derive(Default)]
struct Window {
    /// A ring.
    words: [Word; RING],
    first: usize,
    length: usize,
    weight: u32,
    /// A polynomial of the words, so that a window that moves by one word costs one step (Karp and Rabin, 1987).
    digest: u64,
}

impl Window {
    /// Takes one more word; the run that ends with it, if it is long enough.
    fn push(&mut self, word: Word) -> Option<(u64, Span)> {
        self.words[(self.first + self.length) % RING] = word;
        self.length += 1;
        self.weight += word.weight;
        self.digest = self.digest.wrapping_mul(BASE).wrapping_add(word.digest);
        let mut first = self.words[self.first];
        while ENOUGH <= self.weight - first.weight {
            self.weight -= first.weight;
            let power = POWERS.get(self.length - 1).copied().unwrap_or_default();
            self.digest = self.digest.wrapping_sub(first.digest.wrapping_mul(power));
            self.first = (self.first + 1) % RING;
            self.length -= 1;
            first = self.words[self.first];
        }
        (ENOUGH <= self.weight).then_some((self.digest, Span { start: first.start, end: word.end }))
    }
}

/// What a run weighs at least.
const ENOUGH: u32 = RUN as u32 * WORD;

/// The longest window: characters alone, and the one that makes it too heavy.
const LONGEST: usize = (ENOUGH / CHARACTER) as usize + 1;

/// More than [`LONGEST`], and a power of two.
const RING: usize = 32;

/// An odd number with its bits well spread (the golden ratio of 64 bits).
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The powers of [`BASE`], as many as a window can need.
const POWERS: [u64; LONGEST + 1] = {
    let mut powers = [1_u64; LONGEST + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1].wrapping_mul(BASE);
        at += 1;
    }
    powers
};

/// What a byte is in a word: itself in lower case, nothing, or a part of a character.
const IN_WORDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            alphanumeric if alphanumeric.is_ascii_alphanumeric() => alphanumeric.to_ascii_lowercase(),
            ascii if ascii.is_ascii() => 0,
            _ => BEYOND_ASCII,
        };
        byte += 1;
    }
    table
};

const BEYOND_ASCII: u8 = u8::MAX;

/// Calls `each` with each word of a text. The whole prompt is read at each keystroke, and most of it is ASCII: bytes first,
/// characters where they are needed.
fn words(text: &str, mut each: impl FnMut(Word)) {
    let bytes = text.as_bytes();
    let character = |at: usize| text.get(at..)?.chars().next().filter(|char| char.is_alphanumeric());
    let mut at = 0;
    while at < bytes.len() {
        match IN_WORDS[usize::from(bytes[at])] {
            0 => {
                at += 1;
                continue;
            }
            // What is no letter is no word; its other bytes begin no character.
            BEYOND_ASCII if character(at).is_none() => {
                at += 1;
                continue;
            }
            _ => {}
        }
        let start = at;
        // FNV-1a, by characters.
        let mut digest = 0xCBF2_9CE4_8422_2325_u64;
        let add = |digest: u64, part: u32| (digest ^ u64::from(part)).wrapping_mul(0x0100_0000_01B3);
        let mut weight = WORD;
        while at < bytes.len() {
            let lower = IN_WORDS[usize::from(bytes[at])];
            if lower == 0 {
                break;
            }
            if lower != BEYOND_ASCII {
                digest = add(digest, u32::from(lower));
                at += 1;
                continue;
            }
            let Some(char) = character(at) else { break };
            if is_unspaced(char) {
                if at == start {
                    digest = add(digest, u32::from(char));
                    weight = CHARACTER;
                    at += char.len_utf8();
                }
                break;
            }
            digest = add(digest, u32::from(char.to_lowercase().next().unwrap_or(char)));
            at += char.len_utf8();
        }
        let Span { start, end } = Span::new(start, at);
        each(Word { digest, start, end, weight });
    }
}

/// Scripts that are written without blanks between words: Thai and its neighbours, Han, Kana.
fn is_unspaced(char: char) -> bool {
    matches!(char, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Each name of letters, digits and `-_./` that could be an id: with a digit or a mark, and some length.
fn names(text: &str) -> impl Iterator<Item = (&str, Span)> {
    let is_mark = |char: char| !(char.is_ascii() || char.is_alphanumeric());
    let bytes = text.as_bytes();
    let mut at = 0;
    // At bytes first: what is not ASCII is looked at again, which is rare.
    let pieces = std::iter::from_fn(move || {
        loop {
            at += bytes.get(at..)?.iter().position(|byte| IN_NAMES[usize::from(*byte)] != 0)?;
            let (start, mut kinds) = (at, 0);
            while let Some(kind) =
                bytes.get(at).map(|byte| IN_NAMES[usize::from(*byte)]).filter(|kind| *kind != 0)
            {
                kinds |= kind;
                at += 1;
            }
            if LEAST_ID <= at - start && kinds & TELLING != 0 {
                return text.get(start..at);
            }
        }
    });
    pieces.flat_map(move |piece| piece.split(is_mark)).filter_map(move |name| {
        let trimmed = name.trim_matches(['.', '/', '-', '_']);
        let start = trimmed.as_ptr() as usize - text.as_ptr() as usize;
        (!trimmed.is_empty()).then(|| (trimmed, Span::new(start, start + trimmed.len())))
    })
}

/// What a byte is in a name: nothing, a part of it, or also what no plain word has.
const IN_NAMES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => PART | TELLING,
            part if !part.is_ascii() || part.is_ascii_alphabetic() => PART,
            _ => 0,
        };
        byte += 1;
    }
    table
};

const PART: u8 = 1;
const TELLING: u8 = 2;

/// Calls `each` for a name and what it has between slashes: an id may stand in a path, with an ending, and have slashes
/// itself.
fn parts(name: &str, span: Span, mut each: impl FnMut(&str, Span)) {
    // A plain word is no id.
    if !is_telling(name) {
        return;
    }
    let ends = || name.match_indices('/').map(|(at, _)| at).chain([name.len()]).take(MAX_PARTS);
    for start in std::iter::once(0).chain(ends().map(|at| at + 1)) {
        for end in ends().filter(|end| start < *end) {
            let Some(part) = name.get(start..end) else { continue };
            let stem = part.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty());
            for part in std::iter::once(part).chain(stem) {
                each(part, Span::new(start, start + part.len()).offset(span.start as usize));
            }
        }
    }
}

/// A path is searched so far.
const MAX_PARTS: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn runs_are_the_shortest_that_weigh_enough(
            pieces in prop::collection::vec(prop::sample::select(vec!["a", "B c", "é", "課", "題で", ", ", "d-1"]), 0..60),
        ) {
            let text = pieces.join(" ");
            let mut words: Vec<Word> = Vec::new();
            super::words(&text, |word| words.push(word));
            let mut expected: Vec<(Vec<String>, Span)> = Vec::new();
            for end in 0..words.len() {
                let weighs = |start: usize| words[start..=end].iter().map(|word| word.weight).sum::<u32>();
                if let Some(start) = (0..=end).rev().find(|start| ENOUGH <= weighs(*start)) {
                    let written = |word: &Word| Span { start: word.start, end: word.end }.of(&text).to_lowercase();
                    let span = Span { start: words[start].start, end: words[end].end };
                    expected.push((words[start..=end].iter().map(written).collect(), span));
                }
            }
            let mut found: Vec<(u64, Span)> = Vec::new();
            runs(&text, |run, span| found.push((run, span)));
            prop_assert_eq!(found.len(), expected.len());
            for ((digest, span), (words, place)) in found.iter().zip(&expected) {
                prop_assert_eq!(span, place);
                for ((other, _), (others, _)) in found.iter().zip(&expected) {
                    prop_assert_eq!(digest == other, words == others);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_near_an_edit_is_enough_of_a_clean_text(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["count", "how many", "apples, lie", "task-2", "x", "\n", "\n\n", "課題", "é-", "a/b"]),
                0..80,
            ),
            (from, length) in (0_usize..80, 0_usize..6),
            typed in prop::collection::vec(prop::sample::select(vec!["apples", " ", "task-2", "\n", "課", "-2"]), 0..6),
        ) {
            let (tasks, files) = suite(&[(
                "task-2",
                Split::HeldOut,
                "count apples count apples lie count how many x apples how many count lie x 課題課題課題課題課題課題",
            )]);
            let runs = WordRuns::of(&tasks, &files);
            let between = |at: usize| if at.is_multiple_of(3) { "" } else { " " };
            let clean: Vec<String> =
                pieces.iter().enumerate().map(|(at, piece)| format!("{piece}{}", between(at))).collect();
            let from = from.min(clean.len());
            let to = (from + length).min(clean.len());
            let text = [clean[..from].concat(), typed.concat(), clean[to..].concat()].concat();
            let clean = clean.concat();
            prop_assume!(runs.quotations(&clean).is_empty());
            prop_assert_eq!(runs.quotations_since(&clean, &text), runs.quotations(&text));
        }
    }

    #[test]
    fn a_run_that_an_edit_closes_is_found_over_many_lines() {
        let sentence = "Count how many of the red apples lie beside the green door today.";
        let (tasks, files) = suite(&[("task-1", Split::HeldOut, sentence)]);
        let runs = WordRuns::of(&tasks, &files);
        let filler = "Nothing is here to see at all, and so on.\n".repeat(20);
        let clean = format!("{filler}count\nhow\nmany\nof\nred\napples\nlie\nbeside\n{filler}");
        assert_eq!(runs.quotations(&clean), []);
        let text = clean.replace("of\nred", "of\nthe\nred");
        assert_eq!(runs.quotations_since(&clean, &text).len(), 1);
        assert_eq!(runs.quotations_since(&clean, &text), runs.quotations(&text));
        assert!(near_difference(&clean, &text).len() < filler.len());
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
