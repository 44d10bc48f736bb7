//! A table of a script, read key by key. Every fault is noted, with its key and what was wanted, and
//! never what stood there: that may be a card number.

use std::cell::RefCell;

/// What is wrong with a script, one sentence for each fault.
pub(super) type Faults = RefCell<Vec<String>>;

/// A table. What was not asked for by [`Section::end`] is a fault.
pub(super) struct Section<'a> {
    path: String,
    table: toml::Table,
    asked: Vec<&'static str>,
    faults: &'a Faults,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: &str, table: toml::Table, faults: &'a Faults) -> Self {
        Self { path: path.to_owned(), table, asked: Vec::new(), faults }
    }

    /// A table that was taken out of this one.
    pub(super) fn within(&self, key: &str, table: toml::Table) -> Section<'a> {
        Section::new(&self.path_of(key), table, self.faults)
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn fault(&self, key: &str, wanted: &str) {
        self.faults.borrow_mut().push(format!("{}: wanted {wanted}", self.path_of(key)));
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<toml::Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// A text that must be there.
    pub(super) fn wanted(&mut self, key: &'static str, wanted: &str) -> Option<String> {
        let missing = !self.table.contains_key(key);
        let text = self.text(key, wanted);
        if missing {
            self.fault(key, wanted);
        }
        text
    }

    pub(super) fn text(&mut self, key: &'static str, wanted: &str) -> Option<String> {
        match self.take(key)? {
            toml::Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.fault(key, wanted);
                None
            }
        }
    }

    pub(super) fn number(&mut self, key: &'static str) -> Option<i64> {
        match self.take(key)? {
            toml::Value::Integer(number) if number >= 0 => Some(number),
            _ => {
                self.fault(key, "a whole number, 0 or more");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)? {
            toml::Value::Boolean(flag) => Some(flag),
            _ => {
                self.fault(key, "true or false");
                None
            }
        }
    }

    pub(super) fn table(&mut self, key: &'static str) -> Option<toml::Table> {
        match self.take(key)? {
            toml::Value::Table(table) => Some(table),
            _ => {
                self.fault(key, "a table");
                None
            }
        }
    }

    /// Each table of a list, with its place: `case[0]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let list = match value {
            toml::Value::Array(list) => list,
            _ => {
                self.fault(key, "a list of tables");
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            match value {
                toml::Value::Table(table) => {
                    sections.push(Section::new(&path, table, self.faults));
                }
                _ => self.fault(key, "a list of tables"),
            }
        }
        sections
    }

    /// What is left is unknown.
    pub(super) fn end(self) {
        for key in self.table.keys() {
            let known = self.asked.join(", ");
            let mut faults = self.faults.borrow_mut();
            faults.push(format!("{}: unknown; wanted one of {known}", self.path_of(key)));
        }
    }
}
