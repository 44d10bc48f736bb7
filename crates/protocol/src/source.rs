//! Definition files as they are handed in, and the faults found in them: file, line, caret and what
//! was expected.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};

/// A definition file: its name as people should read it, and its contents.
#[derive(Debug, Clone, Copy)]
pub struct Source<'t> {
    /// The file's name, for example `dialects/iso87-ascii/dialect.toml`.
    pub name: &'t str,
    /// The whole text.
    pub text: &'t str,
}

/// One fault in a definition file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected instead, if that can be said.
    pub expected: Option<String>,
    /// The fault with the line that it stands in and a caret below.
    shown: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Every fault of the definitions that were read, in the order of the files and of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults; at least one.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Faults {
    pub(crate) fn of(list: Vec<Fault>) -> Self {
        Self(list)
    }
}

impl Fault {
    /// The byte at which it stands in the text that it was found in.
    pub(crate) fn offset_in(&self, text: &str) -> usize {
        let lines = text.split_inclusive('\n').take(self.line.saturating_sub(1));
        let start = lines.map(str::len).fold(0, usize::saturating_add);
        let line = text.get(start..).unwrap_or_default();
        let before = line.chars().take(self.column.saturating_sub(1)).map(char::len_utf8);
        start.saturating_add(before.fold(0, usize::saturating_add))
    }

    /// The same fault, at a place in another text.
    pub(crate) fn moved(&self, to: Source<'_>, span: &Range<usize>) -> Self {
        Collector::new(to).fault(span, self.message.clone(), self.expected.clone())
    }
}

/// Collects the faults of one file.
pub(crate) struct Collector<'t> {
    source: Source<'t>,
    found: Vec<(usize, Fault)>,
}

impl<'t> Collector<'t> {
    pub(crate) fn new(source: Source<'t>) -> Self {
        Self { source, found: Vec::new() }
    }

    /// Notes a fault at these bytes of the file.
    pub(crate) fn add(&mut self, span: &Range<usize>, message: impl Into<String>, expected: &str) {
        let (message, expected) = (message.into(), (!expected.is_empty()).then(|| expected.into()));
        let fault = self.fault(span, message, expected);
        self.found.push((span.start, fault));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The faults of several files together; `None` when there are none.
    pub(crate) fn gather<const N: usize>(collectors: [Self; N]) -> Option<Faults> {
        let mut list = Vec::new();
        for mut collector in collectors {
            collector.found.sort_by_key(|(start, _)| *start);
            list.extend(collector.found.into_iter().map(|(_, fault)| fault));
        }
        (!list.is_empty()).then_some(Faults(list))
    }

    /// What to answer should a file give no result and no fault. Never seen; kept so that nothing
    /// has to panic.
    pub(crate) fn incomplete(source: Source<'_>) -> Faults {
        let mut collector = Collector::new(source);
        collector.add(&(0..0), "the definition is incomplete", "");
        Faults(collector.found.into_iter().map(|(_, fault)| fault).collect())
    }

    fn fault(&self, span: &Range<usize>, message: String, expected: Option<String>) -> Fault {
        let text = self.source.text;
        let start = span.start.min(text.len());
        let end = span.end.clamp(start, text.len());
        let before = text.get(..start).unwrap_or_default();
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        let mut annotation = AnnotationKind::Primary.span(start..end);
        if let Some(expected) = &expected {
            annotation = annotation.label(format!("expected {expected}"));
        }
        let snippet = Snippet::source(text).path(self.source.name).annotation(annotation);
        let report = [Level::ERROR.primary_title(message.as_str()).element(snippet)];
        let shown = Renderer::plain().decor_style(DecorStyle::Ascii).render(&report);
        Fault {
            file: self.source.name.to_owned(),
            line: before.matches('\n').count().saturating_add(1),
            column: last_line.chars().count().saturating_add(1),
            message,
            expected,
            shown,
        }
    }
}
