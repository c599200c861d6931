//! `#[derive(Header)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, Ident, Path, Result, parse_quote};

use crate::fields::{self, Field};

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let fields = fields::of(item, "a header")?;
    let root = root(&item.attrs)?;
    let (name, vis) = (&item.ident, &item.vis);
    let view = format_ident!("{name}View");
    let view_doc = format!("A [`{name}`] in memory: a method a field.");
    let methods = fields.iter().map(|field| methods(name, field));
    let (mut constants, mut offset) = (Vec::new(), quote!(0));
    for Field { ident, ty, vis, .. } in &fields {
        let doc = format!("The offset of `{ident}` in bytes.");
        constants.push(quote! {
            #[doc = #doc]
            #[allow(non_upper_case_globals, dead_code, reason = "named after the field")]
            #vis const #ident: u32 = #offset;
        });
        offset = quote_spanned!(ty.span()=> #offset + <#ty as #root::private::Field>::BYTES);
    }
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    Ok(quote! {
        impl #name {
            #(#constants)*
        }

        impl #root::private::Header for #name {
            const SIZE: u32 = #offset;
            type View = #view;
        }

        #[doc = #view_doc]
        #[derive(Debug)]
        #vis struct #view(#root::private::Bytes);

        impl ::core::convert::From<#root::private::Bytes> for #view {
            fn from(bytes: #root::private::Bytes) -> Self {
                #view(bytes)
            }
        }

        impl ::core::convert::AsRef<#root::private::Bytes> for #view {
            fn as_ref(&self) -> &#root::private::Bytes {
                &self.0
            }
        }

        impl #view {
            #(#methods)*
        }

        const _: () = {
            #[allow(dead_code, reason = "the struct only describes a layout, nobody else makes one")]
            fn layout(header: #name) -> #name {
                let #name { #(#idents),* } = header;
                #name { #(#idents),* }
            }
        };
    })
}

/// The methods that read and write a field. Their types carry the field's span: an unfit type is reported where it stands.
fn methods(name: &Ident, field: &Field<'_>) -> TokenStream {
    let Field { ident, ty, vis, docs } = field;
    let set = format_ident!("set_{}", field.name(), span = ident.span());
    let set_doc = format!("Writes `{ident}`.");
    quote_spanned! {ty.span()=>
        #(#docs)*
        #[allow(dead_code, reason = "a program reads the fields that it needs")]
        #[track_caller]
        #vis fn #ident(&self) -> #ty {
            self.0.load(#name::#ident)
        }
        #[doc = #set_doc]
        #[allow(dead_code, reason = "a program writes the fields that it needs")]
        #[track_caller]
        #vis fn #set(&mut self, value: impl ::core::convert::Into<#ty>) {
            self.0.store::<#ty>(#name::#ident, value.into());
        }
    }
}

/// `#[header(crate = PATH)]`: where the eDSL is.
fn root(attrs: &[Attribute]) -> Result<Path> {
    let mut root: Path = parse_quote!(::bpfasm::dsl);
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("header")) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("the only option is `crate = PATH`"));
            }
            root = meta.value()?.parse()?;
            Ok(())
        })?;
    }
    Ok(root)
}
