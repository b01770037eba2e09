//! Python, as far as surfaces and lists of names need it: definitions with their places, and what does not parse.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Expr, Stmt};
use ruff_python_parser::lexer::lex;
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

use super::data::SyntaxError;
use crate::text::Span;

/// Deeper nesting is not read: the parser's own stack is the limit it would meet.
const MAX_NESTING: usize = 200;

/// Longer chains of attributes, calls and operators are not read: each link takes stack when the tree is dropped.
const MAX_LINKS: usize = 1000;

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
    // Where a name is missing the parser makes one up, which is nowhere.
    let items = body.iter().filter_map(|statement| item(statement, depth));
    items.filter(|item| !item.name.is_empty()).collect()
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

/// Whether a text nests too deeply, by its tokens alone: parsing it, and dropping what was parsed, takes stack for each
/// bracket, block and prefix, and for each link of a chain such as `a.b.c` or `1 + 1 + 1`.
fn too_deep(source: &str) -> Option<SyntaxError> {
    let mut lexer = lex(source, Mode::Module);
    let mut open = vec![Level::default()];
    let mut all = Level::default();
    let mut indents = 0_usize;
    let mut before = TokenKind::Newline;
    loop {
        let kind = lexer.next_token();
        let depth = open.len();
        let top = open.last_mut()?;
        match kind {
            TokenKind::EndOfFile => return None,
            TokenKind::Comment | TokenKind::NonLogicalNewline => continue,
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                top.links += 1;
                all.links += 1;
                open.push(Level::default());
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd
                if 1 < depth =>
            {
                all.take(open.pop().unwrap_or_default());
            }
            // Neighbours in a list do not nest.
            TokenKind::Comma => {
                let after = Level { lambdas: top.lambdas, ..Level::default() };
                let done = std::mem::replace(top, after);
                all.take(Level { lambdas: 0, ..done });
            }
            TokenKind::Lambda => {
                top.lambdas += 1;
                all.lambdas += 1;
            }
            TokenKind::Newline | TokenKind::Semi if depth == 1 => all.take(std::mem::take(top)),
            // What starts a statement ends whatever was left open.
            TokenKind::Def
            | TokenKind::Class
            | TokenKind::Import
            | TokenKind::Return
            | TokenKind::Raise
            | TokenKind::While
            | TokenKind::With
            | TokenKind::Try
            | TokenKind::Pass => {
                open = vec![Level::default()];
                all = Level::default();
            }
            _ if is_prefix(kind, before) => {
                top.prefixes += 1;
                all.prefixes += 1;
            }
            _ if kind.is_operator() => {
                top.links += 1;
                all.links += 1;
            }
            _ => {}
        }
        before = kind;
        if MAX_NESTING < open.len() + indents + all.prefixes + all.lambdas || MAX_LINKS < all.links {
            let end = source.chars().next().map_or(0, char::len_utf8);
            let message = format!("nested more than {MAX_NESTING} deep");
            return Some(SyntaxError {
                span: Span::new(0, end),
                region: Span::new(0, source.len()),
                message,
            });
        }
    }
}

/// What nests between two brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators and brackets behind something.
    links: usize,
    /// Operators and words before something.
    prefixes: usize,
    /// `lambda`s, whose own parameters have commas.
    lambdas: usize,
}

impl Level {
    fn take(&mut self, inner: Self) {
        self.links = self.links.saturating_sub(inner.links);
        self.prefixes = self.prefixes.saturating_sub(inner.prefixes);
        self.lambdas = self.lambdas.saturating_sub(inner.lambdas);
    }
}

/// Whether a token stands before what it belongs to, so that a parser calls itself for what follows.
fn is_prefix(kind: TokenKind, before: TokenKind) -> bool {
    match kind {
        TokenKind::Not
        | TokenKind::Await
        | TokenKind::Yield
        | TokenKind::Else
        | TokenKind::DoubleStar
        | TokenKind::Tilde => true,
        TokenKind::Minus | TokenKind::Plus | TokenKind::Star => !matches!(
            before,
            TokenKind::Name
                | TokenKind::Int
                | TokenKind::Float
                | TokenKind::Complex
                | TokenKind::String
                | TokenKind::FStringEnd
                | TokenKind::TStringEnd
                | TokenKind::Rpar
                | TokenKind::Rsqb
                | TokenKind::Rbrace
                | TokenKind::True
                | TokenKind::False
                | TokenKind::None
        ),
        _ => false,
    }
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
    fn what_has_no_name_is_no_definition() {
        for source in ["name async = \"m\"\n", "async = 1\n", "def (a): pass\n", "class : pass\n", " = 1\n"] {
            let tree = Tree::parse(source);
            assert!(tree.items.is_empty() && !tree.errors.is_empty(), "{tree:#?}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for source in [
            "(".repeat(100_000),
            "-".repeat(100_000),
            "not ".repeat(50_000),
            "x = ".to_owned() + &"[".repeat(9000),
            "a".to_owned() + &".a".repeat(100_000),
            "a".to_owned() + &"()".repeat(100_000),
            "a".to_owned() + &"[0]".repeat(100_000),
            "1".to_owned() + &" + \\\n1".repeat(100_000),
            "1".to_owned() + &"**1".repeat(100_000),
            "a".to_owned() + &" if a else a".repeat(50_000),
            "lambda: ".repeat(50_000) + "1",
            "lambda a, b: ".repeat(50_000) + "1",
            "f'{".repeat(2000),
            (0..500).map(|depth| format!("{}if a:\n", " ".repeat(depth))).collect(),
        ] {
            assert_eq!(Tree::parse(&source).errors.len(), 1, "{:?}", source.get(..20));
        }
    }

    #[test]
    fn what_is_long_but_flat_is_read() {
        for source in [
            "(".repeat(150) + "1" + &")".repeat(150),
            "a".to_owned() + &".a".repeat(900),
            format!("x = [{}]\n", "-1, a.b(), ".repeat(20_000)),
            format!("x = '{}'\n", "((([[[{{{".repeat(1000)),
            format!("x = (\n{})\n", "    'line'  # (((\n".repeat(5000)),
            "x = a.b(1)\n".repeat(5000),
        ] {
            assert_eq!(Tree::parse(&source).errors, [], "{:?}", source.get(..20));
        }
        // One bracket that is never closed does not hide what follows.
        let source = "x = (1 +\n".to_owned() + &"def f(a):\n    return a.b + 1\n".repeat(2000);
        assert!(Tree::parse(&source).errors.iter().all(|error| !error.message.contains("deep")));
    }
}
