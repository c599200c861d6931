//! `#[derive(BpfStruct)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Path, Result, Visibility, parse_quote};

use crate::fields::{self, Field};
use crate::source;

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let fields = fields::of(item, "a struct for maps")?;
    let Options { root, value } = options(item)?;
    let text = fields::unraw(&item.ident);
    let bound = |Field { ty, .. }: &Field<'_>| {
        let root = source::located(&root, ty.span());
        quote_spanned!(ty.span()=> #ty: #root::private::Stored,)
    };
    let derive = Derive {
        name: &item.ident,
        vis: &item.vis,
        value: value.unwrap_or_else(|| format_ident!("{text}Value")),
        view: format_ident!("{text}View"),
        bounds: fields.iter().map(bound).collect(),
        text,
        fields,
        root,
    };
    let items = [derive.value(), derive.view(), derive.memory(), derive.joins(), derive.stored(), derive.map_data()];
    let allow =
        quote!(#[allow(trivial_bounds, unused_qualifications, reason = "written for any fields, in any scope")]);
    Ok(items.into_iter().flatten().map(|item| quote!(#allow #item)).collect())
}

/// What `#[bpf(…)]` says.
struct Options {
    root: Path,
    value: Option<Ident>,
}

fn options(item: &DeriveInput) -> Result<Options> {
    let mut options = Options { root: parse_quote!(::bpfasm::dsl), value: None };
    for attr in item.attrs.iter().filter(|attr| attr.path().is_ident("bpf")) {
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                options.root = meta.value()?.parse()?;
            } else if meta.path.is_ident("value") {
                options.value = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error("the options are `value = NAME` and `crate = PATH`"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

/// The struct, and the names of what is made of it.
struct Derive<'a> {
    name: &'a Ident,
    vis: &'a Visibility,
    fields: Vec<Field<'a>>,
    /// The name in BTF.
    text: String,
    /// The struct of user space.
    value: Ident,
    view: Ident,
    root: Path,
    /// That every field can be stored: a field that cannot is reported once, where it stands, and nothing that follows from it.
    bounds: TokenStream,
}

impl Derive<'_> {
    fn idents(&self) -> Vec<&Ident> {
        self.fields.iter().map(|field| field.ident).collect()
    }

    /// What `part` makes of each field: given the field's type as `Field`, as `Stored`, and its offset.
    fn each(
        &self,
        part: impl Fn(&Field<'_>, TokenStream, TokenStream, TokenStream) -> TokenStream,
    ) -> Vec<TokenStream> {
        let root = &self.root;
        let fields = self.fields.iter().zip(0usize..);
        fields
            .map(|(field, index)| {
                let ty = field.ty;
                let (plain, stored) = (quote!(<#ty as #root::private::Field>), quote!(<#ty as #root::private::Stored>));
                part(field, plain, stored, quote!(Self::__LAYOUT.offsets[#index]))
            })
            .collect()
    }

    /// What user space holds.
    fn value(&self) -> Vec<TokenStream> {
        let Derive { name, vis, value, root, bounds, .. } = self;
        let doc = format!("A [`{name}`] as user space holds it. The default is all zeros.");
        let members =
            self.each(|Field { ident, vis, docs, .. }, _, stored, _| quote!(#(#docs)* #vis #ident: #stored::Host));
        let definition = quote! {
            #[doc = #doc]
            #[allow(dead_code, reason = "not every program's user space looks at every field")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            #vis struct #value where #bounds {
                #(#members,)*
            }
        };
        let default = quote! {
            impl ::core::default::Default for #value where #bounds {
                fn default() -> Self {
                    const BYTES: usize = <#name as #root::private::Field>::BYTES as usize;
                    <#name as #root::private::Stored>::decode(&[0; BYTES])
                }
            }
        };
        vec![definition, default]
    }

    /// The fields of a struct in a map.
    fn view(&self) -> Vec<TokenStream> {
        let Derive { name, vis, view, root, bounds, .. } = self;
        let doc = format!("A [`{name}`] in a map: a method a field.");
        let methods = self.fields.iter().zip(0usize..).map(|(Field { ident, ty, vis, docs }, index)| {
            quote! {
                #(#docs)*
                #[allow(dead_code, reason = "a program uses the fields that it needs")]
                #vis fn #ident(&self) -> #root::private::MapRef<#ty> {
                    self.0.part(#name::__LAYOUT.offsets[#index])
                }
            }
        });
        let definition = quote! {
            #[doc = #doc]
            #[derive(Clone, Copy, Debug)]
            #vis struct #view(#root::private::Bytes);
        };
        let from = quote! {
            impl ::core::convert::From<#root::private::Bytes> for #view {
                fn from(bytes: #root::private::Bytes) -> Self {
                    #view(bytes)
                }
            }
        };
        let methods = quote! {
            impl #view where #bounds {
                #(#methods)*
            }
        };
        vec![definition, from, methods]
    }

    /// How it lies in memory, and gets there and back.
    fn memory(&self) -> Vec<TokenStream> {
        let Derive { name, root, bounds, .. } = self;
        let count = self.fields.len();
        let places = self.each(|_, plain, stored, _| quote!((#plain::BYTES, #stored::ALIGN)));
        let loads =
            self.each(|Field { ident, .. }, plain, _, start| quote!(#ident: #plain::load(bytes, offset + #start)));
        let stores = self
            .each(|Field { ident, .. }, plain, _, start| quote!(#plain::store(self.#ident, bytes, offset + #start);));
        let layout = quote! {
            impl #name where #bounds {
                #[doc(hidden)]
                const __LAYOUT: #root::private::Layout<#count> = #root::private::Layout::new([#(#places),*]);
            }
        };
        let field = quote! {
            impl #root::private::Field for #name where #bounds {
                const BYTES: u32 = Self::__LAYOUT.bytes;

                #[track_caller]
                fn load(bytes: &#root::private::Bytes, offset: u32) -> Self {
                    #name { #(#loads),* }
                }

                #[track_caller]
                fn store(self, bytes: &mut #root::private::Bytes, offset: u32) {
                    #(#stores)*
                }
            }
        };
        let copy = quote! {
            impl ::core::convert::From<&#name> for #name where #bounds {
                /// A copy, so that a key can be used again.
                fn from(other: &#name) -> Self {
                    #root::private::Stored::copied(other)
                }
            }
        };
        vec![layout, field, copy]
    }

    /// How paths with different values join.
    fn joins(&self) -> Vec<TokenStream> {
        let Derive { name, root, bounds, .. } = self;
        let idents = self.idents();
        let staged = quote! {
            impl #root::private::Staged for #name where #bounds {
                fn each_part(&mut self, f: &mut dyn ::core::ops::FnMut(&mut #root::private::ir::Operand)) {
                    #(#root::private::Staged::each_part(&mut self.#idents, f);)*
                }
                fn host_part(&self, key: &mut #root::private::HostKey) {
                    #(#root::private::Staged::host_part(&self.#idents, key);)*
                }
            }
        };
        let dead = quote! {
            impl #root::private::Dead for #name where #bounds {
                fn dead() -> Self {
                    #name { #(#idents: #root::private::Dead::dead()),* }
                }
            }
        };
        vec![staged, dead]
    }

    /// What maps and BTF want to know.
    fn stored(&self) -> Vec<TokenStream> {
        let Derive { name, text, value, view, root, bounds, .. } = self;
        let bytes = |plain, start| quote!(bytes[#start as usize..][..#plain::BYTES as usize]);
        let types = self.each(|field, _, stored, start| {
            let name = field.name();
            quote!(#root::private::ir::Field { name: #name, offset: #start, ty: #stored::DATA })
        });
        let copies = self.each(|Field { ident, .. }, _, stored, _| quote!(#ident: #stored::copied(&self.#ident)));
        let encodes = self.each(|Field { ident, .. }, plain, stored, start| {
            let bytes = bytes(plain, start);
            quote!(#stored::encode(&host.#ident, &mut #bytes);)
        });
        let decodes = self.each(|Field { ident, .. }, plain, stored, start| {
            let bytes = bytes(plain, start);
            quote!(#ident: #stored::decode(&#bytes))
        });
        let stored = quote! {
            impl #root::private::Stored for #name where #bounds {
                type Host = #value;
                type View = #view;
                const DATA: #root::private::ir::DataType = #root::private::ir::DataType::Struct {
                    name: #text,
                    bytes: Self::__LAYOUT.bytes,
                    fields: &[#(#types),*],
                };
                const ALIGN: u32 = Self::__LAYOUT.align;
                fn copied(&self) -> Self {
                    #name { #(#copies),* }
                }
                fn encode(host: &#value, bytes: &mut [u8]) {
                    #(#encodes)*
                }
                fn decode(bytes: &[u8]) -> #value {
                    #value { #(#decodes),* }
                }
            }
        };
        vec![stored]
    }

    /// What typed access from user space wants to know.
    fn map_data(&self) -> Vec<TokenStream> {
        let Derive { name, value, root, bounds, .. } = self;
        let map_data = quote! {
            impl #root::private::MapData for #name where #bounds {
                type Value = #value;
                const SIZE: usize = <#name as #root::private::Field>::BYTES as usize;
                fn encode(value: &#value, bytes: &mut [u8]) {
                    <#name as #root::private::Stored>::encode(value, bytes);
                }
                fn decode(bytes: &[u8]) -> #value {
                    <#name as #root::private::Stored>::decode(bytes)
                }
            }
        };
        vec![map_data]
    }
}
