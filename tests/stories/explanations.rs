//! What `tidegate explain` says of broken messages, word for word: a file for each below `explanations`, with the
//! message, the dialect and the frame above a blank line and the answer below it. After a change of the words,
//! `UPDATE_EXPLANATIONS=1 cargo test --test stories explanations` writes the answers anew: read what changed.

use super::command_line::tidegate;
use std::path::{Path, PathBuf};

const DIALECTS: [&str; 10] = [
    "base24",
    "cup-terminal",
    "cups",
    "iso87-ascii",
    "iso87-binary",
    "iso87-ebcdic",
    "iso93-ascii",
    "iso93-binary",
    "postilion",
    "showcase",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file: what is asked, and what is answered.
struct Case {
    path: PathBuf,
    asked: String,
    answer: String,
}

impl Case {
    fn values(&self, key: &str) -> Vec<&str> {
        let rows = self.asked.lines().filter_map(|line| line.split_once(' '));
        rows.filter(|(name, _)| *name == key).map(|(_, value)| value.trim()).collect()
    }

    fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// The answer of the program, with its exit code where it is not 1.
    fn ask(&self) -> String {
        let protocols = root().join("protocols").display().to_string();
        let hex = self.values("hex").concat();
        let mut arguments = vec!["explain", "-d", self.values("dialect")[0]];
        arguments.extend(["--frame", self.values("frame")[0], "--protocols", &protocols]);
        arguments.extend(self.values("options"));
        arguments.extend(["--hex", &hex]);
        let (exit, out, err) = tidegate(&arguments);
        assert_eq!(exit, 1, "{}: {out}{err}", self.name());
        out + &err
    }
}

fn cases() -> Vec<Case> {
    let folder = std::fs::read_dir(root().join("tests/stories/explanations")).unwrap();
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let (asked, answer) = text.split_once("\n\n").unwrap();
        Case { asked: asked.to_owned(), answer: answer.to_owned(), path }
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn broken_messages_are_explained_word_for_word() {
    let update = std::env::var_os("UPDATE_EXPLANATIONS").is_some();
    for case in cases() {
        let answer = case.ask();
        if update {
            std::fs::write(&case.path, format!("{}\n\n{answer}", case.asked)).unwrap();
        } else {
            assert_eq!(
                answer,
                case.answer,
                "{}: if it is meant so, UPDATE_EXPLANATIONS=1",
                case.name()
            );
        }
    }
}

#[test]
fn the_broken_messages_are_of_every_dialect_and_of_many_frames() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    for dialect in DIALECTS {
        let count = cases.iter().filter(|case| case.values("dialect") == [dialect]).count();
        assert!(count >= 2, "{dialect}: {count}");
    }
    let mut frames: Vec<_> = cases.iter().flat_map(|case| case.values("frame")).collect();
    frames.sort_unstable();
    frames.dedup();
    assert!(frames.len() >= 10, "{frames:?}");
}

/// Whatever card data the messages hold is told neither as text nor as bytes, in ASCII, EBCDIC or packed.
#[test]
fn no_explanation_of_a_broken_message_shows_card_data() {
    // Card numbers without the digits that a mask shows, the track, the PIN block.
    let secrets =
        ["5555554444", "55555555", "2463100", "822463", "29122011917", "1C2B3A49", "6xF0E1"];
    for case in cases() {
        let answer: String = case.answer.split_whitespace().collect();
        for secret in secrets {
            let ascii: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
            let ebcdic: String = secret.chars().flat_map(|digit| ['F', digit]).collect();
            for form in [secret.to_owned(), ascii, ebcdic] {
                assert!(!answer.contains(&form), "{}: {form}", case.name());
            }
        }
    }
}

/// The operator's guide shows one of them, as it is.
#[test]
fn the_operators_guide_shows_what_is_said_of_an_amount_with_a_letter() {
    let guide = std::fs::read_to_string(root().join("docs/operators-guide.md")).unwrap();
    let case = cases().into_iter().find(|case| case.name() == "amount-letter").unwrap();
    assert!(guide.contains(&case.answer), "{}", case.answer);
}
