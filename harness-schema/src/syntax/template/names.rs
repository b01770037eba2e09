//! The names that a template uses and does not define itself, and what it uses that is not allowed.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};

use super::language::{LOOP, LOOP_METHODS, filters, tests};
use super::{Compared, ITEM, Name, Needs, Tree};
use crate::problem::{nearest, within};
use crate::syntax::data::SyntaxError;
use crate::text::Span;

/// Free names and parts of own ones, what is compared, in order, and errors.
pub(super) fn read(source: &str, body: &[Stmt<'_>]) -> Tree {
    let mut reader = Reader { source, scopes: vec![Vec::new()], asked: Vec::new(), tree: Tree::default() };
    reader.body(body);
    let Reader { asked, mut tree, .. } = reader;
    for name in tree.names.iter_mut().chain(&mut tree.parts) {
        // Of a longer path what it is looked up in must be there where it is asked for.
        let is_asked = |asked: &Vec<String>| {
            name.path.starts_with(asked) && (asked.len() == 1 || name.needs == Needs::All)
        };
        if asked.iter().any(is_asked) {
            name.needs = Needs::Nothing;
        }
    }
    tree.names.sort_by_key(|name| name.span);
    tree.parts.sort_by_key(|name| name.span);
    tree.compared.sort_by_key(|each| each.span);
    tree
}

struct Reader<'s> {
    source: &'s str,
    /// What the template defines, innermost scope last.
    scopes: Vec<Vec<(String, Means)>>,
    /// What the template asks for with `is defined`.
    asked: Vec<Vec<String>>,
    tree: Tree,
}

/// What a name that the template defines stands for.
#[derive(Clone, PartialEq, Eq)]
enum Means {
    /// The `loop` of a loop.
    Loop,
    /// What a path of free names means.
    Path(Vec<String>),
    /// Nothing that is certain.
    Unknown,
}

impl Reader<'_> {
    fn body(&mut self, body: &[Stmt<'_>]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.body(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => {
                self.expression(&each.iter);
                let item = match self.meaning(&each.iter) {
                    Means::Path(mut path) => {
                        path.push(ITEM.to_owned());
                        Means::Path(path)
                    }
                    Means::Loop | Means::Unknown => Means::Unknown,
                };
                self.scopes.push(vec![("loop".to_owned(), Means::Loop)]);
                self.define(&each.target, item);
                if let Some(filter) = &each.filter_expr {
                    self.expression(filter);
                }
                self.body(&each.body);
                self.scopes.pop();
                self.body(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.body(&condition.true_body);
                self.body(&condition.false_body);
            }
            Stmt::Set(set) => {
                self.expression(&set.expr);
                let means = self.meaning(&set.expr);
                self.define(&set.target, means);
            }
            // The blocks that only collect text have no scope of their own.
            Stmt::SetBlock(set) => {
                if let Some(filter) = &set.filter {
                    self.expression(filter);
                }
                self.body(&set.body);
                self.define(&set.target, Means::Unknown);
            }
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter);
                self.body(&block.body);
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(Vec::new());
                for (target, value) in &with.assignments {
                    self.expression(value);
                    let means = self.meaning(value);
                    self.define(target, means);
                }
                self.body(&with.body);
                self.scopes.pop();
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
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.looked_up(expression, Needs::All),
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
                match &filter.expr {
                    Some(value) if filter.name == "default" => self.looked_up(value, Needs::Parents),
                    Some(value) => self.expression(value),
                    None => {}
                }
                self.is_one_of("filter", filter.name, filters(), filter.span());
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                if matches!(test.name, "defined" | "undefined") {
                    self.looked_up(&test.expr, Needs::Parents);
                    let asked = self.path(&test.expr).map(|name| name.path);
                    self.asked.extend(asked);
                } else {
                    self.expression(&test.expr);
                }
                self.is_one_of("test", test.name, tests(), test.span());
                self.arguments(&test.args);
            }
            Expr::Call(call) => {
                match &call.expr {
                    Expr::GetAttr(attribute) => {
                        self.method(&attribute.expr, attribute.name, attribute.span())
                    }
                    Expr::Var(function) => self.function(function.id, function.span()),
                    other => self.expression(other),
                }
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expression(item)),
        }
    }

    /// Notes the strings on one side of a comparison, with what the other side stands for.
    fn compare(&mut self, left: &Expr<'_>, right: &Expr<'_>) {
        for (name, other) in [(left, right), (right, left)] {
            let Means::Path(mut path) = self.meaning(name) else { continue };
            path.retain(|part| part != ITEM);
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
            self.tree.compared.push(Compared { path: path.to_vec(), text: text.to_owned(), span });
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

    /// A value, of which not all need be there.
    fn looked_up(&mut self, expression: &Expr<'_>, needs: Needs) {
        if !matches!(expression, Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_)) {
            return self.expression(expression);
        }
        self.subscripts(expression);
        if let Some(name) = self.path(expression) {
            return self.mention(Name { needs, ..name });
        }
        match expression {
            Expr::GetAttr(attribute) => self.inner_value(&attribute.expr),
            Expr::GetItem(item) => self.inner_value(&item.expr),
            _ => {}
        }
    }

    /// What something is looked up in, whose subscripts were read already.
    fn inner_value(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::GetAttr(attribute) => self.inner_value(&attribute.expr),
            Expr::GetItem(item) => self.inner_value(&item.expr),
            other => self.expression(other),
        }
    }

    fn subscripts(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::GetAttr(attribute) => self.subscripts(&attribute.expr),
            Expr::GetItem(item) => {
                self.subscripts(&item.expr);
                self.expression(&item.subscript_expr);
            }
            _ => {}
        }
    }

    /// A name with attributes behind it.
    fn path(&self, expression: &Expr<'_>) -> Option<Name> {
        match expression {
            Expr::Var(variable) => {
                let root_span = self.find(span(variable.span()), variable.id);
                let path = vec![variable.id.to_owned()];
                Some(Name { path, span: root_span, root_span, needs: Needs::All })
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
            Expr::GetItem(item) => {
                let mut name = self.path(&item.expr)?;
                let key = match &item.subscript_expr {
                    Expr::Const(key) => key.value.as_str().map(str::to_owned),
                    _ => None,
                };
                name.path.push(key.unwrap_or_else(|| ITEM.to_owned()));
                name.span = name.span.cover(span(item.span()));
                Some(name)
            }
            _ => None,
        }
    }

    fn mention(&mut self, name: Name) {
        let root = name.path.first().map(String::as_str).unwrap_or_default();
        match self.own(root).cloned() {
            None if LITERALS.contains(&root) => {}
            None if name.span.of(self.source).contains('[') => {
                // Another name may stand between the brackets, so only the root is a name of its own.
                let path = vec![root.to_owned()];
                self.tree.names.push(Name { path, span: name.root_span, needs: Needs::All, ..name });
                self.tree.parts.push(name);
            }
            None => self.tree.names.push(name),
            Some(Means::Unknown) => {}
            Some(Means::Loop) => self.part_of_loop(&name),
            Some(Means::Path(mut path)) => {
                if 1 < name.path.len() {
                    path.extend(name.path.iter().skip(1).cloned());
                    self.tree.parts.push(Name { path, ..name });
                }
            }
        }
    }

    fn part_of_loop(&mut self, name: &Name) {
        let Some(part) = name.path.get(1) else { return };
        if name.needs == Needs::All && part != ITEM && !LOOP.contains(&part.as_str()) {
            // The parts are few, so short words may be two slips away.
            let near = within(part, LOOP, 2).first().map(|near| format!("; did you mean `loop.{near}`?"));
            let message = format!("`loop` has no part `{part}`{}", near.unwrap_or_default());
            self.tree.errors.push(SyntaxError { span: name.span, region: name.span, message });
        }
    }

    /// What a name stands for, if the template defines it.
    fn own(&self, name: &str) -> Option<&Means> {
        let mut innermost = self.scopes.iter().rev().flat_map(|scope| scope.iter().rev());
        innermost.find(|(defined, _)| defined == name).map(|(_, means)| means)
    }

    fn meaning(&self, expression: &Expr<'_>) -> Means {
        let Some(name) = self.path(expression) else { return Means::Unknown };
        let root = name.path.first().map(String::as_str).unwrap_or_default();
        match self.own(root) {
            None if LITERALS.contains(&root) => Means::Unknown,
            None => Means::Path(name.path),
            Some(Means::Path(path)) => {
                Means::Path(path.iter().chain(name.path.iter().skip(1)).cloned().collect())
            }
            Some(Means::Loop | Means::Unknown) => Means::Unknown,
        }
    }

    fn define(&mut self, target: &Expr<'_>, means: Means) {
        let means = if matches!(target, Expr::Var(_)) { means } else { Means::Unknown };
        let Some(scope) = self.scopes.last_mut() else { return };
        for name in targets(target) {
            // Which of two assignments was the last one is not known before a run.
            match scope.iter_mut().find(|(defined, _)| *defined == name) {
                Some((_, before)) => *before = Means::Unknown,
                None => scope.push((name, means.clone())),
            }
        }
    }

    /// `value.name(…)`: only `loop` has methods.
    fn method(&mut self, value: &Expr<'_>, name: &str, place: minijinja::machinery::Span) {
        let of_loop = matches!(value, Expr::Var(variable) if self.own(variable.id) == Some(&Means::Loop));
        self.expression(value);
        if of_loop && LOOP_METHODS.contains(&name) {
            return;
        }
        let message = match filters().find(|filter| *filter == name) {
            Some(filter) => format!("unknown method `{name}`; did you mean the filter `{filter}`?"),
            None => format!("a template has no methods: unknown method `{name}`"),
        };
        let span = self.find_last(span(place), name);
        self.tree.errors.push(SyntaxError { span, region: span, message });
    }

    /// `name(…)`: only `loop` can be called, for loops in loops.
    fn function(&mut self, name: &str, place: minijinja::machinery::Span) {
        if self.own(name) == Some(&Means::Loop) {
            return;
        }
        let span = self.find(span(place), name);
        let message = format!("a template has no functions: unknown function `{name}`");
        self.tree.errors.push(SyntaxError { span, region: span, message });
    }

    /// The characters of a word in or right at a place.
    fn find(&self, place: Span, word: &str) -> Span {
        let within = place.of(self.source);
        within.find(word).map_or(place, |at| {
            let start = place.start as usize + at;
            Span::new(start, start + word.len())
        })
    }

    fn find_last(&self, place: Span, word: &str) -> Span {
        let within = place.of(self.source);
        within.rfind(word).map_or(place, |at| {
            let start = place.start as usize + at;
            Span::new(start, start + word.len())
        })
    }

    fn is_one_of(
        &mut self,
        what: &str,
        name: &str,
        names: impl Iterator<Item = &'static str> + Clone,
        place: minijinja::machinery::Span,
    ) {
        if names.clone().any(|known| known == name) {
            return;
        }
        let near = nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let span = self.find(span(place), name);
        let message = format!("unknown {what} `{name}`{near}");
        self.tree.errors.push(SyntaxError { span, region: span, message });
    }

    fn refuse(&mut self, what: &str, place: minijinja::machinery::Span) {
        let span = self.find(span(place), what);
        let message = format!("a template cannot use `{what}`");
        self.tree.errors.push(SyntaxError { span, region: span, message });
    }
}

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
