//! Edits of Markdown: sections, bodies and front matter.

use super::{check, refuse, value, why_not};
use super::{document, selector};
use crate::selector::Unresolved;

const TEXT: &str = "---\nname: x\ndescription: Old one.\ntools: Read\n---\n\n# Agent\n\nIntro.\n\n## Rules\n\n- one\n\n```sh\n# Rules\n```\n\n### Sub\n\ntext\n\n## Style\nTerse.\n";

#[test]
fn a_section_ends_at_the_next_heading_of_its_level() {
    assert_eq!(
        value("a.md", TEXT, r#"["md.section", "Rules"]"#),
        "- one\n\n```sh\n# Rules\n```\n\n### Sub\n\ntext"
    );
    assert_eq!(value("a.md", TEXT, r#"["md.section", "Rules", "Sub"]"#), "text");
    check(
        "a.md",
        TEXT,
        r#"["md.section", "Agent", "Rules", "Sub"]"#,
        "\nmore\n\n",
        &TEXT.replace("text\n", "more\n"),
    );
    check(
        "a.md",
        TEXT,
        r#"["md.section", "Style"]"#,
        "Longer.\n\n#### Deep\nx",
        &TEXT.replace("Terse.", "Longer.\n\n#### Deep\nx"),
    );
}

#[test]
fn no_heading_of_the_level_or_above_comes_in() {
    let select = r#"["md.section", "Rules"]"#;
    refuse("a.md", TEXT, select, "- one\n\n## New\n\nx", "the heading `## New` would end the section");
    refuse("a.md", TEXT, select, "New\n===\n", "the heading `New` would end the section");
    refuse("a.md", TEXT, select, "```\nopen", "the new text would not be read back as it is");
    check(
        "a.md",
        TEXT,
        r#"["md.section", "Style"]"#,
        "```\n# no heading\n```",
        &TEXT.replace("Terse.", "```\n# no heading\n```"),
    );
}

#[test]
fn an_empty_section_gets_its_own_lines() {
    check("a.md", "# A\n# B\n", r#"["md.section", "A"]"#, "x", "# A\nx\n# B\n");
    check("a.md", "# A\r\n\r\n# B", r#"["md.section", "B"]"#, "x", "# A\r\n\r\n# B\r\nx");
    check("a.md", "# A\n\nx\n\n# B\n", r#"["md.section", "A"]"#, "", "# A\n\n\n\n# B\n");
}

#[test]
fn headings_compare_after_nfc_and_folded_blanks() {
    let text = "# Cafe\u{301}  rules\n\nx\n\n## 作業原則\n\ny\n";
    assert_eq!(value("a.md", text, r#"["md.section", "Café rules", "作業原則"]"#), "y");
}

#[test]
fn a_new_heading_cannot_take_the_name_of_another() {
    let select = r#"["md.section", "Style"]"#;
    refuse(
        "a.md",
        TEXT,
        select,
        "Terse.\n\n### Sub\n\nx",
        "the selector of section `Sub` outside of the surface would change",
    );
    let text = "# A\n## T\nx\n# B\n## T\ny\n";
    refuse(
        "a.md",
        text,
        r#"["md.section", "A"]"#,
        "x",
        "the selector of section `T` outside of the surface would change",
    );
    check("a.md", text, r#"["md.section", "A"]"#, "## T\nz", &text.replace("x", "z"));
}

#[test]
fn several_sections_are_listed_with_selectors_that_differ() {
    let text = "# A\n## Rules\nx\n# B\n## Rules\ny\n## Rules\nz\n";
    let select = r#"["md.section", "Rules"]"#;
    assert_eq!(why_not("a.md", text, select), "3 sections are called `Rules` (lines 2, 5 and 7)");
    let Err(Unresolved::Several { candidates, .. }) = selector(select).resolve(&document("a.md", text))
    else {
        panic!("several");
    };
    let selectors: Vec<String> = candidates.iter().map(|candidate| candidate.selector.to_string()).collect();
    assert_eq!(
        selectors,
        [r#"["md.section", "A", "Rules"]"#, r#"["md.section", "Rules", 2]"#, r#"["md.section", "Rules", 3]"#]
    );
    let values: Vec<String> = selectors.iter().map(|select| value("a.md", text, select)).collect();
    assert_eq!(values, ["x", "y", "z"]);
}

#[test]
fn what_is_near_is_named() {
    assert_eq!(
        why_not("a.md", TEXT, r#"["md.section", "Rule"]"#),
        "no section `Rule` in `a.md`; did you mean `Rules`?"
    );
    assert_eq!(
        why_not("a.md", TEXT, r#"["md.section", "Other", "Rules"]"#),
        "no section `Other / Rules` in `a.md`; did you mean `Agent / Rules`?"
    );
    assert_eq!(
        why_not("a.md", TEXT, r#"["md.section", "Rules", 2]"#),
        "no occurrence 2 of section `Rules` (there are 1) in `a.md`"
    );
    assert_eq!(
        why_not("a.md", TEXT, r#"["yaml", "rules"]"#),
        "selector `yaml` cannot read Markdown; use `md.section`, `md.body` or `file`"
    );
    assert_eq!(why_not("a.md", "x\n", r#"["md.frontmatter", "a"]"#), "no front matter in `a.md`");
}

#[test]
fn a_file_without_a_known_name_is_read_as_the_selector_says() {
    let text = "---\nd: x\nrun: y\n---\n# A\none\n# B\n";
    check("prompt.tmpl", text, r#"["md.frontmatter", "d"]"#, "z", &text.replace("d: x", "d: z"));
    refuse(
        "prompt.tmpl",
        text,
        r#"["md.frontmatter", "run"]"#,
        "z",
        "the edit changes `run`, which grants rights",
    );
    check("prompt.tmpl", text, r#"["md.section", "A"]"#, "two", &text.replace("one", "two"));
    refuse(
        "prompt.tmpl",
        text,
        r#"["md.section", "A"]"#,
        "## B",
        "the selector of section `B` outside of the surface would change",
    );
}

#[test]
fn front_matter_and_body_stay_apart() {
    check(
        "a.md",
        TEXT,
        r#"["md.frontmatter", "description"]"#,
        "New: one.",
        &TEXT.replace("Old one.", "\"New: one.\""),
    );
    check(
        "a.md",
        "---\na: b\n---\n\n\nOld.\n",
        r#"["md.body"]"#,
        "New.\n\n# Title\n",
        "---\na: b\n---\n\n\nNew.\n\n# Title\n",
    );
    check("a.md", "Old.\n", r#"["md.body"]"#, "New.", "New.\n");
    refuse(
        "a.md",
        "---\na: b\nrun: x\n---\nOld.\n",
        r#"["file"]"#,
        "---\na: b\nrun: y\n---\nOld.\n",
        "the edit changes `run`, which grants rights",
    );
    // A body that starts like front matter would become one.
    refuse(
        "a.md",
        "Old.\n",
        r#"["md.body"]"#,
        "---\na: b\n---\nx",
        "the new text would not be read back as it is",
    );
}
