//! Chores of the workspace: what continuous integration checks, what is measured, what is fuzzed, which kernels
//! are tried.

mod bench;
mod cache;
mod chore;
mod ci;
mod error;
mod fuzz;
mod kernels;
mod readme;
mod scratch;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    Ci(ci::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Kernels(kernels::Args),
    Vm(vm::Args),
    Matrix(vm::matrix::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Ci(args) => args.run(),
        Chore::Bench(args) => args.run(),
        Chore::Fuzz(args) => args.run(),
        Chore::Kernels(args) => args.run(),
        Chore::Vm(args) => args.run(),
        Chore::Matrix(args) => args.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
