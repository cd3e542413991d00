//! The functions that expressions may call.

use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr, operators};

/// Functions of CEL and of the Kubernetes extensions that are compiled in. Those with a point in their name are
/// called as `math.abs(x)`.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    // CEL
    "contains", "size", "max", "min", "startsWith", "endsWith", "string", "bytes", "double", "int", "uint", "matches",
    "duration", "timestamp", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    // optional values: `labels[?'x'].orValue('')`, `spec.?field`
    "orValue", "or", "hasValue", "value", "optional.of", "optional.none", "optional.ofNonZeroValue",
    // strings and regex
    "charAt", "lowerAscii", "upperAscii", "replace", "split", "substring", "trim", "join", "strings.quote", "indexOf",
    "lastIndexOf", "reverse", "format", "find", "findAll",
    // lists and sets
    "isSorted", "sum", "slice", "sort", "flatten", "distinct", "first", "last", "lists.range",
    "sets.contains", "sets.equivalent", "sets.intersects",
    // math
    "math.abs", "math.bitAnd", "math.bitNot", "math.bitOr", "math.bitShiftLeft", "math.bitShiftRight", "math.bitXor",
    "math.ceil", "math.floor", "math.greatest", "math.isFinite", "math.isInf", "math.isNaN", "math.least",
    "math.round", "math.sign", "math.sqrt", "math.trunc",
    // quantities and versions
    "quantity", "isQuantity", "add", "sub", "sign", "asInteger", "asApproximateFloat", "isInteger", "isGreaterThan",
    "isLessThan", "compareTo", "semver", "isSemver", "major", "minor", "patch",
];

/// Operators, and functions whose work and result do not grow with what they are given.
#[rustfmt::skip]
const CHEAP: &[&str] = &[
    operators::LOGICAL_AND, operators::LOGICAL_OR, operators::LOGICAL_NOT, operators::NOT_STRICTLY_FALSE,
    operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS, operators::SUBSTRACT,
    operators::MULTIPLY, operators::DIVIDE, operators::MODULO, operators::NEGATE, "size", "int", "uint", "double",
];

/// The namespaces of [`KNOWN`]: these words before a point are no variables.
const NAMESPACES: &[&str] = &["math", "lists", "sets", "strings", "optional"];

pub(super) fn is_cheap(name: &str) -> bool {
    CHEAP.contains(&name)
}

/// Whether the target of a call is a name space (`math.abs(x)`), not a value.
pub(super) fn is_namespace(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if NAMESPACES.contains(&name.as_str()))
}

/// The name of the function that a call names, when there is no such function.
pub(super) fn unknown(call: &CallExpr) -> Option<String> {
    let name = match call.target.as_deref().map(|target| &target.expr) {
        Some(Expr::Ident(space)) if NAMESPACES.contains(&space.as_str()) => {
            format!("{space}.{}", call.func_name)
        }
        _ => call.func_name.clone(),
    };
    // Operators are spelt with signs and underscores, which no function of ours has.
    let is_operator = name.contains(['_', '@', '!', '-']);
    (!is_operator && !KNOWN.contains(&name.as_str())).then_some(name)
}
