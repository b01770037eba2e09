//! The language of templates: its filters, its tests, and the parts of `loop`. One list for who renders and who checks.

use minijinja::{Environment, UndefinedBehavior, filters, tests};

type Add = fn(&mut Environment<'static>, &'static str);

const FILTERS: [(&str, Add); 9] = [
    ("default", |environment, name| environment.add_filter(name, filters::default)),
    ("indent", |environment, name| environment.add_filter(name, filters::indent)),
    ("join", |environment, name| environment.add_filter(name, filters::join)),
    ("length", |environment, name| environment.add_filter(name, filters::length)),
    ("lower", |environment, name| environment.add_filter(name, filters::lower)),
    ("replace", |environment, name| environment.add_filter(name, filters::replace)),
    ("tojson", |environment, name| environment.add_filter(name, filters::tojson)),
    ("trim", |environment, name| environment.add_filter(name, filters::trim)),
    ("upper", |environment, name| environment.add_filter(name, filters::upper)),
];

const TESTS: [(&str, Add); 14] = [
    ("boolean", |environment, name| environment.add_test(name, tests::is_boolean)),
    ("defined", |environment, name| environment.add_test(name, tests::is_defined)),
    ("divisibleby", |environment, name| environment.add_test(name, tests::is_divisibleby)),
    ("even", |environment, name| environment.add_test(name, tests::is_even)),
    ("false", |environment, name| environment.add_test(name, tests::is_false)),
    ("iterable", |environment, name| environment.add_test(name, tests::is_iterable)),
    ("mapping", |environment, name| environment.add_test(name, tests::is_mapping)),
    ("none", |environment, name| environment.add_test(name, tests::is_none)),
    ("number", |environment, name| environment.add_test(name, tests::is_number)),
    ("odd", |environment, name| environment.add_test(name, tests::is_odd)),
    ("sequence", |environment, name| environment.add_test(name, tests::is_sequence)),
    ("string", |environment, name| environment.add_test(name, tests::is_string)),
    ("true", |environment, name| environment.add_test(name, tests::is_true)),
    ("undefined", |environment, name| environment.add_test(name, tests::is_undefined)),
];

/// What `loop` has inside of a loop.
pub(super) const LOOP: [&str; 11] = [
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "depth",
    "depth0",
    "previtem",
    "nextitem",
];

/// What `loop` can be asked to do.
pub(super) const LOOP_METHODS: [&str; 2] = ["cycle", "changed"];

/// What renders templates: no file, no function, no filter and no test but these; what is undefined is an error.
#[must_use]
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, add) in FILTERS.into_iter().chain(TESTS) {
        add(&mut environment, name);
    }
    environment
}

/// The filters that templates may use: `{{ workdir | upper }}`.
pub fn filters() -> impl Iterator<Item = &'static str> + Clone {
    FILTERS.into_iter().map(|(name, _)| name)
}

/// The tests that templates may use: `{% if output is defined %}`.
pub fn tests() -> impl Iterator<Item = &'static str> + Clone {
    TESTS.into_iter().map(|(name, _)| name)
}
