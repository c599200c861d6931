//! This command's own command line: what a reader can paste.

use std::env;

use nix::unistd::geteuid;

/// A command line of ours, with `sudo` in front where this process runs without root, or by sudo.
pub fn privileged(words: &[String]) -> String {
    let sudo = if !geteuid().is_root() || env::var_os("SUDO_UID").is_some() { "sudo " } else { "" };
    format!("{sudo}{}", line(&name(), words))
}

/// The command line that started this process, with `sudo` in front.
pub fn again_with_sudo() -> String {
    let words: Vec<String> = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    format!("sudo {}", line(&name(), &words))
}

/// The name this command was called by: with its path if it was called by one.
fn name() -> String {
    env::args().next().filter(|name| name.contains('/')).unwrap_or_else(|| "bpfasm".to_owned())
}

fn line(name: &str, words: &[String]) -> String {
    words.iter().fold(quoted(name), |line, word| line + " " + &quoted(word))
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        let words = ["attach", "my drop.rs", "tc:DEV:ingress", "it's", ""].map(str::to_owned);
        assert_eq!(line("./bpfasm", &words), r"./bpfasm attach 'my drop.rs' tc:DEV:ingress 'it'\''s' ''");
    }
}
