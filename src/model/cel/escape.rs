//! Field names that CEL cannot spell, as Kubernetes escapes them in validation rules.

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};

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
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Select(select) => {
            if select.field.contains("__") {
                select.field = name(&select.field);
            }
            undo(&mut select.operand);
        }
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| undo(target));
            call.args.iter_mut().for_each(undo);
        }
        Expr::Comprehension(loops) => {
            undo(&mut loops.iter_range);
            undo(&mut loops.accu_init);
            undo(&mut loops.loop_cond);
            undo(&mut loops.loop_step);
            undo(&mut loops.result);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(undo),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .for_each(|entry| undo_entry(&mut entry.expr)),
        Expr::Struct(fields) => fields
            .entries
            .iter_mut()
            .for_each(|entry| undo_entry(&mut entry.expr)),
    }
}

fn undo_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => undo(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            undo(&mut entry.key);
            undo(&mut entry.value);
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
