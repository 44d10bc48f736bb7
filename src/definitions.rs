//! Reads definition files from the folder of protocols. A bad definition stops the start, never a
//! payment.

use crate::bounded_file;
use data_encoding::HEXLOWER;
use std::fs;
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_payment::request::Definitions;
use tidegate_protocol::definition::Definition;
use tidegate_protocol::dialect::HostDialect;
use tidegate_protocol::inherit;
use tidegate_protocol::source::{Faults, Source};
use tidegate_protocol::vectors::VectorResult;

/// Why a definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A text cannot be kept for the payments that begin with it.
    #[error("cannot keep {}", path.display())]
    Kept {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Dialects extend each other in a circle, or in a row that nobody follows.
    #[error("{name} extends a dialect that extends another, and so on: at most {most} in a row")]
    Depth {
        /// The file.
        name: String,
        /// How many may be in a row.
        most: usize,
    },
    /// The definition has faults.
    #[error("{0}")]
    Faults(Faults),
}

/// Loads the definition of a host: its dialect and its mapping.
/// # Errors
/// [`DefinitionError`]: a file that cannot be read, or every fault of both files with line and caret.
pub fn load(protocols: &Path, dialect: &str, mapping: &str) -> Result<Definition, DefinitionError> {
    let dialect = Text::of_dialect(protocols, dialect)?;
    let mapping = Text::read(protocols, &mapping_file(mapping))?;
    let definition = Definition::build(dialect.source(), mapping.source());
    definition.map_err(|faults| dialect.told(&faults))
}

/// A definition with the texts that it was read from: what a payment begins with.
#[derive(Debug, Clone)]
pub struct Edition {
    /// The definition.
    pub definition: Arc<Definition>,
    dialect: Arc<str>,
    mapping: Arc<str>,
}

impl Deref for Edition {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.definition
    }
}

/// Loads the definition of a host with its texts.
/// # Errors
/// As [`load`].
pub fn load_edition(
    protocols: &Path,
    dialect: &str,
    mapping: &str,
) -> Result<Edition, DefinitionError> {
    let dialect = Text::of_dialect(protocols, dialect)?;
    let mapping = Text::read(protocols, &mapping_file(mapping))?;
    let definition = Definition::build(dialect.source(), mapping.source());
    let definition = Arc::new(definition.map_err(|faults| dialect.told(&faults))?);
    Ok(Edition { definition, dialect: dialect.text.into(), mapping: mapping.text.into() })
}

/// Where every text lies that a payment ever began with, named by its hash, so that a payment finishes
/// under the definition that it began with after any number of reloads and restarts.
#[derive(Debug, Clone)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// A shelf in a data folder.
    pub fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("definitions") }
    }

    /// Puts an edition there, durably, unless it is there.
    /// # Errors
    /// [`DefinitionError::Kept`] when the system refuses.
    pub fn keep(&self, edition: &Edition) -> Result<(), DefinitionError> {
        let hashes = edition.definition.hashes();
        self.put(&dialect_name(&hashes.dialect), &edition.dialect)?;
        self.put(&mapping_name(&hashes.mapping), &edition.mapping)
    }

    fn put(&self, name: &str, text: &str) -> Result<(), DefinitionError> {
        let path = self.folder.join(name);
        let fault = |source| DefinitionError::Kept { path: path.clone(), source };
        if path.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(fault)?;
        let draft = path.with_extension("new");
        let mut file = fs::File::create(&draft).map_err(fault)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
        fs::rename(&draft, &path).map_err(fault)?;
        fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(fault)
    }

    /// The definition of these hashes, if it is there and is still what it was.
    /// # Errors
    /// [`DefinitionError`] when it cannot be read, or this version of the program refuses it.
    pub fn find(&self, wanted: &Definitions) -> Result<Option<Definition>, DefinitionError> {
        let names = (dialect_name(&wanted.dialect), mapping_name(&wanted.mapping));
        if !self.folder.join(&names.0).exists() || !self.folder.join(&names.1).exists() {
            return Ok(None);
        }
        let dialect = Text::read(&self.folder, &names.0)?;
        let mapping = Text::read(&self.folder, &names.1)?;
        let definition = Definition::build(dialect.source(), mapping.source());
        let definition = definition.map_err(DefinitionError::Faults)?;
        Ok(Some(definition).filter(|found| found.hashes() == *wanted))
    }
}

fn dialect_name(hash: &[u8; 32]) -> String {
    format!("dialect-{}.toml", HEXLOWER.encode(hash))
}

fn mapping_name(hash: &[u8; 32]) -> String {
    format!("mapping-{}.toml", HEXLOWER.encode(hash))
}

/// Loads a dialect alone.
/// # Errors
/// As [`load`].
pub fn load_dialect(protocols: &Path, dialect: &str) -> Result<HostDialect, DefinitionError> {
    let dialect = Text::of_dialect(protocols, dialect)?;
    HostDialect::read(dialect.source()).map_err(|faults| dialect.told(&faults))
}

/// The names of all dialects of a folder of protocols, in order.
/// # Errors
/// [`DefinitionError::File`] if the folder cannot be read.
pub fn dialect_names(protocols: &Path) -> Result<Vec<String>, DefinitionError> {
    let path = protocols.join("dialects");
    let entries = fs::read_dir(&path);
    let entries = entries.map_err(|source| DefinitionError::File { path, source })?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter(|name| protocols.join(dialect_file(name)).is_file()).collect();
    names.sort();
    Ok(names)
}

/// Runs all vectors that lie beside a dialect and a mapping.
/// # Errors
/// As [`load`], for the vector files.
pub fn run_vectors(
    protocols: &Path,
    names: (&str, &str),
    definition: &Definition,
) -> Result<Vec<VectorResult>, DefinitionError> {
    let results = run_vectors_by_file(protocols, names, definition)?;
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// As [`run_vectors`], each with the file that it stands in.
/// # Errors
/// As [`run_vectors`].
pub fn run_vectors_by_file(
    protocols: &Path,
    (dialect, mapping): (&str, &str),
    definition: &Definition,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    let folders = [dialect_vectors(dialect), format!("mappings/{mapping}/vectors")];
    run(protocols, &folders, |source| definition.run_vectors(source))
}

/// Runs all vectors that lie beside a dialect, each with the file that it stands in.
/// # Errors
/// As [`run_vectors`].
pub fn run_dialect_vectors(
    protocols: &Path,
    name: &str,
    dialect: &HostDialect,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    run(protocols, &[dialect_vectors(name)], |source| dialect.run_vectors(source))
}

fn run(
    protocols: &Path,
    folders: &[String],
    run: impl Fn(Source<'_>) -> Result<Vec<VectorResult>, Faults>,
) -> Result<Vec<(String, VectorResult)>, DefinitionError> {
    let mut results = Vec::new();
    for folder in folders {
        for file in files_of(protocols, folder)? {
            let text = Text::read(protocols, &file)?;
            let ran = run(text.source()).map_err(DefinitionError::Faults)?;
            results.extend(ran.into_iter().map(|result| (file.clone(), result)));
        }
    }
    Ok(results)
}

fn dialect_vectors(name: &str) -> String {
    format!("dialects/{name}/vectors")
}

fn dialect_file(name: &str) -> String {
    format!("dialects/{name}/dialect.toml")
}

fn mapping_file(name: &str) -> String {
    format!("mappings/{name}.toml")
}

/// The names of the TOML files of a folder, in order; none if there is no such folder.
fn files_of(protocols: &Path, folder: &str) -> Result<Vec<String>, DefinitionError> {
    let path = protocols.join(folder);
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| DefinitionError::File { path, source })?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> = names
        .filter(|name| name.ends_with(".toml"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    Ok(files)
}

struct Text {
    name: String,
    text: String,
    /// Of a dialect that extends another: its own file, before the other was put below it.
    own: Option<(String, String)>,
}

impl Text {
    fn read(protocols: &Path, name: &str) -> Result<Self, DefinitionError> {
        let path = protocols.join(name);
        let text = bounded_file::read_text(&path);
        let text = text.map_err(|source| DefinitionError::File { path, source })?;
        Ok(Self { name: name.to_owned(), text, own: None })
    }

    /// The text of a dialect, standing for itself: put over those that it extends.
    fn of_dialect(protocols: &Path, name: &str) -> Result<Self, DefinitionError> {
        let mut text = Self::read(protocols, &dialect_file(name))?;
        for depth in 0.. {
            let base = inherit::extends(text.source()).map_err(DefinitionError::Faults)?;
            let Some(base) = base else { break };
            if depth == inherit::DEPTH_MAX {
                return Err(DefinitionError::Depth { name: text.name, most: inherit::DEPTH_MAX });
            }
            let base = Self::read(protocols, &dialect_file(&base))?;
            let own = (text.name.clone(), text.text.clone());
            text.own.get_or_insert(own);
            // Faults of what only the other says are told with lines of the whole, which no file has.
            text.name = format!("{} over {}", text.name, base.name);
            // What the other extends is still said there, and comes next.
            let merged = inherit::merge(base.source(), text.source());
            text.text = merged.map_err(DefinitionError::Faults)?;
        }
        Ok(text)
    }

    fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }

    /// Its faults, in its own file as far as that says what is wrong.
    fn told(&self, faults: &Faults) -> DefinitionError {
        DefinitionError::Faults(match &self.own {
            None => faults.clone(),
            Some((name, text)) => inherit::at_home(faults, self.source(), Source { name, text }),
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;
    use tidegate_iso8583::explain::ExplainOptions;
    use tidegate_iso8583::pack::Builder;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols")
    }

    #[test]
    fn every_shipped_vector_passes() {
        for name in ["iso87-ascii", "iso87-binary"] {
            let definition = load(&shipped(), name, name).unwrap();
            let results = run_vectors(&shipped(), (name, name), &definition).unwrap();
            assert!(results.len() > 100, "{name}");
            let failed: Vec<_> = results.iter().filter(|result| result.fault.is_some()).collect();
            assert!(failed.is_empty(), "{failed:#?}");
        }
    }

    #[test]
    fn every_vector_of_every_shipped_dialect_passes() {
        let mut failed = Vec::new();
        let names = dialect_names(&shipped()).unwrap();
        assert!(names.len() > 2, "{names:?}");
        for name in names {
            let dialect = load_dialect(&shipped(), &name).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(dialect.name(), name);
            let results = run_dialect_vectors(&shipped(), &name, &dialect);
            let results = results.unwrap_or_else(|why| panic!("{why}"));
            assert!(results.len() > 8, "{name}: {} vectors", results.len());
            let found = results.into_iter().filter_map(|(file, result)| {
                result.fault.map(|fault| format!("{file}: {}: {fault}", result.name))
            });
            failed.extend(found);
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    /// The bytes of every message that must be read, with the names of dialect and vector.
    fn good_messages(dialect: &str) -> Vec<(String, Vec<u8>)> {
        let texts = |value: &toml::Value| match value {
            toml::Value::Array(rows) => rows.iter().filter_map(|row| row.as_str()).collect(),
            value => value.as_str().unwrap().to_owned(),
        };
        let mut messages = Vec::new();
        for file in files_of(&shipped(), &dialect_vectors(dialect)).unwrap() {
            let table: toml::Table = Text::read(&shipped(), &file).unwrap().text.parse().unwrap();
            let list = table.get("message").and_then(|list| list.as_array());
            for vector in list.into_iter().flatten() {
                let name = vector.get("name").and_then(|name| name.as_str()).unwrap();
                let wire = vector.get("wire_text").map(|text| texts(text).into_bytes());
                let wire = wire.unwrap_or_else(|| {
                    let digits: String = texts(vector.get("wire_hex").unwrap());
                    data_encoding::HEXUPPER.decode(digits.as_bytes()).unwrap()
                });
                messages.push((format!("{dialect}: {name}"), wire));
            }
        }
        messages
    }

    /// Reads what became of a message; what is still one is written again, too, if `write`.
    fn check_changed(dialect: &HostDialect, body: &[u8], write: bool, told: &str) {
        let message = match dialect.parse(body) {
            Ok(message) => message,
            Err(fault) => {
                let inside = fault.offset <= body.len() && fault.at() <= body.len();
                return assert!(inside, "{told}: {fault}");
            }
        };
        let all = message.all();
        assert!(!all.is_empty(), "{told}");
        if write {
            let mut builder = Builder::new(dialect.wire(), message.mti());
            for (number, text) in message.fields() {
                builder.set(number, &text).unwrap();
            }
            let mut again = Vec::new();
            builder.pack(&mut again).unwrap();
            assert_eq!(dialect.parse(&again).unwrap().all(), all, "{told}");
        }
    }

    #[test]
    fn a_message_cut_off_or_changed_anywhere_is_read_or_its_fault_has_a_place() {
        for name in dialect_names(&shipped()).unwrap() {
            let dialect = load_dialect(&shipped(), &name).unwrap();
            for (told, wire) in good_messages(&name) {
                for length in 0..wire.len() {
                    let fault = dialect.parse(wire.get(..length).unwrap()).unwrap_err();
                    assert!(fault.offset <= length && fault.at() <= length, "{told}: {fault}");
                }
                let mut body = wire.clone();
                for (place, was) in wire.into_iter().enumerate() {
                    for byte in (0..=u8::MAX).filter(|byte| *byte != was) {
                        *body.get_mut(place).unwrap() = byte;
                        let one_bit = (byte ^ was).is_power_of_two();
                        check_changed(&dialect, &body, one_bit, &told);
                    }
                    *body.get_mut(place).unwrap() = was;
                }
            }
        }
    }

    /// Of whatever is broken, an explanation shows neither the card number nor its bytes, wherever they stand then.
    #[test]
    fn a_changed_message_is_explained_without_its_card_number() {
        let card = [b"5555555555554444".to_vec(), [0x55; 6].to_vec(), [0xF5; 12].to_vec()];
        let other = [b"4000000000000002".to_vec(), vec![0x40, 0, 0, 0, 0, 0], vec![]];
        let mut explained = 0;
        for name in dialect_names(&shipped()).unwrap() {
            let dialect = load_dialect(&shipped(), &name).unwrap();
            for (told, mut body) in good_messages(&name) {
                for (from, to) in other.iter().zip(&card).filter(|(from, _)| !from.is_empty()) {
                    let places: Vec<_> =
                        (0..body.len()).filter(|at| body[*at..].starts_with(from)).collect();
                    places.into_iter().for_each(|at| body[at..at + to.len()].copy_from_slice(to));
                }
                if !card.iter().any(|card| body.windows(card.len()).any(|part| part == card)) {
                    continue;
                }
                for place in 0..body.len() {
                    for bit in [0x01, 0x04, 0x10, 0x80] {
                        body[place] ^= bit;
                        check_hidden(&dialect, &body, &told);
                        body[place] ^= bit;
                    }
                    check_hidden(&dialect, &body[..place], &told);
                    check_hidden(&dialect, &body[place..], &told);
                    explained += 6;
                }
            }
        }
        assert!(explained > 10_000, "{explained}");
    }

    /// What is no card number is not hidden: a message that was cut off shows its type and its bitmaps.
    #[test]
    fn a_message_that_is_cut_off_is_explained_with_its_type_and_its_bitmaps() {
        for name in dialect_names(&shipped()).unwrap() {
            let dialect = load_dialect(&shipped(), &name).unwrap();
            for (told, body) in good_messages(&name) {
                let whole = dialect.explain(&body, ExplainOptions::default());
                // So many elements above 64 are not believed of a broken message.
                let above = whole.bitmap.iter().flat_map(|it| &it.fields).filter(|it| **it > 64);
                if above.count() > 8 {
                    continue;
                }
                let begins = whole.fields.first().map_or(body.len(), |field| field.offset);
                for end in begins..body.len() {
                    let cut = dialect.explain(&body[..end], ExplainOptions::default());
                    assert_eq!((cut.mti, &cut.bitmap), (whole.mti, &whole.bitmap), "{told}: {cut}");
                }
            }
        }
    }

    fn check_hidden(dialect: &HostDialect, body: &[u8], told: &str) {
        let explanation = dialect.explain(body, ExplainOptions::default());
        if explanation.fault.is_some() {
            let text: String = explanation.to_string().split_whitespace().collect();
            let card = ["5555555", "35353535353535", "F5F5F5F5F5F5F5"];
            assert!(!card.iter().any(|card| text.contains(card)), "{told}: {explanation}");
        }
    }

    /// DE62 is kept whole, so a wrong byte in it is seen by nothing but the MAC. The XOR of all that stands before the
    /// MAC is what it is made of: with the key of the example, this one gives the B3A092AE that the message carries.
    #[test]
    fn the_china_terminals_example_is_the_one_that_its_mac_was_made_for() {
        let messages = good_messages("cup-terminal");
        let (_, wire) = messages.iter().find(|(name, _)| name.contains("with its MAC")).unwrap();
        let (covered, mac) = wire.split_last_chunk::<8>().unwrap();
        let mut sum = [0; 8];
        for block in covered.chunks(8) {
            sum.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
        }
        assert_eq!(data_encoding::HEXUPPER.encode(&sum), "3761343619AC6492");
        assert_eq!(mac, b"B3A092AE");
    }

    #[test]
    fn the_authors_guide_teaches_a_dialect_that_holds() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol-authors-guide.md");
        let guide = fs::read_to_string(guide).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let base = dialect_file("iso87-ascii");
        let texts = guide.split("```toml\n# protocols/").skip(1);
        let texts = texts.map(|text| text.split("```").next().unwrap().split_once('\n').unwrap());
        let base_text = fs::read_to_string(shipped().join(&base)).unwrap();
        for (file, text) in texts.chain([(base.as_str(), base_text.as_str())]) {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let dialect = load_dialect(folder.path(), "mybank").unwrap_or_else(|why| panic!("{why}"));
        let results = run_dialect_vectors(folder.path(), "mybank", &dialect).unwrap();
        assert_eq!(results.len(), 2);
        let failed: Vec<_> = results.iter().filter(|(_, it)| it.fault.is_some()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn dialects_that_extend_each_other_in_a_circle_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, base) in [("one", "other"), ("other", "one")] {
            let path = folder.path().join(dialect_file(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("extends = \"{base}\"\n")).unwrap();
        }
        let error = load_dialect(folder.path(), "one").unwrap_err().to_string();
        assert!(error.contains("at most 4 in a row"), "{error}");
    }

    #[test]
    fn a_missing_definition_is_named() {
        let error = load(&shipped(), "no-such", "iso87-ascii").unwrap_err();
        assert!(error.to_string().ends_with("dialects/no-such/dialect.toml"), "{error}");
    }
}
