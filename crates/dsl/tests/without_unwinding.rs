//! Staging needs no unwinding: the example of that name, built so that panics abort.

use std::process::Command;

#[test]
fn staging_works_where_panics_abort() {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--profile", "abort"])
        .args(["--package", "bpfasm-dsl", "--example", "without_unwinding"])
        .output()
        .expect("cargo runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out, "staged without unwinding\n");
}
