//! Our code beside that of clang for the same program in C: slots, bytes of machine code, time.
//!
//! `twins/NAME.c` is the C twin of a program: the same steps, written as one writes them in C. Both must give every sample its
//! verdict and make the same bytes of it, so a twin cannot be shorter by doing less.

mod clang;
mod run;

use bpfasm::codegen::source::SourceMap;
use bpfasm::codegen::{CpuLevel, Options};
use bpfasm::dsl::build::{Entry, Settings};
use bpfasm::dsl::module;
use bpfasm::object::Object;
use bpfasm::{codegen, object::elf};

use self::clang::Clang;
use self::run::Subject;
use super::{programs, report};
use crate::error::Error;
use crate::scratch::Scratch;

/// The code of one compiler for one cpu level, measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who made it.
    pub maker: String,
    /// For which level.
    pub level: CpuLevel,
    /// Its instruction slots, as its ELF object has them.
    pub slots: usize,
    /// Bytes of machine code; 0 without a JIT.
    pub jited: u32,
    /// Nanoseconds for one run on each sample.
    pub nanos: u32,
}

/// Our name in the table.
const OURS: &str = "bpfasm";

/// The levels that are compared: ours by default, and the newest.
const LEVELS: [CpuLevel; 2] = [CpuLevel::V3, CpuLevel::V4];

/// Compares every program of the corpus and of [`programs::TWINNED`], and prints the tables.
///
/// # Errors
///
/// There is no clang, something does not compile, load or give a sample its verdict, or our code is longer than the best of clang.
pub fn compare() -> Result<(), Error> {
    let compilers = Clang::all()?;
    let scratch = Scratch::new("codegen")?;
    let mut longer = Vec::new();
    report::makers(&compilers.iter().map(ToString::to_string).collect::<Vec<_>>());
    for entry in bpfasm_programs::ENTRIES.iter().chain(programs::TWINNED) {
        let rows = rows(entry, &compilers, &scratch)?;
        report::code(entry.name, &rows);
        longer
            .extend(rows.iter().filter(|row| is_longer(row, &rows)).map(|row| format!("{} {}", entry.name, row.level)));
    }
    if longer.is_empty() { Ok(()) } else { Err(Error::LongerThanClang { programs: longer }) }
}

/// Whether a row is ours and one of clang's for the same level has fewer slots or bytes.
fn is_longer(row: &Row, rows: &[Row]) -> bool {
    let rivals = || rows.iter().filter(|rival| rival.maker != OURS && rival.level == row.level);
    row.maker == OURS && rivals().any(|rival| rival.slots < row.slots || rival.jited < row.jited)
}

/// The rows of a program, by level, ours first.
fn rows(entry: &Entry, compilers: &[Clang], scratch: &Scratch) -> Result<Vec<Row>, Error> {
    let mut subjects = Vec::new();
    for level in LEVELS {
        subjects.push(Subject::new(OURS.to_owned(), level, entry, &ours(entry, level)?)?);
        for compiler in compilers.iter().filter(|compiler| compiler.level() >= level) {
            let bytes = compiler.compile(entry.name, level, scratch)?;
            let object = elf::read(&bytes).map_err(bpfasm::Error::from)?;
            subjects.push(Subject::new(compiler.to_string(), level, entry, &object)?);
        }
    }
    run::measure(entry, subjects)
}

fn ours(entry: &Entry, level: CpuLevel) -> Result<Object, Error> {
    let staged = (entry.stage)(&Settings::default()).map_err(|error| Error::Unfit { reason: error.to_string() })?;
    let mut sources = SourceMap::new();
    let module = module([staged], &mut sources);
    let options = Options::default().cpu(level);
    codegen::compile(&module, &options, &sources).map_err(|error| bpfasm::Error::from(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_must_not_be_longer_than_the_best_of_the_same_level() {
        let row = |maker: &str, level, slots, jited| Row { maker: maker.to_owned(), level, slots, jited, nanos: 0 };
        let clang = |level| [row("clang 14", level, 10, 50), row("clang 19", level, 9, 60)];
        let check = |slots, jited| {
            let ours = row(OURS, CpuLevel::V3, slots, jited);
            let rows = [vec![ours.clone()], clang(CpuLevel::V3).to_vec(), vec![row("clang 19", CpuLevel::V4, 1, 1)]];
            is_longer(&ours, &rows.concat())
        };
        assert!(!check(9, 50));
        assert!(check(10, 50) && check(9, 51));
        assert!(!is_longer(&clang(CpuLevel::V3)[0], &clang(CpuLevel::V3)), "only ours");
    }
}
