//! What the README promises: two commands, a program file, a binary.

use std::fs;

use crate::chore::workspace;
use crate::error::Error;

/// The commands and the code that the README shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Readme {
    /// The first command a reader is given: it builds and runs the main job.
    pub main_job: String,
    /// The second: it runs the tests.
    pub test: String,
    /// The first Rust code: a program file.
    pub program: String,
    /// The second: the `main` of a binary.
    pub binary: String,
}

impl Readme {
    /// Reads them from the workspace's README.
    ///
    /// # Errors
    ///
    /// There is no README, or it lacks one of them.
    pub fn read() -> Result<Self, Error> {
        let path = workspace().join("README.md");
        let text = fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
        Self::find(&text)
    }

    fn find(text: &str) -> Result<Self, Error> {
        let commands = blocks(text, "sh").into_iter().next().unwrap_or_default();
        let commands: Vec<&str> = commands.lines().map(without_comment).collect();
        match (commands.as_slice(), blocks(text, "rust").as_slice()) {
            ([main_job, test], [program, binary]) => Ok(Self {
                main_job: (*main_job).to_owned(),
                test: (*test).to_owned(),
                program: program.clone(),
                binary: binary.clone(),
            }),
            (commands, code) => Err(Error::Readme { commands: commands.len(), code: code.len() }),
        }
    }
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut lines = text.lines();
    let mut blocks = Vec::new();
    while lines.by_ref().any(|line| line == fence) {
        let block = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(block.fold(String::new(), |text, line| text + line + "\n"));
    }
    blocks
}

fn without_comment(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(command, _)| command).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_code_are_found_by_language() {
        let text = "\
# Title
```sh
cargo run -- run a.rs   # the job
cargo test
```
```text
x
```
```rust
use a;

b();
```
```sh
other
```
```rust
c();
```
";
        let readme = Readme::find(text).unwrap();
        assert_eq!((readme.main_job.as_str(), readme.test.as_str()), ("cargo run -- run a.rs", "cargo test"));
        assert_eq!((readme.program.as_str(), readme.binary.as_str()), ("use a;\n\nb();\n", "c();\n"));
    }

    #[test]
    fn what_is_missing_is_an_error() {
        assert!(matches!(Readme::find("```sh\na\nb\nc\n```\n"), Err(Error::Readme { commands: 3, code: 0 })));
        assert!(matches!(Readme::find("no block"), Err(Error::Readme { commands: 0, code: 0 })));
    }

    #[test]
    fn continuous_integration_ends_with_the_readme_s_tests() {
        let readme = Readme::read().unwrap();
        let script = fs::read_to_string(workspace().join(".ci/run")).unwrap();
        assert_eq!(script.lines().last(), Some(format!("exec {}", readme.test).as_str()));
    }
}
