//! The kernel's share: loading types and program, with nothing of ours in between.

use std::ffi::CString;
use std::os::fd::AsFd;

use bpfasm::codegen::Endian;
use bpfasm::loader;
use bpfasm::loader::sys::{self, BtfLoad, Errno, ProgLoad};
use bpfasm::object::relocate::{self, KernelBtf};
use bpfasm::object::{LoadImage, Object};

use crate::error::Error;

/// An object's only program, ready to be loaded.
#[derive(Debug)]
pub struct Ready {
    name: String,
    program_type: u32,
    license: CString,
    btf: KernelBtf,
    code: Vec<u8>,
    image: LoadImage,
}

impl Ready {
    /// Makes it ready; `None` where this process may not load it.
    ///
    /// # Errors
    ///
    /// The kernel refuses it for another reason, or the object is no good.
    pub fn new(object: &Object) -> Result<Option<Self>, Error> {
        // The loader knows what old kernels need before the first program, and why this one might say no.
        match loader::load(object) {
            Ok(_) => {}
            Err(error) if error.kind() == loader::ErrorKind::NotPermitted => return Ok(None),
            Err(error) => return Err(bpfasm::Error::from(error).into()),
        }
        let unfit = |reason: String| Error::Unfit { reason };
        let (index, function) = object.indexed_programs().next().ok_or_else(|| unfit("no program".to_owned()))?;
        let kind = function.section_kind().ok_or_else(|| unfit(format!("section {}", function.section)))?;
        let btf = object.kernel_btf().map_err(|error| unfit(error.to_string()))?;
        let image = relocate::image(object, &btf, index).map_err(|error| unfit(error.to_string()))?;
        Ok(Some(Self {
            name: function.name.clone(),
            program_type: kind.program_type.0,
            license: CString::new(object.license.as_str()).map_err(|error| unfit(error.to_string()))?,
            btf,
            code: image.code.iter().flat_map(|slot| slot.to_bytes(Endian::NATIVE)).collect(),
            image,
        }))
    }

    /// `BPF_BTF_LOAD` and `BPF_PROG_LOAD`, and both descriptors closed.
    ///
    /// # Errors
    ///
    /// The kernel's error number.
    pub fn load(&self) -> Result<(), Errno> {
        let btf = sys::btf_load(&mut BtfLoad { btf: self.btf.bytes(), log: &mut [] }).map_err(|(errno, _)| errno)?;
        let program = sys::prog_load(&mut ProgLoad {
            prog_type: self.program_type,
            expected_attach_type: 0,
            code: &self.code,
            license: &self.license,
            name: &self.name,
            flags: 0,
            btf: Some(btf.as_fd()),
            func_info: &self.image.func_info,
            line_info: &self.image.line_info,
            log_level: 0,
            log: &mut [],
        });
        program.map(drop).map_err(|failure| failure.errno)
    }
}
