//! Programs of several makers on the same packets.

use bpfasm::codegen::CpuLevel;
use bpfasm::dsl::{build::Entry, sample::Sample};
use bpfasm::loader::{self, Program, TestRun};
use bpfasm::object::Object;

use super::Row;
use crate::error::Error;

/// How often each program is measured on each sample; the best counts.
const ROUNDS: u32 = 5;
/// Runs in a measurement.
const REPEAT: u32 = 200_000;

/// A program in the kernel, with what is known of it.
pub struct Subject {
    row: Row,
    program: Program,
    /// Holds the maps.
    _loaded: loader::Loaded,
}

impl Subject {
    /// Loads the program of that name.
    ///
    /// # Errors
    ///
    /// It is not there, or the kernel refuses it.
    pub fn new(maker: String, level: CpuLevel, entry: &Entry, object: &Object) -> Result<Self, Error> {
        let slots = object.functions.iter().map(|function| function.code.len()).sum();
        let mut loaded = loader::load(object).map_err(bpfasm::Error::from)?;
        let program = loaded.take_program(entry.name).map_err(bpfasm::Error::from)?;
        let jited = program.info().map_err(bpfasm::Error::from)?.jited_bytes;
        Ok(Self { row: Row { maker, level, slots, jited, nanos: 0 }, program, _loaded: loaded })
    }

    /// The packet after one run, which must end in the verdict of the sample.
    fn verdict(&self, sample: &Sample) -> Result<Vec<u8>, Error> {
        let output = self.program.test_run(&TestRun::packet(sample.packet())).map_err(bpfasm::Error::from)?;
        if sample.expected().is_some_and(|expected| expected != output.retval) {
            return Err(self.unfit(sample, &format!("gives {}", output.retval)));
        }
        Ok(output.data_out)
    }

    fn unfit(&self, sample: &Sample, what: &str) -> Error {
        let Row { maker, level, .. } = &self.row;
        Error::Unfit {
            reason: format!("{} of {maker} {level}, sample `{}`: {what}", self.program.name(), sample.name()),
        }
    }

    /// Nanoseconds of a run, on average.
    fn time(&self, sample: &Sample) -> Result<u32, Error> {
        let run = TestRun::packet(sample.packet()).repeat(REPEAT);
        Ok(self.program.test_run(&run).map_err(bpfasm::Error::from)?.duration_ns)
    }
}

/// Measures the run time of programs that must do the same. They take turns, so that a noisy moment hits all.
///
/// # Errors
///
/// One gives a sample another verdict than it must get, or makes other bytes of it than the first.
pub fn measure(entry: &Entry, mut subjects: Vec<Subject>) -> Result<Vec<Row>, Error> {
    let samples = entry.samples.map(|samples| samples()).unwrap_or_default();
    // Maps may make a sample depend on those before it, so all verdicts come before any other run.
    for sample in &samples {
        let mut expected = None;
        for subject in &subjects {
            let packet = subject.verdict(sample)?;
            if *expected.get_or_insert_with(|| packet.clone()) != packet {
                return Err(subject.unfit(sample, "makes other bytes of the packet than ours"));
            }
        }
    }
    for sample in &samples {
        let mut best = vec![u32::MAX; subjects.len()];
        for _ in 0..ROUNDS {
            for (subject, best) in subjects.iter().zip(&mut best) {
                *best = subject.time(sample)?.min(*best);
            }
        }
        subjects.iter_mut().zip(best).for_each(|(subject, best)| subject.row.nanos += best);
    }
    Ok(subjects.into_iter().map(|subject| subject.row).collect())
}
