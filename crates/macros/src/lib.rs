//! The macros of bpfasm: syntax only. What they expand to lives in `bpfasm_dsl`.
//!
//! - `#[program(SECTION)]` makes a program of a function ([`macro@program`]).
//! - `#[staged]` adds join points to a helper function ([`macro@staged`]).
//! - `#[map]` and `#[global]` name maps and global variables after their statics ([`macro@map`], [`macro@global`]).
//! - `#[derive(BpfStruct)]` makes a struct what maps can hold ([`macro@BpfStruct`]).
//! - `#[derive(Header)]` makes a protocol header of a struct ([`macro@Header`]).
#![forbid(unsafe_code)]

mod bpf_struct;
mod fields;
mod header;
mod joins;
mod map;
mod program;
mod source;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Makes a BPF program of a function.
///
/// `#[program(SECTION)] fn NAME(ctx: &mut CONTEXT, …) -> VERDICT` becomes a unit struct `NAME` of the same visibility. `SECTION` is
/// libbpf's section name, verbatim (`tc`, `xdp`, `cgroup_skb/ingress`, …); the program's symbol is the function's name.
/// Without further arguments it loads as it is; further arguments are *host arguments*, and `NAME.with(…)` takes them.
///
/// Options behind the section:
/// - `samples = FN`: a function that gives the program's samples;
/// - `args(NAME = EXPR, …)`: the host arguments that the command line uses;
/// - `crate = PATH`: where the eDSL is, if not at `::bpfasm::dsl`.
#[proc_macro_attribute]
pub fn program(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as program::Options);
    let function = parse_macro_input!(item as syn::ItemFn);
    program::expand(options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Adds join points to a helper function: paths that it splits go on together where it returns.
///
/// Without it the function works all the same, but everything behind its call is built once per path.
#[proc_macro_attribute]
pub fn staged(options: TokenStream, item: TokenStream) -> TokenStream {
    let root = parse_macro_input!(options as program::Root);
    let mut function = parse_macro_input!(item as syn::ItemFn);
    joins::add(&mut function, &root, joins::Kind::Helper);
    quote::quote!(#function).into()
}

/// Makes a map of a static: `#[map] static COUNTS: Hash<U32, U64> = Hash::new(1024);`. The map's name is the static's.
///
/// The option `crate = PATH` tells where the eDSL is, if not at `::bpfasm::dsl`.
#[proc_macro_attribute]
pub fn map(options: TokenStream, item: TokenStream) -> TokenStream {
    // Nothing of the expansion names the eDSL: the option is for uniformity.
    parse_macro_input!(options as program::Root);
    let example = "#[map] static COUNTS: Hash<U32, U64> = Hash::new(1024);";
    map::expand(item.into(), "a map", example).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a global variable of a static: `#[global] static SEEN: Global<U64> = Global::new(0);`. Its name is the static's.
///
/// The option `crate = PATH` tells where the eDSL is, if not at `::bpfasm::dsl`.
#[proc_macro_attribute]
pub fn global(options: TokenStream, item: TokenStream) -> TokenStream {
    parse_macro_input!(options as program::Root);
    let example = "#[global] static SEEN: Global<U64> = Global::new(0);";
    map::expand(item.into(), "a global variable", example).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a protocol header of a struct: its fields follow each other without padding, in the order in which they are written.
#[proc_macro_derive(Header, attributes(header))]
pub fn header(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    header::expand(&item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct of kernel values what maps can hold: a key, a value, or a part of one. Its fields lie as in C.
///
/// For `struct Stat { packets: U64, bytes: U64 }` it makes
/// - the struct `StatValue` with the same fields of host types (`u64`), for user space; `#[bpf(value = NAME)]` gives it another name;
/// - a view `StatView` with a method a field, so that a `MapRef<Stat>` has `packets()`, a `MapRef<U64>`.
///
/// The option `#[bpf(crate = PATH)]` tells where the eDSL is, if not at `::bpfasm::dsl`.
#[proc_macro_derive(BpfStruct, attributes(bpf))]
pub fn bpf_struct(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    bpf_struct::expand(&item).unwrap_or_else(syn::Error::into_compile_error).into()
}
