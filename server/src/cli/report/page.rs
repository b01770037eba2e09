//! A page in Markdown, laid out for a terminal: wrapped paragraphs, indented examples, headings that stand out.

use annotate_snippets::renderer::{AnsiColor, Effects, Style};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

const HEADING: Style = Style::new().effects(Effects::BOLD.insert(Effects::UNDERLINE));
const CODE: Style = AnsiColor::Cyan.on_default();
const FILE: Style = Style::new().effects(Effects::DIMMED);
const MARK: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);

/// Lines longer than this are hard to read, however wide the terminal is.
const WIDEST: usize = 100;

/// The page with terminal colours; who prints it takes them out where nobody sees them.
#[must_use]
pub fn render(markdown: &str, width: usize) -> String {
    let mut page = Page { width: width.clamp(20, WIDEST), ..Page::default() };
    for event in Parser::new(markdown) {
        page.take(event);
    }
    while page.out.ends_with("\n\n") {
        page.out.pop();
    }
    page.out
}

#[derive(Default)]
struct Page {
    width: usize,
    out: String,
    /// The paragraph that is being read, as words with their style.
    words: Vec<Word>,
    /// Whether the next piece of text continues the last word.
    glued: bool,
    emphasis: Option<Style>,
    items: Vec<Option<u64>>,
    /// What the first line of the paragraph starts with.
    bullet: String,
    code: Option<String>,
}

#[derive(Default)]
struct Word {
    pieces: Vec<(Option<Style>, String)>,
}

impl Word {
    fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.chars().count()).sum()
    }
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Heading { .. }) => self.emphasis = Some(HEADING),
            Event::Start(Tag::Emphasis | Tag::Strong) if self.emphasis.is_none() => {
                self.emphasis = Some(Style::new().effects(Effects::BOLD));
            }
            Event::End(TagEnd::Emphasis | TagEnd::Strong) => self.emphasis = None,
            Event::End(TagEnd::Heading(_)) => {
                self.paragraph();
                self.emphasis = None;
                self.gap();
            }
            Event::End(TagEnd::Paragraph) => {
                self.paragraph();
                self.gap();
            }
            Event::Start(Tag::List(first)) => {
                self.paragraph();
                self.items.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                self.items.pop();
                if self.items.is_empty() {
                    self.gap();
                }
            }
            Event::Start(Tag::Item) => self.bullet = self.next_bullet(),
            Event::End(TagEnd::Item) => self.paragraph(),
            Event::Start(Tag::CodeBlock(kind)) => {
                self.paragraph();
                if let CodeBlockKind::Fenced(info) = kind
                    && !info.is_empty()
                {
                    self.out.push_str(&format!("  {FILE}{info}{FILE:#}\n"));
                }
                self.code = Some(String::new());
            }
            Event::End(TagEnd::CodeBlock) => {
                let code = self.code.take().unwrap_or_default();
                self.example(&code);
                self.gap();
            }
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.text(&text, self.emphasis),
            },
            Event::Code(code) => {
                let style = self.emphasis.unwrap_or(CODE);
                // Inline code is not broken over lines.
                self.piece(&format!("`{code}`"), Some(style));
            }
            Event::SoftBreak | Event::HardBreak => self.glued = false,
            Event::Rule => {
                self.out.push_str(&format!("  {FILE}or{FILE:#}\n"));
                self.gap();
            }
            _ => {}
        }
    }

    fn next_bullet(&mut self) -> String {
        let depth = "  ".repeat(self.items.len().saturating_sub(1));
        match self.items.last_mut() {
            Some(Some(number)) => {
                let bullet = format!("{depth}{number}. ");
                *number += 1;
                bullet
            }
            _ => format!("{depth}- "),
        }
    }

    fn text(&mut self, text: &str, style: Option<Style>) {
        for part in text.split_inclusive(char::is_whitespace) {
            let word = part.trim_end();
            if !word.is_empty() {
                self.piece(word, style);
            }
            if word.len() < part.len() {
                self.glued = false;
            }
        }
    }

    fn piece(&mut self, text: &str, style: Option<Style>) {
        if !self.glued {
            self.words.push(Word::default());
        }
        if let Some(word) = self.words.last_mut() {
            word.pieces.push((style, text.to_owned()));
        }
        self.glued = true;
    }

    fn paragraph(&mut self) {
        self.glued = false;
        let words = std::mem::take(&mut self.words);
        let bullet = std::mem::take(&mut self.bullet);
        if words.is_empty() {
            return;
        }
        let indent = " ".repeat(bullet.chars().count());
        self.out.push_str(&bullet);
        let mut column = indent.len();
        for (at, word) in words.iter().enumerate() {
            if 0 < at && self.width < column + 1 + word.width() {
                self.out.push('\n');
                self.out.push_str(&indent);
                column = indent.len();
            } else if 0 < at {
                self.out.push(' ');
                column += 1;
            }
            for (style, text) in &word.pieces {
                match style {
                    Some(style) => self.out.push_str(&format!("{style}{text}{style:#}")),
                    None => self.out.push_str(text),
                }
            }
            column += word.width();
        }
        self.out.push('\n');
    }

    /// An example, as it is; the lines that mark a problem stand out.
    fn example(&mut self, code: &str) {
        for line in code.lines() {
            if line.trim_start().starts_with('^') {
                self.out.push_str(&format!("    {MARK}{line}{MARK:#}\n"));
            } else if line.is_empty() {
                self.out.push('\n');
            } else {
                self.out.push_str(&format!("    {line}\n"));
            }
        }
    }

    /// One empty line, however many would be due.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }
}
