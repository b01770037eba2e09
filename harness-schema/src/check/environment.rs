//! What builds a task's environment, as far as rules ask: what a Dockerfile copies, and what a Compose file mounts and
//! asks of the machine. Aliases, merge keys, defaults of variables and continued lines are followed; what depends on a
//! variable of the machine is not known and not guessed.

use std::collections::BTreeMap;

use crate::path::FilePath;
use crate::syntax::Document;
use crate::syntax::data::{Entry, Kind, Value};
use crate::text::Span;

/// Aliases of aliases, and merges in merges, are followed so far.
const MAX_DEPTH: usize = 16;

/// Where a path of an environment leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a file or directory of the project.
    Project(FilePath),
    /// Out of the project.
    Outside,
    /// A name of the engine's, or a part that only the machine knows.
    Unknown,
}

/// Where a path leads, seen from a directory of the project.
pub(super) fn place(directory: &FilePath, written: &str) -> Place {
    let Some(path) = with_defaults(written) else { return Place::Unknown };
    if path.is_empty() || path.contains("://") {
        return Place::Unknown;
    }
    if path.starts_with(['/', '~']) {
        return Place::Outside;
    }
    directory.join(&path).map_or(Place::Outside, Place::Project)
}

/// A text with `${X:-default}` as its default, `$PWD` as here and `$HOME` as `~`; none with any other variable.
fn with_defaults(written: &str) -> Option<String> {
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, default, left) = match after.strip_prefix('{') {
            Some(inner) => {
                let (inner, left) = inner.split_once('}')?;
                let end = inner.find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
                let (name, operator) = inner.split_at(end.unwrap_or(inner.len()));
                (name, operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-')), left)
            }
            None => {
                let end = after.find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
                let (name, left) = after.split_at(end.unwrap_or(after.len()));
                (name, None, left)
            }
        };
        match (name, default) {
            ("PWD", _) => out.push('.'),
            ("HOME", _) => out.push('~'),
            (_, Some(default)) => out.push_str(default),
            _ => return None,
        }
        rest = left;
    }
    out.push_str(rest);
    Some(out)
}

/// A source that an instruction of a Dockerfile takes from its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copied<'a> {
    /// The whole instruction.
    pub(super) span: Span,
    /// The source as written, without quotes.
    pub(super) source: &'a str,
}

/// What a Dockerfile copies from its context.
pub(super) fn copies(source: &str) -> Vec<Copied<'_>> {
    let mut all = Vec::new();
    for (span, words) in instructions(source) {
        let Some((name, arguments)) = words.split_first() else { continue };
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("RUN") {
            let mounts = arguments.iter().take_while(|word| word.starts_with("--"));
            let mounts = mounts.filter_map(|word| word.strip_prefix("--mount="));
            all.extend(mounts.filter_map(bound).map(|source| Copied { span, source }));
        }
        if !is("COPY") && !is("ADD") {
            continue;
        }
        // What comes from another stage or image is not in the context.
        if arguments.iter().any(|word| word.starts_with("--from=")) {
            continue;
        }
        let paths = arguments.iter().filter(|word| !word.starts_with("--"));
        let bare = paths.map(|word| word.trim_matches(['[', ']', ',', '"', '\'']));
        let paths: Vec<&str> =
            bare.flat_map(|word| word.split("\",\"")).filter(|word| !word.is_empty()).collect();
        let sources = paths.split_last().map(|(_, sources)| sources).unwrap_or_default();
        all.extend(sources.iter().map(|source| Copied { span, source }));
    }
    all
}

/// The source of `type=bind,source=…,target=…`, if it is in the context.
fn bound(mount: &str) -> Option<&str> {
    let parts = || mount.split(',');
    let is_here = !parts().any(|part| part.starts_with("from="));
    let is_bind = !parts().any(|part| part.starts_with("type=") && part != "type=bind");
    let source = parts().find_map(|part| part.strip_prefix("source=").or_else(|| part.strip_prefix("src=")));
    source.filter(|_| is_here && is_bind)
}

/// The instructions of a Dockerfile with their words; a line that ends in `\` goes on in the next one that is no comment.
fn instructions(source: &str) -> Vec<(Span, Vec<&str>)> {
    let mut all: Vec<(Span, Vec<&str>)> = Vec::new();
    let mut goes_on = false;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (content, continues) = match text.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (text, false),
        };
        let span = Span::new(start, start + text.len());
        match all.last_mut() {
            Some((whole, words)) if goes_on => {
                *whole = whole.cover(span);
                words.extend(content.split_whitespace());
            }
            _ => all.push((span, content.split_whitespace().collect())),
        }
        goes_on = continues;
    }
    all
}

/// Something that a Compose file names on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// Where it says so.
    pub(super) span: Span,
    /// The path as written.
    pub(super) path: &'a str,
}

/// Something that a Compose file asks of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Demand {
    /// Where it asks.
    pub(super) span: Span,
    /// What it asks for, as written.
    pub(super) what: String,
}

/// A Compose file.
pub(super) struct Compose<'a> {
    directory: FilePath,
    source: &'a str,
    root: &'a Value,
    anchors: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Compose<'a> {
    /// A Compose file, if the document is data.
    pub(super) fn read(document: &'a Document) -> Option<Self> {
        let root = &document.data()?.root;
        let source = document.source();
        let mut anchors = BTreeMap::new();
        find_anchors(source, root, &mut anchors);
        Some(Self { directory: document.path().parent(), source, root, anchors })
    }

    /// What its services mount, and the files that they are given.
    pub(super) fn mounts(&self) -> Vec<Named<'a>> {
        let mut all = Vec::new();
        for service in self.services() {
            for volume in self.items(self.get(service, "volumes")) {
                all.extend(self.mounted(volume));
            }
            for file in self.one_or_more(self.get(service, "env_file")) {
                let path = self.get(file, "path").unwrap_or(file);
                all.extend(path.as_text().map(|text| Named { span: path.span, path: text }));
            }
        }
        for volume in self.tables("volumes") {
            let device = self.get(volume, "driver_opts").and_then(|options| self.get(options, "device"));
            all.extend(device.and_then(|device| Some(Named { span: device.span, path: device.as_text()? })));
        }
        for given in self.tables("secrets").into_iter().chain(self.tables("configs")) {
            let file = self.get(given, "file");
            all.extend(file.and_then(|file| Some(Named { span: file.span, path: file.as_text()? })));
        }
        all.dedup();
        all
    }

    /// The contexts of its builds with the Dockerfile of each, as a path of the project where there is one.
    pub(super) fn builds(&self) -> Vec<(Named<'a>, Option<FilePath>)> {
        let mut all = Vec::new();
        for build in self.services().into_iter().filter_map(|service| self.get(service, "build")) {
            let context = self.get(build, "context").unwrap_or(build);
            let Some(path) = context.as_text() else { continue };
            let file = self.get(build, "dockerfile").and_then(Value::as_text).unwrap_or("Dockerfile");
            let Place::Project(directory) = self.place(path) else { continue };
            let file = match place(&directory, file) {
                Place::Project(file) => Some(file),
                Place::Outside | Place::Unknown => None,
            };
            all.push((Named { span: context.span, path }, file));
        }
        all
    }

    /// Where one of its paths leads.
    pub(super) fn place(&self, path: &str) -> Place {
        place(&self.directory, path)
    }

    /// What it asks of the machine that runs it, each once; paths are asked for if they leave the directory of the task.
    pub(super) fn demands(&self, task: &FilePath) -> Vec<Demand> {
        let mut all = Vec::new();
        for service in self.services() {
            for entry in self.entries(service, 0) {
                self.asked(entry, &mut all);
            }
        }
        for mount in self.mounts() {
            let is_outside = match self.place(mount.path) {
                Place::Project(path) => !path.is_below(task),
                Place::Outside => true,
                Place::Unknown => false,
            };
            if is_outside {
                all.push(Demand { span: mount.span, what: mount.path.to_owned() });
            }
        }
        all.sort();
        all.dedup();
        all
    }

    fn asked(&self, entry: &'a Entry, all: &mut Vec<Demand>) {
        let key = &*entry.key.name;
        let value = self.follow(&entry.value);
        let word = value.as_text().and_then(with_defaults).unwrap_or_default().to_lowercase();
        let mut ask = |span: Span, what: String| all.push(Demand { span, what });
        match key {
            "privileged"
                if matches!(value.kind, Kind::Boolean(true))
                    || ["true", "yes", "on", "y", "1"].contains(&word.as_str()) =>
            {
                ask(entry.span(), String::from(key));
            }
            "network_mode" | "pid" | "ipc" | "userns_mode" | "uts" | "cgroup" if word == "host" => {
                ask(entry.span(), format!("{key}: host"));
            }
            "devices" | "cap_add" | "device_cgroup_rules" if !self.items(Some(value)).is_empty() => {
                ask(entry.span(), String::from(key));
            }
            "security_opt" => {
                for option in self.items(Some(value)) {
                    let text = option.as_text().unwrap_or_default();
                    if text.contains("unconfined") {
                        ask(option.span, text.to_owned());
                    }
                }
            }
            _ => {}
        }
    }

    /// The source of a volume, in both notations; a name of a volume is no path.
    fn mounted(&self, volume: &'a Value) -> Option<Named<'a>> {
        if let Some(text) = volume.as_text() {
            let end = source_end(text);
            let path = text.get(..end).filter(|path| path.contains(['/', '~', '.', '$']))?;
            // One path alone is a volume of the engine's.
            return (end < text.len()).then_some(Named { span: volume.span, path });
        }
        let source = self.get(volume, "source").or_else(|| self.get(volume, "src"))?;
        let path = source.as_text().filter(|path| path.contains(['/', '~', '.', '$']))?;
        Some(Named { span: source.span, path })
    }

    fn services(&self) -> Vec<&'a Value> {
        self.tables("services")
    }

    /// The values of a table at the top.
    fn tables(&self, key: &str) -> Vec<&'a Value> {
        let table = self.get(self.root, key);
        let entries = table.map(|table| self.entries(table, 0)).unwrap_or_default();
        entries.into_iter().map(|entry| self.follow(&entry.value)).collect()
    }

    fn get(&self, value: &'a Value, key: &str) -> Option<&'a Value> {
        let entries = self.entries(value, 0).into_iter();
        let mut same = entries.filter(|entry| &*entry.key.name == key);
        same.next().map(|entry| self.follow(&entry.value))
    }

    fn items(&self, list: Option<&'a Value>) -> Vec<&'a Value> {
        let items = list.and_then(Value::as_list).unwrap_or_default();
        items.iter().map(|item| self.follow(item)).collect()
    }

    fn one_or_more(&self, value: Option<&'a Value>) -> Vec<&'a Value> {
        match value {
            Some(value) if value.as_list().is_none() => vec![value],
            list => self.items(list),
        }
    }

    /// The entries of a table, and those that it merges and does not have itself.
    fn entries(&self, value: &'a Value, depth: usize) -> Vec<&'a Entry> {
        let Some(table) = self.follow(value).as_table().filter(|_| depth < MAX_DEPTH) else {
            return Vec::new();
        };
        let (merges, own): (Vec<&Entry>, Vec<&Entry>) =
            table.entries.iter().partition(|entry| &*entry.key.name == "<<");
        let mut all = own;
        for merge in merges {
            let merged = self.follow(&merge.value);
            for part in merged.as_list().unwrap_or(std::slice::from_ref(merged)) {
                for entry in self.entries(part, depth + 1) {
                    if !all.iter().any(|known| known.key.name == entry.key.name) {
                        all.push(entry);
                    }
                }
            }
        }
        all
    }

    /// What an alias stands for.
    fn follow(&self, value: &'a Value) -> &'a Value {
        let mut at = value;
        for _ in 0..MAX_DEPTH {
            if at.kind != Kind::Alias {
                return at;
            }
            let name = at.span.of(self.source).trim_start_matches('*').trim();
            let Some(meant) = self.anchors.get(name) else { return at };
            at = meant;
        }
        at
    }
}

/// Where the source of `source:target:mode` ends; `${X:-default}` has a colon of its own.
fn source_end(text: &str) -> usize {
    let mut inside = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '{' => inside += 1,
            '}' => inside = inside.saturating_sub(1),
            ':' if inside == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// The values that have a name in front of them: `&name`.
fn find_anchors<'a>(source: &'a str, value: &'a Value, anchors: &mut BTreeMap<&'a str, &'a Value>) {
    if value.anchored {
        let before = source.get(..value.span.start as usize).unwrap_or_default();
        // A tag may stand between.
        let words = before.split_whitespace().rev().take(2);
        let name = words.filter_map(|word| word.strip_prefix('&')).next();
        if let Some(name) = name {
            anchors.insert(name, value);
        }
    }
    match &value.kind {
        Kind::Table(table) => {
            table.entries.iter().for_each(|entry| find_anchors(source, &entry.value, anchors))
        }
        Kind::List(list) => list.items.iter().for_each(|item| find_anchors(source, item, anchors)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    const TASK: &str = "tasks/t";

    fn demands(text: &str) -> Vec<String> {
        let path = FilePath::parse("tasks/t/environment/docker-compose.yaml").unwrap();
        let document = Document::new(path, Text::new(text));
        let compose = Compose::read(&document).unwrap();
        compose.demands(&FilePath::parse(TASK).unwrap()).into_iter().map(|demand| demand.what).collect()
    }

    #[test]
    fn demands_are_found_however_they_are_written() {
        let volumes = |source: &str| format!("services:\n  main:\n    volumes: [\"{source}:/x\"]\n");
        for path in ["/etc", "~/.ssh", "$HOME/.ssh", "../../t-2", "${DATA:-/srv}", "../../.."] {
            assert_eq!(demands(&volumes(path)).len(), 1, "{path}");
        }
        for path in ["./data", "data", "../tests", "${HOST_LOGS}", "$LOGS/x", "${PWD}/data"] {
            assert_eq!(demands(&volumes(path)), [""; 0], "{path}");
        }
        assert_eq!(demands("services:\n  a:\n    privileged: yes\n"), ["privileged"]);
        assert_eq!(demands("services:\n  a:\n    privileged: \"no\"\n"), [""; 0]);
        let merged = "x-a: &a\n  privileged: true\n  volumes: &v\n    - /etc:/e\nservices:\n  m:\n    <<: *a\n  n:\n    <<: [*a]\n    volumes: *v\n  o:\n    <<: *a\n    privileged: false\n";
        assert_eq!(demands(merged), ["privileged", "/etc"]);
        assert_eq!(
            demands("services: {}\nvolumes:\n  v:\n    driver_opts: {device: /etc, o: bind}\n"),
            ["/etc"]
        );
        assert_eq!(demands("services:\n  a:\n    env_file: /etc/passwd\n"), ["/etc/passwd"]);
        assert_eq!(demands("services:\n  a:\n    env_file:\n      - path: /etc/passwd\n"), ["/etc/passwd"]);
        assert_eq!(demands("x: &x\n  <<: *x\nservices: *x\n"), [""; 0]);
    }

    #[test]
    fn copies_are_read_over_lines_and_in_both_forms() {
        let of = |text: &str| copies(text).iter().map(|copy| copy.source.to_owned()).collect::<Vec<_>>();
        assert_eq!(of("COPY a \\\n  # why\n  ../b \\\n  /z\n"), ["a", "../b"]);
        assert_eq!(of("copy --chown=1:1 [\"a b\", \"/z\"]\n").last().map(String::as_str), Some("b"));
        assert_eq!(of("COPY [\"../tests\",\"/z\"]\n"), ["../tests"]);
        assert_eq!(of("COPY --from=build /out /z\nRUN echo COPY ../tests /z\n"), [""; 0]);
        assert_eq!(of("RUN --mount=type=bind,source=../tests,target=/t ls\n"), ["../tests"]);
    }
}
