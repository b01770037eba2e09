//! Places in Python: definitions found by name, and inside them the one literal that an edit may rewrite.

use ruff_python_ast::statement_visitor::{StatementVisitor, walk_stmt};
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{
    Expr, ExprFString, ExprStringLiteral, FStringPart, InterpolatedStringElement, ModModule, Number,
    PySourceType, Stmt, StmtFunctionDef, StringFlags as _, UnaryOp,
};
use ruff_python_parser::{Parsed, parse_unchecked_source};
use ruff_text_size::{Ranged as _, TextRange};

use super::layout::indentation;
use super::{Form, PythonPart, Resolved, Selector, Unresolved, ValueKind, near, unix};
use crate::syntax::python::Tree;
use crate::syntax::{Document, Format};
use crate::text::Span;

/// A Python file, parsed.
pub(crate) type Module = Parsed<ModModule>;

/// One part of a string expression: `"a" f"b{c}"` has two.
pub(crate) struct Piece {
    /// Its bytes, prefix and quotes included.
    pub(crate) span: Span,
    /// What it means; of an f-string with its fields as written and literal braces doubled.
    pub(crate) text: String,
    /// How many characters the prefix has.
    pub(crate) prefix: usize,
    /// How many quotes are at each end.
    pub(crate) quotes: usize,
    /// Whether it is an f-string.
    pub(crate) fields: bool,
    /// Whether backslashes are literal.
    pub(crate) raw: bool,
}

/// The parsed file. Only for texts that [`Tree::parse`] reads without an error: it stops at what nests too deeply.
pub(crate) fn parse(source: &str) -> Module {
    parse_unchecked_source(source, PySourceType::Python)
}

/// A place of the parser's as ours.
pub(crate) fn span(range: TextRange) -> Span {
    Span { start: range.start().to_u32(), end: range.end().to_u32() }
}

pub(super) fn resolve(
    selector: &Selector,
    part: PythonPart,
    path: &[String],
    document: &Document,
) -> Result<Resolved, Unresolved> {
    if !matches!(document.format(), Format::Python | Format::Plain) {
        return Err(selector.wrong_format(document));
    }
    let read;
    let tree = match document.python() {
        Some(tree) => tree,
        None => {
            read = Tree::parse(document.source());
            &read
        }
    };
    if let Some(error) = tree.errors.first() {
        let line = super::line(document, error.span.start);
        return Err(Unresolved::Refused(format!("the file does not parse (line {line}): {}", error.message)));
    }
    let module = parse(document.source());
    let place = Place { selector, part, path, document, module: &module };
    let definition = place.find()?;
    match (part, definition) {
        (PythonPart::Const, Definition::Assignment(value)) => place.expression(value),
        (PythonPart::Doc, Definition::Function(function)) => place.docstring(&function.body),
        (PythonPart::Doc, Definition::Class(body)) => place.docstring(body),
        (PythonPart::Function, Definition::Function(function)) => Ok(place.code(span(function.range))),
        (PythonPart::Body, Definition::Function(function)) => place.body(&function.body),
        (PythonPart::Return, Definition::Function(function)) => place.returned(function),
        (_, definition) => Err(Unresolved::Refused(format!(
            "`{}` is {}, which `{}` cannot select",
            path.join("."),
            definition.name(),
            part.name()
        ))),
    }
}

struct Place<'a> {
    selector: &'a Selector,
    part: PythonPart,
    path: &'a [String],
    document: &'a Document,
    module: &'a Module,
}

/// What a name is bound to.
#[derive(Clone, Copy)]
enum Definition<'a> {
    Function(&'a StmtFunctionDef),
    Class(&'a [Stmt]),
    /// The right side of an assignment with this one target.
    Assignment(&'a Expr),
    /// An assignment of another form.
    Other,
}

impl Definition<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Function(_) => "a function",
            Self::Class(_) => "a class",
            Self::Assignment(_) => "a constant",
            Self::Other => "assigned with other names, or changed in place",
        }
    }
}

/// The names that one scope binds, in order. What is bound inside a function is not the scope's.
#[derive(Default)]
struct Scope<'a> {
    names: Vec<(&'a str, Definition<'a>, TextRange)>,
}

impl<'a> StatementVisitor<'a> for Scope<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.names.push((function.name.as_str(), Definition::Function(function), function.range));
            }
            Stmt::ClassDef(class) => {
                self.names.push((class.name.as_str(), Definition::Class(&class.body), class.range));
            }
            Stmt::Assign(assign) => match assign.targets.as_slice() {
                [Expr::Name(name)] => {
                    self.names.push((name.id.as_str(), Definition::Assignment(&assign.value), assign.range));
                }
                targets => {
                    for target in targets {
                        self.bind(target, statement);
                    }
                }
            },
            Stmt::AnnAssign(assign) => {
                if let (Expr::Name(name), Some(value)) = (&*assign.target, &assign.value) {
                    self.names.push((name.id.as_str(), Definition::Assignment(value), assign.range));
                }
            }
            Stmt::AugAssign(assign) => self.bind(&assign.target, statement),
            _ => walk_stmt(self, statement),
        }
    }
}

impl<'a> Scope<'a> {
    fn bind(&mut self, target: &'a Expr, statement: &'a Stmt) {
        match target {
            Expr::Name(name) => {
                self.names.push((name.id.as_str(), Definition::Other, statement.range()));
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.bind(target, statement)),
            Expr::List(list) => list.elts.iter().for_each(|target| self.bind(target, statement)),
            Expr::Starred(starred) => self.bind(&starred.value, statement),
            _ => {}
        }
    }
}

impl<'a> Place<'a> {
    fn find(&self) -> Result<Definition<'a>, Unresolved> {
        let mut body: &[Stmt] = &self.module.syntax().body;
        let mut found = None;
        for (at, step) in self.path.iter().enumerate() {
            let mut scope = Scope::default();
            scope.visit_body(body);
            let same: Vec<_> = scope.names.iter().filter(|(name, ..)| name == step).collect();
            let definition = match same.as_slice() {
                [] => return Err(self.nothing(at, step, &scope)),
                [(_, definition, _)] => *definition,
                _ => {
                    let lines: Vec<String> = same
                        .iter()
                        .map(|(.., range)| super::line(self.document, span(*range).start).to_string())
                        .collect();
                    let lines = super::in_words(&lines, "and");
                    return Err(Unresolved::Refused(format!(
                        "`{step}` is defined {} times (lines {lines})",
                        same.len()
                    )));
                }
            };
            body = match definition {
                Definition::Function(function) => &function.body,
                Definition::Class(body) => body,
                Definition::Assignment(_) | Definition::Other => &[],
            };
            found = Some(definition);
        }
        found.ok_or_else(|| Unresolved::Refused("no name is given".to_owned()))
    }

    fn nothing(&self, at: usize, step: &str, scope: &Scope<'_>) -> Unresolved {
        let last = at + 1 == self.path.len();
        let fits = |definition: &Definition<'_>| match definition {
            _ if !last => !matches!(definition, Definition::Assignment(_) | Definition::Other),
            Definition::Function(_) => self.part != PythonPart::Const,
            Definition::Class(_) => self.part == PythonPart::Doc,
            Definition::Assignment(_) => self.part == PythonPart::Const,
            Definition::Other => false,
        };
        let names = scope.names.iter().filter(|(_, definition, _)| fits(definition)).map(|(name, ..)| *name);
        let near = near(step, names, |name| {
            let mut path = self.path.to_vec();
            if let Some(old) = path.get_mut(at) {
                name.clone_into(old);
            }
            Selector::Python { part: self.part, path }
        });
        let noun = match self.part {
            _ if !last => "class or function",
            PythonPart::Const => "constant",
            PythonPart::Doc => "class or function",
            _ => "function",
        };
        let path = self.path.iter().take(at + 1).map(String::as_str).collect::<Vec<_>>().join(".");
        Unresolved::Nothing { what: format!("{noun} `{path}`"), near }
    }

    fn docstring(&self, body: &'a [Stmt]) -> Result<Resolved, Unresolved> {
        match docstring(body) {
            Some(literal) => {
                Ok(self.literal(&strings_of(&Expr::StringLiteral(literal.clone()), self.document.source())))
            }
            None => Err(Unresolved::Nothing {
                what: format!("docstring of `{}`", self.path.join(".")),
                near: Vec::new(),
            }),
        }
    }

    fn body(&self, body: &'a [Stmt]) -> Result<Resolved, Unresolved> {
        let rest = if docstring(body).is_some() { body.get(1..).unwrap_or_default() } else { body };
        match (rest.first(), rest.last()) {
            (Some(first), Some(last)) => Ok(self.code(span(first.range()).cover(span(last.range())))),
            _ => Err(Unresolved::Refused(format!(
                "`{}` has no body beside its docstring",
                self.path.join(".")
            ))),
        }
    }

    fn returned(&self, function: &'a StmtFunctionDef) -> Result<Resolved, Unresolved> {
        let mut returns = Returns::default();
        returns.visit_body(&function.body);
        match returns.found.as_slice() {
            [Some(value)] => self.expression(value),
            [None] => Err(self.refused("returns nothing")),
            [] => Err(self.refused("has no `return`")),
            several => Err(self.refused(&format!("has {} `return`s, so none is the one", several.len()))),
        }
    }

    fn expression(&self, value: &'a Expr) -> Result<Resolved, Unresolved> {
        let source = self.document.source();
        let display = matches!(value, Expr::Dict(_) | Expr::List(_) | Expr::Tuple(_) | Expr::Set(_));
        if !display {
            let mut strings = Strings::default();
            strings.visit_expr(value);
            match strings.found.as_slice() {
                [only] => {
                    let pieces = strings_of(only, source);
                    if pieces.is_empty() {
                        return Err(self.refused("is no text but bytes"));
                    }
                    return Ok(self.literal(&pieces));
                }
                [] => {}
                several => {
                    let count = several.len();
                    return Err(self.refused(&format!("is made of {count} texts, so none is the one")));
                }
            }
        }
        if !is_literal(value) {
            return Err(self.refused("is computed; only literals are surfaces"));
        }
        let place = span(value.range());
        let value_text = unix(place.of(source), self.document);
        Ok(self.selector.resolved(place, value_text, literal_kind(value), Form::Expression))
    }

    fn refused(&self, why: &str) -> Unresolved {
        Unresolved::Refused(format!("`{}` {why}", self.path.join(".")))
    }

    fn literal(&self, pieces: &[Piece]) -> Resolved {
        let place = pieces.iter().map(|piece| piece.span).reduce(Span::cover).unwrap_or_default();
        let fields = pieces.iter().any(|piece| piece.fields);
        let mut value = String::new();
        for piece in pieces {
            if fields && !piece.fields {
                value.push_str(&piece.text.replace('{', "{{").replace('}', "}}"));
            } else {
                value.push_str(&piece.text);
            }
        }
        self.selector.resolved(place, value, ValueKind::String, Form::Literal { fields })
    }

    fn code(&self, place: Span) -> Resolved {
        let source = self.document.source();
        let line_start = source.get(..place.start as usize).and_then(|before| before.rfind(['\n', '\r']));
        let before = source.get(line_start.map_or(0, |at| at + 1)..place.start as usize).unwrap_or_default();
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let indent = indentation(source, place.start as usize);
        let indent = if indent.len() == before.len() { indent } else { "" };
        let kept = string_lines(self.module, source);
        let (value, indent) = dedent(place, source, indent, &kept);
        self.selector.resolved(
            place,
            unix(&value, self.document),
            ValueKind::Other,
            Form::Code { indent: indent.to_owned() },
        )
    }
}

/// Code without `indent` at the start of its lines after the first, but for lines that start inside a string.
fn dedent<'i>(place: Span, source: &str, indent: &'i str, kept: &[usize]) -> (String, &'i str) {
    let mut out = String::new();
    let mut at = place.start as usize;
    for (number, line) in place.of(source).split_inclusive('\n').enumerate() {
        let body = line.trim_end_matches(['\n', '\r']);
        if number == 0 || indent.is_empty() || kept.binary_search(&at).is_ok() {
            out.push_str(line);
        } else if let Some(rest) = line.strip_prefix(indent) {
            out.push_str(rest);
        } else if body.trim_start_matches([' ', '\t', '\u{c}']).is_empty() {
            out.push_str(line.get(body.len()..).unwrap_or_default());
        } else {
            return (place.of(source).to_owned(), "");
        }
        at += line.len();
    }
    (out, indent)
}

/// The starts of lines that are inside a string, in order.
pub(crate) fn string_lines(module: &Module, source: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    for token in module.tokens() {
        if !matches!(token.kind(), TokenKind::String | TokenKind::FStringMiddle | TokenKind::TStringMiddle) {
            continue;
        }
        let place = span(token.range());
        let breaks = place.of(source).bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        starts.extend(breaks.map(|(at, _)| place.start as usize + at + 1));
    }
    starts
}

fn docstring(body: &[Stmt]) -> Option<&ExprStringLiteral> {
    match body.first()? {
        Stmt::Expr(statement) => statement.value.as_string_literal_expr(),
        _ => None,
    }
}

/// The `return`s of one function, without those of functions inside it.
#[derive(Default)]
struct Returns<'a> {
    found: Vec<Option<&'a Expr>>,
}

impl<'a> StatementVisitor<'a> for Returns<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Return(statement) => self.found.push(statement.value.as_deref()),
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => walk_stmt(self, statement),
        }
    }
}

/// The outermost strings of an expression.
#[derive(Default)]
struct Strings<'a> {
    found: Vec<&'a Expr>,
}

impl<'a> Visitor<'a> for Strings<'a> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::StringLiteral(_) | Expr::FString(_) | Expr::BytesLiteral(_) | Expr::TString(_) => {
                self.found.push(expression);
            }
            _ => walk_expr(self, expression),
        }
    }
}

/// The pieces of a string expression; none of bytes and template strings.
pub(crate) fn strings_of(expression: &Expr, source: &str) -> Vec<Piece> {
    // The parser keeps the line ends of the file, Python does not; one that an escape writes stays.
    let meant = |text: &str, range: TextRange| {
        if span(range).of(source).contains("\r\n") { text.replace("\r\n", "\n") } else { text.to_owned() }
    };
    let literal = |literal: &ruff_python_ast::StringLiteral| Piece {
        span: span(literal.range),
        text: meant(&literal.value, literal.range),
        prefix: literal.flags.prefix().as_str().len(),
        quotes: if literal.flags.is_triple_quoted() { 3 } else { 1 },
        fields: false,
        raw: literal.flags.prefix().is_raw(),
    };
    match expression {
        Expr::StringLiteral(ExprStringLiteral { value, .. }) => value.iter().map(literal).collect(),
        Expr::FString(ExprFString { value, .. }) => value
            .iter()
            .map(|part| match part {
                FStringPart::Literal(part) => literal(part),
                FStringPart::FString(part) => {
                    let mut text = String::new();
                    for element in &part.elements {
                        match element {
                            InterpolatedStringElement::Literal(element) => {
                                text.push_str(&element.value.replace('{', "{{").replace('}', "}}"));
                            }
                            InterpolatedStringElement::Interpolation(element) => {
                                text.push_str(span(element.range).of(source));
                            }
                        }
                    }
                    Piece {
                        span: span(part.range),
                        text: meant(&text, part.range),
                        prefix: part.flags.prefix().as_str().len(),
                        quotes: if part.flags.is_triple_quoted() { 3 } else { 1 },
                        fields: true,
                        raw: part.flags.prefix().is_raw(),
                    }
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether an expression holds literals only, so that it means the same wherever it stands.
pub(crate) fn is_literal(expression: &Expr) -> bool {
    match expression {
        Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_) => true,
        Expr::UnaryOp(unary) => {
            matches!(unary.op, UnaryOp::USub | UnaryOp::UAdd) && unary.operand.is_number_literal_expr()
        }
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_literal),
        Expr::List(list) => list.elts.iter().all(is_literal),
        Expr::Set(set) => set.elts.iter().all(is_literal),
        Expr::Dict(dict) => {
            dict.items.iter().all(|item| item.key.as_ref().is_some_and(is_literal) && is_literal(&item.value))
        }
        _ => false,
    }
}

/// The kind of a literal expression.
pub(crate) fn literal_kind(expression: &Expr) -> ValueKind {
    match expression {
        Expr::StringLiteral(_) => ValueKind::String,
        Expr::BooleanLiteral(_) => ValueKind::Boolean,
        Expr::NumberLiteral(number) => match number.value {
            Number::Int(_) => ValueKind::Integer,
            Number::Float(_) => ValueKind::Number,
            Number::Complex { .. } => ValueKind::Other,
        },
        Expr::UnaryOp(unary) => literal_kind(&unary.operand),
        Expr::Tuple(_) | Expr::List(_) | Expr::Set(_) => ValueKind::List,
        Expr::Dict(_) => ValueKind::Table,
        _ => ValueKind::Other,
    }
}

/// The pieces of the string expression that stands exactly at `place`.
pub(crate) fn pieces_at(source: &str, place: Span) -> Vec<Piece> {
    let module = parse(source);
    let mut strings = Strings::default();
    strings.visit_body(&module.syntax().body);
    let found = strings.found.into_iter().find(|found| span(found.range()) == place);
    found.map(|found| strings_of(found, source)).unwrap_or_default()
}
