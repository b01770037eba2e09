//! Which words of a document are names of the harness: variables, tools, states, tasks, and the heading, key or name above
//! the text of a surface. A name that nothing defines gets no token, so that it looks as unknown as it is.

use harness_schema::check;
use harness_schema::harness::{Form, SymbolKind};
use harness_schema::selector;
use harness_schema::text::Span;

use crate::workspace::Site;

/// What a token is; the order is the legend's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    /// A variable of a prompt.
    Variable,
    /// A tool.
    Function,
    /// A parameter of a tool.
    Parameter,
    /// A state.
    EnumMember,
    /// A task.
    Class,
    /// A surface or runtime rule, and the words above a surface's text.
    Property,
    /// A template's comment.
    Comment,
}

/// The legend: what editors call the kinds, in order.
pub const LEGEND: [&str; 7] =
    ["variable", "function", "parameter", "enumMember", "class", "property", "comment"];

/// A token on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: TokenKind,
    /// Whether the name is defined here.
    pub is_definition: bool,
}

/// The tokens of a document, in order, none over a line's end, none over another.
#[must_use]
pub fn tokens(site: &Site) -> Vec<Token> {
    let harness = site.project.harness();
    let Some(document) = harness.document(&site.file) else { return Vec::new() };
    let mut tokens: Vec<Token> = Vec::new();
    for mention in harness.mentions_in(&site.file) {
        let kind = match mention.kind {
            SymbolKind::Tool => TokenKind::Function,
            SymbolKind::Parameter => TokenKind::Parameter,
            SymbolKind::Variable => TokenKind::Variable,
            SymbolKind::State => TokenKind::EnumMember,
            SymbolKind::Task => TokenKind::Class,
            SymbolKind::Rule | SymbolKind::Surface => TokenKind::Property,
            SymbolKind::File => continue,
        };
        if harness.symbols().find(mention.kind, &mention.name).is_some() {
            tokens.push(Token { span: mention.span, kind, is_definition: mention.form == Form::Definition });
        }
    }
    for text in harness.texts_in(&site.file).filter(|text| text.role.is_template() && text.is_exact()) {
        let tree = text.template(harness.files());
        // What the agent itself defines; a name of nobody looks like one.
        let defined = tree.names.iter().filter(|name| {
            let root = name.path.first().map(String::as_str).unwrap_or_default();
            check::prompts::DEFINED.iter().any(|(defined, _)| *defined == root)
        });
        tokens.extend(defined.map(|name| Token {
            span: text.place(name.span),
            kind: TokenKind::Variable,
            is_definition: false,
        }));
        let comments =
            tree.tags.iter().filter(|tag| tag.kind == harness_schema::syntax::template::TagKind::Comment);
        for tag in comments {
            let span = text.place(tag.span);
            let lines = lines(span.of(document.source()), span.start as usize);
            tokens.extend(lines.map(|span| Token { span, kind: TokenKind::Comment, is_definition: false }));
        }
    }
    let places = harness.surfaces().iter().flat_map(|placed| &placed.places);
    for place in places.filter(|place| place.target == site.file) {
        let Some(Ok(resolved)) = place.resolved() else { continue };
        let title = selector::steps::title(document, &resolved.selector, resolved.span);
        // Of a heading over two lines the first.
        let first = title.and_then(|span| lines(span.of(document.source()), span.start as usize).next());
        tokens.extend(first.map(|span| Token { span, kind: TokenKind::Property, is_definition: false }));
    }
    tokens.sort_by_key(|token| (token.span.start, token.span.end, token.kind));
    let mut end = 0;
    let source = document.source();
    tokens.retain(|token| {
        let fits = end <= token.span.start
            && !token.span.is_empty()
            && !token.span.of(source).contains(['\n', '\r']);
        if fits {
            end = token.span.end;
        }
        fits
    });
    tokens
}

fn lines(text: &str, start: usize) -> impl Iterator<Item = Span> {
    text.split_inclusive('\n').scan(start, |at, line| {
        let from = *at;
        *at += line.len();
        Some(Span::new(from, from + line.trim_end_matches(['\n', '\r']).len()))
    })
}
