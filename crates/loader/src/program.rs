//! A loaded program, and what the kernel knows of the programs in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bpfasm_object::btf::{Btf, Type, TypeId};
use bpfasm_object::kernel::ProgramType;

use crate::fdinfo::FdInfo;
use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, TestRun, TestRunOutput, VerifierLog, bpffs, by_id, owner};

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
    /// The name as its BTF has it, if this process may read that.
    pub full_name: String,
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
    /// The ids of the maps that it uses.
    pub map_ids: Vec<u32>,
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
    /// Runs that were skipped so that it does not run within itself.
    pub recursion_misses: u64,
    /// Bytes of memory that it takes. `None` where `/proc` is not mounted.
    pub memlock_bytes: Option<u64>,
}

impl ProgramInfo {
    /// Asks by a descriptor.
    fn of(program: BorrowedFd<'_>) -> Result<ProgramInfo, Errno> {
        let info = sys::prog_info(program)?;
        Ok(ProgramInfo {
            id: info.id,
            program_type: ProgramType(info.prog_type),
            full_name: full_name(program, &info),
            name: info.name,
            tag: info.tag,
            load_time_ns: info.load_time,
            created_by_uid: info.created_by_uid,
            gpl_compatible: info.gpl_compatible,
            btf_id: (info.btf_id != 0).then_some(info.btf_id),
            map_ids: sys::prog_map_ids(program)?,
            xlated_bytes: info.xlated_len,
            jited_bytes: info.jited_len,
            verified_insns: info.verified_insns,
            run_time_ns: info.run_time_ns,
            run_count: info.run_count,
            attach_function: (info.attach_btf_obj_id, info.attach_btf_id),
            recursion_misses: info.recursion_misses,
            memlock_bytes: FdInfo::of(program).number("memlock"),
        })
    }
}

impl ProgramInfo {
    /// When it was loaded, as this machine's clock has it now. `None` if the clock cannot say.
    #[must_use]
    pub fn loaded_at(&self) -> Option<SystemTime> {
        sys::time_of_day(Duration::from_nanos(self.load_time_ns)).ok()
    }
}

/// Bytes of a name that the kernel keeps: `BPF_OBJ_NAME_LEN` of `include/uapi/linux/bpf.h`, less the final NUL.
const KEPT_NAME_BYTES: usize = 15;

/// The name in BTF; that needs `CAP_SYS_ADMIN`, and without it the short name must do.
fn full_name(program: BorrowedFd<'_>, info: &sys::ProgInfo) -> String {
    if info.name.len() < KEPT_NAME_BYTES {
        return info.name.clone();
    }
    owner::identify(program, info).map_or_else(|_| info.name.clone(), |identity| identity.name)
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
        Program::open(bpffs::open(path, bpffs::Kind::Program)?)
    }

    fn open(fd: OwnedFd) -> Result<Program, Error> {
        let info = sys::prog_info(fd.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        let name = full_name(fd.as_fd(), &info);
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
                let id = sys::prog_info(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?.id;
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
        ProgramInfo::of(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))
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
        bpffs::pin(self.as_fd(), path.as_ref())
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
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
    by_id::walk(sys::prog_get_next_id, |id| {
        let fd = sys::prog_get_fd_by_id(id)?;
        ProgramInfo::of(fd.as_fd())
    })
}
