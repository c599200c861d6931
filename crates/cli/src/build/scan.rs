//! Finds the `#[program]` functions of a program file, as syntax: nothing is expanded, nothing is run.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Item, ItemFn, ItemMod, Visibility};

/// One `#[program]` function, and how code outside its file reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The inline modules around it, outermost first.
    pub modules: Vec<String>,
    /// The function's name, without `r#`.
    pub name: String,
    /// Every `#[cfg(..)]` that it stands under, outermost first, as source text.
    pub cfgs: Vec<String>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The programs that can be reached from outside the file, in the file's order.
    pub programs: Vec<Found>,
    /// The programs in private modules, which can't be: paths such as `inner::drop_all`.
    pub hidden: Vec<String>,
}

/// Reads a file's programs.
///
/// # Errors
///
/// The text is not Rust that `syn` can read. rustc says it better, so callers let rustc speak first.
pub fn scan(text: &str) -> Result<Scan, syn::Error> {
    let file = syn::parse_file(text)?;
    let mut scan = Scan::default();
    scan.items(&file.items, &Place::default());
    Ok(scan)
}

/// Where in the module tree the scan is.
#[derive(Clone, Default)]
struct Place {
    modules: Vec<String>,
    cfgs: Vec<String>,
    private: bool,
}

impl Scan {
    fn items(&mut self, items: &[Item], place: &Place) {
        for item in items {
            match item {
                Item::Fn(function) if function.attrs.iter().any(is_program) => self.function(function, place),
                Item::Mod(module) => self.module(module, place),
                _ => {}
            }
        }
    }

    fn function(&mut self, function: &ItemFn, place: &Place) {
        let name = function.sig.ident.unraw().to_string();
        if place.private {
            self.hidden.push([place.modules.as_slice(), &[name]].concat().join("::"));
        } else {
            let cfgs = [place.cfgs.clone(), cfgs(&function.attrs)].concat();
            self.programs.push(Found { modules: place.modules.clone(), name, cfgs });
        }
    }

    fn module(&mut self, module: &ItemMod, place: &Place) {
        let Some((_, items)) = &module.content else { return };
        let mut inner = place.clone();
        inner.modules.push(module.ident.to_string());
        inner.cfgs.extend(cfgs(&module.attrs));
        inner.private |= matches!(module.vis, Visibility::Inherited);
        self.items(items, &inner);
    }
}

/// `#[program(..)]`, under the paths that the facade offers it by.
fn is_program(attribute: &Attribute) -> bool {
    let path: Vec<String> = attribute.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(path[..], ["program"] | ["bpfasm", "program"] | ["bpfasm", "prelude", "program"])
}

fn cfgs(attributes: &[Attribute]) -> Vec<String> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .map(|attribute| attribute.to_token_stream().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let scan = scan(text).unwrap();
        scan.programs
            .iter()
            .map(|found| [found.modules.as_slice(), std::slice::from_ref(&found.name)].concat().join("::"))
            .collect()
    }

    #[test]
    fn finds_the_attribute_under_each_of_its_paths() {
        let text = "
            #[program(tc)] fn a(ctx: &mut Tc) -> TcAction { TcAction::OK }
            #[bpfasm::program(tc)] pub fn b(ctx: &mut Tc) -> TcAction { TcAction::OK }
            #[::bpfasm::prelude::program(xdp, samples = s)] fn r#match(ctx: &mut Xdp) -> XdpAction { XdpAction::PASS }
            #[other::program(tc)] fn not_ours() {}
            #[programs] fn nor_this() {}
            fn program() {}
        ";
        assert_eq!(names(text), ["a", "b", "match"]);
    }

    #[test]
    fn copies_every_cfg_from_the_outside_in() {
        let text = r#"
            #[cfg(feature = "extra")]
            pub mod extra {
                #[cfg(not(test))] pub(crate) mod deep {
                    #[cfg(unix)] #[program(tc)] fn a(ctx: &mut Tc) -> TcAction { TcAction::OK }
                }
            }
        "#;
        let scan = scan(text).unwrap();
        let cfgs: Vec<String> = scan.programs[0].cfgs.iter().map(|cfg| cfg.replace(' ', "")).collect();
        assert_eq!(scan.programs[0].modules, ["extra", "deep"]);
        assert_eq!(cfgs, [r#"#[cfg(feature="extra")]"#, "#[cfg(not(test))]", "#[cfg(unix)]"]);
    }

    #[test]
    fn programs_in_private_modules_are_told_apart() {
        let text = "mod a { pub mod b { #[program(tc)] fn c() {} } } #[program(tc)] fn d() {}";
        let scan = scan(text).unwrap();
        assert_eq!(scan.hidden, ["a::b::c"]);
        assert_eq!(names(text), ["d"]);
    }

    #[test]
    fn a_word_in_a_comment_or_string_is_no_program() {
        assert_eq!(names("// #[program(tc)] fn a() {}\nconst S: &str = \"#[program(tc)] fn a() {}\";"), [""; 0]);
    }

    #[test]
    fn text_that_is_not_rust_is_an_error() {
        assert!(scan("fn {").is_err());
    }
}
