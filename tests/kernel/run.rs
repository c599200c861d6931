//! `bpfasm run`: a program's verdicts on its samples, by the kernel's word.

use bpfasm_tests::{
    Case, cli,
    cli::bpfasm,
    command::succeed,
    need::{CAP_BPF, CAP_NET_ADMIN, CARGO, CLI},
};

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("run::shows_the_verdicts_of_the_samples", &[&CAP_BPF, &CAP_NET_ADMIN, &CLI, &CARGO], |_| {
        shows_the_verdicts_of_the_samples();
    })]
}

fn shows_the_verdicts_of_the_samples() {
    let run = succeed(bpfasm().arg("run").arg(cli::program()));
    let all = run.to_string();
    for words in ["tc_drop.rs tc:DEV:ingress", "TC_ACT_SHOT", "TC_ACT_OK"] {
        assert!(all.contains(words), "should show {words:?}: {run}");
    }
}
