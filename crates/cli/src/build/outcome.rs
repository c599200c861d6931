//! What a built program leaves behind: the object, the samples, the IR's text.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::hex;

/// What a program file became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The ELF object, with all programs of the file.
    pub object: Vec<u8>,
    /// The samples of all programs.
    pub samples: Vec<Sample>,
    /// The IR's text, where it was asked for.
    pub ir: Option<String>,
}

/// One sample: a named packet with the verdict that a program must give it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The program's name.
    pub program: String,
    /// The sample's own name.
    pub name: String,
    /// The value the program must return.
    pub expected: u32,
    /// That value's name in the eDSL.
    pub verdict: String,
    /// The packet's bytes.
    pub packet: Vec<u8>,
}

impl Built {
    /// Takes the files that a built program wrote into `folder`.
    ///
    /// # Errors
    ///
    /// A file is missing or can't be read, or a sample is not as agreed.
    pub fn read(folder: &Path, ir: bool) -> Result<Self, Error> {
        let path = |name: &str| folder.join(name);
        let text =
            |name: &str| fs::read_to_string(path(name)).map_err(|source| Error::Read { path: path(name), source });
        let object = fs::read(path("object.o")).map_err(|source| Error::Read { path: path("object.o"), source })?;
        let samples = text("samples.tsv")?.lines().map(sample).collect::<Result<_, _>>()?;
        Ok(Self { object, samples, ir: ir.then(|| text("ir.txt")).transpose()? })
    }
}

/// One row: program, sample, expected value, expected verdict's name, packet in hex.
fn sample(row: &str) -> Result<Sample, Error> {
    let wrong = |reason: String| Error::Outcome { what: "samples.tsv", reason: format!("{reason} in {row:?}") };
    let columns: Vec<&str> = row.split('\t').collect();
    let [program, name, expected, verdict, packet] = columns[..] else {
        return Err(wrong(format!("{} columns where 5 belong", columns.len())));
    };
    Ok(Sample {
        program: program.to_owned(),
        name: name.to_owned(),
        expected: expected.parse().map_err(|error| wrong(format!("expected value: {error}")))?,
        verdict: verdict.to_owned(),
        packet: hex::parse(packet).map_err(|error| wrong(format!("packet: {error}")))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_five_columns() {
        let row = "tc_ingress\tblocked source\t2\tSHOT\t0aff";
        let expected = Sample {
            program: "tc_ingress".into(),
            name: "blocked source".into(),
            expected: 2,
            verdict: "SHOT".into(),
            packet: vec![0x0a, 0xff],
        };
        assert_eq!(sample(row).unwrap(), expected);
    }

    #[test]
    fn a_bad_row_is_shown_with_its_fault() {
        for (row, fault) in
            [("a\tb\t2\tc", "4 columns"), ("a\tb\t-1\tc\t00", "expected value"), ("a\tb\t1\tc\t0", "packet")]
        {
            let error = sample(row).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
    }
}
