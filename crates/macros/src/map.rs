//! `#[map]` and `#[global]`: statics that programs share with user space.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemStatic, Result, StaticMutability};

/// Tells a static its name. `what` it is, and an example of it, are for messages.
pub(crate) fn expand(item: TokenStream, what: &str, example: &str) -> Result<TokenStream> {
    let item: Item = syn::parse2(item)?;
    let Item::Static(mut item) = item else {
        return Err(Error::new(item.span(), format!("{what} is a static: `{example}`")));
    };
    if let StaticMutability::Mut(token) = &item.mutability {
        return Err(Error::new(
            token.span(),
            format!("{what} is no `static mut`: what changes is not in this process"),
        ));
    }
    let ItemStatic { ty, ident, expr, .. } = &item;
    let name = ident.to_string();
    // An unfit type is reported where it stands.
    let named = quote_spanned!(ty.span()=> <#ty>::named);
    let expr = syn::parse2(quote_spanned!(expr.span()=> #named(#expr, #name)))?;
    item.expr = Box::new(expr);
    Ok(item.into_token_stream())
}
