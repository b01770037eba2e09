//! Where a part of a selected value stands in its document, for problems inside of it.

use super::{Resolved, lines};
use crate::syntax::Document;
use crate::text::Span;

impl Resolved {
    /// The bytes of the document that write a part of the value, if they are the same characters: no escape, no folding
    /// and no doubt about which of two places it is.
    #[must_use]
    pub fn written(&self, document: &Document, part: Span) -> Option<Span> {
        let source = self.span.of(document.source());
        // A block has its mark in a line of its own, and TOML drops a line break right after three quotes.
        let starts = [0, 1].into_iter().find_map(|skipped| self.line_starts(source, skipped))?;
        let place = |offset: u32| {
            let offset = offset as usize;
            let before = self.value.get(..offset)?;
            let line = before.matches('\n').count();
            let column = offset - before.rfind('\n').map_or(0, |at| at + 1);
            Some(self.span.start as usize + starts.get(line)? + column)
        };
        Some(Span::new(place(part.start)?, place(part.end)?))
    }

    /// Where in `source` each line of the value starts, if all stand there as they are.
    fn line_starts(&self, source: &str, skipped: usize) -> Option<Vec<usize>> {
        let mut at = 0;
        let mut written = lines(source).map(|line| {
            at += line.len();
            (at - line.len(), line.trim_end_matches(['\r', '\n']))
        });
        if 0 < skipped {
            written.nth(skipped - 1)?;
        }
        let last = self.value.matches('\n').count();
        let mut starts = Vec::with_capacity(last + 1);
        for (number, line) in self.value.split('\n').enumerate() {
            let Some((start, there)) = written.next() else {
                // Behind the last line break there is nothing to write.
                starts.push(source.len());
                return (number == last && line.is_empty()).then_some(starts);
            };
            let column = if number < last {
                there.ends_with(line).then(|| there.len() - line.len())
            } else if line.is_empty() {
                Some(0)
            } else {
                there.find(line).filter(|first| there.rfind(line) == Some(*first))
            };
            starts.push(start + column?);
        }
        Some(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::FilePath;
    use crate::selector::Selector;
    use crate::syntax::data::Step;

    /// Where `word` of the selected value is, marked in the source.
    fn marked(name: &str, source: &str, select: &[&str], word: &str) -> Option<String> {
        let document = Document::new(FilePath::parse(name).unwrap(), source.into());
        let steps: Vec<Step> = select.iter().map(|step| Step::Key((*step).into())).collect();
        let resolved = Selector::parse(&steps).unwrap().resolve(&document).unwrap();
        let at = resolved.value.find(word).unwrap();
        let span = resolved.written(&document, Span::new(at, at + word.len()))?;
        assert_eq!(span.of(source), word);
        Some(format!("{}[]{}", &source[..span.start as usize], &source[span.end as usize..]))
    }

    #[test]
    fn parts_of_blocks_quotes_and_files_are_found() {
        let block = marked("a.yaml", "x: |\n  a\n\n  b {c\n  d\ny: 1\n", &["yaml", "x"], "{c");
        assert_eq!(block.as_deref(), Some("x: |\n  a\n\n  b []\n  d\ny: 1\n"));
        assert_eq!(
            marked("a.json", r#"{"x": "a {b"}"#, &["json", "x"], "{b").as_deref(),
            Some(r#"{"x": "a []"}"#)
        );
        let crlf = marked("a.md", "a\r\nb {c\r\n", &["file"], "{c");
        assert_eq!(crlf.as_deref(), Some("a\r\nb []\r\n"));
        let python = marked("a.py", "X = \"\"\"a\nb {c\n\"\"\"\n", &["py.const", "X"], "{c");
        assert_eq!(python.as_deref(), Some("X = \"\"\"a\nb []\n\"\"\"\n"));
    }

    #[test]
    fn what_is_written_otherwise_has_no_place() {
        assert_eq!(marked("a.json", r#"{"x": "\ta {b"}"#, &["json", "x"], "{b"), None);
        assert_eq!(marked("a.yaml", "x: >\n  a\n  {b\n", &["yaml", "x"], "{b"), None);
    }
}
