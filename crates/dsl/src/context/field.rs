//! Fields of the kernel's structs: what a table's row becomes.

use bpfasm_codegen::ir::Size;
use bpfasm_object::kernel::KernelVersion;

/// A field of a context struct, as the programs that are given it may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the kernel's struct.
    pub name: &'static str,
    /// Where it begins, in bytes.
    pub offset: i16,
    /// How many bytes it has.
    pub bytes: u32,
    /// How many of them one access takes: all of them, but of an array.
    pub access: Size,
    /// The first kernel that lets a program read it.
    pub read: KernelVersion,
    /// The first kernel that lets a program write it; `None` where none does.
    pub write: Option<KernelVersion>,
}

/// A row of a table.
#[derive(Debug)]
pub(crate) struct Row {
    pub name: &'static str,
    pub offset: i16,
    pub bytes: u32,
    pub access: Size,
    pub offers: &'static [Offer],
}

/// Who may use the field of a row.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The type of the eDSL whose method it is.
    pub to: &'static str,
    pub read: KernelVersion,
    pub write: Option<KernelVersion>,
}

/// The fields of a table that `to` may use.
pub(crate) fn offered(table: &'static [Row], to: &'static str) -> impl Iterator<Item = Field> {
    table.iter().filter_map(move |row| {
        let Row { name, offset, bytes, access, offers } = *row;
        let Offer { read, write, .. } = *offers.iter().find(|offer| offer.to == to)?;
        Some(Field { name, offset, bytes, access, read, write })
    })
}

/// The size of an access to a type: its own where a register holds it, a word of an array's.
pub(crate) const fn access(bytes: u32) -> Size {
    match bytes {
        1 => Size::B,
        2 => Size::H,
        8 => Size::DW,
        _ => Size::W,
    }
}

/// One table: `OFFSET NAME: TYPE => WHO (MAJOR, MINOR)`, with the first kernel that lets each of the types of the eDSL read the field.
///
/// A row becomes a row of the table and a method of each type that is named: `mark()`. Further words say
/// - `, set_mark` behind the type: the name of the setter, for those with `write (MAJOR, MINOR)`;
/// - `as SIZE`: the kernel's field is wider than the type;
/// - `by METHOD`: methods written by hand read and write it.
macro_rules! fields {
    ($(#[$table_doc:meta])* $table:ident {$(
        $(#[$doc:meta])*
        $off:literal $name:ident $(by $method:ident)?: $ty:ty $(as $size:ident)? $(, $set:ident)?
            => $($to:ident $read:tt $(write $write:tt)?),+;
    )*}) => {
        $(#[$table_doc])*
        pub(crate) static $table: &[$crate::context::field::Row] = &[$(
            $crate::context::field::Row {
                name: stringify!($name),
                offset: $off,
                bytes: $crate::context::field::bytes!($ty $(as $size)?),
                access: $crate::context::field::access($crate::context::field::bytes!($ty $(as $size)?)),
                offers: &[$($crate::context::field::Offer {
                    to: stringify!($to),
                    read: $crate::context::field::since!($read),
                    write: $crate::context::field::since!(? $($write)?),
                }),+],
            }
        ),*];
        $($crate::context::field::methods! {
            [$($method)?] [$($to $read [$($write)?]),+] { $(#[$doc])* $off $name: $ty $(as $size)? $(, $set)? }
        })*
    };
}
pub(crate) use fields;

/// The bytes of a row's field.
macro_rules! bytes {
    ($ty:ty) => {
        <$ty as $crate::header::Field>::BYTES
    };
    ($ty:ty as $size:ident) => {
        bpfasm_codegen::ir::Size::$size.bytes() as u32
    };
}
pub(crate) use bytes;

/// A kernel of the table.
macro_rules! since {
    (($major:literal, $minor:literal)) => {
        bpfasm_object::kernel::KernelVersion::new($major, $minor)
    };
    (doc ($major:literal, $minor:literal)) => {
        concat!("Since Linux ", $major, ".", $minor, ".")
    };
    (?) => {
        None
    };
    (? ($major:literal, $minor:literal)) => {
        Some(bpfasm_object::kernel::KernelVersion::new($major, $minor))
    };
}
pub(crate) use since;

/// The methods of a row, in each of its types.
macro_rules! methods {
    ([] [$($to:ident $read:tt $write:tt),+] $row:tt) => {
        $($crate::context::field::accessors! { $to $read $write $row })+
    };
    ([$by_hand:ident] $offers:tt $row:tt) => {};
}
pub(crate) use methods;

/// The methods of a row in one type.
macro_rules! accessors {
    ($to:ident $read:tt [] {
        $(#[$doc:meta])* $off:literal $name:ident: $ty:ty $(as $size:ident)? $(, $set:ident)?
    }) => {
        impl $to {
            $(#[$doc])*
            #[doc = concat!("\n\n", $crate::context::field::since!(doc $read))]
            #[track_caller]
            pub fn $name(&self) -> $ty {
                $crate::context::field::load!(self.bytes(), $off, $ty $(as $size)?)
            }
        }
    };
    ($to:ident $read:tt [$write:tt] { $(#[$doc:meta])* $off:literal $name:ident: $ty:ty, $set:ident }) => {
        $crate::context::field::accessors! { $to $read [] { $(#[$doc])* $off $name: $ty } }
        impl $to {
            #[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), ").")]
            #[doc = concat!("\n\n", $crate::context::field::since!(doc $write))]
            #[track_caller]
            pub fn $set(&mut self, value: impl Into<$ty>) {
                self.bytes().store::<$ty>($off, value.into());
            }
        }
    };
}
pub(crate) use accessors;

/// Reads a field.
macro_rules! load {
    ($bytes:expr, $off:literal, $ty:ty) => {
        $bytes.load::<$ty>($off)
    };
    ($bytes:expr, $off:literal, $ty:ty as $size:ident) => {
        $bytes.load_as::<$ty>(bpfasm_codegen::ir::Size::$size, $off)
    };
}
pub(crate) use load;
