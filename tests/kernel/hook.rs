//! The hook under test, the commands that use it, and what the kernel says is attached there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use bpfasm_tests::{
    cli::bpfasm,
    command,
    command::{finish, succeed},
    eventually,
    need::TCX,
    net::{
        DEVICE, Direction,
        filter::{self, Filter},
    },
    sandbox::BPFFS,
};
use serde_json::Value;

/// The name of the program under test, and what its filter is called.
pub(crate) const PROGRAM: &str = "tc_drop";
const FILTER_NAME: &str = "bpfasm:tc_drop";
/// What the names of all our filters begin with.
const OUR_PREFIX: &str = "bpfasm:";
/// The priority of our filters unless another is asked for.
pub(crate) const PRIORITY: u16 = 1000;

/// How to attach: the words of `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Auto,
    Clsact,
    Tcx,
}

impl Mode {
    pub(crate) const ALL: [Mode; 3] = [Mode::Auto, Mode::Clsact, Mode::Tcx];

    /// What it comes to on this kernel: automatic is a TCX link, where there are any.
    pub(crate) fn picks(self) -> Mode {
        match self {
            Mode::Auto if TCX.met().is_ok() => Mode::Tcx,
            Mode::Auto | Mode::Clsact => Mode::Clsact,
            Mode::Tcx => Mode::Tcx,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Clsact => "clsact",
            Mode::Tcx => "tcx",
        }
    }
}

/// The hook as `bpfasm` writes it.
pub(crate) fn hook(direction: Direction) -> String {
    format!("tc:{DEVICE}:{}", direction.name())
}

/// `bpfasm attach FILE HOOK --mode MODE`.
pub(crate) fn attach(file: &Path, mode: Mode, direction: Direction) -> Command {
    let mut command = bpfasm();
    command.arg("attach").arg(file).arg(hook(direction)).args(["--mode", mode.name()]);
    command
}

/// `bpfasm detach HOOK`.
pub(crate) fn detach(direction: Direction) -> Command {
    let mut command = bpfasm();
    command.arg("detach").arg(hook(direction));
    command
}

/// What of ours is attached at the hook, by the kernel's and bpftool's word.
#[derive(Debug)]
pub(crate) struct Ours {
    /// Filters that carry our name.
    pub(crate) filters: Vec<Filter>,
    /// Pinned links.
    pub(crate) pins: Vec<PathBuf>,
}

impl Ours {
    /// Looks.
    #[track_caller]
    pub(crate) fn at(direction: Direction) -> Self {
        let mut filters = filter::list(DEVICE, direction).unwrap();
        filters.retain(|filter| filter.name.as_ref().is_some_and(|name| name.starts_with(OUR_PREFIX)));
        Ours { filters, pins: pins().unwrap() }
    }

    /// There must be exactly one attachment, of [`PROGRAM`], in the way that the mode says. Gives its program's id.
    #[track_caller]
    pub(crate) fn the_one(&self, mode: Mode) -> u32 {
        match (mode.picks(), &self.filters[..], &self.pins[..]) {
            (Mode::Clsact, [filter], []) => {
                assert_eq!(filter.name.as_deref(), Some(FILTER_NAME));
                assert!(filter.direct_action, "{filter:?}");
                filter.program_id.expect("a filter with a program")
            }
            (Mode::Tcx, [], [pin]) => {
                let file = pin.file_name().unwrap().to_string_lossy();
                assert!(file.starts_with(PROGRAM), "{file}");
                let link = succeed(command!("bpftool", "-j", "link", "show", "pinned").arg(pin)).json();
                number(&link["prog_id"])
            }
            _ => panic!("one attachment by mode {} expected: {self:?}", mode.name()),
        }
    }

    /// There must be nothing.
    #[track_caller]
    pub(crate) fn assert_nothing(&self) {
        assert!(self.filters.is_empty() && self.pins.is_empty(), "nothing of ours expected: {self:?}");
    }
}

/// The links that `bpfasm` has pinned. Directory entries only: what they are, bpftool says.
fn pins() -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(Path::new(BPFFS).join("bpfasm")) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The kernel must have let go of this program: programs are freed a moment after their last user.
#[track_caller]
pub(crate) fn assert_unloaded(program: u32) {
    eventually(&format!("program {program} is unloaded"), || {
        (!finish(&mut command!("bpftool", "prog", "show", "id", program.to_string())).succeeded()).then_some(())
    });
}

/// `tc filter add dev DEVICE DIRECTION prio PRIORITY`, to be continued.
pub(crate) fn tc_add(direction: Direction, priority: u16) -> Command {
    command!("tc", "filter", "add", "dev", DEVICE, direction.name(), "prio", priority.to_string())
}

/// The same, continued: `bpf da obj OBJECT sec tc`.
pub(crate) fn tc_add_object(direction: Direction, priority: u16, object: &Path) -> Command {
    let mut command = tc_add(direction, priority);
    command.args(["bpf", "da", "obj"]).arg(object).args(["sec", "tc"]);
    command
}

/// `tc -j filter show` of the hook: its filters, without the entries for whole priorities.
#[track_caller]
pub(crate) fn tc_filters(direction: Direction) -> Vec<Value> {
    let shown = succeed(&mut command!("tc", "-j", "filter", "show", "dev", DEVICE, direction.name())).json();
    let filters = shown.as_array().expect("a list of filters");
    filters.iter().filter(|filter| filter.get("options").is_some()).cloned().collect()
}

/// A JSON number that is an id.
#[track_caller]
pub(crate) fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("an id expected: {value}"))
}
