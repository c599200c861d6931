//! Names of kernel functions, by their distance from the place that calls count from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};

/// The function that calls count from: the immediate of a call in verified code is the distance to it.
const CALL_BASE: &str = "__bpf_call_base";

/// The names of the functions at these distances, as far as the kernel tells: it gives no addresses to processes without
/// `CAP_SYSLOG`, and to none with `kernel.kptr_restrict` 2.
pub(super) fn functions(distances: &BTreeSet<i32>) -> BTreeMap<i32, String> {
    if distances.is_empty() {
        return BTreeMap::new();
    }
    // Names make the listing better; that there are none is no failure.
    File::open("/proc/kallsyms").and_then(|file| read(BufReader::new(file), distances)).unwrap_or_default()
}

/// Reads lines of `address type name [module]`, twice: for the base, and for what is wanted.
fn read(mut table: impl BufRead + Seek, distances: &BTreeSet<i32>) -> io::Result<BTreeMap<i32, String>> {
    let mut names = BTreeMap::new();
    let mut base = None;
    scan(&mut table, |address, name| {
        if name == CALL_BASE {
            base = Some(address);
        }
        base.is_none()
    })?;
    let Some(base) = base.filter(|&address| address != 0) else { return Ok(names) };
    table.seek(SeekFrom::Start(0))?;
    scan(&mut table, |address, name| {
        let distance = i32::try_from(address.wrapping_sub(base).cast_signed());
        if let Some(distance) = distance.ok().filter(|distance| distances.contains(distance)) {
            names.entry(distance).or_insert_with(|| name.to_owned());
        }
        names.len() < distances.len()
    })?;
    Ok(names)
}

/// Shows each address and name until `more` says no.
fn scan(table: &mut impl BufRead, mut more: impl FnMut(u64, &str) -> bool) -> io::Result<()> {
    let mut line = String::new();
    while table.read_line(&mut line)? > 0 {
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let Some((address, name)) = address.zip(words.nth(1))
            && !more(address, name)
        {
            return Ok(());
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn functions_are_found_by_their_distance() {
        let table = "0000000000001000 T below\n0000000000002000 T __bpf_call_base\n0000000000002010 t above\t[mod]\n\
                     0000000000002010 T alias\nbroken\n";
        let found = |distances: &[i32]| {
            let wanted = distances.iter().copied().collect();
            read(Cursor::new(table), &wanted).unwrap().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(found(&[0x10, -0x1000, 7]), [(-0x1000, "below".to_owned()), (0x10, "above".to_owned())]);
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let table = "0000000000000000 T __bpf_call_base\n0000000000000000 T other\n";
        assert!(read(Cursor::new(table), &BTreeSet::from([0])).unwrap().is_empty());
    }
}
