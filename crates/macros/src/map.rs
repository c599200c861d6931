//! `#[map]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemStatic, Result, StaticMutability};

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: Item = syn::parse2(item)?;
    let Item::Static(mut item) = item else {
        return Err(Error::new(
            item.span(),
            "a map is a static: `#[map] static COUNTS: Hash<U32, U64> = Hash::new(1024);`",
        ));
    };
    if let StaticMutability::Mut(token) = &item.mutability {
        return Err(Error::new(token.span(), "a map is no `static mut`: programs change its entries, not the static"));
    }
    name(&mut item)?;
    Ok(item.into_token_stream())
}

/// Tells the map its name.
fn name(item: &mut ItemStatic) -> Result<()> {
    let ItemStatic { ty, ident, expr, .. } = &*item;
    let name = ident.to_string();
    // An unfit type is reported where it stands.
    let named = quote_spanned!(ty.span()=> <#ty>::named);
    let expr = syn::parse2(quote_spanned!(expr.span()=> #named(#expr, #name)))?;
    item.expr = Box::new(expr);
    Ok(())
}
