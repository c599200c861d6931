//! What cargo has built, by its own word.

use serde_json::Value;

/// The path of the executable of this name in cargo's messages, which are one JSON object a line
/// (`--message-format json-render-diagnostics`).
#[must_use]
pub fn executable(messages: &[u8], name: &str) -> Option<String> {
    messages
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find(|message| message["target"]["name"] == name && message["executable"].is_string())
        .and_then(|message| Some(message["executable"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = br#"{"reason":"compiler-artifact","target":{"name":"bpfasm"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
{"reason":"compiler-artifact","target":{"name":"bpfasm"},"executable":"/t/debug/bpfasm"}
not json
"#;
        assert_eq!(executable(messages, "bpfasm").as_deref(), Some("/t/debug/bpfasm"));
        assert_eq!(executable(messages, "third"), None);
    }
}
