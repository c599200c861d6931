//! All objects of a kind in the kernel, by their ids.

use crate::Error;
use crate::privilege::Action;
use crate::sys::Errno;

/// What `look` tells of each, by ascending id. One that goes away while it is looked at is passed over.
///
/// The iterator ends after an error.
pub(crate) fn walk<T>(
    next: impl Fn(u32) -> Result<Option<u32>, Errno>,
    look: impl Fn(u32) -> Result<T, Errno>,
) -> impl Iterator<Item = Result<T, Error>> {
    let mut after = Some(0);
    std::iter::from_fn(move || {
        loop {
            let looked = match next(after?) {
                Ok(None) => return None,
                Ok(Some(id)) => {
                    after = Some(id);
                    look(id)
                }
                Err(errno) => Err(errno),
            };
            match looked {
                Ok(object) => return Some(Ok(object)),
                Err(Errno::ENOENT) => {}
                Err(errno) => {
                    after = None;
                    return Some(Err(Error::sys(Action::OPEN_BY_ID, errno)));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's ids 3, 5 and 9, of which 5 goes away between the two calls.
    fn next(after: u32) -> Result<Option<u32>, Errno> {
        Ok([3, 5, 9].into_iter().find(|&id| id > after))
    }

    #[test]
    fn what_is_gone_is_passed_over_and_an_error_ends_it() {
        let look = |id| if id == 5 { Err(Errno::ENOENT) } else { Ok(id) };
        assert_eq!(walk(next, look).map(Result::unwrap).collect::<Vec<_>>(), [3, 9]);
        let refuse = |id| if id == 3 { Ok(id) } else { Err(Errno::EPERM) };
        let seen: Vec<_> = walk(next, refuse).map(|looked| looked.ok()).collect();
        assert_eq!(seen, [Some(3), None]);
    }
}
