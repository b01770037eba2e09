//! Texts that give a held-in task away, and everyday ones that do not.

use super::super::fixture::{facts, harness};
use super::*;

fn told(after: &str) -> Option<String> {
    Secrets::of(&facts(), &harness()).told("Be brief.", &format!("Be brief.\n{after}"))
}

#[test]
fn everyday_rules_tell_nothing() {
    for text in [
        "Before you finish, run what you wrote and read what it says, e.g. with python3 or grep.",
        "Round numbers as the job says, and/or write the result where it belongs.",
        "Use `shell` to read each file back; write the totals once.",
        "When the job is done, check the data and/or text of the result.",
        // Three tasks know it.
        "Write to /app/out.txt.",
        // No task knows these.
        "Look at README.md, and wait 5000 ms.",
        "Invoice and total are words.",
        "Write UTF-8, with times as ISO-8601 has them.",
    ] {
        assert_eq!(told(text), None, "{text}");
    }
}

#[test]
fn names_and_numbers_of_few_tasks_are_told() {
    for (text, what) in [
        ("Mind the tax in invoice.py.", "invoice.py"),
        ("Mind /app/totals.csv", "totals.csv"),
        ("Ask port 8061 first.", "8061"),
        ("Ask http://127.0.0.1:8061/ first.", "8061"),
        ("Then test_rounding passes.", "test_rounding"),
        ("The sum is 12345.", "12345"),
        ("In invoice-total do this.", "invoice-total"),
        ("In JOIN_ORDERS do this.", "join-orders"),
        ("Mind that you round each amount half up.", "amount half up"),
        ("For python tasks, round late.", "python"),
        ("If the task is about data, sort it.", "data"),
    ] {
        let why = told(text).unwrap_or_else(|| panic!("{text}"));
        assert!(why.contains(what), "{text}: {why}");
    }
}

#[test]
fn what_stands_there_already_is_no_news() {
    let (facts, harness) = (facts(), harness());
    let secrets = Secrets::of(&facts, &harness);
    assert_eq!(secrets.told("Mind invoice.py.", "Mind invoice.py. Be brief."), None);
    // Words of the harness itself are not of a task.
    assert_eq!(secrets.told("", "There is `shell`. You work in it."), None);
}
