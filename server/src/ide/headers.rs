//! The headers of a TOML document, and which part of the text belongs to each: a table that is continued further down
//! does not take what stands between.

use harness_schema::syntax::Document;
use harness_schema::syntax::data::{Kind, Value};
use harness_schema::text::Span;

/// The headers of a document in the order of its text; none if it is no TOML.
#[derive(Debug, Default)]
pub struct Headers {
    all: Vec<Header>,
    end: u32,
}

/// A header with the keys that lead to its table.
#[derive(Debug)]
struct Header {
    span: Span,
    keys: Vec<String>,
}

impl Headers {
    /// The headers of a document.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let mut all = Vec::new();
        if let Some(tree) = document.data() {
            collect(&tree.root, &mut Vec::new(), &mut all);
        }
        all.sort_by_key(|header| header.span);
        Self { all, end: Span::at(document.source().len()).start }
    }

    /// For each header the text from it to the first header that is not about a part of its table.
    #[must_use]
    pub fn blocks(&self, document: &Document) -> Vec<Span> {
        let mut blocks: Vec<Span> =
            self.all.iter().map(|header| Span { start: header.span.start, end: self.end }).collect();
        let mut open: Vec<usize> = Vec::new();
        for (at, header) in self.all.iter().enumerate() {
            while let Some(last) = open.last().copied() {
                let outer = self.all.get(last).map_or(&[][..], |outer| &outer.keys);
                if header.keys.starts_with(outer) && outer.len() < header.keys.len() {
                    break;
                }
                if let Some(block) = blocks.get_mut(last) {
                    block.end = header.span.start;
                }
                open.pop();
            }
            open.push(at);
        }
        blocks.into_iter().map(|block| trimmed(document, block)).collect()
    }

    /// From a header to the first one that is not about a part of its table.
    #[must_use]
    pub fn block(&self, document: &Document, header: Span) -> Option<Span> {
        let at = self.all.binary_search_by_key(&header, |header| header.span).ok()?;
        let keys = &self.all.get(at)?.keys;
        let is_outside = |other: &&Header| !(other.keys.starts_with(keys) && keys.len() < other.keys.len());
        let next = self.all.iter().skip(at + 1).find(is_outside);
        let end = next.map_or(self.end, |next| next.span.start);
        Some(trimmed(document, Span { start: header.start, end }))
    }

    /// From the header that a key stands in to the first header that is not below the first `depth` keys of it; `None`
    /// for a key that stands in no header.
    #[must_use]
    pub fn extent(&self, document: &Document, key: Span, depth: usize) -> Option<Span> {
        let at = self.all.partition_point(|header| header.span.end < key.end);
        let header = self.all.get(at).filter(|header| header.span.contains(key))?;
        let keys = header.keys.get(..depth)?;
        let next = self.all.iter().skip(at).find(|other| !other.keys.starts_with(keys));
        let end = next.map_or(self.end, |next| next.span.start);
        Some(trimmed(document, Span { start: header.span.start, end }))
    }

    /// The keys up to the one at an offset, if it is in a header, and where that one stands.
    #[must_use]
    pub fn keys_at(&self, source: &str, offset: usize) -> Option<(Span, &[String])> {
        let at = self.all.partition_point(|header| (header.span.end as usize) < offset);
        let header = self.all.get(at).filter(|header| header.span.touches(offset))?;
        let text = header.span.of(source);
        let start = text.len() - text.trim_start_matches('[').len();
        let inner = text.trim_matches(['[', ']']);
        let mut quote = None;
        let mut from = start;
        let mut index = 0;
        let part = |from: usize, to: usize, index: usize| {
            let span = Span::new(header.span.start as usize + from, header.span.start as usize + to);
            (offset <= span.end as usize).then(|| Some((span, header.keys.get(..=index)?)))
        };
        for (at, char) in inner.char_indices() {
            match (char, quote) {
                ('"' | '\'', None) => quote = Some(char),
                (char, Some(open)) if char == open => quote = None,
                ('.', None) => {
                    if let Some(found) = part(from, start + at, index) {
                        return found;
                    }
                    from = start + at + 1;
                    index += 1;
                }
                _ => {}
            }
        }
        part(from, start + inner.len(), index)?
    }
}

fn collect(value: &Value, keys: &mut Vec<String>, all: &mut Vec<Header>) {
    match &value.kind {
        Kind::Table(table) => {
            all.extend(table.headers.iter().map(|span| Header { span: *span, keys: keys.clone() }));
            for entry in &table.entries {
                keys.push(entry.key.name.to_string());
                collect(&entry.value, keys, all);
                keys.pop();
            }
        }
        Kind::List(list) => list.items.iter().for_each(|item| collect(item, keys, all)),
        _ => {}
    }
}

/// A part of a text without the blank lines and comments at its end: they stand above what follows.
fn trimmed(document: &Document, span: Span) -> Span {
    let comments = document.data().map_or(&[][..], |tree| &tree.comments);
    let source = document.source();
    let mut end = span.start as usize + span.of(source).trim_end().len();
    loop {
        let line = source.get(..end).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |at| at + 1);
        let text = source.get(line..end).unwrap_or_default();
        let first = line + (text.len() - text.trim_start().len());
        // A `#` in a long string is no comment.
        let is_comment = comments.binary_search_by_key(&first, |comment| comment.start as usize).is_ok();
        if !is_comment || line <= span.start as usize {
            return Span::new(span.start as usize, end.max(span.start as usize));
        }
        end = source.get(..line).map_or(0, |before| before.trim_end().len());
    }
}

#[cfg(test)]
mod tests {
    use harness_schema::path::FilePath;

    use super::*;

    #[test]
    fn a_table_ends_where_another_begins() {
        let text =
            "a = 1\n[r]\nx = 1\n[[r.s]]\ny = 1\n\n# about m\n[m]\nz = 1\n[[r.s]]\ny = '''\n# no\n'''\n";
        let document = Document::new(FilePath::parse("a.toml").unwrap(), text.into());
        let headers = Headers::of(&document);
        let blocks: Vec<_> = headers.blocks(&document).iter().map(|block| block.of(text)).collect();
        assert_eq!(
            blocks,
            ["[r]\nx = 1\n[[r.s]]\ny = 1", "[[r.s]]\ny = 1", "[m]\nz = 1", "[[r.s]]\ny = '''\n# no\n'''"]
        );
        let at = text.rfind("[[r.s]]").unwrap();
        let keys = |offset| headers.keys_at(text, offset).map(|(span, keys)| (span.of(text), keys.join(".")));
        assert_eq!(keys(at + 2), Some(("r", "r".to_owned())));
        assert_eq!(keys(at + 5), Some(("s", "r.s".to_owned())));
        assert_eq!(keys(0), None);
    }
}
