//! The messages of the window: what stands in `@tr(…)` in `ui/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands in one `@tr(…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// What it is about, where the text alone would not tell; else empty.
    pub(crate) context: String,
    /// The English text, as it is written in the source.
    pub(crate) text: String,
    /// The English plural; empty if there is none.
    pub(crate) plural: String,
}

impl Message {
    /// Its entry in a file of translations.
    pub(crate) fn entry(&self, forms: &[String]) -> String {
        let mut entry = String::from("\n");
        if !self.context.is_empty() {
            entry.push_str(&format!("msgctxt \"{}\"\n", escaped(&self.context)));
        }
        entry.push_str(&format!("msgid \"{}\"\n", escaped(&self.text)));
        match forms {
            [only] if self.plural.is_empty() => {
                entry.push_str(&format!("msgstr \"{}\"\n", escaped(only)));
            }
            forms => {
                entry.push_str(&format!("msgid_plural \"{}\"\n", escaped(&self.plural)));
                for (place, form) in forms.iter().enumerate() {
                    entry.push_str(&format!("msgstr[{place}] \"{}\"\n", escaped(form)));
                }
            }
        }
        entry
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// All messages, each once, in the order of the files.
pub(crate) fn messages_of_the_window() -> Vec<Message> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui"), &mut files);
    files.sort();
    let mut messages = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text file");
        for message in messages_of(&text) {
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
    }
    messages
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "slint") {
            files.push(path);
        }
    }
}

fn messages_of(text: &str) -> Vec<Message> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    code.split("@tr(").skip(1).map(message).collect()
}

/// The message at the beginning of what follows `@tr(`.
fn message(rest: &str) -> Message {
    let (first, rest) = literal(rest);
    let (context, text, rest) = match rest.strip_prefix("=>") {
        Some(rest) => {
            let (text, rest) = literal(rest);
            (first, text, rest)
        }
        None => (String::new(), first, rest),
    };
    let plural = rest.strip_prefix('|').map(|rest| literal(rest).0).unwrap_or_default();
    Message { context, text, plural }
}

/// A text in quotes, and what follows it.
fn literal(rest: &str) -> (String, &str) {
    let rest = rest.trim_start().strip_prefix('"').expect("@tr takes a text in quotes");
    let mut escaped = false;
    let end = rest.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let end = end.expect("the text ends");
    let text = rest[..end].replace("\\\"", "\"").replace("\\\\", "\\");
    (text, rest[end + 1..].trim_start())
}

/// What is filled into a text: numbers and names; `{}` counts as the number of its place.
pub(crate) fn placeholders(text: &str) -> BTreeSet<String> {
    let parts = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
    // Those without a name are counted, past those with one.
    let mut places = 0..;
    let number = |(name, _): (&str, &str)| match name {
        "" => places.next().unwrap_or(0_usize).to_string(),
        name => name.to_owned(),
    };
    parts.map(number).collect()
}

#[test]
fn messages_are_found_as_they_are_written() {
    let text = r#"
        text: @tr("One \"word\"");
        // @tr("not this")
        a: b ? @tr("about" => "{0} of {1}", x, y) : @tr("{n} person" | "{n} people" % count);
    "#;
    let message = |context: &str, text: &str, plural: &str| Message {
        context: context.to_owned(),
        text: text.to_owned(),
        plural: plural.to_owned(),
    };
    let expected = [
        message("", "One \"word\"", ""),
        message("about", "{0} of {1}", ""),
        message("", "{n} person", "{n} people"),
    ];
    assert_eq!(messages_of(text), expected);
    assert_eq!(placeholders("{} and {}"), placeholders("{1}, {0}"));
    assert_ne!(placeholders("{} and {}"), placeholders("{0}"));
    assert_eq!(placeholders("{n} of {}"), placeholders("{0} of {n}"));
}
