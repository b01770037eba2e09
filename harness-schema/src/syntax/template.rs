//! Templates as the native agent renders them: Jinja as minijinja reads it, without files and macros.
//!
//! minijinja itself is the judge of syntax, so what compiles there has no error here. Spans are byte offsets in the text.

mod language;
mod names;

use std::borrow::Cow;

use minijinja::machinery::{WhitespaceConfig, ast};
use minijinja::syntax::SyntaxConfig;

use super::data::SyntaxError;
use crate::text::Span;

pub use self::language::{environment, filters, tests};

/// In a path: an item of a list, whichever it is.
pub const ITEM: &str = "[]";

/// A template read as far as it can be.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Tags in order.
    pub tags: Vec<Tag>,
    /// Names that the template itself does not define, in order; none if it does not compile.
    pub names: Vec<Name>,
    /// Parts of items and of names that the template defines: of `tools[0].name`, and of `t.name` in a loop over `tools`,
    /// the path `tools`, [`ITEM`], `name`.
    pub parts: Vec<Name>,
    /// Strings that something is compared with, in order: `'shell'` in `tool.name == 'shell'`.
    pub compared: Vec<Compared>,
    /// What does not compile, or is not allowed.
    pub errors: Vec<SyntaxError>,
}

/// A string that a template compares something with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// What is compared: `tool.name`; of what a loop takes from a list, the list and the part: `tools.name`.
    pub path: Vec<String>,
    /// The string.
    pub text: String,
    /// What stands between its quotes.
    pub span: Span,
}

/// A tag with its braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its kind.
    pub kind: TagKind,
    /// From brace to brace; of a raw block from the start of `raw` to the end of `endraw`.
    pub span: Span,
}

/// Kinds of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// `{{ … }}`.
    Expression,
    /// `{% … %}`.
    Statement,
    /// `{# … #}`.
    Comment,
    /// `{% raw %} … {% endraw %}`.
    Raw,
}

/// A name with the attributes behind it: `task.instruction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The parts; [`ITEM`] for an item of a list.
    pub path: Vec<String>,
    /// All of it.
    pub span: Span,
    /// The first part.
    pub root_span: Span,
    /// How much of it must be there for the template to render.
    pub needs: Needs,
}

/// How much of a name must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// All of it.
    All,
    /// What its last part is looked up in: the template asks whether it is defined, or has a `default`.
    Parents,
    /// Nothing: the template asks elsewhere whether it is defined.
    Nothing,
}

impl Tree {
    /// Reads a template.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        if memchr::memmem::find(source.as_bytes(), b"{").is_none() {
            return Self::default();
        }
        let (tags, unclosed) = tags(source);
        if tags.is_empty() && unclosed.is_none() {
            return Self::default();
        }
        if let Some(error) = unclosed {
            return Self { tags, errors: vec![error], ..Self::default() };
        }
        match condensed(source, &tags) {
            Some(tree) => Self { tags, ..tree },
            None => Self::whole(source, tags),
        }
    }

    /// Reads all of a template whose tags are known.
    fn whole(source: &str, tags: Vec<Tag>) -> Self {
        match minijinja::machinery::parse(source, "template", SyntaxConfig, WhitespaceConfig::default()) {
            Ok(ast::Stmt::Template(template)) => Self { tags, ..names::read(source, &template.children) },
            Ok(_) => Self { tags, ..Self::default() },
            Err(error) => {
                let errors = vec![explain(source, &tags, &error)];
                Self { tags, errors, ..Self::default() }
            }
        }
    }

    /// Whether the text has no tag at all.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.tags.is_empty() && self.errors.is_empty()
    }
}

/// The names of a template that has nothing wrong, read from its tags alone: most of a prompt is text between them, and it is
/// read at each keystroke. None where the whole must be read.
fn condensed(source: &str, tags: &[Tag]) -> Option<Tree> {
    let length: usize = tags.iter().map(|tag| tag.span.len() + 1).sum();
    if source.len() < length * 2 {
        return None;
    }
    let mut text = String::with_capacity(length);
    // Where each tag starts, there and here.
    let mut starts: Vec<(u32, u32)> = Vec::with_capacity(tags.len());
    for tag in tags {
        starts.push((u32::try_from(text.len()).ok()?, tag.span.start));
        text.push_str(tag.span.of(source));
        text.push(' ');
    }
    let parsed = minijinja::machinery::parse(&text, "template", SyntaxConfig, WhitespaceConfig::default());
    let Ok(ast::Stmt::Template(template)) = parsed else { return None };
    let mut tree = names::read(&text, &template.children);
    if !tree.errors.is_empty() {
        return None;
    }
    let place = |span: &mut Span| {
        let at = starts.partition_point(|(there, _)| *there <= span.start).checked_sub(1);
        if let Some((there, here)) = at.and_then(|at| starts.get(at)) {
            *span = Span { start: span.start - there + here, end: span.end - there + here };
        }
    };
    for name in tree.names.iter_mut().chain(&mut tree.parts) {
        place(&mut name.span);
        place(&mut name.root_span);
    }
    tree.compared.iter_mut().for_each(|compared| place(&mut compared.span));
    Some(tree)
}

/// The tags in order, and the first one that is never closed.
fn tags(source: &str) -> (Vec<Tag>, Option<SyntaxError>) {
    let bytes = source.as_bytes();
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'{', bytes.get(at..).unwrap_or_default()).map(|found| at + found) {
        let (kind, close) = match bytes.get(open + 1) {
            Some(b'{') => (TagKind::Expression, "}}"),
            Some(b'%') => (TagKind::Statement, "%}"),
            Some(b'#') => (TagKind::Comment, "#}"),
            _ => {
                at = open + 1;
                continue;
            }
        };
        let Some(end) = closing(source, open + 2, kind, close) else {
            let span = Span::new(open, open + 2);
            let message = format!("`{}` is never closed", span.of(source));
            let region = Span::new(open, source.len());
            return (tags, Some(SyntaxError { span, region, message }));
        };
        let inner = source.get(open + 2..end - 2).unwrap_or_default().trim_matches(['-', '+']).trim();
        let (kind, end) = if kind == TagKind::Statement && inner == "raw" {
            match end_of_raw(source, end) {
                Some(end) => (TagKind::Raw, end),
                None => {
                    let span = Span::new(open, end);
                    let region = Span::new(open, source.len());
                    let message = String::from("`raw` is never closed");
                    return (tags, Some(SyntaxError { span, region, message }));
                }
            }
        } else {
            (kind, end)
        };
        tags.push(Tag { kind, span: Span::new(open, end) });
        at = end;
    }
    (tags, None)
}

/// The end of a tag whose inside starts at `from`; strings in it may hold braces.
fn closing(source: &str, from: usize, kind: TagKind, close: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    if kind == TagKind::Comment {
        return memchr::memmem::find(bytes.get(from..)?, close.as_bytes()).map(|found| from + found + 2);
    }
    let mut at = from;
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                at += 1;
                while let Some(inside) = bytes.get(at).filter(|inside| *inside != byte) {
                    at += if *inside == b'\\' { 2 } else { 1 };
                }
            }
            // A map's brace may stand right before the tag's.
            _ if depth == 0 && bytes.get(at..)?.starts_with(close.as_bytes()) => return Some(at + 2),
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    // A quote or brace that is never closed: the next mark ends the tag, and minijinja says what is wrong in it.
    memchr::memmem::find(bytes.get(from..)?, close.as_bytes()).map(|found| from + found + 2)
}

fn end_of_raw(source: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let open = at + source.get(at..)?.find("{%")?;
        let close = open + source.get(open..)?.find("%}")? + 2;
        let inner = source.get(open + 2..close - 2)?.trim_matches(['-', '+']).trim();
        if inner == "endraw" {
            return Some(close);
        }
        at = open + 2;
    }
}

/// minijinja's error in our words, at the tag that it is about.
fn explain(source: &str, tags: &[Tag], error: &minijinja::Error) -> SyntaxError {
    let detail = error.detail().map_or_else(|| Cow::Owned(error.kind().to_string()), Cow::Borrowed);
    let range = error.range().unwrap_or(0..0);
    let at = range.start.min(source.len());
    let tag = tags.iter().rev().find(|tag| tag.span.start as usize <= at).map(|tag| tag.span);
    let whole = tag.unwrap_or(Span::new(0, source.len().min(1)));
    let precise = Span::new(range.start, range.end.min(source.len()));
    let is_inside = whole.contains(precise)
        && !precise.is_empty()
        && source.is_char_boundary(precise.start as usize)
        && source.is_char_boundary(precise.end as usize);
    let span = if is_inside { precise } else { whole };
    let message = match detail.as_ref() {
        text if text.starts_with("unexpected end of input") => match open_block(source, tags) {
            Some((name, span)) => {
                let message = format!("`{name}` is never closed");
                return SyntaxError { span, region: span, message };
            }
            None => String::from("the template ends too early"),
        },
        text => text.trim_end_matches('.').to_owned(),
    };
    SyntaxError { span, region: whole, message }
}

/// The innermost block that is open at the end.
fn open_block<'a>(source: &'a str, tags: &[Tag]) -> Option<(&'a str, Span)> {
    let mut open: Vec<(&str, Span)> = Vec::new();
    for tag in tags.iter().filter(|tag| tag.kind == TagKind::Statement) {
        let inner = tag.span.of(source).trim_matches(['{', '}', '%', '-', '+']).trim();
        let word =
            inner.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap_or_default();
        match word {
            "if" | "for" | "filter" | "with" | "macro" | "call" | "block" | "autoescape" => {
                open.push((word, tag.span))
            }
            "set" if !inner.contains('=') => open.push((word, tag.span)),
            _ if word.starts_with("end") => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(source: &str) -> Vec<(String, &str)> {
        let tree = Tree::parse(source);
        assert_eq!(tree.errors, [], "{source}");
        tree.names.iter().map(|name| (name.path.join("."), name.span.of(source))).collect()
    }

    fn error(source: &str) -> (String, &str) {
        let tree = Tree::parse(source);
        let error = tree.errors.first().unwrap_or_else(|| panic!("no error in {source}"));
        (error.message.clone(), error.span.of(source))
    }

    #[test]
    fn free_names_have_their_places() {
        let source = "Hi {{ task.instruction|trim }} {% for t in tools %}{{ t.name }}{{ loop.index }}{% endfor %}{{ é }}{{ team }}";
        assert_eq!(
            names(
                "Hi {{ task.instruction|trim }} {% for t in tools %}{{ t.name }}{{ loop.index }}{% endfor %}{{ team }}"
            ),
            [
                ("task.instruction".into(), "task.instruction"),
                ("tools".into(), "tools"),
                ("team".into(), "team")
            ]
        );
        let _ = Tree::parse(source);
        assert_eq!(names("{% set x = a %}{{ x }}{{ b[\"c\"].d }}").len(), 2);
        assert_eq!(names("{% if step > 3 %}{{ steps_left }}{% endif %}").len(), 2);
    }

    #[test]
    fn parts_of_own_names_are_what_they_stand_for() {
        let parts = |source: &str| -> Vec<String> {
            let tree = Tree::parse(source);
            assert_eq!(tree.errors, [], "{source}");
            tree.parts
                .iter()
                .map(|part| format!("{} {}", part.path.join("."), part.span.of(source)))
                .collect()
        };
        assert_eq!(
            parts("{% for t in tools %}{{ t.nme }}{{ loop.index }}{% endfor %}"),
            ["tools.[].nme t.nme"]
        );
        assert_eq!(parts("{% set x = task %}{% with y = x %}{{ y.id }}{% endwith %}"), ["task.id y.id"]);
        // What a name stands for must be certain.
        assert_eq!(parts("{% set x = a %}{% if b %}{% set x = c %}{% endif %}{{ x.y }}"), [""; 0]);
        assert_eq!(parts("{% for a, b in c %}{{ a.d }}{% endfor %}{% set x = a|trim %}{{ x.y }}"), [""; 0]);
        let source = "{{ tools[step].name }}{{ a['b'] }}";
        assert_eq!(parts(source), ["tools.[].name tools[step].name", "a.b a['b']"]);
        let roots: Vec<_> = names(source).into_iter().map(|(name, _)| name).collect();
        assert_eq!(roots, ["tools", "step", "a"]);
    }

    #[test]
    fn a_name_that_is_asked_for_need_not_be_there() {
        let needs = |source: &str| -> Vec<(String, Needs)> {
            Tree::parse(source).names.iter().map(|name| (name.path.join("."), name.needs)).collect()
        };
        let pair = |name: &str, needs| (name.to_owned(), needs);
        assert_eq!(
            needs("{% if a is defined and a.b %}{{ a.c }}{% endif %}{{ d.e|default('') }}{{ d }}"),
            [
                pair("a", Needs::Nothing),
                pair("a.b", Needs::Nothing),
                pair("a.c", Needs::Nothing),
                pair("d.e", Needs::Parents),
                pair("d", Needs::All)
            ]
        );
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "Some words, and a { brace }.\n",
            "é %} }} #} ",
            "{{ task.id }}",
            "{{ a|default('}}') }}",
            "{{- b[0].c -}}",
            "{% if a is defined and d == 'x' %}",
            "{% endif %}",
            "{% for t in tools %}",
            "{{ t.name }}",
            "{% endfor %}",
            "{% set x = {'k': 1} %}",
            "{{ x.k }}",
            "{% raw %}",
            "{% endraw %}",
            "{# {{ no }} #}",
            "{{ 'a{{b' }}",
            "{{ \"",
            "{{ range(3) }}",
            "{%- filter upper -%}",
            "{% endfilter %}",
            "{",
            "{{",
            "}}",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_tags_alone_say_what_the_whole_says(pieces in prop::collection::vec(piece(), 0..14)) {
            let source = pieces.concat();
            let (tags, unclosed) = tags(&source);
            if unclosed.is_none()
                && let Some(tree) = condensed(&source, &tags)
            {
                let whole = Tree::whole(&source, tags);
                prop_assert_eq!(&tree.names, &whole.names, "{}", &source);
                prop_assert_eq!(&tree.parts, &whole.parts);
                prop_assert_eq!(&tree.compared, &whole.compared);
                prop_assert_eq!(&whole.errors, &[], "{}", &source);
            }
        }
    }

    /// Whether it renders with a few values; all that [`Tree::parse`] finds must fail here.
    fn renders(source: &str) -> bool {
        let tool = minijinja::context! { name => "n", description => "d" };
        let values = minijinja::context! { tools => vec![tool], workdir => "/app", step => 1 };
        environment().render_str(source, values).is_ok()
    }

    #[test]
    fn what_the_language_does_not_have_is_found_and_does_not_render() {
        for (source, message) in [
            ("{{ range(3) }}", "a template has no functions: unknown function `range`"),
            ("{{ namespace() }}", "a template has no functions: unknown function `namespace`"),
            ("{{ workdir.upper() }}", "unknown method `upper`; did you mean the filter `upper`?"),
            ("{{ tools.items() }}", "a template has no methods: unknown method `items`"),
            ("{{ workdir|title }}", "unknown filter `title`"),
            ("{{ step is od }}", "unknown test `od`; did you mean `odd`?"),
            (
                "{% for t in tools %}{{ loop.idx }}{% endfor %}",
                "`loop` has no part `idx`; did you mean `loop.index`?",
            ),
            (
                "{% for t in tools %}{{ loop.next() }}{% endfor %}",
                "a template has no methods: unknown method `next`",
            ),
        ] {
            assert_eq!(error(source).0, message);
            assert!(!renders(source), "{source}");
        }
    }

    #[test]
    fn what_the_language_has_renders() {
        let filters = "{{ x|default('a') }}{{ workdir|indent(2) }}{{ tools|length }}{{ workdir|lower|upper|trim }}\
            {{ ['a']|join(',') }}{{ workdir|replace('a', 'b') }}{{ tools|tojson }}";
        let tests = "{% if x is undefined or step is odd or step is even or step is divisibleby(2) %}1{% endif %}\
            {{ step is number }}{{ workdir is string }}{{ tools is sequence }}{{ tools[0] is mapping }}\
            {{ step is none }}{{ step is true }}{{ step is false }}{{ step is boolean }}{{ tools is iterable }}";
        let own = "{% filter upper %}{% set y = 1 %}{% endfilter %}{{ y }}{% with a = 1, b = a %}{{ b }}{% endwith %}\
            {% for t in tools recursive %}{{ loop.cycle(1, 2) }}{{ loop.changed(t) }}{{ loop.last }}{% endfor %}";
        for source in [filters, tests, own] {
            assert_eq!(Tree::parse(source).errors, [], "{source}");
            let unknown = Tree::parse(source).names.into_iter().filter(|name| {
                name.needs == Needs::All && !["tools", "workdir", "step"].contains(&name.path[0].as_str())
            });
            assert_eq!(unknown.collect::<Vec<_>>(), []);
            assert!(renders(source), "{source}: {:?}", environment().render_str(source, ()));
        }
    }

    #[test]
    fn what_names_are_compared_with() {
        let compared = |source: &str| -> Vec<String> {
            let tree = Tree::parse(source);
            assert_eq!(tree.errors, [], "{source}");
            let each = tree.compared.iter();
            each.map(|each| format!("{} {}", each.path.join("."), each.span.of(source))).collect()
        };
        assert_eq!(compared("{% if tool.name == 'shell' %}x{% endif %}"), ["tool.name shell"]);
        assert_eq!(compared("{{ \"a\" != state.id }}"), ["state.id a"]);
        assert_eq!(compared("{{ tool.name in ['a', 'b'] }}"), ["tool.name a", "tool.name b"]);
        let each = "{% for t in tools %}{% if t.name == 'a' %}{% endif %}{% endfor %}{{ t.name == 'a' }}";
        assert_eq!(compared(each), ["tools.name a", "t.name a"]);
        assert_eq!(compared("{{ 'a' == 'b' }}{{ step == 3 }}"), [""; 0]);
    }

    #[test]
    fn braces_of_code_are_text() {
        assert!(Tree::parse("fn main() { let x = {1}; }").is_plain());
        assert!(names("{% raw %}{{ nothing }}{% endraw %}{# {{ no }} #}").is_empty());
    }

    #[test]
    fn what_does_not_compile_says_where() {
        assert_eq!(error("Do {{ task"), ("`{{` is never closed".into(), "{{"));
        assert_eq!(error("{% if a %}b").0, "`if` is never closed");
        assert_eq!(error("{% include 'x' %}").0, "a template cannot use `include`");
        assert_eq!(error("{{ a|uper }}"), ("unknown filter `uper`; did you mean `upper`?".into(), "uper"));
        assert!(!Tree::parse("{{ a b }}").errors.is_empty());
    }
}
