//! The names that a template uses and does not define itself, and what it uses that is not allowed.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};

use super::{Compared, FILTERS, Name, Tree};
use crate::problem::nearest;
use crate::syntax::data::SyntaxError;
use crate::text::Span;

/// Adds free names, what is compared, and errors.
pub(super) fn read(source: &str, body: &[Stmt<'_>], tree: Tree) -> Tree {
    let mut reader = Reader {
        source,
        scopes: vec![Vec::new()],
        items: Vec::new(),
        names: Vec::new(),
        compared: Vec::new(),
        errors: Vec::new(),
    };
    reader.body(body);
    let Reader { mut names, mut compared, errors, .. } = reader;
    names.sort_by_key(|name| name.span);
    compared.sort_by_key(|each| each.span);
    Tree { names, compared, errors, ..tree }
}

struct Reader<'s> {
    source: &'s str,
    /// What the template defines, innermost scope last.
    scopes: Vec<Vec<String>>,
    /// What the loops around take, and from which list: `t` of `tools`; innermost last.
    items: Vec<(String, Vec<String>)>,
    names: Vec<Name>,
    compared: Vec<Compared>,
    errors: Vec<SyntaxError>,
}

impl Reader<'_> {
    fn body(&mut self, body: &[Stmt<'_>]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn scoped(&mut self, names: Vec<String>, body: &[Stmt<'_>]) {
        self.scopes.push(names);
        self.body(body);
        self.scopes.pop();
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.body(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => {
                self.expression(&each.iter);
                let mut names = targets(&each.target);
                let of = self.path(&each.iter).map(|list| list.path);
                self.items.extend(names.iter().map(|name| (name.clone(), of.clone().unwrap_or_default())));
                let taken = names.len();
                names.push("loop".to_owned());
                self.scopes.push(names);
                if let Some(filter) = &each.filter_expr {
                    self.expression(filter);
                }
                self.body(&each.body);
                self.scopes.pop();
                self.items.truncate(self.items.len().saturating_sub(taken));
                self.body(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.body(&condition.true_body);
                self.body(&condition.false_body);
            }
            Stmt::Set(set) => {
                self.expression(&set.expr);
                self.define(targets(&set.target));
            }
            Stmt::SetBlock(set) => {
                self.scoped(Vec::new(), &set.body);
                self.define(targets(&set.target));
            }
            Stmt::WithBlock(with) => {
                let mut names = Vec::new();
                for (target, value) in &with.assignments {
                    self.expression(value);
                    names.extend(targets(target));
                }
                self.scoped(names, &with.body);
            }
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter);
                self.scoped(Vec::new(), &block.body);
            }
            Stmt::AutoEscape(block) => self.refuse("autoescape", block.span()),
            Stmt::Block(block) => self.refuse("block", block.span()),
            Stmt::Import(import) => self.refuse("import", import.span()),
            Stmt::FromImport(import) => self.refuse("import", import.span()),
            Stmt::Extends(extends) => self.refuse("extends", extends.span()),
            Stmt::Include(include) => self.refuse("include", include.span()),
            Stmt::Macro(r#macro) => self.refuse("macro", r#macro.span()),
            Stmt::CallBlock(call) => self.refuse("call", call.span()),
            Stmt::Do(call) => self.refuse("do", call.span()),
            #[expect(unreachable_patterns, reason = "minijinja has more statements with other features")]
            _ => {}
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) | Expr::GetAttr(_) => match self.path(expression) {
                Some(name) => self.mention(name),
                None => {
                    if let Expr::GetAttr(attribute) = expression {
                        self.expression(&attribute.expr);
                    }
                }
            },
            Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expression(part);
                }
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => {
                if matches!(operation.op, BinOpKind::Eq | BinOpKind::Ne | BinOpKind::In) {
                    self.compare(&operation.left, &operation.right);
                }
                self.expression(&operation.left);
                self.expression(&operation.right);
            }
            Expr::Compare(compare) => {
                // Several in a row: each with the one before.
                let mut left = &compare.expr;
                for operation in &compare.ops {
                    self.compare(left, &operation.expr);
                    left = &operation.expr;
                }
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|operation| self.expression(&operation.expr));
            }
            Expr::IfExpr(condition) => {
                self.expression(&condition.test_expr);
                self.expression(&condition.true_expr);
                if let Some(otherwise) = &condition.false_expr {
                    self.expression(otherwise);
                }
            }
            Expr::Filter(filter) => {
                if let Some(value) = &filter.expr {
                    self.expression(value);
                }
                self.check_filter(filter.name, span(filter.span()));
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            Expr::GetItem(item) => {
                self.expression(&item.expr);
                self.expression(&item.subscript_expr);
            }
            Expr::Call(call) => {
                // A method of a value is a call on an attribute; the value is what is mentioned.
                match &call.expr {
                    Expr::GetAttr(attribute) => self.expression(&attribute.expr),
                    Expr::Var(function) if FUNCTIONS.contains(&function.id) => {}
                    other => self.expression(other),
                }
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expression(item)),
        }
    }

    /// Notes the strings on one side of a comparison, with what is on the other.
    fn compare(&mut self, left: &Expr<'_>, right: &Expr<'_>) {
        for (name, other) in [(left, right), (right, left)] {
            let Some(Name { path, .. }) = self.path(name) else { continue };
            let path = self.of_list(path);
            match other {
                Expr::List(list) => list.items.iter().for_each(|item| self.string(&path, item)),
                other => self.string(&path, other),
            }
        }
    }

    fn string(&mut self, path: &[String], expression: &Expr<'_>) {
        let Expr::Const(constant) = expression else { return };
        let Some(text) = constant.value.as_str() else { return };
        let quoted = span(constant.span());
        let written = quoted.of(self.source);
        if 2 <= written.len() && written.starts_with(['"', '\'']) {
            let span = Span::new(quoted.start as usize + 1, quoted.end as usize - 1);
            self.compared.push(Compared { path: path.to_vec(), text: text.to_owned(), span });
        }
    }

    /// What a loop takes, by the list that it is from.
    fn of_list(&self, path: Vec<String>) -> Vec<String> {
        let Some((root, parts)) = path.split_first() else { return path };
        match self.items.iter().rev().find(|(name, _)| name == root) {
            Some((_, list)) => list.iter().chain(parts).cloned().collect(),
            None => path,
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => self.expression(value),
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    /// A name with attributes behind it.
    fn path(&self, expression: &Expr<'_>) -> Option<Name> {
        match expression {
            Expr::Var(variable) => {
                let root_span = self.find(span(variable.span()), variable.id);
                Some(Name { path: vec![variable.id.to_owned()], span: root_span, root_span })
            }
            Expr::GetAttr(attribute) => {
                let mut name = self.path(&attribute.expr)?;
                name.path.push(attribute.name.to_owned());
                let whole = name.span.cover(span(attribute.span()));
                // The attribute's own characters end the path.
                let after = self.source.get(name.span.end as usize..whole.end as usize).unwrap_or_default();
                let end =
                    after.find(attribute.name).map(|at| name.span.end as usize + at + attribute.name.len());
                name.span.end = Span::at(end.unwrap_or(whole.end as usize)).start;
                Some(name)
            }
            _ => None,
        }
    }

    fn mention(&mut self, name: Name) {
        let root = name.path.first().map(String::as_str).unwrap_or_default();
        let is_own = self.scopes.iter().flatten().any(|defined| defined == root);
        if !is_own && !LITERALS.contains(&root) {
            self.names.push(name);
        }
    }

    fn define(&mut self, names: Vec<String>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.extend(names);
        }
    }

    /// The characters of a word in or right at a place.
    fn find(&self, place: Span, word: &str) -> Span {
        let within = place.of(self.source);
        within.find(word).map_or(place, |at| {
            let start = place.start as usize + at;
            Span::new(start, start + word.len())
        })
    }

    fn check_filter(&mut self, name: &str, place: Span) {
        if FILTERS.contains(&name) {
            return;
        }
        let near = nearest(name, FILTERS).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let span = self.find(place, name);
        let message = format!("unknown filter `{name}`{near}");
        self.errors.push(SyntaxError { span, region: span, message });
    }

    fn refuse(&mut self, what: &str, place: minijinja::machinery::Span) {
        let span = self.find(span(place), what);
        let message = format!("a template cannot use `{what}`");
        self.errors.push(SyntaxError { span, region: span, message });
    }
}

/// Functions that minijinja always has.
const FUNCTIONS: [&str; 4] = ["range", "dict", "namespace", "debug"];

/// Names that minijinja reads as values.
const LITERALS: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

fn targets(target: &Expr<'_>) -> Vec<String> {
    match target {
        Expr::Var(variable) => vec![variable.id.to_owned()],
        Expr::List(list) => list.items.iter().flat_map(targets).collect(),
        _ => Vec::new(),
    }
}

fn span(span: minijinja::machinery::Span) -> Span {
    Span::new(span.start_offset as usize, span.end_offset as usize)
}
