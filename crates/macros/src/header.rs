//! `#[derive(Header)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, Path, Result, parse_quote};

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &item.data else {
        return Err(Error::new(item.span(), "a header is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(data.fields.span(), "a header has named fields"));
    };
    if !item.generics.params.is_empty() {
        return Err(Error::new(item.generics.span(), "a header has no parameters"));
    }
    let root = root(&item.attrs)?;
    let (name, vis) = (&item.ident, &item.vis);
    let view = format_ident!("{name}View");
    let view_doc = format!("A [`{name}`] in memory: a method a field.");

    let mut offset = quote!(0);
    let (mut constants, mut methods, mut idents) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let (ty, field_vis) = (&field.ty, &field.vis);
        let docs: Vec<&Attribute> = field.attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect();
        let set = format_ident!("set_{}", unraw(ident), span = ident.span());
        let offset_doc = format!("The offset of `{ident}` in bytes.");
        let set_doc = format!("Writes `{ident}`.");
        constants.push(quote! {
            #[doc = #offset_doc]
            #[allow(non_upper_case_globals, dead_code, reason = "named after the field")]
            #field_vis const #ident: u32 = #offset;
        });
        // The methods' types carry the field's span: an unfit type is reported where it stands.
        methods.push(quote_spanned! {ty.span()=>
            #(#docs)*
            #[allow(dead_code, reason = "a program reads the fields that it needs")]
            #[track_caller]
            #field_vis fn #ident(&self) -> #ty {
                self.0.load(#name::#ident)
            }
            #[doc = #set_doc]
            #[allow(dead_code, reason = "a program writes the fields that it needs")]
            #[track_caller]
            #field_vis fn #set(&mut self, value: impl ::core::convert::Into<#ty>) {
                self.0.store::<#ty>(#name::#ident, value.into());
            }
        });
        offset = quote_spanned!(ty.span()=> #offset + <#ty as #root::private::Field>::BYTES);
        idents.push(ident);
    }
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

fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
