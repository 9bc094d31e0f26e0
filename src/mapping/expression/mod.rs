//! Expressions: a value, or a yes or no, from several values, in the expression language of Jinja.
//!
//! An expression reads the variables that it is given and nothing else: it has no statements, no loops, no functions, no files and no
//! clock. It can neither take long nor much memory: every step and every byte that it makes is paid for before it is made, from a
//! budget. What goes wrong is told without any value: values may be personal data.

mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, filters, tests};
use serde_json::Value as Json;

/// The characters of an expression at most. Each level of nesting takes stack, so this bounds that as well.
const SOURCE: usize = 2_000;
/// The bytes of a text that goes in, with all that is in it, or comes out, at most.
const TEXT: usize = 32 * 1_024;
/// The budget of one evaluation: a step of the engine costs 1, and so do 64 bytes of any text that it makes.
const FUEL: u64 = 20_000;

/// What can be done to a value.
const FILTERS: [&str; 16] = [
    "abs", "default", "first", "float", "int", "join", "last", "length", "lower", "replace", "round", "split", "string", "title",
    "trim", "upper",
];
/// What can be asked of a value.
const TESTS: [&str; 13] = [
    "boolean",
    "containing",
    "defined",
    "endingwith",
    "even",
    "false",
    "in",
    "none",
    "number",
    "odd",
    "startingwith",
    "string",
    "true",
];

/// The engine, with nothing in it but what is named above. One for all expressions.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.add_filter("abs", filters::abs);
    engine.add_filter("default", filters::default);
    engine.add_filter("first", filters::first);
    engine.add_filter("float", filters::float);
    engine.add_filter("int", filters::int);
    engine.add_filter("join", filters::join);
    engine.add_filter("last", filters::last);
    engine.add_filter("length", filters::length);
    engine.add_filter("lower", filters::lower);
    engine.add_filter("replace", filters::replace);
    engine.add_filter("round", filters::round);
    engine.add_filter("split", filters::split);
    engine.add_filter("string", filters::string);
    engine.add_filter("title", filters::title);
    engine.add_filter("trim", filters::trim);
    engine.add_filter("upper", filters::upper);
    engine.add_test("boolean", tests::is_boolean);
    engine.add_test("containing", |text: &str, part: &str| text.contains(part));
    engine.add_test("defined", tests::is_defined);
    engine.add_test("endingwith", tests::is_endingwith);
    engine.add_test("even", tests::is_even);
    engine.add_test("false", tests::is_false);
    engine.add_test("in", tests::is_in);
    engine.add_test("none", tests::is_none);
    engine.add_test("number", tests::is_number);
    engine.add_test("odd", tests::is_odd);
    engine.add_test("startingwith", tests::is_startingwith);
    engine.add_test("string", tests::is_string);
    engine.add_test("true", tests::is_true);
    engine
});

/// An expression, compiled.
#[derive(Clone)]
pub struct Expression {
    source: String,
    variables: Vec<String>,
    compiled: Arc<minijinja::Expression<'static, 'static>>,
}

impl Expression {
    /// Compiles an expression. The error says what is wrong with it.
    pub fn compile(source: &str) -> Result<Self, String> {
        if source.chars().count() > SOURCE {
            return Err(format!("it is longer than {SOURCE} characters"));
        }
        let compiled = ENGINE.compile_expression_owned(source.to_owned()).map_err(|error| {
            error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
        })?;
        let variables = names::variables(source, &FILTERS, &TESTS)?.into_iter().collect();
        Ok(Self { source: source.to_owned(), variables, compiled: Arc::new(compiled) })
    }

    /// The variables that it uses, in alphabetical order.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The text that it gives. A variable that is null is an empty text; so is a result that is none.
    pub fn evaluate(&self, variables: &BTreeMap<String, Json>) -> Result<String, String> {
        let value = self.run(variables)?;
        let text = match value.kind() {
            ValueKind::None => String::new(),
            ValueKind::Bool => value.is_true().to_string(),
            ValueKind::String => value.to_string(),
            ValueKind::Number if f64::try_from(value.clone()).is_ok_and(f64::is_finite) => value.to_string(),
            ValueKind::Number => return Err("it gives a number that is too large to be one".to_owned()),
            ValueKind::Undefined => return Err("it gives nothing: an `if` needs an `else`".to_owned()),
            kind => return Err(format!("it gives a {kind}, where a text or a number is needed")),
        };
        if text.len() > TEXT { Err(format!("it gives a text of more than {TEXT} bytes")) } else { Ok(text) }
    }

    /// Whether it holds. What is neither true nor false is an error.
    pub fn test(&self, variables: &BTreeMap<String, Json>) -> Result<bool, String> {
        let value = self.run(variables)?;
        match value.kind() {
            ValueKind::Bool => Ok(value.is_true()),
            kind => Err(format!("it gives a {kind}, where true or false is needed: compare it with something")),
        }
    }

    fn run(&self, variables: &BTreeMap<String, Json>) -> Result<Value, String> {
        let mut used = BTreeMap::new();
        for name in &self.variables {
            if let Some(json) = variables.get(name) {
                let mut left = TEXT;
                used.insert(name.clone(), value(json, &mut left).map_err(|problem| format!("`{name}` {problem}"))?);
            }
        }
        self.compiled.eval(Value::from(used)).map_err(|error| told(error.kind()))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// The engine's form of a value. `left` is how many bytes of text it may still hold.
fn value(json: &Json, left: &mut usize) -> Result<Value, String> {
    let mut take = |text: &str| {
        *left = left.checked_sub(text.len()).ok_or_else(|| format!("is longer than {TEXT} bytes"))?;
        Ok::<(), String>(())
    };
    Ok(match json {
        Json::Null => Value::from(""),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (_, Some(number)) => Value::from(number),
            _ => Value::from(number.as_f64().ok_or("is no number")?),
        },
        Json::String(text) => {
            take(text)?;
            Value::from(text.as_str())
        }
        // The engine could repeat it without end.
        Json::Array(_) => return Err("is a list, which no expression can use".to_owned()),
        Json::Object(pairs) => {
            let mut map = BTreeMap::new();
            for key in pairs.keys() {
                take(key)?;
            }
            for (key, json) in pairs {
                map.insert(key.clone(), value(json, left)?);
            }
            Value::from(map)
        }
    })
}

/// What went wrong. The engine's own words may hold values.
fn told(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::UndefinedError => "it uses something that is not there".to_owned(),
        ErrorKind::OutOfFuel => "it takes more work or memory than it may".to_owned(),
        ErrorKind::InvalidOperation => "one of its operations does not go with the values that it was given".to_owned(),
        kind => kind.to_string(),
    }
}
