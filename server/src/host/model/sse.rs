//! Server-sent events, read from bytes that come in chunks (WHATWG HTML, 9.2.6). It reads no field but `event` and `data`.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty if it has none.
    pub event: String,
    /// Its data, lines joined by a line break.
    pub data: String,
}

impl Event {
    /// As it is sent, with the blank line that ends it.
    #[must_use]
    pub fn written(&self) -> String {
        let mut text = String::new();
        if !self.event.is_empty() {
            text.push_str(&format!("event: {}\n", self.event));
        }
        for line in self.data.split('\n') {
            text.push_str(&format!("data: {line}\n"));
        }
        text.push('\n');
        text
    }
}

/// Reads events. However the bytes are cut, the events are the same.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    event: String,
    data: Option<String>,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    /// A byte order mark may stand before the first line only.
    past_first_line: bool,
}

impl Reader {
    /// Takes a chunk; the events that end in it.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in chunk {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    /// Nothing more comes. Servers leave out the last blank line, so what is there is an event too.
    pub(super) fn finish(mut self) -> Option<Event> {
        if !self.line.is_empty() {
            // A last line without an end is no blank line, so it ends no event.
            let _ = self.end_line();
        }
        self.end_event()
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let is_first = !std::mem::replace(&mut self.past_first_line, true);
        let line = if is_first { line.strip_prefix('\u{feff}').unwrap_or(&line) } else { &line };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        self.data.take().map(|data| Event { event, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        let mut reader = Reader::default();
        let mut events: Vec<Event> = chunks.iter().flat_map(|chunk| reader.push(chunk)).collect();
        events.extend(reader.finish());
        events
    }

    fn event(event: &str, data: &str) -> Event {
        Event { event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let text = "\u{feff}: a comment\nevent: add\ndata: 1\ndata:2\n\nid: 7\r\n\r\ndata\r\rdata:  x\r\n\r\nevent: gone\n\n";
        let expected = [event("add", "1\n2"), event("", ""), event("", " x")];
        assert_eq!(read(&[text.as_bytes()]), expected);
    }

    #[test]
    fn the_last_event_needs_no_blank_line() {
        assert_eq!(read(&[b"data: [DONE]"]), [event("", "[DONE]")]);
        assert_eq!(read(&[b"data: [DONE]\n"]), [event("", "[DONE]")]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(
            lines in proptest::collection::vec("(data: ?|event:|: |)[a-z\u{e4}\u{1f600}]{0,3}", 0..12),
            ends in proptest::collection::vec(proptest::sample::select(vec!["\n", "\r", "\r\n", "\n\n"]), 12),
            cuts in proptest::collection::vec(0_usize..120, 0..12),
        ) {
            let text: String = lines.iter().zip(&ends).map(|(line, end)| format!("{line}{end}")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&chunks), read(&[text.as_bytes()]));
        }
    }
}
