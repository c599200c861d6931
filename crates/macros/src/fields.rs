//! The fields of a struct that a derive is on.

use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, Result, Type, Visibility};

/// A named field.
pub(crate) struct Field<'a> {
    pub ident: &'a Ident,
    pub ty: &'a Type,
    pub vis: &'a Visibility,
    pub docs: Vec<&'a Attribute>,
}

impl Field<'_> {
    /// Its name as text.
    pub fn name(&self) -> String {
        unraw(self.ident)
    }
}

/// The fields of a struct that is to be `what`, such as `a header`.
pub(crate) fn of<'a>(item: &'a DeriveInput, what: &str) -> Result<Vec<Field<'a>>> {
    let Data::Struct(data) = &item.data else {
        return Err(Error::new(item.span(), format!("{what} is a struct")));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(data.fields.span(), format!("{what} has named fields")));
    };
    if !item.generics.params.is_empty() {
        return Err(Error::new(item.generics.span(), format!("{what} has no parameters")));
    }
    Ok(fields
        .named
        .iter()
        .filter_map(|field| {
            let docs = field.attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect();
            Some(Field { ident: field.ident.as_ref()?, ty: &field.ty, vis: &field.vis, docs })
        })
        .collect())
}

/// An identifier without `r#`.
pub(crate) fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
