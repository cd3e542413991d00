//! What is refused before an expression is kept: nesting, size, unknown names.

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::{Error, functions};

/// How deep an expression may nest: bounds the stack of the evaluator.
const DEPTH_LIMIT: usize = 100;

/// How many parts an expression may have after macros are expanded.
const PARTS_LIMIT: usize = 3000;

/// How deep loops (`all`, `exists`, `map`, `filter`) may nest.
const LOOP_LIMIT: usize = 4;

/// Refuses what nests too deeply, and variables and functions that are not known. Gives how deep it nests.
pub(super) fn check(expression: &IdedExpr, variables: &[&str]) -> Result<usize, Error> {
    let mut check = Check {
        variables,
        bound: Vec::new(),
        parts: 0,
        loops: 0,
        deepest: 0,
    };
    check.part(expression, 0)?;
    Ok(check.deepest)
}

struct Check<'e> {
    variables: &'e [&'e str],
    /// Variables of the loops around the part.
    bound: Vec<&'e str>,
    parts: usize,
    loops: usize,
    deepest: usize,
}

impl<'e> Check<'e> {
    fn part(&mut self, part: &'e IdedExpr, depth: usize) -> Result<(), Error> {
        self.parts += 1;
        self.deepest = self.deepest.max(depth);
        if depth > DEPTH_LIMIT || self.parts > PARTS_LIMIT || self.loops > LOOP_LIMIT {
            return Err(Error::TooDeep);
        }
        let below = depth + 1;
        match &part.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.part(&select.operand, below),
            Expr::Call(call) => {
                if let Some(name) = functions::unknown(call) {
                    return Err(Error::UnknownFunction { name });
                }
                let target = call
                    .target
                    .as_deref()
                    .filter(|target| !functions::is_namespace(target));
                target
                    .into_iter()
                    .chain(&call.args)
                    .try_for_each(|part| self.part(part, below))
            }
            Expr::Comprehension(each) => {
                self.part(&each.iter_range, below)?;
                self.part(&each.accu_init, below)?;
                let outside = self.bound.len();
                self.bound.push(&each.iter_var);
                self.bound.extend(each.iter_var2.as_deref());
                self.bound.push(&each.accu_var);
                self.loops += 1;
                self.part(&each.loop_cond, below)?;
                self.part(&each.loop_step, below)?;
                self.part(&each.result, below)?;
                self.loops -= 1;
                self.bound.truncate(outside);
                Ok(())
            }
            Expr::List(list) => list.elements.iter().try_for_each(|part| self.part(part, below)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::StructField(field) => self.part(&field.value, below),
                EntryExpr::MapEntry(entry) => {
                    self.part(&entry.key, below)?;
                    self.part(&entry.value, below)
                }
            }),
            Expr::Struct(fields) => Err(Error::UnknownFunction {
                name: fields.type_name.clone(),
            }),
        }
    }

    fn variable(&self, name: &str) -> Result<(), Error> {
        if self.bound.contains(&name) || self.variables.contains(&name) {
            return Ok(());
        }
        let known = self.variables.iter().map(|known| (*known).to_owned()).collect();
        Err(Error::UnknownVariable {
            name: name.to_owned(),
            known,
        })
    }
}
