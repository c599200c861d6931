//! What rustc answers to mistakes in programs. `TRYBUILD=overwrite` renews the answers.

#[test]
fn mistakes_are_errors_on_the_users_own_lines() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
