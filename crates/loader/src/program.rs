//! A loaded program, and what the kernel knows of the programs in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use bpfasm_object::btf::{Btf, Type, TypeId};
use bpfasm_object::kernel::ProgramType;

use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, TestRun, TestRunOutput, VerifierLog, owner};

/// A program in the kernel, held by a descriptor.
///
/// The kernel frees it when the last of its holders is gone: this value, an attachment, a pin.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
    name: String,
    program_type: ProgramType,
    /// Asked for when it is first wanted.
    id: OnceLock<u32>,
    log: Option<VerifierLog>,
}

/// What the kernel knows of a program: `struct bpf_prog_info`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramInfo {
    /// The id, which no other program has while this one lives.
    pub id: u32,
    /// The type.
    pub program_type: ProgramType,
    /// The first 15 bytes of the name.
    pub name: String,
    /// A hash of the instructions.
    pub tag: [u8; 8],
    /// When it was loaded, nanoseconds since boot.
    pub load_time_ns: u64,
    /// The user who loaded it.
    pub created_by_uid: u32,
    /// Whether its licence lets it call the helpers reserved to the GPL.
    pub gpl_compatible: bool,
    /// The id of its BTF.
    pub btf_id: Option<u32>,
    /// How many maps it uses.
    pub map_count: u32,
    /// Bytes of verified code.
    pub xlated_bytes: u32,
    /// Bytes of machine code; 0 without a JIT.
    pub jited_bytes: u32,
    /// Instructions the verifier went through; 0 before Linux 5.16.
    pub verified_insns: u32,
    /// Nanoseconds it has run while `kernel.bpf_stats_enabled` was set.
    pub run_time_ns: u64,
    /// How often it has run while `kernel.bpf_stats_enabled` was set.
    pub run_count: u64,
    /// The kernel function that it is meant for, such as that of an LSM hook: the ids of its BTF and of the function
    /// in it, 0 for none.
    pub attach_function: (u32, u32),
}

impl From<sys::ProgInfo> for ProgramInfo {
    fn from(info: sys::ProgInfo) -> ProgramInfo {
        ProgramInfo {
            id: info.id,
            program_type: ProgramType(info.prog_type),
            name: info.name,
            tag: info.tag,
            load_time_ns: info.load_time,
            created_by_uid: info.created_by_uid,
            gpl_compatible: info.gpl_compatible,
            btf_id: (info.btf_id != 0).then_some(info.btf_id),
            map_count: info.map_count,
            xlated_bytes: info.xlated_len,
            jited_bytes: info.jited_len,
            verified_insns: info.verified_insns,
            run_time_ns: info.run_time_ns,
            run_count: info.run_count,
            attach_function: (info.attach_btf_obj_id, info.attach_btf_id),
        }
    }
}

impl Program {
    /// Takes a program that was just loaded under its full name.
    pub(crate) fn loaded(fd: OwnedFd, name: &str, program_type: ProgramType, log: Option<VerifierLog>) -> Program {
        Program { fd, name: name.to_owned(), program_type, id: OnceLock::new(), log }
    }

    /// Opens a program by its id.
    ///
    /// # Errors
    /// [`Error::NoSuchId`]; not permitted without `CAP_SYS_ADMIN`.
    pub fn from_id(id: u32) -> Result<Program, Error> {
        let fd = sys::prog_get_fd_by_id(id).map_err(|errno| match errno {
            Errno::ENOENT => Error::NoSuchId { what: "program", id },
            errno => Error::sys(Action::OPEN_BY_ID, errno),
        })?;
        Program::open(fd)
    }

    /// Opens a pinned program.
    ///
    /// # Errors
    /// [`Error::NoSuchPin`] if there is no such path or it is not in a bpffs, [`Error::Usage`] if something else is
    /// pinned there.
    pub fn from_pin(path: impl AsRef<Path>) -> Result<Program, Error> {
        let path = path.as_ref();
        let fd = sys::obj_get(path).map_err(|errno| match errno {
            Errno::ENOENT | Errno::EACCES => Error::NoSuchPin { path: path.to_owned() },
            errno => Error::sys(Action::OPEN_PIN, errno),
        })?;
        // Every kind of object answers with its own struct; only a program's descriptor is called so.
        if !descriptor_is(&fd, "bpf-prog") {
            return Err(Error::Usage { what: format!("{} is a pin, but not of a program", path.display()) });
        }
        Program::open(fd)
    }

    fn open(fd: OwnedFd) -> Result<Program, Error> {
        let info = sys::prog_info(fd.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        // The full name needs CAP_SYS_ADMIN; without it, the short one must do.
        let name = owner::identify(fd.as_fd(), &info).map_or_else(|_| info.name.clone(), |identity| identity.name);
        let program_type = ProgramType(info.prog_type);
        Ok(Program { fd, name, program_type, id: OnceLock::from(info.id), log: None })
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id, which no other program has while this one lives.
    ///
    /// # Errors
    /// When the kernel refuses, as it does under some security modules.
    pub fn id(&self) -> Result<u32, Error> {
        match self.id.get() {
            Some(&id) => Ok(id),
            None => {
                let id = self.info()?.id;
                Ok(*self.id.get_or_init(|| id))
            }
        }
    }

    /// The type.
    #[must_use]
    pub fn program_type(&self) -> ProgramType {
        self.program_type
    }

    /// Asks the kernel what it knows of the program now.
    ///
    /// # Errors
    /// When the kernel refuses, as it does under some security modules.
    pub fn info(&self) -> Result<ProgramInfo, Error> {
        let info = sys::prog_info(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        Ok(info.into())
    }

    /// The name of the kernel function that it is meant for, such as that of an LSM hook. `None` if it is for none.
    ///
    /// # Errors
    /// When the kernel refuses to show its types: they need `CAP_SYS_ADMIN`.
    pub fn attach_function_name(&self) -> Result<Option<String>, Error> {
        let (btf_id, function) = self.info()?.attach_function;
        if function == 0 {
            return Ok(None);
        }
        let btf = sys::btf_get_fd_by_id(btf_id).and_then(|btf| sys::btf_info(btf.as_fd()));
        let btf = btf.map_err(|errno| Error::sys(Action::OPEN_BY_ID, errno))?;
        let btf = Btf::parse(&btf.data).ok();
        Ok(btf.and_then(|btf| match btf.get(TypeId(function)) {
            Some(Type::Func { name, .. }) => Some(name.to_owned()),
            _ => None,
        }))
    }

    /// What the verifier wrote, if a log was asked for with [`LoadOptions::log_level`](crate::LoadOptions::log_level).
    #[must_use]
    pub fn verifier_log(&self) -> Option<&VerifierLog> {
        self.log.as_ref()
    }

    /// Runs the program on bytes of the caller, without attaching it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for the program types that cannot be run this way, [`Error::Usage`] for input that the
    /// kernel does not take for the type.
    ///
    /// # References
    /// `BPF_PROG_TEST_RUN`, Linux 4.12.
    pub fn test_run(&self, run: &TestRun) -> Result<TestRunOutput, Error> {
        crate::test_run::run(self, run)
    }

    /// Gives the program a path in a bpffs, where it stays after the last descriptor is closed.
    ///
    /// # Errors
    /// [`Error::PinExists`] if the path exists.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        pin(self.as_fd(), path.as_ref())
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Pins an object at a path.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    sys::obj_pin(object, path).map_err(|errno| match errno {
        Errno::EEXIST => Error::PinExists { path: path.to_owned() },
        errno => Error::sys(Action::PIN, errno),
    })
}

/// Whether a descriptor is of the kind that the kernel calls so, as in `anon_inode:bpf-prog`.
fn descriptor_is(fd: &OwnedFd, kind: &str) -> bool {
    use std::os::fd::AsRawFd;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    link.is_ok_and(|link| link.to_string_lossy().trim_start_matches("anon_inode:") == kind)
}

/// The programs in the kernel, by ascending id. One that goes away while it is looked at is passed over.
///
/// The iterator ends after an error; without `CAP_SYS_ADMIN` the first item is one.
///
/// ```no_run
/// for info in bpfasm_loader::programs() {
///     let info = info?;
///     println!("{}: {} {}", info.id, info.program_type, info.name);
/// }
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
pub fn programs() -> impl Iterator<Item = Result<ProgramInfo, Error>> {
    let mut after = Some(0);
    std::iter::from_fn(move || {
        loop {
            let next = sys::prog_get_next_id(after?);
            let info = match next {
                Ok(None) => return None,
                Ok(Some(id)) => {
                    after = Some(id);
                    sys::prog_get_fd_by_id(id).and_then(|fd| sys::prog_info(fd.as_fd()))
                }
                Err(errno) => Err(errno),
            };
            match info {
                Ok(info) => return Some(Ok(info.into())),
                Err(Errno::ENOENT) => {}
                Err(errno) => {
                    after = None;
                    return Some(Err(Error::sys(Action::OPEN_BY_ID, errno)));
                }
            }
        }
    })
}
