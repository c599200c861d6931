//! One program through the verifier.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use bpfasm_object::kernel::SectionKind;
use bpfasm_object::{Function, LoadImage, Object};

use super::{malformed, map, reason};
use crate::map::Map;
use crate::privilege::Action;
use crate::sys::{self, Errno, ProgLoad, ProgLoadFailure};
use crate::{Error, Program, VerifierLog, memlock};

/// What a program is loaded with.
pub(super) struct Job<'a> {
    pub function: &'a Function,
    pub object: &'a Object,
    pub license: &'a CStr,
    pub btf: Option<&'a OwnedFd>,
    pub maps: &'a [Map],
}

/// A program as bytes for the kernel.
struct Ready<'a> {
    job: &'a Job<'a>,
    kind: &'static SectionKind,
    code: Vec<u8>,
    func_info: Vec<u8>,
    line_info: Vec<u8>,
}

impl Job<'_> {
    pub(super) fn load(&self, image: LoadImage, log_level: u32) -> Result<Program, Error> {
        let ready = self.ready(image)?;
        let mut outcome = ready.load(ready.expected_attach_type(), log_level);
        if let Err((Errno::EINVAL, log)) = &outcome
            && ready.kind.attach_type_optional
            && log.is_empty()
        {
            // A kernel that knows the program type but not yet its attach types wants 0.
            outcome = ready.load(0, log_level).or(outcome);
        }
        match outcome {
            Ok((fd, log)) => Ok(Program::loaded(fd, &self.function.name, ready.kind.program_type, log)),
            Err((errno, log)) => Err(ready.explain(errno, log)),
        }
    }

    fn ready(&self, mut image: LoadImage) -> Result<Ready<'_>, Error> {
        let kind = self.function.section_kind().ok_or_else(|| Error::UnknownSection {
            program: self.function.name.clone(),
            section: self.function.section.clone(),
        })?;
        for &(at, index) in &image.map_relocations {
            let fd = map::find(self.maps, index).ok_or_else(|| malformed("a reference to a map that is not there"))?;
            let slot = usize::try_from(at.0).ok().and_then(|at| image.code.get_mut(at));
            slot.ok_or_else(|| malformed("a map reference outside of the code"))?.imm = fd.as_raw_fd();
        }
        let endian = self.object.endian;
        Ok(Ready {
            job: self,
            kind,
            code: image.code.iter().flat_map(|slot| slot.to_bytes(endian)).collect(),
            func_info: if image.func_info.is_empty() { self.func_info(&image) } else { image.func_info },
            line_info: image.line_info,
        })
    }

    /// The types of the functions, for a program without source lines. Empty unless all have one.
    fn func_info(&self, image: &LoadImage) -> Vec<u8> {
        let mut records = Vec::new();
        for &(start, index) in &image.functions {
            let Some(type_id) = self.object.function(index).and_then(|function| function.type_id) else {
                return Vec::new();
            };
            // `struct bpf_func_info`: `insn_off`, in slots here, and `type_id`.
            records.extend([start.0, type_id.0].into_iter().flat_map(u32::to_ne_bytes));
        }
        records
    }
}

impl Ready<'_> {
    fn expected_attach_type(&self) -> u32 {
        self.kind.expected_attach_type.map_or(0, |attach_type| attach_type.0)
    }

    /// Loads the program, and again with a log if it is refused. With a log at once, if one is asked for anyway.
    fn load(
        &self,
        expected_attach_type: u32,
        log_level: u32,
    ) -> Result<(OwnedFd, Option<VerifierLog>), (Errno, VerifierLog)> {
        if log_level == 0
            && let Ok(fd) = self.load_once(expected_attach_type, 0, &mut [])
        {
            return Ok((fd, None));
        }
        let level = log_level.max(1);
        let (result, log) = reason::with_log(|log| {
            self.load_once(expected_attach_type, level, log).map_err(|failure| (failure.errno, failure.log_true_size))
        });
        match result {
            Ok(fd) => Ok((fd, (log_level != 0).then_some(log))),
            Err(errno) => Err((errno, log)),
        }
    }

    fn load_once(&self, expected_attach_type: u32, log_level: u32, log: &mut [u8]) -> Result<OwnedFd, ProgLoadFailure> {
        let mut load = ProgLoad {
            prog_type: self.kind.program_type.0,
            expected_attach_type,
            code: &self.code,
            license: self.job.license,
            name: &self.job.function.name,
            flags: self.kind.program_flags(),
            btf: self.job.btf.map(AsFd::as_fd),
            func_info: &self.func_info,
            line_info: &self.line_info,
            log_level,
            log,
        };
        memlock::retry(|| sys::prog_load(&mut load), |failure| failure.errno)
    }

    fn explain(&self, errno: Errno, log: VerifierLog) -> Error {
        if !log.is_empty() {
            return Error::Rejected { program: self.job.function.name.clone(), log: Box::new(log) };
        }
        match errno {
            Errno::EINVAL if self.is_type_unknown() => {
                let attach_type = self.kind.expected_attach_type;
                let since = attach_type.map_or(self.kind.program_type.first_kernel(), |attach| attach.first_kernel());
                let what = format!("{} programs in section `{}`", self.kind.program_type, self.job.function.section);
                Error::Unsupported { what, since }
            }
            errno => Error::sys(Action::LOAD_PROGRAM, errno),
        }
    }

    /// Whether the kernel refuses even the least program of this type.
    fn is_type_unknown(&self) -> bool {
        // r0 = 0; exit.
        const LEAST: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
        let least = sys::prog_load(&mut ProgLoad {
            prog_type: self.kind.program_type.0,
            expected_attach_type: self.expected_attach_type(),
            code: &LEAST.concat(),
            license: c"GPL",
            name: "",
            flags: 0,
            btf: None,
            func_info: &[],
            line_info: &[],
            log_level: 0,
            log: &mut [],
        });
        !self.kind.needs_attach_btf_id && least.is_err_and(|failure| failure.errno == Errno::EINVAL)
    }
}
