//! One pass over the events of a part of a text that starts and ends with a top-level block.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::{Code, Fence, Heading, Import, Link, Tree, normal_title};
use crate::text::Span;

/// Reads the blocks of a part into a tree.
pub(super) fn blocks(source: &str, part: Span, tree: &mut Tree) {
    let text = part.of(source);
    let base = part.start as usize;
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut reader = Reader { source, tree, depth: 0, heading: None, fence: None, html: None };
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        reader.event(event, Span::new(base + range.start, base + range.end));
    }
}

struct Reader<'s, 't> {
    source: &'s str,
    tree: &'t mut Tree,
    depth: usize,
    heading: Option<(u8, String)>,
    fence: Option<Fence>,
    html: Option<Span>,
}

impl Reader<'_, '_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Start(tag) => {
                if self.depth == 0 {
                    self.tree.blocks.push(span);
                }
                self.depth += 1;
                self.start(tag, span);
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                self.end(tag, span);
            }
            Event::Text(text) => {
                if let Some(fence) = &mut self.fence {
                    fence.content = if fence.content.is_empty() { span } else { fence.content.cover(span) };
                } else {
                    if let Some((_, title)) = &mut self.heading {
                        title.push_str(&text);
                    }
                    self.imports(span);
                }
            }
            Event::Code(text) => {
                if let Some((_, title)) = &mut self.heading {
                    title.push_str(&text);
                }
                let written = span.of(self.source);
                let ticks = written.len() - written.trim_start_matches('`').len();
                let content =
                    Span::new(span.start as usize + ticks, (span.end as usize).saturating_sub(ticks));
                self.tree.code.push(Code { span, content });
            }
            Event::Html(_) => self.html = Some(self.html.map_or(span, |html| html.cover(span))),
            Event::InlineHtml(_) => self.comments(span),
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, title)) = &mut self.heading {
                    title.push(' ');
                }
            }
            Event::Rule if self.depth == 0 => self.tree.blocks.push(span),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: Span) {
        match tag {
            // A heading in a list or quote opens no section.
            Tag::Heading { level, .. } if self.depth == 1 => {
                self.heading = Some((level as u8, String::new()))
            }
            Tag::CodeBlock(kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => self.info(span, &info),
                    CodeBlockKind::Indented => Span::at(span.start as usize),
                };
                self.fence = Some(Fence { span, info, content: Span::at(info.end as usize) });
            }
            Tag::HtmlBlock => self.html = None,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.link(span, &dest_url),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, span: Span) {
        match tag {
            TagEnd::Heading(_) => {
                if let Some((level, title)) = self.heading.take() {
                    let own = span.of(self.source).trim_end();
                    let span = Span::new(span.start as usize, span.start as usize + own.len());
                    let title = normal_title(&title);
                    self.tree.headings.push(Heading { level, title, span, section: Span::default() });
                }
            }
            TagEnd::CodeBlock => {
                if let Some(mut fence) = self.fence.take() {
                    if fence.content.is_empty() {
                        fence.content = Span::at(fence.info.end as usize);
                    }
                    self.tree.fences.push(fence);
                }
            }
            TagEnd::HtmlBlock => {
                if let Some(html) = self.html.take() {
                    self.comments(html);
                }
            }
            _ => {}
        }
    }

    /// What stands behind the opening fence.
    fn info(&self, span: Span, info: &str) -> Span {
        let first = span.of(self.source).lines().next().unwrap_or_default();
        let fence = first.len() - first.trim_start_matches(['`', '~', ' ']).len();
        let from = span.start as usize + fence;
        let written = first.get(fence..).unwrap_or_default().trim_end();
        // An info string with escapes is longer than what it means.
        Span::new(from, from + if info.is_empty() { 0 } else { written.len() })
    }

    fn link(&mut self, span: Span, destination: &str) {
        let is_file = !destination.is_empty()
            && !destination.contains(':')
            && !destination.starts_with(['#', '/', '?']);
        let path = destination.split(['#', '?']).next().unwrap_or_default();
        let Some(at) = span.of(self.source).rfind(path).filter(|_| is_file && !path.is_empty()) else {
            return;
        };
        let start = span.start as usize + at;
        self.tree.links.push(Link { span, destination: Span::new(start, start + path.len()) });
    }

    fn comments(&mut self, html: Span) {
        let text = html.of(self.source);
        let mut at = 0;
        while let Some(open) = text.get(at..).and_then(|rest| rest.find("<!--")).map(|found| at + found) {
            let close = text.get(open + 4..).and_then(|rest| rest.find("-->"));
            let end = close.map_or(text.trim_end().len(), |close| open + 4 + close + 3);
            self.tree.comments.push(Span::new(html.start as usize + open, html.start as usize + end));
            at = end.max(open + 4);
        }
    }

    /// `@path` at the start of a word.
    fn imports(&mut self, span: Span) {
        let text = span.of(self.source);
        for at in memchr::memchr_iter(b'@', text.as_bytes()) {
            let before =
                self.source.get(..span.start as usize + at).and_then(|before| before.chars().next_back());
            if before.is_some_and(|char| !char.is_whitespace()) {
                continue;
            }
            let start = span.start as usize + at;
            // A path may hold marks that end a text event (`_`).
            let rest = self.source.get(start + 1..).unwrap_or_default();
            let end = rest.find(|char: char| !is_path(char)).unwrap_or(rest.len());
            let path = rest.get(..end).unwrap_or_default().trim_end_matches(['.', ',', ';', ':', '!', '?']);
            if path.contains(['.', '/']) && path.contains(char::is_alphanumeric) {
                let span = Span::new(start, start + 1 + path.len());
                self.tree.imports.push(Import { span, path: path.to_owned() });
            }
        }
    }
}

fn is_path(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/' | '~' | '+' | '@')
}
