//! Examples with places, and the promise that an edited tree is the tree of the edited text.

use proptest::prelude::*;

use super::*;

#[test]
fn headings_have_sections_and_code_is_no_heading() {
    let source = "# A\n\nx\n\n```sh\n# no\n```\n\n## B `c`\n\ny\n\nC\n===\nz\n";
    let tree = Tree::parse(source);
    let headings: Vec<_> = tree
        .headings
        .iter()
        .map(|heading| (heading.level, heading.title.as_str(), heading.section.of(source)))
        .collect();
    assert_eq!(
        headings,
        [(1, "A", "\nx\n\n```sh\n# no\n```\n\n## B `c`\n\ny\n\n"), (2, "B c", "\ny\n\n"), (1, "C", "z\n")]
    );
    assert_eq!(tree.code.iter().map(|code| code.content.of(source)).collect::<Vec<_>>(), ["c"]);
    let fence = tree.fences[0];
    assert_eq!((fence.info.of(source), fence.content.of(source)), ("sh", "# no\n"));
}

#[test]
fn front_matter_has_places_in_the_whole_text() {
    let source = "---\nname: a\ndescription: does it\n---\n# T\n";
    let tree = Tree::parse(source);
    let front = tree.front_matter.unwrap();
    assert_eq!(front.content.of(source), "name: a\ndescription: does it\n");
    assert_eq!(tree.body.of(source), "# T\n");
    assert!(Tree::parse("text\n---\nname: a\n---\n").front_matter.is_none());
}

#[test]
fn comments_imports_and_links() {
    let source = "<!-- ask -->\n\nSee @AGENTS.md, mail a@b.c, `@no.md` <!-- in --> and [x](docs/a.md#b).\n";
    let tree = Tree::parse(source);
    assert_eq!(
        tree.comments.iter().map(|span| span.of(source)).collect::<Vec<_>>(),
        ["<!-- ask -->", "<!-- in -->"]
    );
    assert_eq!(tree.imports.iter().map(|import| import.path.as_str()).collect::<Vec<_>>(), ["AGENTS.md"]);
    assert_eq!(tree.links[0].destination.of(source), "docs/a.md");
}

#[test]
fn an_edit_that_once_went_wrong() {
    let before = "\n\t<!--\n===\n- item\na\u{301}\n\n- item\n`code` ```\n# H\n    indented\n";
    let edit = TextEdit { span: Span::new(45, 46), new_text: String::new() };
    let mut after = before.to_owned();
    after.replace_range(edit.span.range(), "");
    assert_eq!(Tree::parse(before).edited(before, &edit, &after), Tree::parse(&after));
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "# H\n",
        "## H2\n",
        "text ",
        "word\n",
        "\n",
        "\n\n",
        "- item\n",
        "  - nested\n",
        "1. one\n",
        "```\n",
        "```sh\n",
        "    indented\n",
        "> quote\n",
        "<!-- c -->\n",
        "<!--\n",
        "-->\n",
        "<div>\n",
        "</div>\n",
        "===\n",
        "---\n",
        "`code` ",
        "``x` y`` ",
        "| a | b |\n|---|---|\n",
        "| 1 | 2 |\n",
        "[l](x.md) ",
        "@a.md ",
        "\r\n",
        "é漢😀 ",
        "~~~\n",
        "***\n",
        "<script>\n",
        "[r]: x\n",
        "\t",
        "a\u{301}",
    ])
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_edited_tree_is_the_tree_of_the_edited_text(
        before in text(), new in prop::collection::vec(piece(), 0..4), from in 0usize..400, length in 0usize..30,
    ) {
        let floor = |at: usize| (0..=at.min(before.len())).rev().find(|at| before.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (floor(from), floor(from + length));
        let edit = TextEdit { span: Span::new(start, end), new_text: new.concat() };
        let mut after = before.clone();
        after.replace_range(edit.span.range(), &edit.new_text);
        let tree = Tree::parse(&before).edited(&before, &edit, &after);
        prop_assert_eq!(tree, Tree::parse(&after));
    }

    #[test]
    fn spans_are_in_the_text(source in text()) {
        let tree = Tree::parse(&source);
        let spans = tree.code.iter().flat_map(|code| [code.span, code.content])
            .chain(tree.fences.iter().flat_map(|fence| [fence.span, fence.info, fence.content]))
            .chain(tree.headings.iter().flat_map(|heading| [heading.span, heading.section]))
            .chain(tree.comments.iter().copied())
            .chain(tree.blocks.iter().copied());
        for span in spans {
            prop_assert!(source.get(span.range()).is_some(), "{:?} in {:?}", span, source);
        }
    }
}
