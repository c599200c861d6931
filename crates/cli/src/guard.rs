//! What is attached, at whatever kind of hook.

use std::fmt;
use std::path::PathBuf;

use bpfasm::loader::attach::{Ours, cgroup, tc};
use bpfasm::loader::{Error, Program};
use clap::ValueEnum;

/// How to attach: the words of `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// A TCX link where the kernel has it, else a clsact filter; for a control group a link
    Auto,
    /// tc: a filter of the clsact qdisc
    Clsact,
    /// tc: a TCX link (Linux 6.6)
    Tcx,
    /// cgroup: a link (Linux 5.7)
    Link,
    /// cgroup: alone, with nothing attached to the groups below
    None,
    /// cgroup: alone, in whose place a group below may have its own
    Override,
    /// cgroup: beside others
    Multi,
}

/// What an attach is asked for besides the program and its hooks.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// `--mode`.
    pub how: How,
    /// `--prio`.
    pub priority: Option<u16>,
    /// `--replace`.
    pub replace: bool,
}

/// A hook that is there.
#[derive(Clone, Debug)]
pub enum Place {
    /// Of a device.
    Tc(tc::Hook),
    /// Of a control group.
    Cgroup(cgroup::Hook),
}

impl Wish {
    fn tc(&self) -> Result<tc::Options, Error> {
        let mode = match self.how {
            How::Auto => tc::Mode::Auto,
            How::Clsact => tc::Mode::Clsact,
            How::Tcx => tc::Mode::Tcx,
            How::Link | How::None | How::Override | How::Multi => {
                return Err(usage("a tc hook takes --mode auto, clsact or tcx"));
            }
        };
        let options = tc::Options::new().mode(mode).replace(self.replace);
        Ok(self.priority.map_or(options, |priority| options.priority(priority)))
    }

    fn cgroup(&self) -> Result<cgroup::Options, Error> {
        let mode = match self.how {
            How::Auto | How::Link => cgroup::Mode::Link,
            How::None => cgroup::Mode::None,
            How::Override => cgroup::Mode::Override,
            How::Multi => cgroup::Mode::Multi,
            How::Clsact | How::Tcx => {
                return Err(usage("a cgroup hook takes --mode link, none, override or multi"));
            }
        };
        if self.priority.is_some() {
            return Err(usage("a cgroup hook takes no --prio: programs run in the order in which they were attached"));
        }
        Ok(cgroup::Options::new().mode(mode).replace(self.replace))
    }
}

fn usage(what: &str) -> Error {
    Error::Usage { what: what.to_owned() }
}

impl Place {
    /// Attaches a program.
    ///
    /// # Errors
    ///
    /// Those of the hook's kind, and a wish that belongs to another kind.
    pub fn attach(&self, program: &Program, wish: &Wish) -> Result<Guard, Error> {
        Ok(match self {
            Self::Tc(hook) => Guard::Tc(tc::attach(program, hook, &wish.tc()?)?),
            Self::Cgroup(hook) => Guard::Cgroup(cgroup::attach(program, hook, &wish.cgroup()?)?),
        })
    }

    /// What [`attach`](Place::attach) would make, in words.
    ///
    /// # Errors
    ///
    /// A wish that belongs to another kind of hook.
    pub fn plan(&self, wish: &Wish) -> Result<String, Error> {
        let priority = wish.priority.unwrap_or(tc::DEFAULT_PRIORITY);
        match self {
            Self::Tc(_) => wish.tc().map(drop)?,
            Self::Cgroup(_) => wish.cgroup().map(drop)?,
        }
        Ok(match (self, wish.how) {
            (Self::Tc(_), How::Clsact) => format!("a clsact filter of priority {priority}"),
            (Self::Tc(_), How::Tcx) => "a TCX link".to_owned(),
            (Self::Tc(_), _) => {
                format!("a TCX link where the kernel has it, else a clsact filter of priority {priority}")
            }
            (Self::Cgroup(_), How::None) => "alone, in mode none".to_owned(),
            (Self::Cgroup(_), How::Override) => "alone, in mode override".to_owned(),
            (Self::Cgroup(_), How::Multi) => "beside others, in mode multi".to_owned(),
            (Self::Cgroup(_), _) => "a cgroup link".to_owned(),
        })
    }

    /// What of ours is attached there.
    ///
    /// # Errors
    ///
    /// Those of the hook's kind, also that nothing of ours is there.
    pub fn ours(&self) -> Result<Vec<Ours>, Error> {
        Ok(match self {
            Self::Tc(hook) => tc::ours(hook)?.into_iter().map(|entry| Ours::Tc { hook: hook.clone(), entry }).collect(),
            Self::Cgroup(hook) => {
                cgroup::ours(hook)?.into_iter().map(|entry| Ours::Cgroup { hook: hook.clone(), entry }).collect()
            }
        })
    }
}

/// The guard of an attached program: dropping it detaches.
#[derive(Debug)]
pub enum Guard {
    /// At a device.
    Tc(tc::Attachment),
    /// At a control group.
    Cgroup(cgroup::Attachment),
}

impl Guard {
    /// Detaches.
    ///
    /// # Errors
    ///
    /// It was not there any more, or the kernel refuses.
    pub fn detach(self) -> Result<(), Error> {
        match self {
            Self::Tc(attachment) => attachment.detach(),
            Self::Cgroup(attachment) => attachment.detach(),
        }
    }

    /// Pins what needs or deserves a pin to outlive this process; dropping the guard detaches still.
    ///
    /// # Errors
    ///
    /// There is no bpffs.
    pub fn keep(&self) -> Result<Option<PathBuf>, Error> {
        match self {
            Self::Tc(attachment) => attachment.keep(),
            Self::Cgroup(attachment) => attachment.keep().map(Some),
        }
    }

    /// Lets it stay.
    pub fn forget(self) {
        match self {
            Self::Tc(attachment) => attachment.forget(),
            Self::Cgroup(attachment) => attachment.forget(),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tc(attachment) => attachment.fmt(f),
            Self::Cgroup(attachment) => attachment.fmt(f),
        }
    }
}
