//! Which variables a piece of code may change.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ExprAssign, ExprBinary, ExprMethodCall, ExprReference, Macro};

/// Methods that only look at what they are called on.
const READERS: [&str; 12] = [
    "len",
    "is_empty",
    "iter",
    "get",
    "contains",
    "contains_key",
    "clone",
    "first",
    "last",
    "as_ref",
    "as_slice",
    "keys",
];

/// Collects the variables, out of some, that code may change.
pub(crate) struct Mutated<'a> {
    candidates: &'a [Ident],
    found: Vec<Ident>,
}

impl<'a> Mutated<'a> {
    pub fn new(candidates: &'a [Ident]) -> Self {
        Mutated { candidates, found: Vec::new() }
    }

    /// The variables in the order of their declaration, each once.
    pub fn variables(self) -> Vec<Ident> {
        let mut all: Vec<Ident> = Vec::new();
        for candidate in self.candidates {
            if self.found.contains(candidate) && !all.contains(candidate) {
                all.push(candidate.clone());
            }
        }
        all
    }

    pub fn expr(&mut self, expr: &Expr) {
        self.visit_expr(expr);
    }

    pub fn loop_parts(&mut self, cond: Option<&Expr>, body: &Block) {
        if let Some(cond) = cond {
            self.visit_expr(cond);
        }
        self.visit_block(body);
    }

    /// The variable at the root of a place expression.
    fn place(&mut self, expr: &Expr) {
        match expr {
            Expr::Path(path) => {
                if let Some(name) = path.path.get_ident() {
                    self.found.push(name.clone());
                }
            }
            Expr::Field(field) => self.place(&field.base),
            Expr::Index(index) => self.place(&index.expr),
            Expr::Paren(paren) => self.place(&paren.expr),
            Expr::Unary(unary) => self.place(&unary.expr),
            Expr::Tuple(tuple) => tuple.elems.iter().for_each(|part| self.place(part)),
            _ => {}
        }
    }

    fn words(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) => self.found.push(name),
                TokenTree::Group(group) => self.words(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Mutated<'_> {
    fn visit_expr_assign(&mut self, expr: &'ast ExprAssign) {
        self.place(&expr.left);
        visit::visit_expr_assign(self, expr);
    }

    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        let assigns = !matches!(
            expr.op,
            BinOp::Add(_)
                | BinOp::Sub(_)
                | BinOp::Mul(_)
                | BinOp::Div(_)
                | BinOp::Rem(_)
                | BinOp::And(_)
                | BinOp::Or(_)
                | BinOp::BitXor(_)
                | BinOp::BitAnd(_)
                | BinOp::BitOr(_)
                | BinOp::Shl(_)
                | BinOp::Shr(_)
                | BinOp::Eq(_)
                | BinOp::Lt(_)
                | BinOp::Le(_)
                | BinOp::Ne(_)
                | BinOp::Ge(_)
                | BinOp::Gt(_)
        );
        if assigns {
            self.place(&expr.left);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_method_call(&mut self, expr: &'ast ExprMethodCall) {
        let method = expr.method.to_string();
        if !READERS.contains(&method.as_str()) && !method.starts_with("into_") {
            self.place(&expr.receiver);
        }
        visit::visit_expr_method_call(self, expr);
    }

    fn visit_expr_reference(&mut self, expr: &'ast ExprReference) {
        if expr.mutability.is_some() {
            self.place(&expr.expr);
        }
        visit::visit_expr_reference(self, expr);
    }

    fn visit_macro(&mut self, each: &'ast Macro) {
        self.words(each.tokens.clone());
    }
}
