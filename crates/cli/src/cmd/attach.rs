//! `bpfasm attach`: a program onto hooks, where it stays until `bpfasm detach`, or while this process holds it.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, iter};

use bpfasm::loader::attach::tc::{self, Attachment, Mode, Options};
use bpfasm::loader::{Program, bpffs};
use bpfasm::object::kernel::ProgramType;
use clap::ValueEnum;

use crate::error::Error;
use crate::hold::Signals;
use crate::hook::Hook;
use crate::input::{Input, Staging, program_type};
use crate::{duration, invocation, report};

/// Attach a program to hooks.
///
/// It stays attached when this command returns: clsact filters by themselves, TCX links pinned in the bpffs. If one hook
/// fails, none is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm attach programs/tc_drop.rs tc:eth0:ingress
  sudo bpfasm attach tc_drop.o tc:eth0:ingress tc:eth1:ingress --mode clsact
  sudo bpfasm attach tc_drop.o tc:eth0:ingress --for 30s")]
pub struct Args {
    /// The program file, Rust source, or an ELF object
    #[arg(value_name = "FILE.rs|OBJ")]
    input: PathBuf,
    /// Where to: tc:DEV:ingress or tc:DEV:egress
    #[arg(value_name = "HOOK", required = true)]
    hooks: Vec<Hook>,
    /// The program to attach [default: the only one that fits the hooks]
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// How to attach
    #[arg(long, value_enum, default_value_t = How::Auto)]
    mode: How,
    /// The priority of a clsact filter; lower runs first [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    prio: Option<u16>,
    /// Swap the program of the same name that is attached already, without a gap
    #[arg(long)]
    replace: bool,
    /// Stay in the foreground, and detach on Ctrl-C
    #[arg(long)]
    hold: bool,
    /// Stay in the foreground, and detach after this time, such as 30s
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    limit: Option<Duration>,
    /// Build and verify, say what would be attached, and attach nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    staging: Staging,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// A TCX link where the kernel has it, else a clsact filter
    Auto,
    /// A filter of the clsact qdisc
    Clsact,
    /// A TCX link (Linux 6.6)
    Tcx,
}

impl From<How> for Mode {
    fn from(how: How) -> Self {
        match how {
            How::Auto => Self::Auto,
            How::Clsact => Self::Clsact,
            How::Tcx => Self::Tcx,
        }
    }
}

impl Args {
    /// Builds or reads, loads, attaches, and holds if asked to.
    ///
    /// # Errors
    ///
    /// Whatever fails; then nothing stays attached.
    pub fn run(self) -> Result<(), Error> {
        let input = Input::open(&self.input, &self.staging)?;
        let function = input.pick(self.program.as_deref(), "tc program", |function| {
            program_type(function) == Some(ProgramType::SCHED_CLS)
        })?;
        let hooks = self.hooks.iter().map(|hook| hook.resolve()).collect::<Result<Vec<_>, _>>()?;
        let loaded = input.load(&[function])?;
        let program = loaded.program(&function.name)?;
        if self.dry_run {
            self.tell_plan(program);
            return Ok(());
        }
        // From here on a signal waits until what was attached has an owner that outlives us, or is detached.
        let signals = Signals::catch().map_err(Error::Signals)?;
        let attachments = self.attach(program, &hooks)?;
        match self.hold || self.limit.is_some() {
            true => self.hold(attachments, &signals),
            false => self.keep(attachments),
        }
    }

    /// Attaches to every hook. A failure drops the guards of those before it, which detaches them.
    fn attach(&self, program: &Program, hooks: &[tc::Hook]) -> Result<Vec<Attachment>, Error> {
        let options = Options::new().mode(self.mode.into()).replace(self.replace);
        let options = self.prio.map_or(options, |priority| options.priority(priority));
        let mut attachments = Vec::with_capacity(hooks.len());
        for hook in hooks {
            let attachment = tc::attach(program, hook, &options).inspect_err(|_| tell_undone(&attachments))?;
            attachments.push(attachment);
        }
        Ok(attachments)
    }

    /// Waits in the foreground, then detaches, the last attached first.
    fn hold(&self, attachments: Vec<Attachment>, signals: &Signals) -> Result<(), Error> {
        for attachment in &attachments {
            report::say(format_args!("attached {attachment}"));
        }
        match self.limit {
            Some(limit) => report::say(format_args!("holding for {limit:?}; Ctrl-C detaches before that")),
            None => report::say("holding; Ctrl-C detaches"),
        }
        signals.wait(self.limit).map_err(Error::Signals)?;
        let mut first = Ok(());
        for attachment in attachments.into_iter().rev() {
            let text = attachment.to_string();
            match attachment.detach() {
                Ok(()) => report::say(format_args!("detached {text}")),
                Err(error) => first = first.and(Err(error.into())),
            }
        }
        first
    }

    /// Makes the attachments outlive this process: all, or none.
    fn keep(&self, attachments: Vec<Attachment>) -> Result<(), Error> {
        let told: Vec<String> = attachments.iter().map(Attachment::to_string).collect();
        // Links need a bpffs and filters nothing, so what can fail comes first, and most of that before any is kept.
        let (links, filters): (Vec<_>, Vec<_>) = attachments.into_iter().partition(|one| one.mode() == Mode::Tcx);
        if !links.is_empty() {
            bpffs::ensure()?;
        }
        let mut pins = Vec::new();
        for link in links {
            // Without its pin a link is gone.
            pins.extend(link.persist().inspect_err(|_| pins.iter().for_each(unpin))?);
        }
        filters.into_iter().for_each(Attachment::forget);
        for text in told {
            report::say(format_args!("attached {text}"));
        }
        for pin in pins {
            report::say(format_args!("pinned {}", pin.display()));
        }
        let hooks = self.hooks.iter().map(Hook::to_string);
        let words: Vec<String> = iter::once("detach".to_owned()).chain(hooks).collect();
        report::say(format_args!("undo:  {}", invocation::privileged(&words)));
        Ok(())
    }

    fn tell_plan(&self, program: &Program) {
        let priority = self.prio.unwrap_or(tc::DEFAULT_PRIORITY);
        let how = match self.mode {
            How::Auto => format!("a TCX link where the kernel has it, else a clsact filter of priority {priority}"),
            How::Clsact => format!("a clsact filter of priority {priority}"),
            How::Tcx => "a TCX link".to_owned(),
        };
        for hook in &self.hooks {
            let replacing = if self.replace { ", in place of one of the same name" } else { "" };
            report::say(format_args!("would attach {} at {hook}: {how}{replacing}", program.name()));
        }
    }
}

/// Says what an attach that fails half-way takes away again.
fn tell_undone(attachments: &[Attachment]) {
    for attachment in attachments {
        report::note(format_args!("undoing {attachment}"));
    }
}

/// Removes a pin that is not to stay; the error that led here is the one to tell.
fn unpin(pin: &PathBuf) {
    let _ = fs::remove_file(pin);
}
