//! `#[program]`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Error, Expr, FnArg, ItemFn, Lifetime, Pat, Path, Result, ReturnType, Token, Type, parse_quote};

use crate::joins;
use crate::source;

/// Where the eDSL is: `crate = PATH`, or its usual place.
pub(crate) struct Root(pub Path);

impl Default for Root {
    fn default() -> Self {
        Root(parse_quote!(::bpfasm::dsl))
    }
}

impl Parse for Root {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Root::default());
        }
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        input.parse().map(Root)
    }
}

/// What stands in the attribute's brackets.
pub(crate) struct Options {
    section: String,
    samples: Option<Path>,
    args: Vec<(Ident, Expr)>,
    root: Root,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options { section: section(input)?, samples: None, args: Vec::new(), root: Root::default() };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            if input.peek(Token![crate]) {
                options.root = input.parse()?;
                continue;
            }
            let name: Ident = input.parse()?;
            if name == "samples" {
                input.parse::<Token![=]>()?;
                options.samples = Some(input.parse()?);
            } else if name == "args" {
                let content;
                syn::parenthesized!(content in input);
                let args = content.parse_terminated(
                    |input: ParseStream<'_>| {
                        let name = input.parse()?;
                        input.parse::<Token![=]>()?;
                        Ok((name, input.parse()?))
                    },
                    Token![,],
                )?;
                options.args = args.into_iter().collect();
            } else {
                return Err(Error::new(
                    name.span(),
                    "the options are `samples = FN`, `args(NAME = EXPR)`, `crate = PATH`",
                ));
            }
        }
        Ok(options)
    }
}

/// The tokens up to the first comma, written without spaces: `cgroup_skb/ingress`.
fn section(input: ParseStream<'_>) -> Result<String> {
    let mut section = String::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>()? {
            TokenTree::Literal(literal) if literal.to_string().starts_with('"') => {
                section.push_str(literal.to_string().trim_matches('"'));
            }
            token => section.push_str(&token.to_string()),
        }
    }
    if section.is_empty() {
        return Err(input.error("name the section, which tells the kind of program: `#[program(tc)]`"));
    }
    Ok(section)
}

/// A host argument of the function.
struct HostArg {
    name: Ident,
    ty: Type,
}

pub(crate) fn expand(options: Options, mut function: ItemFn) -> Result<TokenStream> {
    let context = check(&function)?;
    let host_args = host_args(&function)?;
    let root = &options.root.0;
    let (vis, name) = (function.vis.clone(), function.sig.ident.clone());
    let attrs = std::mem::take(&mut function.attrs);
    let (docs, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(|attr| attr.path().is_ident("doc"));
    let cfgs: Vec<_> = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    let declaration = declaration(&options, &function);
    let ReturnType::Type(_, verdict) = &function.sig.output else {
        return Err(Error::new(function.sig.span(), "a program returns a verdict, such as `TcAction`"));
    };
    let verdict = verdict.clone();
    joins::add(&mut function, &options.root, joins::Kind::Program);
    function.vis = syn::Visibility::Inherited;
    let binding = if host_args.is_empty() {
        bind_plain(&name, root, &context, &verdict)
    } else {
        bind_with(&name, root, &context, &verdict, &host_args)
    };
    let entry = entry(&options, &name, &host_args);
    let entry_name = format_ident!("__BPFASM_{}", name, span = name.span());
    Ok(quote! {
        #(#docs)*
        #(#cfgs)*
        #[allow(non_camel_case_types, reason = "a program is named like the function that it was")]
        #[derive(Clone, Copy, Debug)]
        #vis struct #name;

        #(#cfgs)*
        const _: () = {
            const DECLARATION: #root::private::Declaration = #declaration;
            #(#attrs)*
            #function
            #binding
        };

        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_upper_case_globals, dead_code, reason = "the build driver finds programs by this name")]
        pub(crate) const #entry_name: #root::private::Entry = #entry;
    })
}

/// The context's type, and that the function can be a program at all.
fn check(function: &ItemFn) -> Result<Type> {
    let sig = &function.sig;
    if let Some(token) = &sig.asyncness {
        return Err(Error::new(token.span(), "a program cannot be async"));
    }
    if sig.generics.params.iter().any(|param| !matches!(param, syn::GenericParam::Lifetime(_))) {
        return Err(Error::new(sig.generics.span(), "a program cannot be generic; give it host arguments instead"));
    }
    let wanted = "a program's first argument is its context, such as `skb: &mut Tc`";
    match sig.inputs.first() {
        Some(FnArg::Typed(arg)) => match &*arg.ty {
            Type::Reference(reference) if reference.mutability.is_some() => Ok((*reference.elem).clone()),
            other => Err(Error::new(other.span(), wanted)),
        },
        Some(other) => Err(Error::new(other.span(), wanted)),
        None => Err(Error::new(sig.ident.span(), wanted)),
    }
}

fn host_args(function: &ItemFn) -> Result<Vec<HostArg>> {
    let mut args = Vec::new();
    for arg in function.sig.inputs.iter().skip(1) {
        let FnArg::Typed(arg) = arg else { continue };
        let Pat::Ident(pat) = &*arg.pat else {
            return Err(Error::new(arg.pat.span(), "a host argument of a program has a plain name"));
        };
        args.push(HostArg { name: pat.ident.clone(), ty: (*arg.ty).clone() });
    }
    Ok(args)
}

fn declaration(options: &Options, function: &ItemFn) -> TokenStream {
    let root = &options.root.0;
    let (section, name) = (&options.section, function.sig.ident.to_string());
    let lines = source::lines(function.sig.fn_token.span(), function.block.brace_token.span.close());
    let (first, text) = (u32::try_from(lines.first).unwrap_or(1), lines.text);
    let file = match lines.name {
        Some(name) => quote!(#name),
        None => quote!(::core::file!()),
    };
    let loc = quote_spanned!(function.sig.ident.span()=> ::core::panic::Location::caller());
    quote! {
        #root::private::Declaration {
            name: #name,
            section: #section,
            loc: #loc,
            source: #root::private::Source { path: ::core::file!(), name: #file, first_line: #first, text: #text },
        }
    }
}

/// A program without host arguments is its own binding.
fn bind_plain(name: &Ident, root: &Path, context: &Type, verdict: &Type) -> TokenStream {
    // A verdict type that is none is reported at itself.
    let stage = quote_spanned!(verdict.span()=> #root::private::stage::<#context, #verdict>);
    quote! {
        impl #root::private::Program for #name {
            fn declaration(&self) -> &#root::private::Declaration {
                &DECLARATION
            }
            fn stage(&self) -> ::core::result::Result<#root::private::program::Staged, #root::private::StageError> {
                #stage(&DECLARATION, #name)
            }
        }
    }
}

/// A program with host arguments is bound to them by `with`.
fn bind_with(name: &Ident, root: &Path, context: &Type, verdict: &Type, args: &[HostArg]) -> TokenStream {
    let host: Lifetime = parse_quote!('__host);
    let names: Vec<_> = args.iter().map(|arg| &arg.name).collect();
    let types = args.iter().map(|arg| {
        let mut ty = arg.ty.clone();
        NameLifetimes(&host).visit_type_mut(&mut ty);
        ty
    });
    let bind = quote_spanned!(verdict.span()=> #root::private::bind::<#context, #verdict, _>);
    let doc = "The program with these host arguments.";
    quote! {
        impl #name {
            #[doc = #doc]
            #[must_use]
            pub fn with<#host>(self, #(#names: #types),*) -> impl #root::private::Program + #host {
                let body = move |context: &mut #context| #name(context, #(::core::clone::Clone::clone(&#names)),*);
                #bind(DECLARATION, body)
            }
        }
    }
}

/// Gives every elided lifetime a name.
struct NameLifetimes<'a>(&'a Lifetime);

impl VisitMut for NameLifetimes<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
        reference.lifetime.get_or_insert_with(|| self.0.clone());
        syn::visit_mut::visit_type_reference_mut(self, reference);
    }
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.0.clone();
        }
    }
}

/// What the build driver calls.
fn entry(options: &Options, name: &Ident, args: &[HostArg]) -> TokenStream {
    let root = &options.root.0;
    let program_name = name.to_string();
    let samples = match &options.samples {
        Some(samples) => quote!(::core::option::Option::Some(#samples)),
        None => quote!(::core::option::Option::None),
    };
    let stage = if args.is_empty() {
        quote!(|settings| settings.stage(&#name))
    } else {
        let values = args.iter().map(|arg| set_or_preset(options, arg));
        let names = args.iter().map(|arg| &arg.name);
        quote!(|settings| { #(#values)* settings.stage(&#name.with(#(#names),*)) })
    };
    let arg_names = args.iter().map(|arg| arg.name.to_string());
    let unknown = options.args.iter().find(|(preset, _)| !args.iter().any(|arg| arg.name == *preset));
    let unknown = unknown.map(|(preset, _)| {
        let message = format!("`{preset}` is no host argument of `{program_name}`");
        quote_spanned!(preset.span()=> ::core::compile_error!(#message);)
    });
    quote! {{
        #unknown
        #root::private::Entry { name: #program_name, args: &[#(#arg_names),*], stage: #stage, samples: #samples }
    }}
}

/// A `let` of a host argument: the setting, or what `args(…)` has for it. That is evaluated first in a `let` of its own, so that it may
/// borrow what it makes.
fn set_or_preset(options: &Options, arg: &HostArg) -> TokenStream {
    let root = &options.root.0;
    let (name, ty, text) = (&arg.name, &arg.ty, arg.name.to_string());
    let preset = options.args.iter().find(|(preset, _)| *preset == arg.name);
    let (before, preset) = match preset {
        Some((_, expr)) => (quote!(let preset: #ty = #expr;), quote!(preset)),
        None => (quote!(), quote!(return ::core::result::Result::Err(settings.missing(#text)))),
    };
    quote! {
        #before
        let #name: #ty = match settings.text(#text) {
            ::core::option::Option::Some(text) => {
                #[allow(unused_imports, reason = "which one serves depends on the type")]
                use #root::private::{SetFromStr as _, SetList as _, SetNever as _};
                (&&&#root::private::Setting::<#ty>::new(#text)).set(text)?
            }
            ::core::option::Option::None => #preset,
        };
    }
}
