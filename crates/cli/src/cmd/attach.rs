//! `bpfasm attach`: a program onto hooks, where it stays until `bpfasm detach`, or while this process holds it.

use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use bpfasm::loader::Program;
use bpfasm::object::kernel::ProgramType;

use crate::error::Error;
use crate::guard::{Guard, How, Place, Wish};
use crate::hold::Signals;
use crate::hook::Hook;
use crate::input::{Input, Staging, program_type};
use crate::{duration, invocation, report};

/// Attach a program to hooks.
///
/// It stays attached when this command returns: links pinned in the bpffs, everything else by itself. If one hook fails,
/// none is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm attach programs/tc_drop.rs tc:eth0:ingress
  sudo bpfasm attach tc_drop.o tc:eth0:ingress tc:eth1:ingress --mode clsact
  sudo bpfasm attach tc_drop.o tc:eth0:ingress --for 30s
  sudo bpfasm attach programs/cgroup_ingress.rs cgroup:/sys/fs/cgroup/web:ingress --mode multi")]
pub struct Args {
    /// The program file, Rust source, or an ELF object
    #[arg(value_name = "FILE.rs|OBJ")]
    input: PathBuf,
    /// Where to: tc:DEV:ingress, tc:DEV:egress or cgroup:PATH:TYPE, where TYPE is a word of bpftool such as ingress
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

impl Args {
    /// Builds or reads, loads, attaches, and holds if asked to.
    ///
    /// # Errors
    ///
    /// Whatever fails; then nothing stays attached.
    pub fn run(self) -> Result<(), Error> {
        let input = Input::open(&self.input, &self.staging)?;
        let wanted = self.program_type()?;
        let what = if wanted == Some(ProgramType::SCHED_CLS) { "tc program" } else { "program for that hook" };
        let function = input
            .pick(self.program.as_deref(), what, |function| wanted.is_none() || program_type(function) == wanted)?;
        let places = self.hooks.iter().map(Hook::resolve).collect::<Result<Vec<_>, _>>()?;
        places.iter().try_for_each(|place| place.plan(&self.wish()).map(drop))?;
        let loaded = input.load(&[function])?;
        let program = loaded.program(&function.name)?;
        if self.dry_run {
            return self.tell_plan(program, &places);
        }
        // From here on a signal waits until what was attached has an owner that outlives us, or is detached.
        let signals = Signals::catch().map_err(Error::Signals)?;
        let attachments = self.attach(program, &places)?;
        match self.hold || self.limit.is_some() {
            true => self.hold(attachments, &signals),
            false => self.keep(attachments),
        }
    }

    /// The type of program that the hooks take, which must be one.
    fn program_type(&self) -> Result<Option<ProgramType>, Error> {
        let first = self.hooks.first().and_then(Hook::program_type);
        match self.hooks.iter().find(|hook| hook.program_type() != first) {
            Some(other) => Err(Error::HooksDiffer { hook: other.to_string() }),
            None => Ok(first),
        }
    }

    fn wish(&self) -> Wish {
        Wish { how: self.mode, priority: self.prio, replace: self.replace }
    }

    /// Attaches to every hook. A failure drops the guards of those before it, which detaches them.
    fn attach(&self, program: &Program, places: &[Place]) -> Result<Vec<Guard>, Error> {
        let mut attachments = Vec::with_capacity(places.len());
        for place in places {
            let attachment = place.attach(program, &self.wish()).inspect_err(|_| tell_undone(&attachments))?;
            attachments.push(attachment);
        }
        Ok(attachments)
    }

    /// Waits in the foreground, then detaches, the last attached first.
    fn hold(&self, attachments: Vec<Guard>, signals: &Signals) -> Result<(), Error> {
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
    fn keep(&self, attachments: Vec<Guard>) -> Result<(), Error> {
        let told: Vec<String> = attachments.iter().map(Guard::to_string).collect();
        let mut pins = Vec::new();
        for attachment in &attachments {
            pins.extend(attachment.keep()?);
        }
        attachments.into_iter().for_each(Guard::forget);
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

    fn tell_plan(&self, program: &Program, places: &[Place]) -> Result<(), Error> {
        let replacing = if self.replace { ", in place of one of the same name" } else { "" };
        for (hook, place) in self.hooks.iter().zip(places) {
            let how = place.plan(&self.wish())?;
            report::say(format_args!("would attach {} at {hook}: {how}{replacing}", program.name()));
        }
        Ok(())
    }
}

/// Says what an attach that fails half-way takes away again.
fn tell_undone(attachments: &[Guard]) {
    for attachment in attachments {
        report::note(format_args!("undoing {attachment}"));
    }
}
