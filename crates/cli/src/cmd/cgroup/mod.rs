//! `bpfasm cgroup`: programs of control groups, in bpftool's words.

mod change;
mod list;

use std::io::Write;
use std::path::PathBuf;

use bpfasm::object::kernel::{AttachType, section};
use clap::Subcommand;

use crate::error::Error;
use crate::output::Output;
use crate::words::begins;

/// Attach programs to control groups, detach and list them, in bpftool's words.
///
/// What is attached here is nobody's own, and stays until it is detached or the group is removed. `bpfasm attach` looks
/// after what it attaches.
#[derive(Debug, clap::Args)]
#[command(
    infer_subcommands = true,
    after_help = "\
Examples:
  sudo bpfasm cgroup attach /sys/fs/cgroup/web ingress pinned /sys/fs/bpf/filter multi
  sudo bpfasm cgroup detach /sys/fs/cgroup/web ingress id 42
  sudo bpfasm cgroup tree"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
enum Command {
    /// Attach a program to a group
    #[command(after_help = "\
Examples:
  sudo bpfasm cgroup attach /sys/fs/cgroup/web ingress pinned /sys/fs/bpf/filter
  sudo bpfasm cgroup attach /sys/fs/cgroup/web sock_ops id 42 override
  sudo bpfasm cgroup attach /sys/fs/cgroup/web connect4 policy.o program connect4 multi

Without a mode, or with override, the program takes the place of the one that is there.")]
    Attach(change::Args),
    /// Detach a program from a group
    #[command(after_help = "\
Example:
  sudo bpfasm cgroup detach /sys/fs/cgroup/web ingress pinned /sys/fs/bpf/filter")]
    Detach(change::Args),
    /// List the programs of a group
    #[command(
        visible_alias = "list",
        after_help = "\
Examples:
  sudo bpfasm cgroup show /sys/fs/cgroup/web
  sudo bpfasm cgroup show /sys/fs/cgroup/web effective --json"
    )]
    Show {
        /// The group's folder
        cgroup: PathBuf,
        /// `effective`: all that run for the group, those of the groups above included
        #[arg(value_parser = effective)]
        effective: Option<Effective>,
        #[command(flatten)]
        output: Output,
    },
    /// List the programs of a group and of all below it
    #[command(after_help = "\
Examples:
  sudo bpfasm cgroup tree
  sudo bpfasm cgroup tree /sys/fs/cgroup/system.slice effective")]
    Tree {
        /// The group's folder [default: where the hierarchy is mounted]
        root: Option<PathBuf>,
        /// `effective`: all that run for each group, those of the groups above included
        #[arg(value_parser = effective)]
        effective: Option<Effective>,
        #[command(flatten)]
        output: Output,
    },
}

/// The word `effective`.
#[derive(Clone, Copy, Debug)]
struct Effective;

fn effective(word: &str) -> Result<Effective, String> {
    match begins(word, "effective") {
        true => Ok(Effective),
        false => Err("the only word here is `effective`".to_owned()),
    }
}

/// An attach type: its name, bpftool's older word or the beginning of it, or a section's name.
fn attach_type(word: &str) -> Result<AttachType, String> {
    let by_section = || section(word)?.expected_attach_type.filter(|known| known.is_cgroup());
    let expected = || format!("`{word}` is no hook of control groups, such as ingress, egress, connect4 or sock_ops");
    AttachType::from_cgroup_abbreviation(word).or_else(by_section).ok_or_else(expected)
}

impl Args {
    /// Does what the verb says.
    ///
    /// # Errors
    ///
    /// The group, the program or the right is missing, or the kernel refuses.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        match self.command {
            Command::Attach(args) => args.attach(out),
            Command::Detach(args) => args.detach(out),
            Command::Show { cgroup, effective, output } => list::show(&cgroup, effective.is_some(), output, out),
            Command::Tree { root, effective, output } => {
                // A root may be left out.
                let (root, word) = match (root, effective) {
                    (Some(word), None) if word.as_os_str() == "effective" => (None, true),
                    (root, effective) => (root, effective.is_some()),
                };
                list::tree(root.as_deref(), word, output, out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_in_all_their_words() {
        let words = ["cgroup_inet_ingress", "ingress", "ing", "cgroup_skb/ingress"];
        for word in words {
            assert_eq!(attach_type(word), Ok(AttachType::CGROUP_INET_INGRESS), "{word}");
        }
        assert_eq!(attach_type("sockops"), Ok(AttachType::CGROUP_SOCK_OPS));
        assert_eq!(attach_type("sock_o"), Ok(AttachType::CGROUP_SOCK_OPS));
        assert_eq!(attach_type("cgroup/connect4"), Ok(AttachType::CGROUP_INET4_CONNECT));
        for wrong in ["", "sock", "connect", "xdp", "tc", "cgroup_inet"] {
            assert!(attach_type(wrong).unwrap_err().contains("is no hook of control groups"), "{wrong}");
        }
    }
}
