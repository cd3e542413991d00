//! What an expression reads of its variables.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// The longest paths of fields that start at the variable, as JSON pointers: `/status/nodes/ready`.
pub(super) fn read_of(variable: &str, expression: &IdedExpr) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    look(variable, expression, &mut found);
    found
}

fn look(variable: &str, expression: &IdedExpr, found: &mut BTreeSet<String>) {
    let mut into = |inner: &IdedExpr| look(variable, inner, found);
    match &expression.expr {
        // No variable is of a type that is made like a struct.
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        Expr::Select(select) => match pointer(variable, expression) {
            Some(path) => _ = found.insert(path),
            None => into(&select.operand),
        },
        Expr::Call(call) => {
            call.target.iter().for_each(|target| into(target));
            call.args.iter().for_each(into);
        }
        Expr::Comprehension(loops) => {
            let parts = [
                &loops.iter_range,
                &loops.loop_cond,
                &loops.loop_step,
                &loops.result,
            ];
            parts.into_iter().for_each(into);
        }
        Expr::List(list) => list.elements.iter().for_each(into),
        Expr::Map(map) => map.entries.iter().for_each(|entry| match &entry.expr {
            EntryExpr::StructField(field) => into(&field.value),
            EntryExpr::MapEntry(entry) => into(&entry.value),
        }),
    }
}

fn pointer(variable: &str, expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => (name == variable).then(String::new),
        Expr::Select(select) => {
            let inside = pointer(variable, &select.operand)?;
            let field = select.field.replace('~', "~0").replace('/', "~1");
            Some(format!("{inside}/{field}"))
        }
        _ => None,
    }
}
