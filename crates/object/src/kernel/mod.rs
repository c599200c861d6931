//! What the kernel and its tools call things: program, attach, map and link types, ELF section names.
//!
//! These sets grow with every kernel, so each is a number with named constants, not an `enum`: a value that this
//! version does not know can still be held, compared, passed on and printed. Names are those that `bpftool` prints.

mod attach_type;
mod link_type;
mod map_type;
mod program_type;
mod section;
mod verdict;

pub use attach_type::AttachType;
pub use link_type::LinkType;
pub use map_type::MapType;
pub use program_type::ProgramType;
pub use section::{SectionKind, section, sections};

/// A mainline kernel release, such as 6.6. Distributions carry features back, so use it to explain a refusal, not to
/// predict one.
pub use bpfasm_isa::KernelVersion;

/// Expands one table of `CONST = value, "name", major minor;` rows into a newtype over `u32` with its constants, names,
/// name lookup and first kernels.
macro_rules! kernel_numbers {
    (
        $(#[$meta:meta])*
        pub struct $type:ident, $unknown:literal {
            $($constant:ident = $value:literal, $name:literal, $major:literal $minor:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub u32);

        impl $type {
            $(
                #[doc = concat!("`", $name, "`, since Linux ", $major, ".", $minor, ".")]
                pub const $constant: $type = $type($value);
            )*

            /// Every value of the table, ascending.
            pub const ALL: &'static [$type] = &[$($type::$constant),*];

            /// The name that `bpftool` prints, `None` for a value that is not in the table.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }

            /// The value of a name as `bpftool` prints it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<$type> {
                match name {
                    $($name => Some($type::$constant),)*
                    _ => None,
                }
            }

            /// The first mainline kernel that has it.
            #[must_use]
            pub const fn first_kernel(self) -> Option<$crate::kernel::KernelVersion> {
                match self.0 {
                    $($value => Some($crate::kernel::KernelVersion::new($major, $minor)),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, concat!($unknown, " {}"), self.0),
                }
            }
        }
    };
}
use kernel_numbers;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_lead_back_to_their_values() {
        for &t in ProgramType::ALL {
            assert_eq!(t.name().and_then(ProgramType::from_name), Some(t));
        }
        for &t in AttachType::ALL {
            assert_eq!(t.name().and_then(AttachType::from_name), Some(t));
        }
        for &t in MapType::ALL {
            assert_eq!(t.name().and_then(MapType::from_name), Some(t));
        }
        for &t in LinkType::ALL {
            assert_eq!(t.name().and_then(LinkType::from_name), Some(t));
        }
    }

    #[test]
    fn tables_have_no_gap_and_unknown_values_print() {
        fn dense(values: impl Iterator<Item = u32>) -> bool {
            values.enumerate().all(|(row, value)| u32::try_from(row) == Ok(value))
        }
        assert!(dense(ProgramType::ALL.iter().map(|t| t.0)));
        assert!(dense(AttachType::ALL.iter().map(|t| t.0)));
        assert!(dense(MapType::ALL.iter().map(|t| t.0)));
        assert!(dense(LinkType::ALL.iter().map(|t| t.0)));
        assert_eq!(ProgramType(99).to_string(), "program type 99");
        assert_eq!(AttachType(99).to_string(), "attach type 99");
        assert_eq!(MapType(99).to_string(), "map type 99");
        assert_eq!(MapType(99).first_kernel(), None);
    }

    /// Values of `enum bpf_prog_type`, `bpf_attach_type` and `bpf_map_type` that programs depend on.
    #[test]
    fn well_known_numbers() {
        assert_eq!(ProgramType::SCHED_CLS.0, 3);
        assert_eq!(ProgramType::NETFILTER.0, 32);
        assert_eq!(AttachType::XDP.0, 37);
        assert_eq!(AttachType::TCX_INGRESS.0, 46);
        assert_eq!(AttachType::NETKIT_PEER.0, 55);
        assert_eq!(MapType::SOCKMAP.0, 15);
        assert_eq!(MapType::RINGBUF.0, 27);
        assert_eq!(MapType::ARENA.0, 33);
        assert_eq!(LinkType::TCX.0, 11);
        assert_eq!(LinkType::SOCKMAP.0, 14);
    }
}
