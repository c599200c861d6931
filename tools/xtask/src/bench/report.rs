//! The figures, printed.

use std::fs;
use std::time::Duration;

use super::codegen::Row;
use super::times::Times;
use super::{compiler, maps, rebuild};

/// Where and how it is measured.
pub fn machine(rounds: u32) {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("release build, Linux {}, {rounds} rounds; median (best)", kernel.trim());
}

/// A program: the compiler's times, the kernel's, and their ratio.
pub fn program(name: &str, figures: &compiler::Figures, goal: Duration) {
    println!("\n{name}: {} instruction slots", figures.slots);
    row("stage", &figures.stage, None);
    row("compile", &figures.compile, None);
    row("stage + compile", &figures.both, Some(goal));
    match &figures.load {
        Some(load) => {
            row("BTF_LOAD + PROG_LOAD", load, None);
            let ratio = figures.both.median().as_secs_f64() / load.median().as_secs_f64();
            println!("  {:<24}{ratio:>10.2}", "ratio of the last two");
        }
        None => println!("  BTF_LOAD + PROG_LOAD: not permitted here; run as root for the ratio"),
    }
}

/// The rebuild of an edited program file.
pub fn rebuild(figures: &rebuild::Figures) {
    let goal = Duration::from_secs(1);
    println!("\nbpfasm build programs/tc_drop.rs: {} edits of one constant", figures.edited.count());
    row("first build", &figures.first, None);
    row("edited", &figures.edited, Some(goal));
    row("unchanged", &figures.unchanged, None);
}

/// Maps: the time of one operation both ways, and the ratio.
pub fn maps(figures: Option<&[maps::Figures]>) {
    const GOAL: f64 = 1.05;
    println!("\nhash map of {} entries, u32 to u64: by types, by the bare system call, ratio", maps::ENTRIES);
    for maps::Figures { name, typed, bare } in figures.unwrap_or_default() {
        let one = |times: &Times| times.median().as_secs_f64() * 1e9 / f64::from(maps::ENTRIES);
        let (typed, bare) = (one(typed), one(bare));
        let ratio = typed / bare;
        let met = if ratio <= GOAL { "met" } else { "missed" };
        println!("  {name:<24}{typed:>7.1} ns {bare:>9.1} ns {ratio:>8.3}  goal: at most {GOAL}, {met}");
    }
    if figures.is_none() {
        println!("  not permitted here; run as root");
    }
}

/// Whose code is compared.
pub fn makers(rivals: &[String]) {
    let rivals = rivals.join(", ");
    println!("\nour code beside that of {rivals}, -O2: instruction slots, bytes of machine code, time for all samples");
}

/// The code of a program, of several makers.
pub fn code(name: &str, rows: &[Row]) {
    println!("\n{name:<26}{:>8}{:>8}{:>8}", "slots", "bytes", "ns");
    for Row { maker, level, slots, jited, nanos } in rows {
        println!("  {level}  {maker:<20}{slots:>8}{jited:>8}{nanos:>8}");
    }
}

fn row(what: &str, times: &Times, goal: Option<Duration>) {
    let (median, best) = (times.median(), times.best());
    let goal = goal.map_or_else(String::new, |goal| {
        let met = if median < goal { "met" } else { "missed" };
        format!("  goal: under {goal:?}, {met}")
    });
    println!("  {what:<24}{:>10} {:>12}{goal}", amount(median), format!("({})", amount(best)));
}

/// A time with three or so digits that matter.
fn amount(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match () {
        () if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        () if seconds < 1.0 => format!("{:.2} ms", seconds * 1e3),
        () => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_a_unit_that_fits() {
        let texts = [17_500, 2_340_000, 1_500_000_000].map(Duration::from_nanos).map(amount);
        assert_eq!(texts, ["17.5 µs", "2.34 ms", "1.50 s"]);
    }
}
