//! The fields of a JSON object, read one by one: whatever is wrong is noted with its path, and reading goes on.

use super::json::Json;
use super::problems::Problems;
use crate::failure::Failure;

/// A text, and the name of the field that it was given in: a path in JSON, else the name of a header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) place: String,
    pub(super) text: String,
}

impl Given {
    pub(super) fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

/// An object that is being read. `null` and a field that is not there mean the same.
pub(super) struct Fields<'a> {
    /// What stands before the name of a field in its path.
    prefix: String,
    fields: Vec<(String, Json)>,
    /// The names that were asked for.
    known: Vec<&'static str>,
    problems: &'a mut Problems,
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub(super) fn of_message(value: Json, problems: &'a mut Problems) -> Option<Self> {
        match value {
            Json::Object(fields) => Some(Self { prefix: String::new(), fields, known: Vec::new(), problems }),
            other => {
                let text = format!("it is no object but {}: write {{\"from\": …, \"to\": […], …}}", other.kind());
                problems.add(Failure::message("message", text));
                None
            }
        }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Notes what is wrong with a field.
    pub(super) fn refuse(&mut self, name: &str, problem: &str) {
        refuse(self.problems, &self.path(name), problem);
    }

    /// Whether something is wrong with a field already.
    pub(super) fn has_unread(&self, name: &str) -> bool {
        self.problems.has_unread(&self.path(name))
    }

    /// A string.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Json::Text(text) => Some(text),
            other => self.unexpected(name, "a string", &other),
        }
    }

    /// The same with its path.
    pub(super) fn given(&mut self, name: &'static str) -> Option<Given> {
        self.text(name).map(|text| Given::new(self.path(name), text))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Json::Bool(value) => Some(value),
            other => self.unexpected(name, "true or false", &other),
        }
    }

    /// An array of strings.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<Given> {
        match self.take(name) {
            None => Vec::new(),
            Some(Json::Array(elements)) => self.strings(name, elements),
            Some(other) => self.unexpected(name, "an array of strings", &other).unwrap_or_default(),
        }
    }

    /// Addresses: an array of strings, or one string.
    pub(super) fn addresses(&mut self, name: &'static str) -> Vec<Given> {
        match self.take(name) {
            None => Vec::new(),
            Some(Json::Text(text)) => vec![Given::new(self.path(name), text)],
            Some(Json::Array(elements)) => self.strings(name, elements),
            Some(other) => self.unexpected(name, "a string or an array of strings", &other).unwrap_or_default(),
        }
    }

    /// The strings of an object by their names, in their order.
    pub(super) fn pairs(&mut self, name: &'static str) -> Vec<(String, String)> {
        let fields = match self.take(name) {
            None => return Vec::new(),
            Some(Json::Object(fields)) => fields,
            Some(other) => return self.unexpected(name, "an object of strings", &other).unwrap_or_default(),
        };
        let mut pairs = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            match value {
                Json::Text(text) => pairs.push((key, text)),
                other => {
                    let path = format!("{}.{key}", self.path(name));
                    refuse(self.problems, &path, &expected("a string", &other));
                }
            }
        }
        pairs
    }

    /// An object.
    pub(super) fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
        match self.take(name)? {
            Json::Object(fields) => {
                let prefix = format!("{}.", self.path(name));
                Some(Fields { prefix, fields, known: Vec::new(), problems: self.problems }.read(read))
            }
            other => self.unexpected(name, "an object", &other),
        }
    }

    /// An array of objects.
    pub(super) fn objects<T>(&mut self, name: &'static str, read: impl Fn(&mut Fields<'_>) -> T) -> Vec<T> {
        let elements = match self.take(name) {
            None => return Vec::new(),
            Some(Json::Array(elements)) => elements,
            Some(other) => return self.unexpected(name, "an array of objects", &other).unwrap_or_default(),
        };
        let mut all = Vec::with_capacity(elements.len());
        for (place, element) in elements.into_iter().enumerate() {
            let path = format!("{}[{place}]", self.path(name));
            let fields = match element {
                Json::Object(fields) => fields,
                other => {
                    refuse(self.problems, &path, &expected("an object", &other));
                    // The ones behind it keep their places.
                    Vec::new()
                }
            };
            let fields = Fields { prefix: format!("{path}."), fields, known: Vec::new(), problems: self.problems };
            all.push(fields.read(&read));
        }
        all
    }

    /// Reads the fields, and refuses those that nobody asked for.
    pub(super) fn read<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let value = read(&mut self);
        let known = self.known.join(", ");
        for (name, _) in std::mem::take(&mut self.fields) {
            let shown = name.escape_debug().to_string();
            self.refuse(&shown, &format!("unknown field `{shown}`, expected one of {known}"));
        }
        value
    }

    /// Takes a field out, once.
    fn take(&mut self, name: &'static str) -> Option<Json> {
        self.known.push(name);
        let at = self.fields.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.fields.remove(at);
        let others = self.fields.len();
        self.fields.retain(|(given, _)| given != name);
        if self.fields.len() < others {
            self.refuse(name, "given twice: give it once");
        }
        Some(value).filter(|value| *value != Json::Null)
    }

    fn strings(&mut self, name: &str, elements: Vec<Json>) -> Vec<Given> {
        let mut all = Vec::with_capacity(elements.len());
        for (place, element) in elements.into_iter().enumerate() {
            let path = format!("{}[{place}]", self.path(name));
            match element {
                Json::Text(text) => all.push(Given::new(path, text)),
                other => refuse(self.problems, &path, &expected("a string", &other)),
            }
        }
        all
    }

    fn unexpected<T>(&mut self, name: &str, wanted: &str, found: &Json) -> Option<T> {
        self.refuse(name, &expected(wanted, found));
        None
    }
}

fn expected(wanted: &str, found: &Json) -> String {
    format!("expected {wanted}, found {}", found.kind())
}

fn refuse(problems: &mut Problems, path: &str, problem: &str) {
    problems.add_of_field(path, Failure::message(path, problem.to_owned()));
}
