//! The kernel suite: what can only be seen with a kernel, each case in namespaces of its own.
//!
//! `cargo test -p bpfasm-tests --test kernel` runs it, `-- --list` lists it, `-- NAME` runs some of it.
//! `BPFASM_REQUIRE=kernel` makes every missing need a failure.

#![expect(clippy::unwrap_used, reason = "in a case, an error is a failure, reported with its place")]

mod attach;
mod baseline;
mod cgroup;
mod context;
mod corpus;
mod fixture;
mod foreign;
mod hold;
mod hook;
mod library;
mod loader;
mod mine;
mod nat;
mod object;
mod observe;
mod random;
mod refused;
mod run;
mod soak;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [
        baseline::cases,
        attach::cases,
        cgroup::cases,
        context::cases,
        corpus::cases,
        foreign::cases,
        hold::cases,
        library::cases,
        loader::cases,
        mine::cases,
        nat::cases,
        object::cases,
        observe::cases,
        random::cases,
        refused::cases,
        run::cases,
        soak::cases,
    ];
    bpfasm_tests::suite::main(cases.iter().flat_map(|cases| cases()).collect())
}
