//! Markdown: CommonMark with tables by `pulldown-cmark`, and the front matter before it.
//!
//! An edit parses its own neighbourhood only: a top-level block starts in a state that nothing before it can change, so
//! blocks far from the edit keep what was read of them.

mod read;

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use super::data;
use crate::text::{Span, TextEdit};

/// A Markdown text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// YAML between `---` lines at the very start.
    pub front_matter: Option<FrontMatter>,
    /// All after the front matter, or after a byte order mark.
    pub body: Span,
    /// Headings outside of lists and quotes, in order.
    pub headings: Vec<Heading>,
    /// Inline code, in order.
    pub code: Vec<Code>,
    /// Code blocks, in order.
    pub fences: Vec<Fence>,
    /// HTML comments outside of code, in order.
    pub comments: Vec<Span>,
    /// `@path` outside of code, in order.
    pub imports: Vec<Import>,
    /// Links to files of the project, in order.
    pub links: Vec<Link>,
    /// Top-level blocks, in order.
    pub blocks: Vec<Span>,
}

/// Front matter.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontMatter {
    /// With both fences and the line break behind the second.
    pub span: Span,
    /// Between the fences.
    pub content: Span,
    /// The YAML; its spans are offsets in the whole text.
    pub data: Arc<data::Tree>,
}

/// A heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its text without marks, in NFC, blanks folded.
    pub title: String,
    /// Its own lines, without the last line break.
    pub span: Span,
    /// What is below it, to the next heading of its level or higher, subsections included.
    pub section: Span,
}

/// Inline code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// With backticks.
    pub span: Span,
    /// Without.
    pub content: Span,
}

/// A code block, fenced or indented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// All of it.
    pub span: Span,
    /// What stands behind the opening fence; empty for an indented block.
    pub info: Span,
    /// From the first to the last line inside.
    pub content: Span,
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// With the `@`.
    pub span: Span,
    /// Without.
    pub path: String,
}

/// A link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// All of it.
    pub span: Span,
    /// The destination.
    pub destination: Span,
}

impl Tree {
    /// Reads a text.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        let (front_matter, body) = front_matter(source);
        let mut tree = Self { front_matter, body: Span::new(body, source.len()), ..Self::default() };
        read::blocks(source, tree.body, &mut tree);
        tree.place_sections(source);
        tree
    }

    /// The tree of `after`, which is `before`, this tree's text, with one edit. Equal to [`Tree::parse`] of `after`.
    #[must_use]
    pub fn edited(&self, before: &str, edit: &TextEdit, after: &str) -> Self {
        self.near(before, edit, after).unwrap_or_else(|| Self::parse(after))
    }

    /// Whether an offset is in running text: in no code, comment or front matter.
    #[must_use]
    pub fn in_prose(&self, offset: usize) -> bool {
        let inside = |span: Span| span.start as usize <= offset && offset < span.end as usize;
        self.body.touches(offset)
            && !self.code.iter().any(|code| inside(code.span))
            && !self.fences.iter().any(|fence| inside(fence.span))
            && !self.comments.iter().any(|comment| inside(*comment))
    }

    /// Parses the neighbourhood of an edit, if what is far from it certainly stays as it is.
    fn near(&self, before: &str, edit: &TextEdit, after: &str) -> Option<Self> {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        // The front matter, or a text that could become one: an open fence may be closed anywhere.
        // A link's definition is read before all links, wherever it stands.
        let defines = |text: &str| memchr::memmem::find(text.as_bytes(), b"]:").is_some();
        if defines(before) || defines(after) {
            return None;
        }
        let is_open = self.front_matter.is_none() && before.trim_start_matches('\u{FEFF}').starts_with("---");
        if is_open || start <= self.body.start as usize + 3 || self.blocks.is_empty() {
            return None;
        }
        let mut first = self.blocks.partition_point(|block| (block.end as usize) < start).saturating_sub(1);
        while 0 < first && !is_clean(before, &self.blocks, first) {
            first -= 1;
        }
        let from = match first {
            0 => self.body.start as usize,
            first => line_start(before, self.blocks.get(first)?.start as usize),
        };
        let moved = |at: usize| (at + edit.new_text.len()).checked_sub(end - start);
        // A block's indentation is part of what it is.
        let first_after =
            self.blocks.partition_point(|block| line_start(before, block.start as usize) <= end);
        let mut part = Self::default();
        for distance in [0, 4, 32] {
            let far = first_after + distance;
            let Some(sync) = self.blocks.get(far) else { break };
            let stop =
                self.blocks.get(far + 1).map_or(before.len(), |next| line_start(before, next.start as usize));
            let old_start = line_start(before, sync.start as usize);
            part = Self::default();
            read::blocks(after, Span::new(from, moved(stop)?), &mut part);
            let expected = Span::new(moved(sync.start as usize)?, moved(sync.end as usize)?);
            let found = part.blocks.iter().position(|block| *block == expected);
            if found.is_some_and(|at| is_clean(after, &part.blocks, at))
                && is_clean(before, &self.blocks, far)
            {
                return self.join(from, part, old_start, moved(old_start)?, after);
            }
        }
        // Nothing after the edit stays: the rest of the text is parsed again.
        drop(part);
        let mut tail = Self::default();
        read::blocks(after, Span::new(from, after.len()), &mut tail);
        self.join(from, tail, before.len(), after.len(), after)
    }

    /// What stands before `from`, then `part` up to `new_end`, then what stood from `old_end` on.
    fn join(&self, from: usize, part: Self, old_end: usize, new_end: usize, after: &str) -> Option<Self> {
        let shift = |span: Span| {
            let moved = |at: u32| (at as usize + new_end).saturating_sub(old_end);
            Span::new(moved(span.start), moved(span.end))
        };
        let head = |span: Span| (span.start as usize) < from;
        let middle = |span: Span| (span.start as usize) < new_end;
        let tail = |span: Span| old_end <= span.start as usize;
        macro_rules! join {
            ($field:ident, $span:expr, $moved:expr) => {{
                let mut all: Vec<_> = Vec::with_capacity(self.$field.len() + 8);
                all.extend(self.$field.iter().filter(|each| head($span(each))).cloned());
                all.extend(part.$field.into_iter().filter(|each| middle($span(each))));
                all.extend(self.$field.iter().filter(|each| tail($span(each))).map($moved));
                all
            }};
        }
        let headings = join!(headings, |each: &Heading| each.span, |each| Heading {
            span: shift(each.span),
            title: each.title.clone(),
            ..*each
        });
        let code = join!(code, |each: &Code| each.span, |each| Code {
            span: shift(each.span),
            content: shift(each.content)
        });
        let fences = join!(fences, |each: &Fence| each.span, |each| Fence {
            span: shift(each.span),
            info: shift(each.info),
            content: shift(each.content),
        });
        let imports = join!(imports, |each: &Import| each.span, |each| Import {
            span: shift(each.span),
            path: each.path.clone(),
        });
        let links = join!(links, |each: &Link| each.span, |each| Link {
            span: shift(each.span),
            destination: shift(each.destination),
        });
        let comments = join!(comments, |each: &Span| *each, |each| shift(*each));
        let blocks = join!(blocks, |each: &Span| *each, |each| shift(*each));
        let mut tree = Self {
            front_matter: self.front_matter.clone(),
            body: Span::new(self.body.start as usize, after.len()),
            headings,
            code,
            fences,
            comments,
            imports,
            links,
            blocks,
        };
        tree.place_sections(after);
        Some(tree)
    }

    /// What is below each heading.
    fn place_sections(&mut self, source: &str) {
        let end = source.len();
        let mut open: Vec<usize> = Vec::new();
        for at in 0..self.headings.len() {
            let Some((level, start)) = self.headings.get(at).map(|heading| (heading.level, heading.span))
            else {
                break;
            };
            let line = line_start(source, start.start as usize);
            while let Some(last) = open.last().copied() {
                match self.headings.get_mut(last) {
                    Some(heading) if level <= heading.level => heading.section.end = Span::at(line).start,
                    _ => break,
                }
                open.pop();
            }
            if let Some(heading) = self.headings.get_mut(at) {
                heading.section = Span::new(next_line(source, start.end as usize), end);
            }
            open.push(at);
        }
    }
}

/// The inline code of a text that is no document of its own.
#[must_use]
pub fn inline_code(source: &str) -> Vec<Code> {
    if memchr::memchr(b'`', source.as_bytes()).is_none() {
        return Vec::new();
    }
    Tree::parse(source).code
}

/// A title as headings are compared: NFC, blanks folded.
#[must_use]
pub fn normal_title(title: &str) -> String {
    let folded = title.split_whitespace().collect::<Vec<_>>().join(" ");
    folded.nfc().collect()
}

/// YAML between `---` lines at the very start, and where the rest begins.
fn front_matter(source: &str) -> (Option<FrontMatter>, usize) {
    let start = if source.starts_with('\u{FEFF}') { 3 } else { 0 };
    let Some(rest) = source.get(start..) else { return (None, start) };
    let mut lines = rest.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return (None, start) };
    let content_start = start + first.len();
    let mut at = content_start;
    for line in lines {
        if matches!(line.trim_end(), "---" | "...") {
            let content = Span::new(content_start, at);
            let span = Span::new(start, at + line.len());
            // Parsed in place, so that its spans are those of the text.
            let mut padded = " ".repeat(content_start);
            padded.push_str(content.of(source));
            let data = Arc::new(in_place(&padded, content_start, source));
            return (Some(FrontMatter { span, content, data }), at + line.len());
        }
        at += line.len();
    }
    (None, start)
}

/// YAML that starts at an offset of a longer text.
fn in_place(padded: &str, start: usize, source: &str) -> data::Tree {
    // Blanks on the lines before keep every offset; they mean nothing in YAML.
    let mut text: String = source
        .get(..start)
        .unwrap_or_default()
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.push_str(padded.get(start..).unwrap_or_default());
    super::yaml::parse(&text)
}

/// Whether only blanks stand between a block and the one before it. A link's definition stands in no block, and what
/// follows it is read as if a paragraph were open.
fn is_clean(source: &str, blocks: &[Span], at: usize) -> bool {
    let Some((previous, block)) = at.checked_sub(1).and_then(|before| blocks.get(before)).zip(blocks.get(at))
    else {
        return false;
    };
    source.get(previous.end as usize..block.start as usize).is_some_and(|gap| gap.trim().is_empty())
}

fn line_start(source: &str, at: usize) -> usize {
    let before = source.as_bytes().get(..at).unwrap_or_default();
    memchr::memrchr2(b'\n', b'\r', before).map_or(0, |found| found + 1)
}

fn next_line(source: &str, at: usize) -> usize {
    let rest = source.as_bytes().get(at..).unwrap_or_default();
    match memchr::memchr2(b'\n', b'\r', rest) {
        None => source.len(),
        Some(found) if rest.get(found..found + 2) == Some(b"\r\n") => at + found + 2,
        Some(found) => at + found + 1,
    }
}

#[cfg(test)]
mod tests;
