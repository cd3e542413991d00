//! Compiling and running one expression.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::IdedExpr;
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};
use parking_lot::Mutex;
use serde_json::Value;
use thiserror::Error;

use super::bound;
use super::cost::{self, COST_LIMIT};
use super::names;
use super::rewrite;
use super::value::{from_cel, kind_of, to_cel};

/// The longest expression, in bytes.
const LENGTH_LIMIT: usize = 4096;

/// How deep brackets may nest in the text.
const BRACKET_LIMIT: usize = 24;

/// How many `?:` an expression may have: the parser recurses at each.
const TERNARY_LIMIT: usize = 40;

/// The parser is generated and takes up to 200 KB of stack for one pair of brackets; it gives up at 96 pairs.
/// The evaluator takes up to 30 KB for a level. Only pages that are used become memory.
const BIG_STACK: usize = 64 << 20;

/// What nests deeper than this is evaluated on a stack of its own; no expression people write does.
const INLINE_DEPTH: usize = 24;

/// Why an expression cannot be compiled or evaluated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Error {
    #[error("failed to compile the expression: it has {length} bytes, at most {LENGTH_LIMIT} are allowed")]
    TooLong { length: usize },
    #[error("failed to compile the expression: it nests too deeply")]
    TooDeep,
    /// Line and column count from 1 within the expression.
    #[error("failed to compile the expression at {line}:{column}: {message}")]
    Syntax {
        line: usize,
        column: usize,
        message: String,
    },
    #[error("failed to compile the expression: there is no variable {name:?}")]
    UnknownVariable { name: String, known: Vec<String> },
    #[error("failed to compile the expression: there is no function {name:?}")]
    UnknownFunction { name: String },
    #[error(
        "failed to evaluate the expression: it could take {cost} steps on this object, at most {COST_LIMIT} are allowed"
    )]
    TooCostly { cost: u64 },
    #[error("failed to evaluate the expression: {message}")]
    Evaluate { message: String },
    #[error("failed to evaluate the expression: it gives a {found}, not true or false")]
    NotBool { found: &'static str },
}

impl Error {
    /// What to do about it, when that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownVariable { known, .. } => Some(format!("available here: {}", known.join(", "))),
            Self::TooCostly { .. } => Some("loop over smaller lists, or nest fewer loops".to_owned()),
            Self::TooLong { .. } | Self::TooDeep => Some("split it into several expressions".to_owned()),
            Self::NotBool { .. } => Some("compare the value with something".to_owned()),
            Self::Evaluate { message } if message.starts_with("no such key") => {
                Some("test for the field first: has(x.field) && …".to_owned())
            }
            _ => None,
        }
    }

    /// Where in the expression, line and column from 1, when that is known.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        match self {
            Self::Syntax { line, column, .. } => Some((*line, *column)),
            _ => None,
        }
    }
}

/// An expression that was checked and can be evaluated many times.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    expression: IdedExpr,
    /// How deep the expression nests.
    depth: usize,
    text: String,
}

impl Program {
    /// Compiles an expression that may use these variables.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, Error> {
        if text.len() > LENGTH_LIMIT {
            return Err(Error::TooLong { length: text.len() });
        }
        if bracket_depth(text) > BRACKET_LIMIT || text.matches('?').count() > TERNARY_LIMIT {
            return Err(Error::TooDeep);
        }
        let (expression, depth) = parse(text, variables)?;
        Ok(Self {
            expression,
            depth,
            text: text.to_owned(),
        })
    }

    /// As [`Self::compile`], remembering the programs of this process: compiling costs a thread, and the same
    /// few expressions are asked for on every pass.
    pub fn cached(text: &str, variables: &[&str]) -> Result<Arc<Self>, Error> {
        const MOST: usize = 1024;
        static PROGRAMS: LazyLock<Mutex<HashMap<String, Arc<Program>>>> = LazyLock::new(Mutex::default);
        let key = format!("{}\n{text}", variables.join(" "));
        if let Some(program) = PROGRAMS.lock().get(&key) {
            return Ok(program.clone());
        }
        let program = Arc::new(Self::compile(text, variables)?);
        let mut programs = PROGRAMS.lock();
        if programs.len() >= MOST {
            programs.clear();
        }
        programs.insert(key, program.clone());
        Ok(program)
    }

    /// Compiles a rule of a schema: it may use `self` and `oldSelf`, and names fields in the escaped form that
    /// Kubernetes gives to those CEL cannot spell (`__namespace__`, `x__dash__y`).
    pub(in crate::model) fn compile_rule(text: &str) -> Result<Self, Error> {
        let mut program = Self::compile(text, &["self", "oldSelf"])?;
        rewrite::undo(&mut program.expression);
        Ok(program)
    }

    /// Whether the expression uses a variable.
    #[must_use]
    pub fn uses(&self, variable: &str) -> bool {
        self.expression.references().has_variable(variable)
    }

    /// The fields of a variable that the expression reads, as JSON pointers. Those it takes by index are left out.
    #[must_use]
    pub fn fields_of(&self, variable: &str) -> BTreeSet<String> {
        names::read_of(variable, &self.expression)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of the expression. Variables that were declared and are not given here count as unknown.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, Error> {
        from_cel(&self.run(variables, false)?)
    }

    /// The same for conditions; anything but true or false is an error.
    pub fn evaluate_bool(&self, variables: &[(&str, &Value)]) -> Result<bool, Error> {
        boolean(&self.run(variables, false)?)
    }

    /// As the API server runs rules of a schema: a field that is null counts as absent.
    pub(in crate::model) fn holds(&self, variables: &[(&str, &Value)]) -> Result<bool, Error> {
        boolean(&self.run(variables, true)?)
    }

    fn run(&self, variables: &[(&str, &Value)], skip_null: bool) -> Result<CelValue, Error> {
        let cost = cost::estimate(&self.expression, variables);
        if cost > COST_LIMIT {
            return Err(Error::TooCostly { cost });
        }
        if self.depth <= INLINE_DEPTH {
            return self.resolve(variables, skip_null);
        }
        on_big_stack(|| self.resolve(variables, skip_null)).unwrap_or_else(|| {
            Err(Error::Evaluate {
                message: "it nests too deeply".to_owned(),
            })
        })
    }

    fn resolve(&self, variables: &[(&str, &Value)], skip_null: bool) -> Result<CelValue, Error> {
        let mut context = FUNCTIONS.new_inner_scope();
        for (name, value) in variables.iter().filter(|(name, _)| self.uses(name)) {
            context.add_variable_from_value(*name, to_cel(value, skip_null));
        }
        CelValue::resolve(&self.expression, &context).map_err(|error| Error::Evaluate {
            message: describe(&error, &self.text),
        })
    }
}

/// Parses and checks. What is too deep to keep is also dropped on the big stack.
fn parse(text: &str, variables: &[&str]) -> Result<(IdedExpr, usize), Error> {
    on_big_stack(|| {
        let parser = Parser::new().enable_optional_syntax(true);
        let mut expression = parser.parse(text).map_err(|errors| syntax(&errors))?;
        rewrite::optional_fields(&mut expression);
        let depth = bound::check(&expression, variables)?;
        Ok((expression, depth))
    })
    .unwrap_or_else(|| {
        Err(Error::Syntax {
            line: 1,
            column: 1,
            message: "it cannot be parsed".to_owned(),
        })
    })
}

/// Runs something on a stack of its own, so that no expression can exhaust that of the caller. `None` when it
/// panicked, as the generated parser does on some input.
fn on_big_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("cel".to_owned())
            .stack_size(BIG_STACK);
        thread.spawn_scoped(scope, run).ok()?.join().ok()
    })
}

/// All functions, registered once.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());

fn boolean(value: &CelValue) -> Result<bool, Error> {
    match value {
        CelValue::Bool(value) => Ok(*value),
        other => Err(Error::NotBool {
            found: kind_of(other),
        }),
    }
}

fn syntax(errors: &kube_cel::cel::ParseErrors) -> Error {
    let Some(first) = errors.errors.first() else {
        return Error::Syntax {
            line: 1,
            column: 1,
            message: "it cannot be parsed".to_owned(),
        };
    };
    if first.msg.to_lowercase().contains("recursion") {
        return Error::TooDeep;
    }
    let from_one = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
    Error::Syntax {
        line: from_one(first.pos.0),
        column: from_one(first.pos.1),
        message: shorten(&first.msg),
    }
}

/// What went wrong, in words without values: the evaluator's own messages quote them, and an object may be a
/// Secret.
fn describe(error: &ExecutionError, text: &str) -> String {
    match error {
        // A key that the expression does not spell was computed from a value.
        ExecutionError::NoSuchKey(key) if text.contains(key.as_str()) => format!("no such key: {key}"),
        ExecutionError::NoSuchKey(_) => "no such key".to_owned(),
        ExecutionError::UndeclaredReference(name) => format!("{name} is not known here"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        ExecutionError::NotSupportedAsMethod { method, .. } => {
            format!("{method} does not take a value of this type")
        }
        ExecutionError::FunctionError { function, .. } => {
            format!("{function} cannot use the value it is given")
        }
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("{operator} does not take values of these types")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index is outside its list".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "values of different types are compared".to_owned(),
        _ => "an operation does not take values of these types".to_owned(),
    }
}

/// Messages of the parser quote the text; what a person reads is bounded.
fn shorten(message: &str) -> String {
    const LIMIT: usize = 200;
    match message.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", &message[..cut]),
        None => message.to_owned(),
    }
}

/// The deepest nesting of brackets, those in strings included: a first, cheap guess.
fn bracket_depth(text: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
