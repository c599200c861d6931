//! What a program that is about to be attached finds of its own name, and hooks that change meanwhile.

use std::fmt;

use super::Entry;
use crate::Error;

/// How often a change starts again because its hook has changed since it was listed.
const ATTEMPTS: u32 = 8;

/// Repeats a change until its hook has not changed meanwhile, which is what `None` says; `doing` is for the error.
///
/// # Errors
/// Those of the change; [`Error::Raced`] if the hook keeps changing.
pub(super) fn until_unchanged<T>(
    hook: &impl fmt::Display,
    doing: &'static str,
    mut change: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    for _ in 0..ATTEMPTS {
        if let Some(done) = change()? {
            return Ok(done);
        }
    }
    Err(Error::Raced { hook: hook.to_string(), doing })
}

/// What of ours is at a hook under the name of a new program.
#[derive(Debug)]
pub(super) struct Existing<P> {
    /// What the new program takes the place of.
    pub swapped: Option<Entry<P>>,
    /// What goes once the new program is there.
    pub rest: Vec<Entry<P>>,
}

impl<P: Clone + fmt::Display> Existing<P> {
    /// Finds it among what is attached.
    ///
    /// # Errors
    /// [`Error::AlreadyAttached`] if there is any and it is not to be replaced.
    pub(super) fn find<'a>(
        attached: impl Iterator<Item = &'a Entry<P>>,
        (program, hook): (&str, &impl fmt::Display),
        replace: bool,
        can_swap: impl Fn(&P) -> bool,
    ) -> Result<Existing<P>, Error>
    where
        P: 'a,
    {
        let same = |entry: &&Entry<P>| entry.is_ours() && entry.program_name() == Some(program);
        let mut rest: Vec<Entry<P>> = attached.filter(same).cloned().collect();
        if let (Some(first), false) = (rest.first(), replace) {
            let existing = first.place().to_string();
            return Err(Error::AlreadyAttached { program: program.to_owned(), hook: hook.to_string(), existing });
        }
        let swapped = rest.iter().position(|entry| can_swap(entry.place())).map(|at| rest.remove(at));
        Ok(Existing { swapped, rest })
    }
}
