//! The kernel suite: what can only be seen with a kernel, each case in namespaces of its own.
//!
//! `cargo test -p bpfasm-tests --test kernel` runs it, `-- --list` lists it, `-- NAME` runs some of it.
//! `BPFASM_REQUIRE=kernel` makes every missing need a failure.

#![expect(clippy::unwrap_used, reason = "in a case, an error is a failure, reported with its place")]

mod attach;
mod baseline;
mod cgroup;
mod cgroup_noun;
mod context;
mod corpus;
mod fixture;
mod foreign;
mod hold;
mod hook;
mod library;
mod loader;
mod maps;
mod mine;
mod nat;
mod object;
mod observe;
mod random;
mod refused;
mod run;
mod soak;
mod tc_noun;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [
        baseline::cases,
        attach::cases,
        cgroup::cases,
        cgroup_noun::cases,
        context::cases,
        corpus::cases,
        foreign::cases,
        hold::cases,
        library::cases,
        loader::cases,
        maps::cases,
        mine::cases,
        nat::cases,
        object::cases,
        observe::cases,
        random::cases,
        refused::cases,
        run::cases,
        soak::cases,
        tc_noun::cases,
    ];
    bpfasm_tests::suite::main(cases.iter().flat_map(|cases| cases()).collect())
}
