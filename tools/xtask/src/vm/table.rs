//! What all machines said, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bpfasm_guest::Record;

/// One record a machine, in the order of the table.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, Record)>,
}

impl Table {
    /// Adds a machine's record.
    pub fn add(&mut self, machine: &str, record: Record) {
        self.rows.push((machine.to_owned(), record));
    }

    /// How many cases failed, on all machines together.
    pub fn failures(&self) -> usize {
        self.rows.iter().map(|(_, record)| record.failed.len()).sum()
    }

    /// The cases that no machine has run.
    pub fn never_run(&self) -> Vec<&str> {
        let ran = |name: &str| {
            self.rows.iter().any(|(_, record)| record.passed.contains_key(name) || record.failed.contains_key(name))
        };
        let names: BTreeSet<&str> = self.rows.iter().flat_map(|(_, record)| record.names()).collect();
        names.into_iter().filter(|name| !ran(name)).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:8} {:32} {:>7} {:>8} {:>7}", "machine", "kernel", "passed", "ignored", "failed")?;
        for (machine, record) in &self.rows {
            let (kernel, totals) = (record.kernel.as_deref().unwrap_or_default(), record.totals());
            writeln!(f, "{machine:8} {kernel:32} {:>7} {:>8} {:>7}", totals.passed, totals.ignored, totals.failed)?;
        }
        writeln!(f, "\nignored, and why:")?;
        for (machine, record) in &self.rows {
            let mut reasons = BTreeMap::<&str, usize>::new();
            for reason in record.ignored.values().flatten() {
                *reasons.entry(reason).or_default() += 1;
            }
            for (reason, cases) in reasons {
                writeln!(f, "{machine:8} {cases:>4}  {reason}")?;
            }
        }
        writeln!(f, "\nignored everywhere:")?;
        let never = self.never_run();
        let none: &[&str] = if never.is_empty() { &["none"] } else { &[] };
        never.iter().chain(none).try_for_each(|name| writeln!(f, "  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        for (machine, lines) in [
            ("6.1", "kernel\t6.1.0\npassed\ta\t1\nignored\tb\tTCX: none\nignored\tc\tTCX: none\tCARGO: none"),
            ("here", "kernel\t6.18\npassed\ta\t1\npassed\tb\t1\nignored\tc\tCARGO: none\nfailed\td\t1\twhy"),
        ] {
            let mut record = Record::default();
            lines.lines().for_each(|line| record.take(line.parse().unwrap()).unwrap());
            table.add(machine, record);
        }
        table
    }

    #[test]
    fn what_no_machine_runs_is_found() {
        let table = table();
        assert_eq!(table.never_run(), ["c"]);
        assert_eq!(table.failures(), 1);
    }

    #[test]
    fn rows_counts_and_reasons_are_shown() {
        let shown = table().to_string();
        for line in [
            "6.1      6.1.0                                  1        2       0",
            "here     6.18                                   2        1       1",
            "6.1         2  TCX: none",
            "here        1  CARGO: none",
            "ignored everywhere:\n  c\n",
        ] {
            assert!(shown.contains(line), "{line:?} in\n{shown}");
        }
    }
}
