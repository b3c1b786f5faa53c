//! Rules that the files in `ui/` and `src/` keep: one theme, words that can be translated, a core without a window.

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    collect(&root, ending, &mut found);
    assert!(!found.is_empty(), "no {ending} files in {}", root.display());
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            let text = fs::read_to_string(&path).expect("a text file");
            found.push((path, text));
        }
    }
}

/// The lines of a .slint file without comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

fn is_theme(path: &Path) -> bool {
    path.ends_with("globals/theme.slint")
}

/// Numbers with one of Slint's units, but 0.
fn raw_measure(line: &str) -> Option<&str> {
    const UNITS: [&str; 10] = ["px", "phx", "rem", "pt", "cm", "mm", "in", "ms", "s", "rad"];
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '#'))
        .map(|word| word.trim_start_matches('-'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .find(|word| {
            let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            UNITS.contains(&unit) && !word.starts_with("0p")
        })
}

/// A colour written as itself: by number, by function or by name.
fn raw_colour(line: &str) -> Option<&str> {
    const NAMES: [&str; 12] = [
        "white", "black", "red", "green", "blue", "yellow", "orange", "gray", "grey", "Colors",
        "silver", "pink",
    ];
    const FUNCTIONS: [&str; 4] = ["rgb(", "rgba(", "hsv(", "oklch("];
    let unquoted: Vec<&str> = line.split('"').step_by(2).collect();
    let by_name = |word: &&str| word.starts_with('#') && word.len() > 3 || NAMES.contains(word);
    unquoted.into_iter().find_map(|code| {
        let function = FUNCTIONS.into_iter().find(|function| code.contains(function));
        let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '#' || c == '-'));
        function.or_else(|| words.find(by_name))
    })
}

/// Text in quotes that people would read: a letter in it, and not inside `@tr`, `@image-url`, `import` or `export`.
fn raw_words(line: &str) -> Option<&str> {
    let code = line.trim_start();
    if ["import ", "export *", "export {"].iter().any(|start| code.starts_with(start)) {
        return None;
    }
    let mut rest = line;
    while let Some(start) = rest.find('"') {
        let before = &rest[..start];
        let length = rest[start + 1..].find('"')?;
        let text = &rest[start + 1..=start + length];
        rest = &rest[start + length + 2..];
        let wrapped = ["@tr(", "@image-url(", "@markdown("].iter().any(|f| before.contains(f))
            || before.trim_end().ends_with("=>")
            || before.trim_end().ends_with('|');
        if !wrapped && text.chars().any(char::is_alphabetic) {
            return Some(text);
        }
    }
    None
}

#[test]
fn colours_and_lengths_are_written_in_the_theme_only() {
    for (path, text) in files("../ui", "slint") {
        for (number, line) in lines(&text).filter(|_| !is_theme(&path)) {
            assert_eq!(raw_measure(line), None, "{}:{number}", path.display());
            assert_eq!(raw_colour(line), None, "{}:{number}", path.display());
        }
    }
}

#[test]
fn every_word_on_the_screen_can_be_translated() {
    for (path, text) in files("../ui", "slint") {
        // The other globals hold data, with samples for the live preview.
        let global = path.parent().is_some_and(|folder| folder.ends_with("globals"));
        if global && !path.ends_with("words.slint") {
            continue;
        }
        for (number, line) in lines(&text) {
            assert_eq!(raw_words(line), None, "{}:{number}", path.display());
        }
    }
}

#[test]
fn a_file_exports_one_component_of_its_own_name() {
    for (path, text) in files("../ui", "slint") {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(stem.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{stem} is kebab-case");
        let exported: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("export component "))
            .filter_map(|rest| rest.split_whitespace().next())
            .collect();
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let expected = match folder {
            Some("globals") => vec![],
            _ => vec![camel_case(stem)],
        };
        assert_eq!(exported, expected, "{}", path.display());
    }
}

fn camel_case(kebab: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    kebab.split('-').map(capital).collect()
}

/// A file says itself what it needs, so whoever opens it in the live preview sees it.
#[test]
fn every_page_and_every_component_compiles_alone() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("previews");
    fs::create_dir_all(&out).expect("the folder can be made");
    for folder in ["../ui/pages", "../ui/components"] {
        for (path, _) in files(folder, "slint") {
            let path = path.canonicalize().expect("the file is there");
            let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
            let component = camel_case(stem);
            // As the preview does: a window with nothing else in it.
            let preview = format!(
                "import {{ {component} }} from \"{}\";\n\
                 export component Preview inherits Window {{ {component} {{ }} }}\n",
                path.display()
            );
            let (slint, rust) = (out.join(format!("{stem}.slint")), out.join(format!("{stem}.rs")));
            fs::write(&slint, preview).expect("the file can be written");
            let config = slint_build::CompilerConfiguration::new().with_style("fluent".into());
            let compiled = slint_build::compile_with_output_path(&slint, &rust, config);
            assert!(compiled.is_ok(), "{}: {compiled:?}", path.display());
            let code = fs::read_to_string(&rust).expect("it was written");
            let words = code.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("struct r#Preview"), "{}: nothing to show", path.display());
        }
    }
}

/// A page shows what the globals hold, and those have samples.
#[test]
fn pages_show_samples_without_rust() {
    for (path, text) in files("../ui/pages", "slint") {
        for (number, line) in lines(&text) {
            let has_input = line.trim_start().starts_with("in property");
            assert!(!has_input, "{}:{number}: a preview has nobody to set it", path.display());
        }
    }
    for (path, text) in files("../ui/globals", "slint") {
        for (number, line) in lines(&text) {
            let line = line.trim();
            // A list or a struct without a value is empty, and so is the page that shows it.
            let holds_data =
                line.starts_with("in property <[") || line.starts_with("in property <string> name");
            let has_value = line.contains(": ");
            assert!(!holds_data || has_value, "{}:{number} has no sample", path.display());
        }
    }
}

/// What Rust sets and hears goes through globals; the window itself has nothing to get hold of.
#[test]
fn the_window_has_no_property_and_no_callback_of_its_own() {
    for (path, text) in files("../ui", "slint")
        .into_iter()
        .filter(|(path, _)| path.parent().is_some_and(|folder| folder.ends_with("ui")))
    {
        if !text.contains("inherits Window") {
            continue;
        }
        for (number, line) in lines(&text) {
            let public = ["in property", "out property", "in-out property", "callback ", "public "];
            let found = public.iter().find(|start| line.trim_start().starts_with(**start));
            assert_eq!(found, None, "{}:{number}", path.display());
        }
    }
}

#[test]
fn the_core_knows_no_window_no_runtime_and_no_clock() {
    for (path, text) in files("src/core", "rs") {
        if path.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["slint", "tokio", "Instant::now", "SystemTime", "std::net", "std::thread"] {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn rust_names_no_element_of_the_window_and_no_words() {
    for (path, text) in files("src/adapters", "rs") {
        for forbidden in ["get_root", "ElementHandle", "@tr"] {
            assert!(!text.contains(forbidden), "{} names {forbidden}", path.display());
        }
    }
}

/// The rules above would be worth nothing if they let everything pass.
#[test]
fn the_rules_find_what_they_forbid() {
    for line in ["width: 12px;", "x: -1.5px;", "duration: 120ms;", "height: 2rem;"] {
        assert!(raw_measure(line).is_some(), "{line}");
    }
    for line in ["width: 0px;", "width: 100%;", "space-1", "grid-4in-row", "x: 2 * Theme.ring;"] {
        assert!(raw_measure(line).is_none(), "{line}");
    }
    for line in ["color: #fff0;", "background: white;", "b: rgb(1, 2, 3);", "c: Colors.red;"] {
        assert!(raw_colour(line).is_some(), "{line}");
    }
    for line in ["color: Theme.text;", "label: @tr(\"#MadeWithSlint\");", "transparent"] {
        assert!(raw_colour(line).is_none(), "{line}");
    }
    for line in ["text: \"Hello\";", "a ? @tr(\"x\") : b; title: \"Cut\";"] {
        assert!(raw_words(line).is_some(), "{line}");
    }
    for line in ["text: @tr(\"Hello\");", "text == \"\"", "import { A } from \"b.slint\";"] {
        assert!(raw_words(line).is_none(), "{line}");
    }
}
