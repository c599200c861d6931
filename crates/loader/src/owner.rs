//! How this crate knows its own programs again, from another process and after a crash.
//!
//! The kernel keeps 15 characters of a program's name and nothing about who attached it, so that a TCX link needs a
//! mark that is part of the program. Every object is loaded with one more type in its BTF, a typedef named [`MARK`]
//! that nothing refers to. The kernel hands BTF back by the program's id, with the full names of functions in it, and
//! no copy of the mark exists in objects on disk: a program that another loader loads from the same file does not carry
//! it.
//!
//! A link is ours if its program carries the mark, or if the link is pinned below `BPFFS/bpfasm/`, which is where
//! [`persist`](crate::attach::tc::Attachment::persist) puts links, also those of programs that somebody else has
//! loaded. A program that is attached to a control group without a link is ours by the same rule: then it is the program
//! that [`persist`](crate::attach::cgroup::Attachment::persist) pins, under a name that tells where it is attached. A `clsact` filter needs no such mark: it has a name of up to 255 bytes, which begins with [`FILTER_PREFIX`].

use std::os::fd::{AsFd, BorrowedFd};

use bpfasm_object::btf::{self, Btf, Kind, Type, TypeId};

use crate::Error;
use crate::privilege::Action;
use crate::sys::{self, Errno, ProgInfo};

/// The name of the typedef that marks the BTF of programs loaded by this crate.
pub const MARK: &str = "__bpfasm_owner";

/// What the names of our `clsact` filters begin with; the program's name follows.
pub const FILTER_PREFIX: &str = "bpfasm:";

/// Adds the mark to the BTF of an object that is about to be loaded.
///
/// # Errors
/// When the BTF is full.
pub(crate) fn mark(btf: &mut Btf) -> Result<(), btf::Error> {
    btf.typedef(MARK, TypeId::VOID).map(drop)
}

/// What the BTF of a program in the kernel tells about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The full name, or what the kernel keeps of it.
    pub name: String,
    /// Whether this crate has loaded it.
    pub marked: bool,
}

/// Asks the kernel what a program is called in full, and whether this crate has loaded it.
///
/// # Errors
/// The kernel's error number; `EPERM` without `CAP_SYS_ADMIN`.
pub(crate) fn identify(program: BorrowedFd<'_>, info: &ProgInfo) -> Result<Identity, Errno> {
    let unnamed = Identity { name: info.name.clone(), marked: false };
    if info.btf_id == 0 {
        return Ok(unnamed);
    }
    let btf = sys::btf_info(sys::btf_get_fd_by_id(info.btf_id)?.as_fd())?;
    // The kernel has checked it; a kind from the future is all that can be in the way.
    let Ok(btf) = Btf::parse(&btf.data) else { return Ok(unnamed) };
    let entry = sys::prog_func_info(program)?.first().map(|&(_, type_id)| TypeId(type_id));
    let name = match entry.and_then(|id| btf.get(id)) {
        Some(Type::Func { name, .. }) => name.to_owned(),
        _ => unnamed.name,
    };
    Ok(Identity { name, marked: btf.find(Kind::TYPEDEF, MARK).is_some() })
}

/// The same of a program by its id. `None` if it has gone, or is not ours to look at.
///
/// # Errors
/// Any other answer of the kernel.
pub(crate) fn identify_by_id(program_id: u32) -> Result<Option<Identity>, Error> {
    let identity = sys::prog_get_fd_by_id(program_id).and_then(|program| {
        let info = sys::prog_info(program.as_fd())?;
        identify(program.as_fd(), &info)
    });
    match identity {
        Ok(identity) => Ok(Some(identity)),
        Err(Errno::ENOENT | Errno::EPERM) => Ok(None),
        Err(errno) => Err(Error::sys(Action::OPEN_BY_ID, errno)),
    }
}
