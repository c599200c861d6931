//! The verifier's log.

use std::borrow::Cow;
use std::fmt;

/// Why the kernel's verifier refused a program, in its own words.
///
/// `{}` prints the message that matters with the source line before it, `{:#}` the whole log. Both hide kernel
/// addresses, which old kernels print and which defeat address randomisation when a log is shared;
/// [`raw`](VerifierLog::raw) does not.
///
/// ```text
/// ; pkt.proto() @ tc_drop.rs:12
/// invalid access to packet, off=23 size=1, R1(id=0,off=23,r=0)
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierLog {
    text: String,
    complete: bool,
}

/// First words of the statistics that end a log.
const STATISTICS: &[&str] =
    &["processed ", "verification time ", "stack depth ", "total_states ", "peak_states ", "mark_read "];

/// The line that opens the explanation of a refusal, from Linux 7.3.
const EXPLANATION: &str = "Verification failed:";

impl VerifierLog {
    /// Takes the bytes that the kernel wrote: up to the first NUL, or all.
    pub(crate) fn new(buffer: &[u8], complete: bool) -> VerifierLog {
        let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(buffer.len());
        let text = String::from_utf8_lossy(buffer.get(..end).unwrap_or(buffer)).into_owned();
        VerifierLog { text, complete }
    }

    /// The log as the kernel wrote it, kernel addresses included; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.text
    }

    /// The log with kernel addresses hidden.
    #[must_use]
    pub fn redacted(&self) -> Cow<'_, str> {
        redact(&self.text)
    }

    /// Whether nothing was cut off.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the kernel wrote nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The message that says what is wrong, kernel addresses included.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.lines_to_message().last().copied()
    }

    /// The source line that the message belongs to, as `text @ file:line` where the program has line information.
    #[must_use]
    pub fn source_line(&self) -> Option<&str> {
        self.lines_to_message().iter().rev().find_map(|line| line.strip_prefix("; "))
    }

    /// A part of the explanation that Linux 7.3 and later append, such as `Reason` or `Suggestion`, its lines joined by
    /// spaces.
    #[must_use]
    pub fn explanation(&self, part: &str) -> Option<String> {
        let mut lines = self.text.lines().skip_while(|line| !line.starts_with(EXPLANATION));
        lines.find(|line| line.strip_suffix(':') == Some(part))?;
        let lines: Vec<&str> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    }

    /// The lines that are not blank, up to the message.
    fn lines_to_message(&self) -> Vec<&str> {
        let log = self.text.lines().take_while(|line| !line.starts_with(EXPLANATION));
        let mut lines: Vec<&str> = log.map(str::trim_end).filter(|line| !line.is_empty()).collect();
        while lines.last().is_some_and(|line| STATISTICS.iter().any(|start| line.starts_with(start))) {
            lines.pop();
        }
        lines
    }
}

impl fmt::Display for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            if !self.complete {
                writeln!(f, "[the log is longer than the kernel would give]")?;
            }
            return f.write_str(self.redacted().trim_end());
        }
        let Some(message) = self.message() else { return f.write_str("the verifier gave no reason") };
        if let Some(source) = self.source_line() {
            writeln!(f, "; {}", redact(source))?;
        }
        f.write_str(&redact(message))?;
        for part in ["Reason", "Suggestion"] {
            if let Some(text) = self.explanation(part) {
                write!(f, "\n{part}: {}", redact(&text))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierLog").field("text", &self.redacted()).field("complete", &self.complete).finish()
    }
}

/// Digits of a kernel address: 64 bits.
const ADDRESS_DIGITS: usize = 16;

/// Replaces kernel addresses.
fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("ffff")) {
        let start = at + found;
        let digits = text.as_bytes().iter().skip(start).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let end = start + digits;
        let opens_word = !text.as_bytes().iter().take(start).next_back().is_some_and(|&byte| is_word(byte))
            || text.get(..start).is_some_and(|before| before.ends_with("0x"));
        let closes_word = !text.as_bytes().get(end).is_some_and(|&byte| is_word(byte));
        let number = text.get(start..end).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if digits == ADDRESS_DIGITS && opens_word && closes_word && number.is_some_and(is_kernel_address) {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str("<kernel address>");
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Tells an address from the bounds and masks of scalars, which a log is full of: ones followed by zeros, and small
/// negative numbers.
pub(crate) fn is_kernel_address(value: u64) -> bool {
    /// The last page of the address space is never mapped: `IS_ERR_VALUE` of `include/linux/err.h`.
    const LAST_PAGE: u64 = 0xffff_ffff_ffff_f000;
    let is_mask = value.leading_ones() + value.trailing_zeros() == u64::BITS;
    value.leading_ones() >= 16 && !is_mask && value < LAST_PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> VerifierLog {
        VerifierLog::new(text.as_bytes(), true)
    }

    const LINUX_6_12: &str = "\
0: R1=ctx() R10=fp0
; pkt.proto() @ tc_drop.rs:12
0: (61) r1 = *(u32 *)(r1 +76)         ; R1_w=pkt(r=0)
1: (71) r0 = *(u8 *)(r1 +23)
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=0)
R1 offset is outside of the packet
verification time 41 usec
stack depth 0
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

    #[test]
    fn the_message_comes_with_its_source_line() {
        let log = log(LINUX_6_12);
        assert_eq!(log.to_string(), "; pkt.proto() @ tc_drop.rs:12\nR1 offset is outside of the packet");
        assert_eq!(format!("{log:#}"), LINUX_6_12.trim_end());
    }

    /// The format of Linux 7.3, with its explanation between the message and the statistics.
    #[test]
    fn the_explanation_of_newer_kernels_is_shown() {
        let log = log("\
0: R1=ctx() R10=fp0
0: (95) exit
R0 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R0 has never been initialized on this path,
  so the verifier cannot use it as an input.

At:
  insn 0

Suggestion:
  Initialize R0 on every path before this instruction.

processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
");
        assert_eq!(
            log.to_string(),
            "R0 !read_ok\n\
             Reason: R0 has never been initialized on this path, so the verifier cannot use it as an input.\n\
             Suggestion: Initialize R0 on every path before this instruction."
        );
    }

    #[test]
    fn an_empty_log_says_so() {
        assert_eq!(log("").to_string(), "the verifier gave no reason");
        assert!(log("\n").is_empty());
    }

    #[test]
    fn what_is_not_utf8_is_replaced_and_the_nul_ends_it() {
        let log = VerifierLog::new(b"bad \xff byte\0rest", true);
        assert_eq!(log.raw(), "bad \u{fffd} byte");
    }

    #[test]
    fn addresses_are_hidden_and_masks_are_not() {
        let text = "3: (18) r1 = 0xffff9d4a0c8b1400 ; R1_w=map_ptr(ffffffffc0a31000)";
        assert_eq!(redact(text), "3: (18) r1 = 0x<kernel address> ; R1_w=map_ptr(<kernel address>)");
        for kept in [
            "var_off=(0x0; 0xffffffffffffffff)",
            "smin=0xffffffff80000000",
            "r0 = 0xfffffffffffffff5",
            "var_off=(0x0; 0xffffffff)",
            "hash=ffff9d4a0c8b1400ffff9d4a0c8b1400",
            "xffff9d4a0c8b1400",
        ] {
            assert_eq!(redact(kept), kept);
        }
        assert!(!format!("{:?}", log(text)).contains("ffff9d4a"));
    }
}
