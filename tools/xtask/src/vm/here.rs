//! The kernel suite on this machine.

use std::fs::{self, File};
use std::path::Path;

use bpfasm_guest::{CLI_VARIABLE, Line, RESULTS_VARIABLE, Record};

use super::Machines;
use super::matrix::complain;
use crate::chore::{command, line};
use crate::error::Error;

/// The name of this machine among the kernels.
pub const HERE: &str = "here";

/// Runs the suite here, with the binaries of the guests.
///
/// # Errors
///
/// [`Error::Guest`]: the suite did not come to its end. Failed cases are no error.
pub fn run(machines: &Machines, suite: &[String]) -> Result<Record, Error> {
    let results = machines.scratch.path().join("results");
    let console = machines.consoles.join(format!("{HERE}.log"));
    create(&results)?;
    let output = create(&console)?;
    let errors = output.try_clone().map_err(|source| Error::File { path: console.clone(), source })?;
    let mut command = command(&machines.binaries.suite);
    command.args(suite).env(RESULTS_VARIABLE, &results).env(CLI_VARIABLE, &machines.binaries.cli);
    let status = command.stdout(output).stderr(errors).status();
    let status = status.map_err(|source| Error::Start { command: line(&command), source })?;
    let text = fs::read_to_string(&results).map_err(|source| Error::File { path: results, source })?;
    let mut record = Record::default();
    let taken = text.lines().try_for_each(|text| {
        let line: Line = text.parse().map_err(|error| format!("{error}"))?;
        complain(HERE, &line);
        record.take(line).map_err(|error| error.to_string())
    });
    let ended = taken.and_then(|()| {
        let exited = status.code().map_or(Ok(()), |code| record.take(Line::Exited(code)));
        exited.and_then(|()| record.check_guest()).map_err(|error| error.to_string())
    });
    match ended {
        Ok(_) => Ok(record),
        Err(what) => Err(Error::Guest { tag: HERE, what, tail: String::new(), console }),
    }
}

fn create(path: &Path) -> Result<File, Error> {
    File::create(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
