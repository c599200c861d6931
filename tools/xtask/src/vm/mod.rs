//! `cargo xtask vm` and `cargo xtask matrix`: the kernel suite in guests.

mod binaries;
mod cpio;
mod guest;
mod here;
mod initramfs;
pub mod matrix;
mod table;

use std::fs;
use std::path::PathBuf;

use bpfasm_guest::{Line, Record};

use self::binaries::Binaries;
use self::guest::Guest;
use self::initramfs::Base;
use crate::cache;
use crate::error::Error;
use crate::kernels::{From, Kernel};
use crate::scratch::{Scratch, make};

/// Run the kernel suite on one kernel of the matrix, in a virtual machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel
    #[arg(value_enum)]
    kernel: Kernel,
    #[command(flatten)]
    from: From,
    /// The suite's arguments: a part of the names of the cases to be run
    #[arg(last = true, value_name = "FILTER")]
    suite: Vec<String>,
}

impl Args {
    /// Boots the kernel and shows what becomes of each case.
    ///
    /// # Errors
    ///
    /// The guest breaks, or cases fail.
    pub fn run(self) -> Result<(), Error> {
        let machines = Machines::ready(self.from)?;
        let record = machines.run(self.kernel, &self.suite, show)?;
        println!("{}: {}", record.kernel.as_deref().unwrap_or_default(), record.totals());
        if record.failed.is_empty() { Ok(()) } else { Err(Error::Cases { count: record.failed.len() }) }
    }
}

fn show(line: &Line) {
    match line {
        Line::Kernel(release) => println!("running on {release}"),
        Line::Passed { name, time } => println!("passed  {name} ({} ms)", time.as_millis()),
        Line::Failed { name, time, text } => println!("FAILED  {name} ({} ms)\n{text}", time.as_millis()),
        Line::Ignored { name, reasons } => println!("ignored {name}: {}", reasons.join("; ")),
        Line::Done(_) | Line::Exited(_) | Line::Broken(_) => (),
    }
}

/// What it takes to boot guests.
struct Machines {
    from: From,
    binaries: Binaries,
    base: Base,
    scratch: Scratch,
    consoles: PathBuf,
}

impl Machines {
    fn ready(from: From) -> Result<Self, Error> {
        let binaries = Binaries::build()?;
        let base = Base::read(&binaries)?;
        let consoles = cache::folder("consoles")?;
        make(&consoles)?;
        Ok(Self { from, binaries, base, scratch: Scratch::new("vm")?, consoles })
    }

    fn run(&self, kernel: Kernel, suite: &[String], heard: impl FnMut(&Line)) -> Result<Record, Error> {
        let ready = kernel.ready(&self.from)?;
        let initramfs = self.scratch.path().join(format!("{}.cpio", kernel.tag()));
        let archive = self.base.with_modules_of(&ready)?;
        fs::write(&initramfs, archive).map_err(|source| Error::File { path: initramfs.clone(), source })?;
        let console = self.consoles.join(format!("{}.log", kernel.tag()));
        Guest { kernel: &ready, initramfs, console }.run(suite, heard)
    }
}
