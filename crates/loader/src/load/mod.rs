//! From an [`Object`] to programs in the kernel.
//!
//! What is needed is asked of the kernel at once, `BPF_BTF_LOAD` and one `BPF_PROG_LOAD` for each program, without a
//! look at its version; only after a refusal the program is loaded again, with a log, to learn the reason.

mod btf;
mod map;
mod pin;
mod program;
mod reason;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use bpfasm_isa::Endian;
use bpfasm_object::{Function, FunctionIx, Object, relocate};

use crate::map::Map;
use crate::{Error, Program};

/// Loads all programs of an object, with fresh maps.
///
/// # Errors
/// As [`LoadOptions::load`].
pub fn load(object: &Object) -> Result<Loaded, Error> {
    LoadOptions::new().load(object)
}

/// How to load.
///
/// ```no_run
/// # fn f(object: &bpfasm_object::Object) -> Result<(), bpfasm_loader::Error> {
/// let loaded = bpfasm_loader::LoadOptions::new().program("tc_drop").log_level(2).load(object)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    log_level: u32,
    programs: Vec<String>,
    maps: map::Sources,
}

impl LoadOptions {
    /// All programs, no log of those that are accepted.
    #[must_use]
    pub fn new() -> LoadOptions {
        LoadOptions::default()
    }

    /// Asks the verifier for a log also of what it accepts: 1 for the paths it takes, 2 for every instruction, 4 for
    /// statistics, or a sum of them. Found at [`Program::verifier_log`]. A refused program's log is always asked for.
    #[must_use]
    pub fn log_level(mut self, level: u32) -> LoadOptions {
        self.log_level = level;
        self
    }

    /// Loads this program, and others named so, instead of all.
    #[must_use]
    pub fn program(mut self, name: &str) -> LoadOptions {
        self.programs.push(name.to_owned());
        self
    }

    /// Takes this map for the object's map of that name, instead of making one.
    #[must_use]
    pub fn reuse_map(mut self, name: &str, map: Map) -> LoadOptions {
        self.maps.reused.push((name.to_owned(), map));
        self
    }

    /// Shares the object's maps by their names in this folder of a bpffs: a map that is pinned there is taken, any other
    /// is made and pinned. Many processes may do so at once, and all get the same maps.
    ///
    /// A folder that is missing is made, for this user alone. Who may write to the folder decides what the programs'
    /// maps are.
    #[must_use]
    pub fn pin_maps(mut self, folder: impl Into<PathBuf>) -> LoadOptions {
        self.maps.folder = Some(folder.into());
        self
    }

    /// Loads programs of an object, and all of its maps.
    ///
    /// # Errors
    /// - [`Error::Rejected`], with the verifier's log.
    /// - [`Error::NotPermitted`] without `CAP_BPF` and what the program type needs besides.
    /// - [`Error::Unsupported`] if the kernel does not know the program type.
    /// - [`Error::WrongEndian`], [`Error::UnknownSection`], [`Error::MalformedObject`] for the object.
    /// - [`Error::NoSuchProgram`], [`Error::NoSuchMap`] for a name that was asked for.
    /// - [`Error::MapDiffers`] if a map that was to be taken is not what the object says.
    pub fn load(&self, object: &Object) -> Result<Loaded, Error> {
        check_endian(object.endian)?;
        let chosen = self.choose(object)?;
        let license = CString::new(object.license.as_str()).map_err(|_| malformed("a NUL in the licence"))?;
        let object = btf::prepare(object)?;
        let kernel_btf = object.kernel_btf().map_err(malformed_by)?;
        let btf = btf::load(&object, &kernel_btf)?;
        let maps = self.maps.open_all(&object, btf.as_ref().map(OwnedFd::as_fd))?;
        let mut programs = Vec::with_capacity(chosen.len());
        for index in chosen {
            let image = relocate::image(&object, &kernel_btf, index).map_err(malformed_by)?;
            let function = object.function(index).ok_or_else(|| malformed("a program that is no function"))?;
            let job = program::Job { function, object: &object, license: &license, btf: btf.as_ref(), maps: &maps };
            programs.push(job.load(image, self.log_level)?);
        }
        Ok(Loaded { programs, maps })
    }

    fn choose(&self, object: &Object) -> Result<Vec<FunctionIx>, Error> {
        let all = || object.indexed_programs();
        if let Some(missing) = self.programs.iter().find(|name| object.program(name).is_none()) {
            return Err(no_such_program(missing, all().map(|(_, function)| function.name.as_str())));
        }
        let wanted = |function: &Function| self.programs.is_empty() || self.programs.contains(&function.name);
        Ok(all().filter(|(_, function)| wanted(function)).map(|(index, _)| index).collect())
    }
}

fn check_endian(object: Endian) -> Result<(), Error> {
    if object == Endian::NATIVE {
        return Ok(());
    }
    let name = |endian| match endian {
        Endian::Little => "little-endian",
        Endian::Big => "big-endian",
    };
    Err(Error::WrongEndian { object: name(object), machine: name(Endian::NATIVE) })
}

fn no_such_program<'a>(name: &str, available: impl Iterator<Item = &'a str>) -> Error {
    Error::NoSuchProgram { name: name.to_owned(), available: available.map(str::to_owned).collect() }
}

fn no_such_map<'a>(name: &str, available: impl Iterator<Item = &'a str>) -> Error {
    Error::NoSuchMap { name: name.to_owned(), available: available.map(str::to_owned).collect() }
}

fn malformed(reason: &str) -> Error {
    Error::MalformedObject { reason: reason.to_owned(), source: None }
}

fn malformed_by(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::MalformedObject { reason: source.to_string(), source: Some(Box::new(source)) }
}

/// What was loaded of an object. Dropping it drops its programs and maps, which the kernel then frees unless something
/// else holds them, such as an attachment.
#[derive(Debug)]
pub struct Loaded {
    programs: Vec<Program>,
    maps: Vec<Map>,
}

impl Loaded {
    /// The programs, in the object's order.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter()
    }

    /// The program of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchProgram`], with the names there are.
    pub fn program(&self, name: &str) -> Result<&Program, Error> {
        self.programs.iter().find(|program| program.name() == name).ok_or_else(|| self.missing(name))
    }

    /// Takes the program of that name out, to be kept on its own. It keeps the maps it uses.
    ///
    /// # Errors
    /// [`Error::NoSuchProgram`], with the names there are.
    pub fn take_program(&mut self, name: &str) -> Result<Program, Error> {
        match self.programs.iter().position(|program| program.name() == name) {
            Some(at) => Ok(self.programs.remove(at)),
            None => Err(self.missing(name)),
        }
    }

    /// The maps, in the object's order.
    pub fn maps(&self) -> impl Iterator<Item = &Map> {
        self.maps.iter()
    }

    /// The map of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchMap`], with the names there are.
    pub fn map(&self, name: &str) -> Result<&Map, Error> {
        let found = self.maps.iter().find(|map| map.name() == name);
        found.ok_or_else(|| no_such_map(name, self.maps.iter().map(Map::name)))
    }

    fn missing(&self, name: &str) -> Error {
        no_such_program(name, self.programs.iter().map(Program::name))
    }
}
