//! What is changed in a parsed expression before it is kept.
//!
//! Field names that CEL cannot spell are escaped by Kubernetes in validation rules; and the evaluator knows `a[?'b']`
//! on maps, but takes `a.?b` of an absent field for an error, so the second becomes the first.

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};

/// Words of CEL that Kubernetes wraps in `__` when a field has them as its name.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Gives all selected fields their real names.
pub(super) fn undo(expression: &mut IdedExpr) {
    each(expression, &|part| {
        if let Expr::Select(select) = part
            && select.field.contains("__")
        {
            select.field = name(&select.field);
        }
    });
}

/// Makes `a.?b` what it means, `a[?'b']`.
pub(super) fn optional_fields(expression: &mut IdedExpr) {
    each(expression, &|part| {
        if let Expr::Call(call) = part
            && call.func_name == operators::OPT_SELECT
        {
            operators::OPT_INDEX.clone_into(&mut call.func_name);
        }
    });
}

/// Changes an expression and all its parts.
fn each(expression: &mut IdedExpr, change: &dyn Fn(&mut Expr)) {
    change(&mut expression.expr);
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Select(select) => each(&mut select.operand, change),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| each(target, change));
            call.args.iter_mut().for_each(|part| each(part, change));
        }
        Expr::Comprehension(loops) => {
            each(&mut loops.iter_range, change);
            each(&mut loops.accu_init, change);
            each(&mut loops.loop_cond, change);
            each(&mut loops.loop_step, change);
            each(&mut loops.result, change);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(|part| each(part, change)),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .for_each(|entry| each_of_entry(&mut entry.expr, change)),
        Expr::Struct(fields) => fields
            .entries
            .iter_mut()
            .for_each(|entry| each_of_entry(&mut entry.expr, change)),
    }
}

fn each_of_entry(entry: &mut EntryExpr, change: &dyn Fn(&mut Expr)) {
    match entry {
        EntryExpr::StructField(field) => each(&mut field.value, change),
        EntryExpr::MapEntry(entry) => {
            each(&mut entry.key, change);
            each(&mut entry.value, change);
        }
    }
}

/// The name behind an escaped one.
fn name(escaped: &str) -> String {
    if let Some(word) = escaped
        .strip_prefix("__")
        .and_then(|rest| rest.strip_suffix("__"))
        && RESERVED.contains(&word)
    {
        return word.to_owned();
    }
    escaped
        .replace("__dot__", ".")
        .replace("__dash__", "-")
        .replace("__slash__", "/")
        .replace("__underscores__", "__")
}
