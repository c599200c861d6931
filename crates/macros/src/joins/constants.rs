//! `match` with constants for patterns, as a chain of comparisons.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprMatch, Lit, Pat, PatLit, parse_quote_spanned};

/// The chain, where the arms have constants for patterns (numbers, or paths whose last word is in capitals, as constants are) or take
/// every value. Such constants can be compared with `==` on host values too (the compiler asks for it), so host matches keep their meaning.
pub(crate) fn comparisons(each: &ExprMatch) -> Option<Expr> {
    let (last, arms) = each.arms.split_last()?;
    if !arms.iter().any(|arm| is_constant(guarded(&arm.pat).0)) {
        return None;
    }
    let subject = Ident::new("subject", Span::mixed_site());
    let (binding, None) = (binding(&last.pat, &subject)?, guarded(&last.pat).1) else { return None };
    let body = &last.body;
    let mut chain = quote!({ #binding #body });
    for arm in arms.iter().rev() {
        let (pat, guard) = guarded(&arm.pat);
        let body = &arm.body;
        chain = if is_constant(pat) {
            let test = test(pat, &subject);
            let test = match guard {
                Some(guard) => quote!((#test) && (#guard)),
                None => test,
            };
            quote_spanned!(pat.span()=> if #test { #body } else #chain)
        } else {
            let (binding, guard) = (self::binding(pat, &subject)?, guard?);
            quote_spanned!(pat.span()=> if { #binding #guard } { #binding #body } else #chain)
        };
    }
    let value = &each.expr;
    Some(parse_quote_spanned!(each.span()=> { let #subject = #value; #chain }))
}

/// The `let` of a pattern that takes every value.
fn binding(pat: &Pat, subject: &Ident) -> Option<TokenStream> {
    match pat {
        Pat::Wild(_) => Some(quote!()),
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() && !is_capital(&name.ident) => Some(
            quote!(#[allow(unused_variables, reason = "the guard or the arm may not look at it")] let #name = #subject;),
        ),
        _ => None,
    }
}

/// A pattern and the guard behind it.
fn guarded(pat: &Pat) -> (&Pat, Option<&Expr>) {
    match pat {
        Pat::Guard(each) => (&each.pat, Some(&each.guard)),
        plain => (plain, None),
    }
}

fn is_capital(name: &Ident) -> bool {
    let name = name.to_string();
    name.chars().any(|c| c.is_ascii_uppercase()) && !name.chars().any(|c| c.is_ascii_lowercase())
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(ExprLit { lit: Lit::Int(_), .. }))
}

fn is_constant(pat: &Pat) -> bool {
    match pat {
        Pat::Lit(PatLit { lit: Lit::Int(_), .. }) => true,
        Pat::Ident(name) => name.subpat.is_none() && name.by_ref.is_none() && is_capital(&name.ident),
        Pat::Path(path) => path.path.segments.last().is_some_and(|last| is_capital(&last.ident)),
        Pat::Range(range) => range.start.as_deref().is_none_or(is_number) && range.end.as_deref().is_none_or(is_number),
        Pat::Or(cases) => cases.cases.iter().all(is_constant),
        Pat::Paren(inner) => is_constant(&inner.pat),
        _ => false,
    }
}

fn test(pat: &Pat, subject: &Ident) -> TokenStream {
    match pat {
        Pat::Or(cases) => {
            let tests = cases.cases.iter().map(|case| test(case, subject));
            quote_spanned!(pat.span()=> #(#tests)||*)
        }
        Pat::Paren(inner) => test(&inner.pat, subject),
        Pat::Range(range) => {
            let low = range.start.as_ref().map(|start| quote_spanned!(pat.span()=> #subject >= #start));
            let high = range.end.as_ref().map(|end| match range.limits {
                syn::RangeLimits::HalfOpen(_) => quote_spanned!(pat.span()=> #subject < #end),
                syn::RangeLimits::Closed(_) => quote_spanned!(pat.span()=> #subject <= #end),
            });
            let tests = low.into_iter().chain(high);
            quote_spanned!(pat.span()=> #(#tests)&&*)
        }
        constant => quote_spanned!(pat.span()=> #subject == #constant),
    }
}
