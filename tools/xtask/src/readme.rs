//! The README's two commands: the main job, and the tests.

use std::fs;

use crate::chore::workspace;
use crate::error::Error;

/// The commands of the README's first fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Commands {
    /// The first command a reader is given: it builds and runs the main job.
    pub main_job: String,
    /// The second: it runs the tests.
    pub test: String,
}

impl Commands {
    /// Reads them from the workspace's README.
    ///
    /// # Errors
    ///
    /// There is no README, or it does not begin with two commands.
    pub fn read() -> Result<Self, Error> {
        let path = workspace().join("README.md");
        let text = fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
        Self::find(&text)
    }

    fn find(text: &str) -> Result<Self, Error> {
        let block = text.lines().skip_while(|line| !line.starts_with("```")).skip(1);
        let commands: Vec<&str> = block.take_while(|line| !line.starts_with("```")).map(without_comment).collect();
        match commands.as_slice() {
            [main_job, test] => Ok(Self { main_job: (*main_job).to_owned(), test: (*test).to_owned() }),
            other => Err(Error::Readme { found: other.len() }),
        }
    }
}

fn without_comment(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(command, _)| command).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_holds_the_commands() {
        let text = "# Title\n\n```sh\ncargo run -- run a.rs   # the job\ncargo test\n```\n\n```sh\nother\n```\n";
        let commands = Commands::find(text).unwrap();
        assert_eq!((commands.main_job.as_str(), commands.test.as_str()), ("cargo run -- run a.rs", "cargo test"));
    }

    #[test]
    fn another_number_of_commands_is_an_error() {
        assert!(matches!(Commands::find("```\na\nb\nc\n```\n"), Err(Error::Readme { found: 3 })));
        assert!(matches!(Commands::find("no block"), Err(Error::Readme { found: 0 })));
    }

    #[test]
    fn this_workspace_s_readme_has_them() {
        let commands = Commands::read().unwrap();
        assert!(commands.main_job.contains("programs/tc_drop.rs"), "{commands:?}");
        assert!(commands.test.starts_with("cargo test"), "{commands:?}");
    }
}
