//! What a build driver needs: the programs of a file, and their host arguments as text.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use crate::program::{Program, Staged};
use crate::sample::Sample;
use crate::stage::StageError;

/// A program of a file.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its host arguments.
    pub args: &'static [&'static str],
    /// Stages it with settings, and its `args(…)` where there is no setting.
    pub stage: fn(&Settings) -> Result<Staged, EntryError>,
    /// Its samples.
    pub samples: Option<fn() -> Vec<Sample>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a program of a file could not be staged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Staging failed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A host argument has no value.
    #[error(
        "host argument `{name}` has no value\n  help: give it one with `args({name} = …)` in `#[program]`, or with `--set {name}=VALUE`"
    )]
    Missing {
        /// The argument.
        name: String,
    },
    /// A setting names no host argument.
    #[error("there is no host argument `{name}`; there are: {known}")]
    Unknown {
        /// The setting.
        name: String,
        /// The arguments that there are.
        known: String,
    },
    /// A setting's text does not fit the argument's type.
    #[error("`{text}` is no value for host argument `{name}` of type `{ty}`: {reason}")]
    Invalid {
        /// The argument.
        name: String,
        /// The text.
        text: String,
        /// The argument's type.
        ty: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Host arguments as text: `NAME=VALUE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// Adds a setting; the last one of a name counts.
    pub fn add(&mut self, name: &str, text: &str) {
        self.0.push((name.to_owned(), text.to_owned()));
    }

    /// The text for an argument.
    #[doc(hidden)]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Checks that every setting is for an argument of some program.
    ///
    /// # Errors
    /// [`EntryError::Unknown`] for the first that is not.
    pub fn check(&self, entries: &[&Entry]) -> Result<(), EntryError> {
        let mut known: Vec<&str> = entries.iter().flat_map(|entry| entry.args).copied().collect();
        known.dedup();
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(EntryError::Unknown { name: name.clone(), known })
            }
            None => Ok(()),
        }
    }

    /// The error for an argument without a value.
    #[doc(hidden)]
    pub fn missing(&self, name: &str) -> EntryError {
        EntryError::Missing { name: name.to_owned() }
    }

    /// Stages a program.
    #[doc(hidden)]
    pub fn stage(&self, program: &dyn Program) -> Result<Staged, EntryError> {
        Ok(program.stage()?)
    }
}

/// A host argument that is to be set from text. Method lookup tries the traits below by the number of references in front.
#[doc(hidden)]
pub struct Setting<T> {
    name: &'static str,
    ty: PhantomData<fn() -> T>,
}

impl<T> Setting<T> {
    /// The argument.
    pub fn new(name: &'static str) -> Self {
        Setting { name, ty: PhantomData }
    }

    fn invalid(&self, text: &str, reason: String) -> EntryError {
        let ty = std::any::type_name::<T>();
        EntryError::Invalid { name: self.name.to_owned(), text: text.to_owned(), ty, reason }
    }

    fn list<U: FromStr<Err: fmt::Display>>(&self, text: &str) -> Result<Vec<U>, EntryError> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| item.parse().map_err(|error: U::Err| self.invalid(item, error.to_string()))).collect()
    }
}

/// A type with a text form.
#[doc(hidden)]
pub trait SetFromStr<T> {
    fn set(&self, text: &str) -> Result<T, EntryError>;
}

impl<T: FromStr<Err: fmt::Display>> SetFromStr<T> for &&Setting<T> {
    fn set(&self, text: &str) -> Result<T, EntryError> {
        text.parse().map_err(|error: T::Err| self.invalid(text, error.to_string()))
    }
}

/// A list of such a type, with commas between.
#[doc(hidden)]
pub trait SetList<T> {
    fn set(&self, text: &str) -> Result<T, EntryError>;
}

impl<T: FromStr<Err: fmt::Display>> SetList<Vec<T>> for &Setting<Vec<T>> {
    fn set(&self, text: &str) -> Result<Vec<T>, EntryError> {
        self.list(text)
    }
}

impl<'a, T: FromStr<Err: fmt::Display>> SetList<&'a [T]> for &Setting<&'a [T]> {
    fn set(&self, text: &str) -> Result<&'a [T], EntryError> {
        // A build driver stages once and ends: the list may live as long as it does.
        self.list(text).map(|list| &*list.leak())
    }
}

/// Any other type.
#[doc(hidden)]
pub trait SetNever<T> {
    fn set(&self, text: &str) -> Result<T, EntryError>;
}

impl<T> SetNever<T> for Setting<T> {
    fn set(&self, text: &str) -> Result<T, EntryError> {
        Err(self.invalid(text, "this type has no text form; give the value with `args(…)` in `#[program]`".to_owned()))
    }
}
