//! The elements of a small XML file, with their attributes and lines. Text between them is passed over;
//! entities of the file's own are not followed, so that nothing grows by them.

use std::fmt::Display;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::ImportError;

/// How deep elements may lie, and how many there may be.
const DEPTH_MAX: usize = 16;
const ELEMENTS_MAX: usize = 20_000;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Its name, without a prefix.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The value of an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim())
    }
}

/// The root element of a file.
///
/// # Errors
/// [`ImportError::Syntax`] with the place of what is no XML, or is too much of it.
pub(super) fn read(text: &str) -> Result<Element, ImportError> {
    let mut reader = Reader::from_str(text);
    let (mut open, mut root): (Vec<Element>, Option<Element>) = (Vec::new(), None);
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut count: usize = 0;
    loop {
        let start = reader.buffer_position();
        let event = reader.read_event();
        let event = event.map_err(|error| place(text, reader.error_position(), &error))?;
        let at = |why: &dyn Display| place(text, reader.buffer_position(), why);
        let (element, ends) = match event {
            Event::Start(tag) => (element(&tag, lines.of(start)).map_err(|it| at(&it))?, false),
            Event::Empty(tag) => (element(&tag, lines.of(start)).map_err(|it| at(&it))?, true),
            Event::End(_) => {
                // The reader refuses ends that end nothing.
                if let Some(element) = open.pop() {
                    put(element, &mut open, &mut root);
                }
                continue;
            }
            Event::Eof if open.is_empty() => break,
            Event::Eof => return Err(at(&"the file ends within an element")),
            _ => continue,
        };
        count = count.saturating_add(1);
        if count > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
            let most = format!("more than {ELEMENTS_MAX} elements, or more than {DEPTH_MAX} deep");
            return Err(at(&most));
        }
        if ends {
            put(element, &mut open, &mut root);
        } else {
            open.push(element);
        }
    }
    root.ok_or_else(|| place(text, 0, &"no XML element is there"))
}

fn put(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn element(tag: &BytesStart<'_>, line: usize) -> Result<Element, quick_xml::Error> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let key = attribute.key.local_name();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
        attributes.push((key.into_inner().to_owned(), value.into_owned()));
    }
    let name = tag.local_name().into_inner().to_owned();
    Ok(Element { name, attributes, line, children: Vec::new() })
}

fn place(text: &str, position: u64, why: &dyn Display) -> ImportError {
    let position = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    let before = text.get(..position).unwrap_or(text);
    let last = before.rsplit('\n').next().unwrap_or_default();
    ImportError::Syntax {
        line: before.matches('\n').count().saturating_add(1),
        column: last.chars().count().saturating_add(1),
        what: format!("this is no XML: {why}"),
    }
}

/// Counts lines on the way, so that a long file is gone through once.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, position: u64) -> usize {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let passed = self.text.get(self.at..position).unwrap_or_default();
        self.line = self.line.saturating_add(passed.matches('\n').count());
        self.at = position.max(self.at);
        self.line
    }
}
