//! Python, as far as surfaces and lists of names need it: definitions with their places, and what does not parse.

use ruff_python_ast::{Expr, Stmt};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

use super::data::SyntaxError;
use crate::text::Span;

/// Deeper nesting is not read: the parser's own stack is the limit it would meet.
const MAX_NESTING: usize = 200;

/// Classes in classes are followed so far.
const MAX_DEPTH: usize = 32;

/// A Python text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Definitions at the top level, in order.
    pub items: Vec<Item>,
    /// What does not parse.
    pub errors: Vec<SyntaxError>,
}

/// What an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// `def` or `async def`.
    Function,
    /// `class`.
    Class,
    /// An assignment to one name.
    Constant,
}

/// A definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its kind.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// Where the name is.
    pub name_span: Span,
    /// From the first decorator to the end of the body; of a constant the assignment.
    pub span: Span,
    /// Definitions inside.
    pub children: Vec<Item>,
}

impl Tree {
    /// Reads a text.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        if let Some(error) = too_deep(source) {
            return Self { items: Vec::new(), errors: vec![error] };
        }
        let parsed = parse_unchecked(source, ParseOptions::from(Mode::Module));
        let mut errors: Vec<SyntaxError> = Vec::new();
        for error in parsed.errors() {
            let span = visible(source, span(error.location));
            let line = line_around(source, span);
            // One error for a line: what follows on it follows from it.
            if errors.last().is_some_and(|last| last.region.overlaps(line) || last.region == line) {
                continue;
            }
            let message = error.error.to_string();
            let message = lower_first(message.trim_end_matches('.'));
            errors.push(SyntaxError { span, region: line, message });
        }
        let items = parsed.syntax().as_module().map(|module| items(&module.body, 0)).unwrap_or_default();
        Self { items, errors }
    }

    /// The definition at the end of a path of names.
    #[must_use]
    pub fn find(&self, path: &[&str]) -> Option<&Item> {
        let (first, rest) = path.split_first()?;
        let start = self.items.iter().find(|item| item.name == *first)?;
        rest.iter().try_fold(start, |item, name| item.children.iter().find(|child| child.name == *name))
    }
}

fn items(body: &[Stmt], depth: usize) -> Vec<Item> {
    if MAX_DEPTH < depth {
        return Vec::new();
    }
    body.iter().filter_map(|statement| item(statement, depth)).collect()
}

fn item(statement: &Stmt, depth: usize) -> Option<Item> {
    let own = span(statement.range());
    match statement {
        Stmt::FunctionDef(function) => Some(Item {
            kind: ItemKind::Function,
            name: function.name.to_string(),
            name_span: span(function.name.range()),
            span: own,
            children: items(&function.body, depth + 1),
        }),
        Stmt::ClassDef(class) => Some(Item {
            kind: ItemKind::Class,
            name: class.name.to_string(),
            name_span: span(class.name.range()),
            span: own,
            children: items(&class.body, depth + 1),
        }),
        Stmt::Assign(assign) => match assign.targets.as_slice() {
            [Expr::Name(name)] => Some(constant(name.id.as_str(), name.range, own)),
            _ => None,
        },
        Stmt::AnnAssign(assign) => match (&*assign.target, &assign.value) {
            (Expr::Name(name), Some(_)) => Some(constant(name.id.as_str(), name.range, own)),
            _ => None,
        },
        _ => None,
    }
}

fn constant(name: &str, at: TextRange, own: Span) -> Item {
    Item {
        kind: ItemKind::Constant,
        name: name.to_owned(),
        name_span: span(at),
        span: own,
        children: Vec::new(),
    }
}

/// The first place that nests too deeply, by brackets and indentation.
fn too_deep(source: &str) -> Option<SyntaxError> {
    let mut depth = 0_usize;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if MAX_NESTING < depth {
            return Some(deep(source, at));
        }
    }
    // Operators and indentation nest too: long chains of them are no prompt.
    let mut line_at = 0;
    for line in source.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let chain = line.bytes().filter(|byte| matches!(byte, b'-' | b'~' | b'+' | b'*')).count();
        let words =
            line.matches("not ").count() + line.matches("lambda").count() + line.matches("await").count();
        if MAX_NESTING < indent.max(words) && !line.trim().is_empty() || 4 * MAX_NESTING < chain {
            return Some(deep(source, line_at));
        }
        line_at += line.len();
    }
    None
}

fn deep(source: &str, at: usize) -> SyntaxError {
    let end = source.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |char| at + char.len_utf8());
    let message = format!("nested more than {MAX_NESTING} deep");
    SyntaxError { span: Span::new(at, end), region: Span::new(0, source.len()), message }
}

fn span(range: TextRange) -> Span {
    Span::new(range.start().to_usize(), range.end().to_usize())
}

/// An error at a line break or at the end is shown at the last character before it.
fn visible(source: &str, span: Span) -> Span {
    if !span.of(source).trim().is_empty() {
        return span;
    }
    let before = source.get(..span.start as usize).unwrap_or_default().trim_end();
    let start = before.char_indices().next_back().map_or(0, |(at, _)| at);
    Span::new(start, before.len())
}

fn line_around(source: &str, span: Span) -> Span {
    let before = source.get(..span.start as usize).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let after = source.get(span.end as usize..).unwrap_or_default();
    let end = after.find('\n').map_or(source.len(), |at| span.end as usize + at);
    Span::new(start, end)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_have_places_also_beside_a_broken_one() {
        let source = "A = \"x\"\n\n@tool\ndef f(a):\n    return 1\n\ndef broken(:\n    pass\n\nclass C:\n    def g(self): ...\n";
        let tree = Tree::parse(source);
        assert_eq!(tree.find(&["f"]).unwrap().span.of(source), "@tool\ndef f(a):\n    return 1");
        assert_eq!(tree.find(&["C", "g"]).unwrap().name_span.of(source), "g");
        assert_eq!(tree.find(&["A"]).unwrap().kind, ItemKind::Constant);
        assert_eq!(tree.errors.len(), 1, "{:#?}", tree.errors);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for source in [
            "(".repeat(100_000),
            "-".repeat(100_000),
            "not ".repeat(50_000),
            "x = ".to_owned() + &"[".repeat(9000),
        ] {
            assert_eq!(Tree::parse(&source).errors.len(), 1);
        }
    }
}
