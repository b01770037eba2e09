//! What holds for every edit of every document: documents are generated in all formats by authors that know each place
//! in them, one place is edited, and all others are asked again.

mod sample;
mod yaml;
mod json;
mod toml;
mod python;
mod prose;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;

use self::sample::{Choices, Node, Sample, Takes};
use super::document;
use super::properties::nasty;
use crate::check;
use crate::edit::literal::{double_literal_braces, fields};
use crate::edit::proof::render;
use crate::edit::{Refusal, invert, write};
use crate::files::Files;
use crate::harness::Harness;
use crate::path::FilePath;
use crate::selector::{DataFormat, Form, ListEnd, Resolved, Selector, ValueKind};
use crate::surface::Limits;
use crate::syntax::Document;
use crate::syntax::data::Step;
use crate::text::{Span, apply_all};

/// The formats, by the author that writes them.
type Author = fn(&mut Choices) -> Sample;

const AUTHORS: &[Author] =
    &[toml::sample, yaml::sample, json::sample, prose::markdown, python::sample, prose::regions];

fn sample(author: Author) -> impl Strategy<Value = Sample> {
    prop::collection::vec(any::<u16>(), 0..160).prop_map(move |choices| author(&mut Choices::new(choices)))
}

/// TOML documents, for tests of what is done to TOML alone.
pub(super) fn toml_sample() -> impl Strategy<Value = String> {
    sample(toml::sample).prop_map(|sample| sample.text)
}

/// Texts that a surface is edited to: as in the fixed examples, and marks of regions and Python code.
fn news() -> impl Strategy<Value = String> {
    let marks = prop::sample::select(vec![
        "# self-harness:begin r0\nx\n# self-harness:end r0\n",
        "<!-- self-harness:end r0 -->\n",
        "\n# Rules\n\nx\n",
        "\n#### Rules\n\nx\n",
        "\n##### T\n",
        "Style\n---\n",
        "pass\n",
        "[a]: b\n",
        "    code\n",
    ]);
    prop_oneof![4 => nasty(), 1 => (nasty(), marks, nasty()).prop_map(|(a, b, c)| format!("{a}{b}{c}")), 1 => "\\PC{0,12}"]
}

/// How one place stands to the place that is edited.
#[derive(Clone, Copy, PartialEq)]
enum Relation {
    /// It holds the edited place.
    Around,
    /// It may go with the edited text.
    Inside,
    Apart,
}

fn relation(edited: &Resolved, other: &Resolved, source: &str) -> Relation {
    if let (Some(edited), Some(other)) = (data_steps(&edited.selector), data_steps(&other.selector)) {
        return if edited.starts_with(&other) {
            Relation::Around
        } else if other.starts_with(&edited) {
            Relation::Inside
        } else {
            Relation::Apart
        };
    }
    // Where a section is empty, the blank lines at the end of what is around it are its place.
    let widened = |span: Span| {
        let after = source.get(span.end as usize..).unwrap_or_default();
        let blank = after.len() - after.trim_start().len();
        Span::new(span.start as usize, span.end as usize + blank)
    };
    if edited.span.is_empty() && widened(other.span).contains(edited.span) && is_section(&other.selector) {
        return Relation::Around;
    }
    if other.span.is_empty() && widened(edited.span).contains(other.span) && is_section(&edited.selector) {
        return Relation::Inside;
    }
    let is_append = matches!(other.form, Form::Append { .. });
    let (edited, other) = (edited.span, other.span);
    if other.contains(edited) && other != edited && !other.is_empty() {
        Relation::Around
    } else if edited.contains(other) && !(other.is_empty() && edited.is_empty()) {
        Relation::Inside
    } else if is_append || other.overlaps(edited) {
        // It changes as its list does, which may hold the region; code starts behind the blanks of its region.
        Relation::Around
    } else {
        Relation::Apart
    }
}

fn is_section(selector: &Selector) -> bool {
    matches!(selector, Selector::Section { .. } | Selector::Body | Selector::File)
}

/// The steps of a selector into data; what is after the last entry of a list changes as the list does.
fn data_steps(selector: &Selector) -> Option<Vec<Step>> {
    match selector {
        Selector::Data { steps, .. } | Selector::FrontMatter { steps, .. } => Some(steps.clone()),
        _ => None,
    }
}

/// Without the CR of any line end, so that what was normalised once and what was twice are equal.
fn unix(text: &str) -> String {
    let mut text = text.to_owned();
    while text.contains("\r\n") {
        text = text.replace("\r\n", "\n");
    }
    text
}

/// The resolved places of a sample, each with its node; whatever an author wrote must be found as it was meant.
fn resolved(sample: &Sample, document: &Document) -> Result<Vec<Resolved>, TestCaseError> {
    let mut found = Vec::new();
    for node in &sample.nodes {
        let read = node.select.resolve(document);
        let Ok(read) = read else {
            return Err(TestCaseError::fail(format!("{}: {read:?} in\n{}", node.select, sample.text)));
        };
        if let Some(text) = &node.text {
            let message = format!("{} in\n{}", node.select, sample.text);
            prop_assert_eq!(unix(&read.value), unix(text), "{}", message);
        }
        found.push(read);
    }
    Ok(found)
}

/// Edits one place, and asks all others whether they noticed.
fn check_edit(sample: &Sample, at: usize, new: &str, again: &str) -> Result<(), TestCaseError> {
    let before = document(sample.path, &sample.text);
    let places = resolved(sample, &before)?;
    let (Some(node), Some(place)) = (sample.nodes.get(at), places.get(at)) else { return Ok(()) };
    let limits = Limits::default();
    let context =
        |after: &str| format!("{} to {new:?}\nbefore:\n{}\nafter:\n{after}", node.select, sample.text);
    let edit = match write(&before, place, &limits, new) {
        Ok(edit) => edit,
        Err(Refusal::NoChange) => return Ok(()),
        Err(refusal) => {
            prop_assert!(!takes(node, place, new), "refused: {refusal:?}: {}", context(""));
            return Ok(());
        }
    };
    prop_assert_eq!(edit.span, place.span);
    let after = apply_all(&sample.text, std::slice::from_ref(&edit)).unwrap();
    prop_assert_eq!(apply_all(&after, &[invert(&sample.text, &edit)]).unwrap(), sample.text.as_str());
    let changed = document(sample.path, &after);
    others_are_equal(sample, at, &places, &changed, &context(&after))?;
    let read = node.select.resolve(&changed);
    let Ok(read) = read else {
        return Err(TestCaseError::fail(format!("{read:?}: {}", context(&after))));
    };
    reads_back(node, place, &read, new, &after, &context(&after))?;
    // What was just written can be edited as well as what was there.
    match write(&changed, &read, &limits, again) {
        Ok(_) | Err(Refusal::NoChange) => Ok(()),
        Err(refusal) => {
            prop_assert!(!takes(node, &read, again), "refused {again:?}: {refusal:?}: {}", context(&after));
            Ok(())
        }
    }
}

/// Whether an edit of the node to this value must be accepted.
fn takes(node: &Node, place: &Resolved, new: &str) -> bool {
    match &node.takes {
        Takes::AnyText | Takes::Entry(None) => true,
        Takes::Fields(known) => {
            let doubled = double_literal_braces(&place.value, new);
            let kept = fields(&doubled);
            known.iter().all(|field| kept.contains(&field.as_str()))
        }
        Takes::SomeText => false,
        // An entry of TOML is the lines below its header, or a table between braces.
        Takes::Entry(Some(values)) if new.contains('=') => {
            let is_header = matches!(&place.form, Form::Append { list: ListEnd::Header { .. }, .. });
            values.iter().any(|value| value == new) && is_header != new.starts_with('{')
        }
        Takes::Values(values) | Takes::Entry(Some(values)) => values.iter().any(|value| value == new),
    }
}

fn reads_back(
    node: &Node,
    old: &Resolved,
    read: &Resolved,
    new: &str,
    after: &str,
    context: &str,
) -> Result<(), TestCaseError> {
    match &node.takes {
        Takes::Entry(_) => prop_assert_ne!(read.digest, old.digest, "{}", context),
        Takes::AnyText => prop_assert_eq!(unix(&read.value), unix(new), "{}", context),
        Takes::Fields(_) => {
            prop_assert_eq!(unix(&read.value), unix(&double_literal_braces(&old.value, new)), "{}", context);
        }
        Takes::SomeText if node.select == Selector::File => {
            prop_assert_eq!(unix(&read.value), unix(new), "{}", context);
        }
        // Blank lines around a block are not its own.
        Takes::SomeText => prop_assert_eq!(trimmed(&read.value), trimmed(new), "{}", context),
        Takes::Values(_) if old.kind == ValueKind::Number => {
            let same = read.value.parse::<f64>().ok() == new.trim().parse().ok();
            prop_assert!(same || read.value == new.trim(), "{}", context);
        }
        Takes::Values(_) => prop_assert_eq!(trimmed(&read.value), trimmed(new), "{}", context),
    }
    if let (Takes::Values(values), Selector::Data { format, steps, .. }) = (&node.takes, &node.select)
        && values.iter().any(|value| value == new)
        && old.kind != ValueKind::Number
    {
        prop_assert_eq!(meaning_at(*format, after, steps), meaning_of(*format, new), "{}", context);
    }
    Ok(())
}

/// What a value means that stands somewhere in a text, and what it means alone.
fn meaning_at(format: DataFormat, text: &str, steps: &[Step]) -> Option<String> {
    let tree = format.parse(text);
    let value = steps.iter().try_fold(&tree.root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.as_list()?.get(usize::try_from(*index).ok()?),
    });
    value.map(|value| {
        let mut meaning = String::new();
        render(value, text, &mut meaning);
        meaning
    })
}

fn meaning_of(format: DataFormat, new: &str) -> Option<String> {
    match format {
        DataFormat::Toml => meaning_at(format, &format!("x = {new}"), &[Step::Key("x".into())]),
        _ => meaning_at(format, new, &[]),
    }
}

fn trimmed(text: &str) -> String {
    unix(text).trim().to_owned()
}

fn others_are_equal(
    sample: &Sample,
    at: usize,
    places: &[Resolved],
    after: &Document,
    context: &str,
) -> Result<(), TestCaseError> {
    let edited = &places[at];
    for (other, node) in
        places.iter().zip(&sample.nodes).enumerate().filter(|(one, _)| *one != at).map(|(_, both)| both)
    {
        let relation = relation(edited, other, &sample.text);
        if relation == Relation::Inside {
            continue;
        }
        let read = node.select.resolve(after);
        let Ok(read) = read else {
            return Err(TestCaseError::fail(format!("{}: {read:?}: {context}", node.select)));
        };
        if relation == Relation::Apart {
            prop_assert_eq!(&read.value, &other.value, "{}: {}", node.select, context);
            prop_assert_eq!(&read.digest, &other.digest, "{}: {}", node.select, context);
        }
    }
    Ok(())
}

/// A document, one of its places by number, and what it is edited to, twice.
type Case = (Sample, usize, String, String);

/// Edits of any place to any text.
fn text_edits(author: Author) -> impl Strategy<Value = Case> {
    (sample(author), any::<Index>(), news(), news()).prop_map(|(sample, at, new, again)| {
        let at = at.index(sample.nodes.len());
        let with_fields = |text: String| match &sample.nodes[at].takes {
            Takes::Fields(fields) => format!("{text}{}", fields.concat()),
            _ => text,
        };
        let (new, again) = (with_fields(new), with_fields(again));
        (sample, at, new, again)
    })
}

/// Edits of numbers, truths, lists, tables and code to others of their kind.
fn value_edits(author: Author) -> impl Strategy<Value = Case> {
    let sample = sample(author).prop_filter("it has a place for a value", |sample| {
        sample.nodes.iter().any(|node| !values(node).is_empty())
    });
    (sample, any::<Index>(), any::<Index>(), any::<Index>()).prop_map(|(sample, at, new, again)| {
        let nodes = sample.nodes.iter().enumerate().filter(|(_, node)| !values(node).is_empty());
        let nodes: Vec<usize> = nodes.map(|(at, _)| at).collect();
        let at = nodes[at.index(nodes.len())];
        let values = values(&sample.nodes[at]);
        let value = |by: Index| values[by.index(values.len())].clone();
        let (new, again) = (value(new), value(again));
        (sample, at, new, again)
    })
}

fn values(node: &Node) -> &[String] {
    match &node.takes {
        Takes::Values(values) | Takes::Entry(Some(values)) => values,
        _ => &[],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn texts_in_toml((sample, at, new, again) in text_edits(toml::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn texts_in_yaml((sample, at, new, again) in text_edits(yaml::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn texts_in_json((sample, at, new, again) in text_edits(json::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn texts_in_markdown((sample, at, new, again) in text_edits(prose::markdown)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn texts_in_python((sample, at, new, again) in text_edits(python::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn texts_in_regions((sample, at, new, again) in text_edits(prose::regions)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn values_in_toml((sample, at, new, again) in value_edits(toml::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn values_in_yaml((sample, at, new, again) in value_edits(yaml::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn values_in_json((sample, at, new, again) in value_edits(json::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }

    #[test]
    fn values_in_python((sample, at, new, again) in value_edits(python::sample)) {
        check_edit(&sample, at, &new, &again)?;
    }
}

/// The most bytes of a document that is made of anything.
const MUCH: usize = 64 * 1024;

/// Selectors of every kind; some find something in what is made of pieces of real documents.
const SELECTS: &[&str] = &[
    r#"["file"]"#,
    r#"["md.section", "Rules"]"#,
    r#"["md.section", "T", 2]"#,
    r#"["md.frontmatter", "name"]"#,
    r#"["md.body"]"#,
    r#"["yaml"]"#,
    r#"["yaml", "a", 0]"#,
    r#"["yaml", "a", "+"]"#,
    r#"["toml", "name"]"#,
    r#"["toml", "a", "+"]"#,
    r#"["json", "a", "b"]"#,
    r#"["json", "a", "+"]"#,
    r#"["py.function", "f0"]"#,
    r#"["py.body", "f0"]"#,
    r#"["py.doc", "C0"]"#,
    r#"["py.return", "f1"]"#,
    r#"["py.const", "NAME0"]"#,
    r#"["region", "r0"]"#,
    r#"["new", "x/*.md"]"#,
];

/// Much text of no sense: bytes, what some format reads as more than text, and documents cut and glued together.
fn much() -> impl Strategy<Value = String> {
    let bytes = prop::collection::vec(any::<u8>(), 0..2000)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let part = prop_oneof![
        1 => bytes,
        2 => nasty(),
        1 => (prop::sample::select(vec!["[", "{a: ", "- ", "(", "> ", "  ", "a.", "\"", "-", "#", "\n"]), 0..3000usize)
            .prop_map(|(piece, times)| piece.repeat(times)),
        4 => (prop::sample::select(AUTHORS).prop_flat_map(sample), 0..2000usize).prop_map(|(sample, cut)| {
            let cut = (0..=cut.min(sample.text.len())).rev().find(|at| sample.text.is_char_boundary(*at));
            sample.text[cut.unwrap_or(0)..].to_owned()
        }),
    ];
    (prop::collection::vec(part, 1..40), 1..6usize).prop_map(|(parts, times)| {
        let mut text = parts.concat().repeat(times);
        let end = (0..=MUCH.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases((ProptestConfig::default().cases / 16).max(1)))]

    #[test]
    fn no_document_is_too_much(
        path in prop::sample::select(vec!["a.toml", "a.yaml", "a.json", "a.md", "a.py", "a.txt"]),
        text in much(),
        new in nasty(),
    ) {
        let document = document(path, &text);
        let mut manifest = String::from("schema = 1\n[prompt]\nsystem = \"a.md\"\n");
        for (at, select) in SELECTS.iter().enumerate() {
            manifest.push_str(&format!("[[surface]]\nid = \"s{at}\"\nfile = \"{path}\"\nselect = {select}\n"));
            if let Ok(place) = super::selector(select).resolve(&document) {
                prop_assert!(text.get(place.span.range()).is_some());
                // Whether it is accepted does not matter here.
                let _ = write(&document, &place, &Limits::default(), &new);
            }
        }
        let files = [("harness.toml", manifest.as_str()), (path, text.as_str()), ("a.md", text.as_str())];
        let harness = Harness::resolve(&Files::from_texts(files), None);
        prop_assert!(harness.names(&FilePath::parse(path).unwrap()));
        let _ = check::all(&harness);
        if path == "a.toml" {
            // The same text as the manifest itself.
            let _ = check::all(&Harness::resolve(&Files::from_texts([("harness.toml", text.as_str())]), None));
        }
    }
}
