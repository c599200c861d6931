//! What is in the kernel: links, where things are pinned, the types of maps, the code of programs after the verifier's
//! rewriting.
//!
//! [`programs`](crate::programs) and [`map::maps`](crate::map::maps) walk programs and maps, [`links`] links. Each is
//! looked at while its descriptor is held: one that goes away between two calls is passed over.

mod link;
mod map_types;
mod pins;
mod symbols;
mod xlated;

pub use link::{Link, LinkInfo, LinkTarget, links};
pub use map_types::MapTypes;
pub use pins::{Pinned, Pins};
pub use xlated::XlatedInsn;
