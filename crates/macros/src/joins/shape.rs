//! What the shape of code says about the paths through it.

use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprClosure, ExprContinue, ExprIf, Stmt};

/// Methods whose result's type is for the code around them to say: a join on it would come before it is known.
const INFERRED: [&str; 9] =
    ["collect", "into", "parse", "try_into", "sum", "product", "unwrap_or_default", "default", "cast"];

/// Whether a join behind the initialiser of a `let` helps: it calls something that may split the path, and its type is known there.
pub(crate) fn may_join(expr: &Expr, typed: bool) -> bool {
    let calls = matches!(expr, Expr::Call(_) | Expr::MethodCall(_) | Expr::Binary(_) | Expr::Try(_));
    calls && (typed || !is_inferred(expr))
}

fn is_inferred(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) => {
            let turbofish = call.turbofish.is_some();
            (!turbofish && INFERRED.iter().any(|name| call.method == name)) || is_inferred(&call.receiver)
        }
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => {
                path.path.segments.last().is_some_and(|last| INFERRED.iter().any(|name| last.ident == name))
            }
            _ => false,
        },
        Expr::Try(inner) => is_inferred(&inner.expr),
        _ => false,
    }
}

/// Whether a statement may split the path: it calls something, or assigns.
pub(crate) fn may_fork(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Try(_) | Expr::Assign(_) => true,
        Expr::Binary(binary) => !matches!(*binary.right, Expr::Lit(_)),
        _ => false,
    }
}

/// Whether `expr` is an `if` without `else` whose body never ends: `if … { …; return x }`.
pub(crate) fn one_arm_goes_on(expr: &Expr) -> bool {
    let Expr::If(ExprIf { then_branch, else_branch: None, .. }) = expr else { return false };
    let last = then_branch.stmts.last();
    matches!(last, Some(Stmt::Expr(Expr::Return(_) | Expr::Continue(_) | Expr::Break(_), _)))
}

/// Whether a loop's body has a `continue` in it.
pub(crate) fn continues(body: &Block) -> bool {
    struct Continues(bool);
    impl<'ast> Visit<'ast> for Continues {
        fn visit_expr_continue(&mut self, _: &'ast ExprContinue) {
            self.0 = true;
        }
        fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    }
    let mut found = Continues(false);
    visit::visit_block(&mut found, body);
    found.0
}
