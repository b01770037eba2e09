//! What a line of a prompt says, as far as a list of words can tell: its terms, whether it demands or forbids something, and
//! whether it says one of some phrases. English alone; a line in another language has terms, and demands nothing.

use std::collections::BTreeSet;

/// Words that say nothing about what a line is about.
const EMPTY: &[&str] = &[
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "do",
    "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "may",
    "more", "must", "no", "not", "of", "on", "one", "or", "our", "should", "so", "some", "than", "that",
    "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "was", "we", "were",
    "what", "when", "where", "which", "who", "will", "with", "would", "you", "your", "always", "never",
    "please", "don't", "avoid",
];

/// Words by which a line forbids.
const FORBIDS: &[&str] = &["never", "avoid", "don't", "cannot", "mustn't", "shouldn't"];

/// Words by which a line demands.
const DEMANDS: &[&str] =
    &["must", "always", "should", "need", "ensure", "required", "only", "exactly", "until"];

/// Words with which a demand begins.
const IMPERATIVES: &[&str] = &[
    "add",
    "after",
    "answer",
    "ask",
    "before",
    "begin",
    "build",
    "call",
    "change",
    "check",
    "chain",
    "choose",
    "clean",
    "compare",
    "confirm",
    "continue",
    "create",
    "count",
    "decide",
    "delete",
    "do",
    "edit",
    "end",
    "escape",
    "explain",
    "explore",
    "find",
    "finish",
    "first",
    "fix",
    "follow",
    "give",
    "go",
    "if",
    "inspect",
    "install",
    "keep",
    "leave",
    "limit",
    "list",
    "look",
    "make",
    "mend",
    "move",
    "open",
    "plan",
    "prefer",
    "print",
    "prove",
    "put",
    "quote",
    "read",
    "remove",
    "repeat",
    "replace",
    "report",
    "reproduce",
    "return",
    "review",
    "run",
    "save",
    "say",
    "search",
    "send",
    "show",
    "solve",
    "start",
    "stop",
    "take",
    "tell",
    "test",
    "think",
    "treat",
    "try",
    "undo",
    "use",
    "validate",
    "verify",
    "wait",
    "when",
    "while",
    "work",
    "write",
];

/// What a line wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// It demands that something is done.
    Demands,
    /// It forbids that something is done.
    Forbids,
}

/// The lower-case words of a text, in order. An apostrophe belongs to its word, underscores and digits do too.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '\'' | '’');
    text.split(move |character| !is_word(character))
        .map(|word| word.trim_matches(['\'', '’', '_']).replace('’', "'").to_lowercase())
        .filter(|word| !word.is_empty())
}

/// A word without its ending, so that `checks`, `checked` and `checking` are one term.
fn stem(word: &str) -> String {
    let long = |stem: &&str| 2 < stem.chars().count();
    let cut = |ending: &str| word.strip_suffix(ending).filter(long);
    if let Some(stem) = cut("ies").or_else(|| cut("ied")) {
        return format!("{stem}y");
    }
    let cut =
        cut("ing").or_else(|| cut("ed")).or_else(|| cut("s").filter(|stem| !stem.ends_with(['s', 'u'])));
    let stem = cut.unwrap_or(word);
    let stem = stem.strip_suffix('e').filter(long).unwrap_or(stem);
    // `running` and `run`, `stopped` and `stop`; but `call` stays.
    let mut characters = stem.chars().rev();
    match (characters.next(), characters.next()) {
        (Some(last), Some(before)) if last == before && cut.is_some() && !matches!(last, 'l' | 's' | 'e') => {
            stem.strip_suffix(last).unwrap_or(stem).to_owned()
        }
        _ => stem.to_owned(),
    }
}

/// The terms of a text in order, each as often as it stands there: stems of its words without those that say nothing.
#[must_use]
pub fn terms(text: &str) -> Vec<String> {
    words(text).filter(|word| !EMPTY.contains(&word.as_str())).map(|word| stem(&word)).collect()
}

/// How much two texts speak of the same, by their terms: the Jaccard index; 0 if neither has any.
#[must_use]
pub fn shared(one: &BTreeSet<&str>, other: &BTreeSet<&str>) -> f64 {
    let both = one.intersection(other).count();
    let all = one.len() + other.len() - both;
    if all == 0 { 0.0 } else { small(both) / small(all) }
}

/// What a line wants; none if it only describes. A line that forbids and demands does what it says first.
#[must_use]
pub fn polarity(line: &str) -> Option<Polarity> {
    let words: Vec<String> = words(line).collect();
    let at = |found: &dyn Fn(&str) -> bool| words.iter().position(|word| found(word));
    let after_not = |verb: &str| {
        words.windows(2).position(|pair| matches!(pair, [word, not] if word == verb && not == "not"))
    };
    let forbidden = ["do", "must", "should", "can", "may"].into_iter().filter_map(after_not);
    let forbids = forbidden.chain(at(&|word| FORBIDS.contains(&word))).min();
    let begins = words.iter().find(|word| word.parse::<u32>().is_err());
    let is_imperative = begins.is_some_and(|word| IMPERATIVES.contains(&word.as_str()));
    let demands = if is_imperative { Some(0) } else { at(&|word| DEMANDS.contains(&word)) };
    match (forbids, demands) {
        // `Do not …` begins like a demand.
        (Some(forbids), Some(demands)) if demands < forbids && begins.is_some_and(|word| word != "do") => {
            Some(Polarity::Demands)
        }
        (Some(_), _) => Some(Polarity::Forbids),
        (None, Some(_)) => Some(Polarity::Demands),
        (None, None) => None,
    }
}

/// What a line is first about: the first term after the word by which it demands or forbids, or its first term. Two lines of
/// opposite polarity contradict each other if they agree in it.
#[must_use]
pub fn object(line: &str) -> Option<String> {
    let words: Vec<String> = words(line).collect();
    let is_mark = |word: &String| {
        FORBIDS.contains(&word.as_str()) || matches!(word.as_str(), "not" | "must" | "always" | "should")
    };
    let from = words.iter().position(is_mark).map_or(0, |at| at + 1);
    let rest = words.get(from..).unwrap_or_default();
    rest.iter()
        .find(|word| !EMPTY.contains(&word.as_str()) && word.parse::<u32>().is_err())
        .map(|word| stem(word))
}

/// Whether two lines demand opposite things of the same object.
#[must_use]
pub fn contradict(one: &str, other: &str) -> bool {
    let opposite = matches!(
        (polarity(one), polarity(other)),
        (Some(Polarity::Demands), Some(Polarity::Forbids))
            | (Some(Polarity::Forbids), Some(Polarity::Demands))
    );
    opposite && object(one).is_some() && object(one) == object(other)
}

/// The first of some phrases that a line says, with the byte at which it begins in the line; not one that the line takes back
/// (`do not be brief`).
#[must_use]
pub fn says<'p>(line: &str, phrases: &[&'p str]) -> Option<(usize, &'p str)> {
    // Offsets in the lower-case text are those of the line for ASCII alone, and phrases are ASCII.
    let lower = line.to_ascii_lowercase();
    phrases.iter().find_map(|phrase| {
        let (at, _) = lower.match_indices(phrase).find(|(at, _)| {
            let before = lower.get(..*at).unwrap_or_default();
            let after = lower.get(at + phrase.len()..).unwrap_or_default();
            let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
            !is_word(before.chars().next_back()) && !is_word(after.chars().next()) && !is_negated(before)
        })?;
        Some((at, *phrase))
    })
}

/// Whether one of the last three words before a phrase takes it back.
fn is_negated(before: &str) -> bool {
    let clause = before.rsplit(['.', ',', ';', ':']).next().unwrap_or_default();
    let words: Vec<String> = words(clause).collect();
    words.iter().rev().take(3).any(|word| word == "not" || FORBIDS.contains(&word.as_str()))
}

/// A count as a number to calculate with. Lines and terms are far fewer than 2^32.
pub(super) fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_cut() {
        let cases = [
            "check checks checked checking",
            "run runs running",
            "stop stops stopped stopping",
            "verify verifies verified verifying",
            "write writes writing",
            "call calls called calling",
            "pass passes passed passing",
        ];
        for case in cases {
            let stems: BTreeSet<String> = terms(case).into_iter().collect();
            assert!(stems.len() <= 2, "{case}: {stems:?}");
        }
        assert_eq!(terms("Look at the files, and don't CHANGE them!"), ["look", "fil", "chang"]);
    }

    #[test]
    fn a_line_demands_forbids_or_describes() {
        use Polarity::{Demands, Forbids};
        for (line, polarity) in [
            ("- Look at the files before you change them.", Some(Demands)),
            ("3. Run the tests.", Some(Demands)),
            ("Results must lie where the task says.", Some(Demands)),
            ("- Do not run the tests.", Some(Forbids)),
            ("You must not change tests.", Some(Forbids)),
            ("Never guess a path.", Some(Forbids)),
            ("Read the output; never guess.", Some(Demands)),
            ("Runs a command and returns its output.", None),
            ("You work in a directory.", None),
        ] {
            assert_eq!(super::polarity(line), polarity, "{line}");
        }
    }

    #[test]
    fn only_what_is_about_the_same_object_contradicts() {
        assert!(contradict("Always run the tests.", "Do not run the tests unless asked."));
        assert!(contradict("- Avoid checking twice.", "- You must check the result."));
        assert!(!contradict("Always run the tests before you finish.", "Never finish while a test fails."));
        assert!(!contradict("Run the tests.", "Run the program."));
    }

    #[test]
    fn a_phrase_that_is_taken_back_is_not_said() {
        let phrases = ["be brief", "do not check"];
        assert_eq!(says("- Take one step at a time, and be brief.", &phrases), Some((31, "be brief")));
        assert_eq!(says("Do not be brief.", &phrases), None);
        assert_eq!(says("Be briefer.", &phrases), None);
        assert_eq!(says("Do not check it.", &phrases), Some((0, "do not check")));
        assert_eq!(says("Never stop, and be brief.", &phrases), Some((16, "be brief")));
    }

    #[test]
    fn likeness_is_of_terms() {
        let likeness = |one: &str, other: &str| {
            let [one, other] = [terms(one), terms(other)];
            shared(&one.iter().map(String::as_str).collect(), &other.iter().map(String::as_str).collect())
        };
        assert!((likeness("Check the result.", "Checks the results") - 1.0).abs() < 1e-9);
        assert!((likeness("Check the result.", "Check the file.") - 1.0 / 3.0).abs() < 1e-9);
        assert!(likeness("Check the result.", "Read the file.").abs() < 1e-9);
        assert!(likeness("", "the").abs() < 1e-9);
    }
}
