//! Join points: the only thing that the macros change in a function's body.
//!
//! The user's code stays as it is, token by token. Around `if`, `match`, loops and the initialisers of `let`, a *scope* is taken before
//! and a *join* is added behind; loops get one at their head too. A `match` on a kernel value with constants as patterns becomes a chain
//! of comparisons, since no pattern can match a value that is not known.

mod constants;
mod mutated;
mod shape;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Block, Expr, ExprClosure, ExprForLoop, ExprIf, ExprMatch, FnArg, Item, ItemFn, Local, Pat, Path, Stmt, Type,
    parse_quote, parse_quote_spanned,
};

use crate::program::Root;
use crate::source;

/// What the function is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program: nothing follows its end, so its last expression needs no join.
    Program,
    /// A helper: its callers go on.
    Helper,
}

/// Adds join points to a function.
pub(crate) fn add(function: &mut ItemFn, root: &Root, kind: Kind) {
    let seed = digest(function);
    let mut rewriter = Rewriter { variables: Vec::new(), root: root.0.clone(), kind, seed, sites: 0, expected: None };
    for arg in &mut function.sig.inputs {
        if let FnArg::Typed(arg) = arg {
            rewriter.visit_pat_mut(&mut arg.pat);
        }
    }
    match kind {
        Kind::Program => rewriter.tail_block(&mut function.block),
        Kind::Helper => rewriter.visit_block_mut(&mut function.block),
    }
    let reason = "join points read and write what they join; a range of constants in a pattern becomes two comparisons";
    function.attrs.push(parse_quote! {
        #[allow(unused_mut, unused_assignments, unreachable_code, clippy::manual_range_contains, reason = #reason)]
    });
}

/// A number that tells this function's join points from those of others.
fn digest(function: &ItemFn) -> u64 {
    let start = function.sig.ident.span().start();
    let text = quote!(#function).to_string();
    // FNV-1a, 64 bits.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    [start.line, start.column].iter().flat_map(|n| n.to_le_bytes()).fold(hash, step)
}

struct Rewriter {
    /// The `mut` variables in scope.
    variables: Vec<Ident>,
    root: Path,
    kind: Kind,
    seed: u64,
    sites: u64,
    /// The type that the `let` around the next expression gives it.
    expected: Option<Type>,
}

/// An identifier that the user's code cannot name.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

impl Rewriter {
    /// The variables of this scope that `visited` may change.
    fn mutated(&self, visit: impl FnOnce(&mut mutated::Mutated<'_>)) -> Vec<Ident> {
        let mut found = mutated::Mutated::new(&self.variables);
        visit(&mut found);
        found.variables()
    }

    /// The path of the eDSL as if it stood at `span`: calls of functions in it are then located there.
    fn root_at(&self, span: Span) -> TokenStream {
        source::located(&self.root, span)
    }

    /// `value` as the program's answer: notes its place first.
    fn returned(&self, value: &Expr) -> Expr {
        let span = value.span();
        let root = self.root_at(span);
        parse_quote_spanned!(span=> { #root::private::returning(); #value })
    }

    fn site(&mut self) -> u64 {
        self.sites += 1;
        self.seed.wrapping_add(self.sites.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1
    }

    /// A join of `variables`; `iterator` adds the loop's iterator and turn.
    fn join(&mut self, span: Span, head: bool, variables: &[Ident], iterator: Option<(&Ident, &Ident)>) -> TokenStream {
        let (root, site) = (&self.root.clone(), self.site());
        let (join, scope) = (hidden("join"), hidden("scope"));
        let var = |name: &Ident| quote_spanned!(span=> (&mut &mut &mut #root::private::Var(&mut #name)));
        let vars: Vec<_> = variables.iter().map(var).collect();
        let new = if head { quote!(head) } else { quote!(new) };
        let (save, restore) = match iterator {
            None => (quote!(), quote!()),
            Some((iterator, turn)) => {
                let iterator = var(iterator);
                (
                    quote_spanned!(span=> #iterator.save_iterator(&mut #join, #turn); #turn += 1;),
                    quote_spanned!(span=> #iterator.restore_iterator(&mut #join);),
                )
            }
        };
        quote_spanned! {span=> {
            #[allow(unused_imports, reason = "which one serves depends on the types")]
            use #root::private::{JoinHost as _, JoinOpaque as _, JoinStaged as _};
            let mut #join = #root::private::Join::#new();
            #(#vars.save(&mut #join);)*
            #save
            if #join.merge(&#scope, #site) {
                return #root::private::Dead::dead();
            }
            #(#vars.restore(&mut #join);)*
            #restore
        }}
    }

    /// `expr` with a join of its value and `variables` behind it. `before` comes between the scope and the expression.
    fn joined(&mut self, expr: &Expr, before: TokenStream, variables: &[Ident]) -> Expr {
        let span = expr.span();
        let root = self.root.clone();
        let (scope, value) = (hidden("scope"), hidden("value"));
        let mut all = vec![value.clone()];
        all.extend_from_slice(variables);
        let join = self.join(span, false, &all, None);
        let ty = self.expected.take().map(|ty| quote!(: #ty));
        let forked = if shape::one_arm_goes_on(expr) { quote!(forked_again_since) } else { quote!(forked_since) };
        parse_quote_spanned! {span=> {
            let #scope = #root::private::scope();
            #before
            let mut #value #ty = #expr;
            if #root::private::#forked(&#scope) #join
            #value
        }}
    }

    /// A statement whose value nobody takes, with a join of `variables` behind it.
    fn joined_statement(&mut self, expr: &Expr, variables: &[Ident]) -> Expr {
        let span = expr.span();
        let root = self.root.clone();
        let scope = hidden("scope");
        let join = self.join(span, false, variables, None);
        parse_quote_spanned! {span=> {
            let #scope = #root::private::scope();
            #expr;
            if #root::private::forked_since(&#scope) #join
        }}
    }

    fn if_parts(&mut self, expr: &mut ExprIf) {
        self.visit_expr_mut(&mut expr.cond);
        self.visit_block_mut(&mut expr.then_branch);
        if let Some((_, otherwise)) = &mut expr.else_branch {
            match &mut **otherwise {
                // One join behind the whole chain is enough.
                Expr::If(next) => self.if_parts(next),
                other => self.visit_expr_mut(other),
            }
        }
    }

    fn loop_body(
        &mut self,
        expr: &mut Expr,
        variables: &[Ident],
    ) -> Option<(TokenStream, TokenStream, Option<syn::Label>)> {
        let span = expr.span();
        match expr {
            Expr::While(each) => {
                let head = self.join(span, true, variables, None);
                let (cond, body) = (&each.cond, &each.body);
                Some((quote!(), quote_spanned!(span=> #head if #cond #body else { break }), each.label.take()))
            }
            Expr::Loop(each) => {
                let head = self.join(span, true, variables, None);
                let body = &each.body;
                Some((quote!(), quote_spanned!(span=> #head #body), each.label.take()))
            }
            Expr::ForLoop(ExprForLoop { label, pat, expr, body, .. }) => {
                let (turn, iterator) = (hidden("turn"), hidden("iterator"));
                let root = self.root.clone();
                let mut head = self.join(span, false, variables, Some((&iterator, &turn)));
                if !shape::continues(body) {
                    // Every turn over a host iterator ends at the end of the body, where its paths have joined.
                    head = quote_spanned! {span=> if {
                        #[allow(unused_imports, reason = "which one serves depends on the type")]
                        use #root::private::{JoinHost as _, JoinOpaque as _, JoinStaged as _};
                        (&mut &mut &mut #root::private::Var(&mut #iterator)).is_staged()
                    } #head};
                }
                let before = quote_spanned! {span=>
                    let mut #turn = 0u64;
                    let mut #iterator = ::core::iter::IntoIterator::into_iter(#expr);
                };
                let body = quote_spanned! {span=>
                    #head
                    let ::core::option::Option::Some(#pat) = ::core::iter::Iterator::next(&mut #iterator) else { break };
                    #body
                };
                Some((before, body, label.take()))
            }
            _ => None,
        }
    }

    fn rewrite_loop(&mut self, expr: &mut Expr) {
        let span = expr.span();
        let expected = self.expected.take();
        let variables = match &*expr {
            Expr::While(each) => self.mutated(|found| found.loop_parts(Some(&each.cond), &each.body)),
            Expr::Loop(each) => self.mutated(|found| found.loop_parts(None, &each.body)),
            Expr::ForLoop(each) => self.mutated(|found| found.loop_parts(None, &each.body)),
            _ => return,
        };
        let depth = self.variables.len();
        visit_mut::visit_expr_mut(self, expr);
        self.variables.truncate(depth);
        let Some((before, body, label)) = self.loop_body(expr, &variables) else { return };
        let plain: Expr = parse_quote_spanned!(span=> #label loop { #body });
        self.expected = expected;
        *expr = self.joined(&plain, before, &variables);
    }

    fn tail_block(&mut self, block: &mut Block) {
        let depth = self.variables.len();
        let last = block.stmts.len().saturating_sub(1);
        for (i, stmt) in block.stmts.iter_mut().enumerate() {
            match stmt {
                Stmt::Expr(expr, None) if i == last => self.tail(expr),
                other => self.visit_stmt_mut(other),
            }
        }
        self.variables.truncate(depth);
    }

    /// An expression that is the program's answer: no path goes on behind it.
    fn tail(&mut self, expr: &mut Expr) {
        if let Expr::Match(each) = &*expr
            && let Some(chain) = constants::comparisons(each)
        {
            *expr = chain;
        }
        match expr {
            Expr::If(each) => self.tail_if(each),
            Expr::Block(each) if each.label.is_none() => self.tail_block(&mut each.block),
            Expr::Match(ExprMatch { expr, arms, .. }) => {
                self.visit_expr_mut(expr);
                for arm in arms {
                    self.in_arm(arm, Rewriter::tail);
                }
            }
            Expr::Return(_) => self.visit_expr_mut(expr),
            other => {
                self.visit_expr_mut(other);
                *other = self.returned(other);
            }
        }
    }

    fn tail_if(&mut self, expr: &mut ExprIf) {
        self.visit_expr_mut(&mut expr.cond);
        self.tail_block(&mut expr.then_branch);
        if let Some((_, otherwise)) = &mut expr.else_branch {
            self.tail(otherwise);
        }
    }

    fn in_arm(&mut self, arm: &mut Arm, body: impl FnOnce(&mut Self, &mut Expr)) {
        let depth = self.variables.len();
        self.visit_pat_mut(&mut arm.pat);
        body(self, &mut arm.body);
        self.variables.truncate(depth);
    }
}

impl VisitMut for Rewriter {
    // A closure or an item inside returns from itself: no join in it could end the path.
    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
    fn visit_expr_async_mut(&mut self, _: &mut syn::ExprAsync) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}

    fn visit_block_mut(&mut self, block: &mut Block) {
        let depth = self.variables.len();
        let expected = self.expected.take();
        visit_mut::visit_block_mut(self, block);
        self.expected = expected;
        self.variables.truncate(depth);
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        match stmt {
            Stmt::Expr(expr, Some(_)) if shape::may_fork(expr) => {
                let variables = self.mutated(|found| found.expr(expr));
                self.visit_expr_mut(expr);
                *expr = self.joined_statement(expr, &variables);
            }
            other => visit_mut::visit_stmt_mut(self, other),
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.in_arm(arm, |rewriter, body| rewriter.visit_expr_mut(body));
    }

    fn visit_pat_ident_mut(&mut self, pat: &mut syn::PatIdent) {
        if pat.mutability.is_some() && pat.by_ref.is_none() {
            self.variables.push(pat.ident.clone());
        }
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let ty = match &local.pat {
            Pat::Type(typed) => Some((*typed.ty).clone()),
            _ => None,
        };
        match &mut local.init {
            // Assigned later, perhaps on several paths: then it is a variable like a `mut` one.
            None => {
                let pat = match &mut local.pat {
                    Pat::Type(typed) => &mut *typed.pat,
                    pat => pat,
                };
                if let Pat::Ident(pat) = pat {
                    pat.mutability = Some(Default::default());
                }
            }
            Some(init) => {
                let joins = init.diverge.is_none() && shape::may_join(&init.expr, ty.is_some());
                let variables = self.mutated(|found| found.expr(&init.expr));
                self.expected = ty.clone();
                self.visit_expr_mut(&mut init.expr);
                if joins {
                    self.expected = ty;
                    *init.expr = self.joined(&init.expr, quote!(), &variables);
                }
                self.expected = None;
                if let Some((_, diverge)) = &mut init.diverge {
                    self.visit_expr_mut(diverge);
                }
            }
        }
        self.visit_pat_mut(&mut local.pat);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Match(each) = &*expr
            && let Some(chain) = constants::comparisons(each)
        {
            *expr = chain;
        }
        match expr {
            Expr::If(_) | Expr::Match(_) => {
                let variables = self.mutated(|found| found.expr(expr));
                let expected = self.expected.take();
                match &mut *expr {
                    Expr::If(each) => self.if_parts(each),
                    other => visit_mut::visit_expr_mut(self, other),
                }
                self.expected = expected;
                *expr = self.joined(expr, quote!(), &variables);
            }
            Expr::While(_) | Expr::Loop(_) | Expr::ForLoop(_) => self.rewrite_loop(expr),
            Expr::Return(each) if self.kind == Kind::Program => {
                if let Some(value) = &mut each.expr {
                    self.expected = None;
                    self.visit_expr_mut(value);
                    **value = self.returned(value);
                }
            }
            Expr::Block(_) => visit_mut::visit_expr_mut(self, expr),
            other => {
                let expected = self.expected.take();
                visit_mut::visit_expr_mut(self, other);
                self.expected = expected;
            }
        }
    }
}
