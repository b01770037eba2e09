//! The proof that an edit is what it says: the document before and after are read by the same parsers, and may differ
//! in the one place only.

use std::fmt;
use std::sync::Arc;

use super::Refusal;
use crate::selector::{
    DataFormat, Form, ListEnd, Resolved, Selector, ValueKind, front_matter, kind_of, positions,
    regions_outside, tree_of, tree_of_selector,
};
use crate::surface::{Breach, Limits, fits, grants_rights, loosened, template_error};
use crate::syntax::data::{Kind, Step, Tree, Value};
use crate::syntax::{Document, Format};
use crate::text::{Span, Text, TextEdit, apply_all};

/// Whether `edit` gives the place `resolved` of `document` the value `new`, keeps `limits`, and does nothing else.
pub(super) fn prove(
    document: &Document,
    resolved: &Resolved,
    limits: &Limits,
    new: &str,
    edit: &TextEdit,
) -> Result<(), Refusal> {
    let text = apply_all(document.source(), std::slice::from_ref(edit)).ok_or(Refusal::Stale)?;
    let after = Document::new(document.path().clone(), Text::new(&text));
    let proof = Proof { before: document, after, resolved, edit };
    proof.parses()?;
    let kind = match &resolved.form {
        Form::Append { format, list } => proof.added(*format, list, new)?,
        _ => proof.read_back(new)?,
    };
    proof.outside()?;
    proof.rights()?;
    proof.tightens(limits)?;
    let mut breaches = limits.breaches(new, kind);
    let want = limits.kind.unwrap_or(resolved.kind);
    if limits.kind.is_none() && want != ValueKind::Other && !fits(kind, want) {
        breaches.insert(0, Breach::Kind { have: kind, want });
    }
    // A text that did not compile before is reported as it is; an edit need not mend it.
    if let Some(dialect) = limits.template
        && template_error(dialect, &resolved.value).is_none()
        && let Some(message) = template_error(dialect, new)
    {
        breaches.push(Breach::Template(message));
    }
    if breaches.is_empty() { Ok(()) } else { Err(Refusal::Limits(breaches)) }
}

struct Proof<'a> {
    before: &'a Document,
    after: Arc<Document>,
    resolved: &'a Resolved,
    edit: &'a TextEdit,
}

impl Proof<'_> {
    /// A document that parsed still does.
    fn parses(&self) -> Result<(), Refusal> {
        let broken = |document: &Document| match document.format() {
            Format::Toml | Format::Yaml | Format::Json => {
                document.data().and_then(|tree| tree.errors.first().map(|error| error.message.clone()))
            }
            Format::Markdown => super::markdown::broken(document),
            Format::Python => super::python::broken(document),
            Format::Plain => None,
        };
        match broken(&self.after) {
            Some(message) if broken(self.before).is_none() => Err(Refusal::Breaks(message)),
            _ => Ok(()),
        }
    }

    /// The place is found again where it was written, and has the new value; its kind.
    fn read_back(&self, new: &str) -> Result<ValueKind, Refusal> {
        let lost = |why| Refusal::Lost { file: self.after.path().clone(), why };
        let read = self.resolved.selector.resolve(&self.after).map_err(lost)?;
        if matches!(self.resolved.form, Form::Value { .. })
            && read.kind == ValueKind::String
            && self.resolved.kind != ValueKind::Other
        {
            return Err(Refusal::Limits(vec![Breach::Kind { have: read.kind, want: self.resolved.kind }]));
        }
        // A block that became empty has its place where text would be written next.
        let there = self.written().contains(read.span) || (new.is_empty() && read.span.is_empty());
        if !there || read.value != new {
            return Err(Refusal::Unwritable("the new text would not be read back as it is".to_owned()));
        }
        if let Form::Value { format, .. } = self.resolved.form
            && read.kind != ValueKind::String
            && let Some(alone) = alone(format, new)
            // An anchor before the place is not its own.
            && self.value_at(&self.after).is_none_or(|value| {
                !same(&Value { anchored: value.anchored, ..alone }, &value, None, false)
            })
        {
            return Err(Refusal::Unwritable("the new value would mean something else there".to_owned()));
        }
        if matches!(self.resolved.form, Form::Scalar { .. }) && read.kind != ValueKind::String {
            return Err(Refusal::Unwritable("the new text would not be read back as a text".to_owned()));
        }
        Ok(read.kind)
    }

    /// The list has one entry more, and it is the new one; its kind.
    fn added(&self, format: DataFormat, list: &ListEnd, new: &str) -> Result<ValueKind, Refusal> {
        let lost = || Refusal::Unwritable("the new entry would not be read back as it is".to_owned());
        let check = |tree: &Tree| {
            let way = positions(tree, &self.resolved.selector).ok_or_else(lost)?;
            let entry = at(&tree.root, &way).and_then(Value::as_list).and_then(<[Value]>::last);
            let entry = entry.ok_or_else(lost)?;
            if self.resolved.kind == ValueKind::String {
                return if entry.as_text() == Some(new) { Ok(ValueKind::String) } else { Err(lost()) };
            }
            let alone = match list {
                // The lines below a header are a document.
                ListEnd::Header { .. } => {
                    Some(format.parse(new)).filter(|tree| tree.errors.is_empty()).map(|tree| tree.root)
                }
                _ => alone(format, new),
            };
            let alone = alone.ok_or_else(|| Refusal::Unwritable("the new entry is no value".to_owned()))?;
            if same(&alone, entry, None, false) { Ok(kind_of(entry)) } else { Err(lost()) }
        };
        tree_of_selector(&self.after, &self.resolved.selector, check).unwrap_or_else(|| Err(lost()))
    }

    /// Everything beside the place is what it was.
    fn outside(&self) -> Result<(), Refusal> {
        match &self.resolved.form {
            Form::Scalar { .. } | Form::Value { .. } | Form::Append { .. } => {
                let selector = &self.resolved.selector;
                let same = tree_of_selector(self.before, selector, |before| {
                    tree_of_selector(&self.after, selector, |after| self.same_beside(before, after))
                });
                if same.flatten() != Some(true) {
                    return Err(Refusal::Outside("a value".to_owned()));
                }
            }
            Form::Literal { .. } | Form::Expression | Form::Code { .. } => {
                super::python::outside(self.before, &self.after, self.resolved.span, self.written())?;
            }
            Form::Text if self.resolved.selector == Selector::File => return Ok(()),
            Form::Text => self.lines_beside()?,
        }
        self.regions()?;
        let as_markdown = matches!(
            self.resolved.selector,
            Selector::Section { .. } | Selector::Body | Selector::FrontMatter { .. }
        );
        if self.before.format() == Format::Markdown || as_markdown {
            super::markdown::outside(self.before, &self.after, self.resolved.span, self.written())?;
        }
        Ok(())
    }

    /// What a region of a structured file leaves as it was: the values or the code that its lines are not.
    fn lines_beside(&self) -> Result<(), Refusal> {
        let (old, new) = (self.resolved.span, self.written());
        match self.before.format() {
            Format::Python if self.before.python().is_some_and(|tree| tree.errors.is_empty()) => {
                super::python::outside(self.before, &self.after, old, new)
            }
            _ => match leaves(self.before, old) {
                Some(before) if Some(&before) != leaves(&self.after, new).as_ref() => {
                    Err(Refusal::Outside("a value".to_owned()))
                }
                _ => Ok(()),
            },
        }
    }

    /// The regions around and beside the place are as many as they were.
    fn regions(&self) -> Result<(), Refusal> {
        let Some(before) = regions_outside(self.before, self.resolved.span) else { return Ok(()) };
        let after = regions_outside(&self.after, self.written()).unwrap_or_default();
        if before == after {
            return Ok(());
        }
        let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
        let (name, _) = before.get(same).or(after.get(same)).copied().unwrap_or_default();
        Err(Refusal::Outside(format!("region `{name}`")))
    }

    /// Whether two trees differ in the place only.
    fn same_beside(&self, before: &Tree, after: &Tree) -> bool {
        let values = match (&self.resolved.form, &self.resolved.selector) {
            (
                Form::Append { list: ListEnd::Header { first: true, .. }, .. },
                Selector::Data { steps, .. },
            ) => {
                let mut rest = after.root.clone();
                remove(&mut rest, &before.root, steps);
                same(&before.root, &rest, None, false)
            }
            (form, selector) => {
                let append = matches!(form, Form::Append { .. });
                let way = positions(before, selector);
                way.is_some_and(|way| same(&before.root, &after.root, Some(&way), append))
            }
        };
        values
            && before.documents == after.documents
            && self.comments(before, self.before, None)
                == self.comments(after, &self.after, Some(self.written()))
    }

    /// The comments outside of the place, as text with their distance from the start or the end of the document.
    fn comments<'t>(
        &self,
        tree: &Tree,
        document: &'t Document,
        written: Option<Span>,
    ) -> Vec<(bool, usize, &'t str)> {
        let place = written.unwrap_or(self.resolved.span);
        let outside =
            tree.comments.iter().filter(|comment| comment.end <= place.start || place.end <= comment.start);
        outside
            .map(|comment| {
                let before = comment.end <= place.start;
                let distance = if before {
                    comment.start as usize
                } else {
                    document.source().len() - comment.end as usize
                };
                (before, distance, comment.of(document.source()))
            })
            .collect()
    }

    /// No key that grants rights came, went or changed.
    fn rights(&self) -> Result<(), Refusal> {
        let all = |document: &Document| {
            let mut found = Vec::new();
            match (&self.resolved.selector, document.format()) {
                (_, Format::Toml | Format::Yaml | Format::Json) => {
                    if let Some(tree) = document.data() {
                        rights(&tree.root, "", document.source(), &mut found);
                    }
                }
                (Selector::Data { format, .. }, Format::Plain) => {
                    tree_of(document, *format, |tree| rights(&tree.root, "", document.source(), &mut found));
                }
                (selector @ Selector::FrontMatter { .. }, Format::Plain) => {
                    tree_of_selector(document, selector, |tree| {
                        rights(&tree.root, "", document.source(), &mut found);
                    });
                }
                (_, Format::Markdown) => {
                    if let Some(tree) = front_matter(document) {
                        rights(&tree.root, "", document.source(), &mut found);
                    }
                }
                _ => {}
            }
            found
        };
        let (before, after) = (all(self.before), all(&self.after));
        if before == after {
            return Ok(());
        }
        let changed = before.iter().find(|one| !after.contains(one));
        let changed = changed.or_else(|| after.iter().find(|one| !before.contains(one))).or(after.last());
        Err(Refusal::Rights(changed.map(|(key, _)| key.clone()).unwrap_or_default()))
    }

    /// Where limits ask for it, a schema accepts no more than before.
    fn tightens(&self, limits: &Limits) -> Result<(), Refusal> {
        if !limits.only_tighten {
            return Ok(());
        }
        match (self.value_at(self.before), self.value_at(&self.after)) {
            (Some(before), Some(after)) => {
                loosened(&before, &after).map_or(Ok(()), |path| Err(Refusal::Loosens(path)))
            }
            _ => Err(Refusal::Loosens(String::new())),
        }
    }

    /// The value of data that the selector names.
    fn value_at(&self, document: &Document) -> Option<Value> {
        let selector = &self.resolved.selector;
        let found = |tree: &Tree| at(&tree.root, &positions(tree, selector)?).cloned();
        tree_of_selector(document, selector, found).flatten()
    }

    /// The bytes that were written.
    fn written(&self) -> Span {
        let start = self.edit.span.start as usize;
        Span::new(start, start + self.edit.new_text.len())
    }
}

/// The values of all keys that grant rights, with their paths. A key below `properties` is a parameter's name.
fn rights(value: &Value, path: &str, source: &str, found: &mut Vec<(String, String)>) {
    match &value.kind {
        Kind::Table(table) => {
            let names = path.ends_with(".properties") || path == "properties";
            for entry in &table.entries {
                let name = &entry.key.name;
                let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                if !names && grants_rights(name) {
                    let mut meaning = String::new();
                    render(&entry.value, source, &mut meaning);
                    found.push((path.clone(), meaning));
                }
                rights(&entry.value, &path, source, found);
            }
        }
        Kind::List(list) => {
            for (index, item) in list.items.iter().enumerate() {
                rights(item, &format!("{path}.{index}"), source, found);
            }
        }
        _ => {}
    }
}

/// What a value means, as text: two values have the same only if they mean the same.
pub(super) fn render(value: &Value, source: &str, out: &mut String) {
    match &value.kind {
        Kind::Table(table) => {
            out.push('{');
            for entry in &table.entries {
                out.push_str(&format!("{:?}:", entry.key.name));
                render(&entry.value, source, out);
                out.push(',');
            }
            out.push('}');
        }
        Kind::List(list) => {
            out.push('[');
            for item in &list.items {
                render(item, source, out);
                out.push(',');
            }
            out.push(']');
        }
        Kind::Text(scalar) => out.push_str(&format!("{:?}", scalar.value)),
        Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Null => {
            out.push_str(&format!("{:?}", value.kind))
        }
        Kind::Date | Kind::Alias | Kind::Broken => out.push_str(value.span.of(source)),
    }
}

/// Takes what stands at the end of some keys out of `value`, with the tables on the way that `before` does not have.
fn remove(value: &mut Value, before: &Value, keys: &[Step]) {
    let (Some((Step::Key(key), rest)), Kind::Table(table)) = (keys.split_first(), &mut value.kind) else {
        return;
    };
    let Some(at) = table.entries.iter().position(|entry| *entry.key.name == **key) else { return };
    match (before.get(key), table.entries.make_mut().get_mut(at)) {
        (Some(before), Some(entry)) => remove(&mut entry.value, before, rest),
        _ => {
            // A list of one entry, below tables of one entry: all of it is new.
            table.entries.remove(at);
        }
    }
}

/// The values without values inside that are not in `place`, with their ways from the root; none of a document that does
/// not parse.
fn leaves(document: &Document, place: Span) -> Option<Vec<(String, String)>> {
    let tree = document.data().filter(|tree| tree.errors.is_empty())?;
    let mut found = Vec::new();
    collect_leaves(&tree.root, String::new(), document.source(), place, &mut found);
    Some(found)
}

fn collect_leaves(value: &Value, way: String, source: &str, place: Span, found: &mut Vec<(String, String)>) {
    let mut inside = |step: &dyn fmt::Debug, value: &Value| {
        collect_leaves(value, format!("{way}{step:?}."), source, place, found);
    };
    match &value.kind {
        Kind::Table(table) if !table.entries.is_empty() => {
            table.entries.iter().for_each(|entry| inside(&entry.key.name, &entry.value));
        }
        Kind::List(list) if !list.items.is_empty() => {
            list.items.iter().enumerate().for_each(|(index, item)| inside(&index, item));
        }
        _ if place.contains(value.span) => {}
        // The lines are part of a text.
        _ if value.span.contains(place) => found.push((way, String::new())),
        _ => {
            let mut meaning = String::new();
            render(value, source, &mut meaning);
            found.push((way, meaning));
        }
    }
}

/// What a text means as a value alone, if it is one.
fn alone(format: DataFormat, text: &str) -> Option<Value> {
    match format {
        DataFormat::Toml => {
            let tree = format.parse(&format!("entry = {text}"));
            let is_one = tree.root.as_table().is_some_and(|table| table.entries.len() == 1);
            if tree.errors.is_empty() && is_one { tree.root.get("entry").cloned() } else { None }
        }
        _ => Some(format.parse(text))
            .filter(|tree| tree.errors.is_empty() && tree.documents <= 1)
            .map(|tree| tree.root),
    }
}

/// The value at the end of a way of positions.
fn at<'t>(value: &'t Value, way: &[usize]) -> Option<&'t Value> {
    way.iter().try_fold(value, |value, position| match &value.kind {
        Kind::Table(table) => table.entries.get(*position).map(|entry| &entry.value),
        Kind::List(list) => list.items.get(*position),
        _ => None,
    })
}

/// Whether two values mean the same, but for what stands at the end of `hole`; with `append` that is a list with one
/// more entry in `after`.
fn same(before: &Value, after: &Value, hole: Option<&[usize]>, append: bool) -> bool {
    if hole == Some(&[]) {
        if !append {
            return true;
        }
        let (Some(before), Some(after)) = (before.as_list(), after.as_list()) else { return false };
        return before.len() + 1 == after.len()
            && before.iter().zip(after).all(|(before, after)| same(before, after, None, false));
    }
    if before.anchored != after.anchored {
        return false;
    }
    let inner = |position: usize| match hole {
        Some([first, rest @ ..]) if *first == position => Some(rest),
        _ => None,
    };
    match (&before.kind, &after.kind) {
        (Kind::Table(before), Kind::Table(after)) => {
            before.entries.len() == after.entries.len()
                && before.entries.iter().zip(&after.entries).enumerate().all(|(position, (before, after))| {
                    before.key.name == after.key.name
                        && same(&before.value, &after.value, inner(position), append)
                })
        }
        (Kind::List(before), Kind::List(after)) => {
            before.items.len() == after.items.len()
                && before
                    .items
                    .iter()
                    .zip(&after.items)
                    .enumerate()
                    .all(|(position, (before, after))| same(before, after, inner(position), append))
        }
        (Kind::Text(before), Kind::Text(after)) => before.value == after.value,
        (Kind::Float(before), Kind::Float(after)) => before.to_bits() == after.to_bits(),
        // Their bytes lie outside of the edit, so two of them are the same.
        (Kind::Date, Kind::Date) | (Kind::Alias, Kind::Alias) => true,
        (before, after) => before == after,
    }
}
