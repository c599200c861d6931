//! Emission: machine IR with registers becomes slots, relocations, lines and types of an [`Object`](bpfasm_object::Object).

mod body;
mod code;
mod data;
mod layout;
mod lines;
mod reach;
mod types;

pub(crate) use code::{Code, emit};
pub(crate) use data::Data;
pub(crate) use lines::Lines;
pub(crate) use types::Types;
