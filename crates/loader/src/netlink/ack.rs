//! Acknowledgements: the kernel's answer to a request, with its own words and the attribute that it objects to.
//!
//! # References
//! `enum nlmsgerr_attrs` in `include/uapi/linux/netlink.h`

use std::fmt;

use super::frame::{self, HEADER_LEN, Message};
use crate::sys::Errno;

/// `NLM_F_CAPPED`: of the request, only the header is repeated.
const NLM_F_CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow.
const NLM_F_ACK_TLVS: u16 = 0x200;

// `enum nlmsgerr_attrs`.
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;
const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;

/// The kernel's refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Why.
    pub errno: Errno,
    /// The kernel's own words, if it gave any.
    pub message: Option<String>,
    /// The attribute that it objects to, such as `TCA_OPTIONS.TCA_BPF_FD`.
    pub attribute: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(message) = &self.message {
            write!(f, "{}: ", message.trim_end_matches('.'))?;
        }
        write!(f, "{}", self.errno)?;
        if let Some(attribute) = &self.attribute {
            write!(f, ", at {attribute}")?;
        }
        Ok(())
    }
}

/// Reads `NLMSG_ERROR`: `Ok(None)` is an acknowledgement, `Err` a body that is cut short.
pub(super) fn error(message: &Message<'_>, request: &[u8]) -> Option<Option<Refusal>> {
    let code = frame::read_i32(message.body, 0)?;
    let repeated = if message.header.flags & NLM_F_CAPPED != 0 {
        HEADER_LEN
    } else {
        usize::try_from(frame::read_u32(message.body, 4)?).ok()?
    };
    Some(refusal(code, message, repeated.checked_add(4)?.checked_next_multiple_of(4)?, request))
}

/// Reads `NLMSG_DONE`, which carries the dump's result. Kernels before 2.6.14 sent none.
pub(super) fn done(message: &Message<'_>, request: &[u8]) -> Option<Refusal> {
    refusal(frame::read_i32(message.body, 0).unwrap_or(0), message, 4, request)
}

fn refusal(code: i32, message: &Message<'_>, attributes_at: usize, request: &[u8]) -> Option<Refusal> {
    if code >= 0 {
        return None;
    }
    let mut refusal = Refusal { errno: Errno(code.saturating_neg()), message: None, attribute: None };
    if message.header.flags & NLM_F_ACK_TLVS != 0 {
        for attribute in frame::attributes(message.body.get(attributes_at..).unwrap_or_default()) {
            match attribute.kind {
                NLMSGERR_ATTR_MSG => refusal.message = Some(frame::text(attribute.value)),
                NLMSGERR_ATTR_OFFS => {
                    let offset = frame::read_u32(attribute.value, 0).and_then(|offset| usize::try_from(offset).ok());
                    refusal.attribute = offset.and_then(|offset| super::tc::attribute_at(request, offset));
                }
                NLMSGERR_ATTR_MISS_TYPE => {
                    let kind = frame::read_u32(attribute.value, 0).and_then(|kind| u16::try_from(kind).ok());
                    refusal.attribute = kind.map(|kind| format!("{} (missing)", super::tc::attribute_name(kind)));
                }
                _ => {}
            }
        }
    }
    Some(refusal)
}
