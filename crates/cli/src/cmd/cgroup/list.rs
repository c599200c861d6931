//! `bpfasm cgroup show` and `tree`: what bpftool 7.1 shows, with its keys.

use std::io::Write;
use std::path::{Path, PathBuf};

use bpfasm::loader::attach::cgroup::{Attached, Group};
use bpfasm::loader::{self, Program};
use serde::Serialize;

use crate::error::Error;
use crate::output::Output;
use crate::table::Plain;

/// A program of a group.
#[derive(Debug, Serialize)]
struct Row {
    id: u32,
    attach_type: String,
    /// Not in a list of what is in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    attach_flags: Option<String>,
    name: String,
    /// The kernel function that an LSM program is attached to.
    attach_btf_name: String,
    attach_btf_obj_id: u32,
    attach_btf_id: u32,
}

/// A group with programs.
#[derive(Debug, Serialize)]
struct Node {
    cgroup: PathBuf,
    programs: Vec<Row>,
}

/// Prints the programs of a group.
///
/// # Errors
///
/// There is no such group, or the kernel does not show them.
pub fn show(cgroup: &Path, effective: bool, output: Output, out: &mut impl Write) -> Result<(), Error> {
    let rows = rows(Group::new(cgroup)?.programs(effective)?, effective)?;
    if output.is_json() {
        return output.print(out, &rows);
    }
    // As bpftool has it: without a program there is no header.
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", table(&rows, effective)).map_err(Error::Output)
}

/// Prints the programs of a group, or of all, and of those below it.
///
/// # Errors
///
/// There is no such group, or the kernel does not show them.
pub fn tree(root: Option<&Path>, effective: bool, output: Output, out: &mut impl Write) -> Result<(), Error> {
    let root = root.map_or_else(Group::root, Group::new)?;
    let mut nodes = Vec::new();
    for (cgroup, programs) in root.tree(effective)? {
        let programs = rows(programs, effective)?;
        if !programs.is_empty() {
            nodes.push(Node { cgroup, programs });
        }
    }
    if output.is_json() {
        return output.print(out, &nodes);
    }
    let all = nodes.iter().flat_map(|node| &node.programs);
    let table = table(all, effective);
    let mut lines = table.lines();
    writeln!(out, "CgroupPath\n{}", lines.next().unwrap_or_default()).map_err(Error::Output)?;
    for node in &nodes {
        writeln!(out, "{}", node.cgroup.display()).map_err(Error::Output)?;
        for line in lines.by_ref().take(node.programs.len()) {
            writeln!(out, "{line}").map_err(Error::Output)?;
        }
    }
    Ok(())
}

/// What there is to say of each program. One that has gone meanwhile is left out.
fn rows(programs: Vec<Attached>, effective: bool) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::with_capacity(programs.len());
    for attached in programs {
        match row(&attached, effective) {
            Ok(row) => rows.push(row),
            Err(loader::Error::NoSuchId { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rows)
}

fn row(attached: &Attached, effective: bool) -> Result<Row, loader::Error> {
    let program = Program::from_id(attached.program_id)?;
    let (attach_btf_obj_id, attach_btf_id) = program.info()?.attach_function;
    Ok(Row {
        id: attached.program_id,
        attach_type: attached.attach_type.to_string(),
        attach_flags: (!effective).then(|| flags(attached.flags)),
        name: program.name().to_owned(),
        attach_btf_name: program.attach_function_name()?.unwrap_or_default(),
        attach_btf_obj_id,
        attach_btf_id,
    })
}

/// bpftool's word for `BPF_F_ALLOW_*` of include/uapi/linux/bpf.h.
fn flags(flags: u32) -> String {
    match flags {
        0 => String::new(),
        1 => "override".to_owned(),
        2 => "multi".to_owned(),
        other => format!("unknown({other:x})"),
    }
}

fn table<'a>(rows: impl IntoIterator<Item = &'a Row>, effective: bool) -> String {
    let words =
        |row: &Row| [row.id.to_string(), row.attach_type.clone(), format!("{} {}", row.name, row.attach_btf_name)];
    if effective {
        let mut table = Plain::new(["ID", "AttachType", "Name"], 3);
        rows.into_iter().for_each(|row| table.row(words(row)));
        return table.text();
    }
    let mut table = Plain::new(["ID", "AttachType", "AttachFlags", "Name"], 4);
    for row in rows {
        let [id, attach_type, name] = words(row);
        table.row([id, attach_type, row.attach_flags.clone().unwrap_or_default(), name]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attach_flags: Option<&str>) -> Row {
        Row {
            id: 63313,
            attach_type: "cgroup_inet4_connect".to_owned(),
            attach_flags: attach_flags.map(str::to_owned),
            name: "so".to_owned(),
            attach_btf_name: String::new(),
            attach_btf_obj_id: 0,
            attach_btf_id: 0,
        }
    }

    #[test]
    fn columns_are_bpftools() {
        let text = table(&[row(Some("multi"))], false);
        assert_eq!(
            text,
            "ID     AttachType            AttachFlags  Name\n63313  cgroup_inet4_connect  multi        so"
        );
        assert_eq!(table(&[row(None)], true), "ID     AttachType            Name\n63313  cgroup_inet4_connect  so");
    }

    #[test]
    fn flags_are_bpftools_words() {
        assert_eq!([0, 1, 2, 0x42].map(flags), ["", "override", "multi", "unknown(42)"]);
    }

    #[test]
    fn keys_are_bpftools() {
        let json = serde_json::to_string(&row(Some(""))).unwrap();
        let keys = r#"{"id":63313,"attach_type":"cgroup_inet4_connect","attach_flags":"","name":"so","#;
        assert!(json.starts_with(keys), "{json}");
        assert!(!serde_json::to_string(&row(None)).unwrap().contains("attach_flags"));
    }
}
