//! What the kernel suite, which runs in a guest, and the chore that boots the guest agree on.
//!
//! The suite's binary is the guest's first process. It gets [`INIT`] as its first argument, loads the modules that
//! [`MODULE_LIST`] names, runs the suite, and turns the machine off. What becomes of each case goes to the second serial
//! port, as the [`Line`]s that a [`Record`] is made of.
//!
//! A machine that is turned off looks like one whose kernel has panicked: QEMU ends with 0 either way. So the first process
//! says [`Line::Exited`] last of all, and without that line no guest has done its work.

#![forbid(unsafe_code)]

mod binaries;
mod line;
mod record;

pub use binaries::executable;
pub use line::{Line, LineError};
pub use record::{Record, RecordError, Totals};

/// The first argument of the guest's first process. The others are the suite's.
pub const INIT: &str = "--init";

/// The environment variable that names the file to which a suite writes [`Line`]s.
pub const RESULTS_VARIABLE: &str = "BPFASM_RESULTS";

/// The second serial port, where a guest's suite writes its results.
pub const RESULTS_PORT: &str = "/dev/ttyS1";

/// The folder of the kernel's modules in a guest, `NAME.ko` each.
pub const MODULES: &str = "/modules";

/// The file with the names of the modules, one a line, each after those that it depends on.
pub const MODULE_LIST: &str = "/modules/list";

/// The folder of programs in a guest: what its `PATH` is.
pub const PROGRAMS: &str = "/bin";

/// The environment variable that names the `bpfasm` binary of a suite.
pub const CLI_VARIABLE: &str = "BPFASM_TEST_CLI";

/// The `bpfasm` binary of a guest.
pub const CLI: &str = "/bin/bpfasm";
