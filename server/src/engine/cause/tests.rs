//! Each cause by its rule, and what must not be taken for one.

use proptest::prelude::*;

use super::*;

fn check(message: &str) -> Check {
    Check {
        name: String::from("tests/test_a.py::test_b"),
        status: CheckStatus::Failed,
        message: message.to_owned(),
        trace: String::new(),
        file: String::new(),
    }
}

#[track_caller]
fn of_message(message: &str, cause: Cause) {
    let checks = [check(message)];
    assert_eq!(
        judge(&Failed { checks: &checks, has_reward: true, ..Failed::default() }).cause,
        cause,
        "{message}"
    );
}

#[track_caller]
fn of_output(output: &str, cause: Cause) -> Judged {
    let judged = judge(&Failed { output, has_reward: true, ..Failed::default() });
    assert_eq!(judged.cause, cause, "{output}");
    judged
}

#[test]
fn words_lead_to_their_causes() {
    for cause in Cause::ALL {
        assert_eq!(Cause::named(cause.word()), Some(cause));
    }
    assert_eq!(Cause::named("bad-luck"), None);
    assert!(Cause::ALL.is_sorted());
}

#[test]
fn messages_of_checks() {
    for (message, cause) in [
        ("FileNotFoundError: [Errno 2] No such file or directory: '/app/out.json'", Cause::ArtifactMissing),
        ("AssertionError: File /app/out.txt does not exist\nassert False", Cause::ArtifactMissing),
        ("/app/a.out: not found", Cause::ArtifactMissing),
        ("bash: jq: command not found", Cause::DependencyMissing),
        ("ModuleNotFoundError: No module named 'numpy'", Cause::DependencyMissing),
        ("requests.exceptions.ConnectionError: Max retries exceeded", Cause::ServiceDown),
        ("ConnectionRefusedError: [Errno 111] Connection refused", Cause::ServiceDown),
        ("subprocess.TimeoutExpired: Command 'x' timed out after 5 seconds", Cause::CheckTimeout),
        ("json.decoder.JSONDecodeError: Expecting value", Cause::ArtifactMalformed),
        ("ValueError: invalid literal for int()", Cause::ArtifactMalformed),
        ("TypeError: f() missing 1 required positional argument", Cause::ArtifactMalformed),
        ("subprocess.CalledProcessError: Command 'x' returned non-zero", Cause::ProgramNonzero),
        ("Segmentation fault (core dumped)", Cause::ProgramNonzero),
        ("assert 1 == 2", Cause::ValueMismatch),
        ("AssertionError: ValueError not raised", Cause::ValueMismatch),
        ("expected 3, got 4", Cause::ValueMismatch),
        ("it went wrong", Cause::CheckFailed),
    ] {
        of_message(message, cause);
    }
}

#[test]
fn the_first_cause_among_several_checks_counts() {
    let checks = [check("assert 1 == 2"), check("FileNotFoundError: 'a'"), check("Connection refused")];
    let failed = Failed { checks: &checks, has_reward: true, ..Failed::default() };
    assert_eq!(judge(&failed).cause, Cause::ArtifactMissing);
    let mut turned = checks.clone();
    turned.reverse();
    assert_eq!(judge(&Failed { checks: &turned, ..failed }).cause, Cause::ArtifactMissing);
}

#[test]
fn the_end_comes_before_the_checks() {
    let checks = [check("assert 1 == 2")];
    let base = Failed { checks: &checks, has_reward: true, ..Failed::default() };
    let ends = [
        (End::Context, Cause::LimitContext),
        (End::Steps, Cause::LimitSteps),
        (End::Tokens, Cause::LimitTokens),
        (End::Cost, Cause::LimitTokens),
        (End::Crashed(String::from("x")), Cause::AgentCrash),
        (End::Time, Cause::ValueMismatch),
        (End::Finished, Cause::ValueMismatch),
    ];
    for (end, cause) in &ends {
        assert_eq!(judge(&Failed { end: Some(end), ..base }).cause, *cause, "{end:?}");
    }
    let late = Flags { timed_out: true, ..Flags::default() };
    assert_eq!(judge(&Failed { flags: late, ..base }).cause, Cause::ValueMismatch);
    assert_eq!(judge(&Failed { flags: late, checks: &[], ..base }).cause, Cause::AgentTimeout);
    let both = Flags { verifier_timeout: true, ..late };
    assert_eq!(judge(&Failed { flags: both, ..base }).cause, Cause::VerifierTimeout);
    let touched = Flags { tampered: true, ..both };
    assert_eq!(
        judge(&Failed { flags: touched, end: Some(&End::Steps), ..base }).cause,
        Cause::VerifierTampered
    );
    let lost = Failed { is_imported: true, ..Failed::default() };
    assert_eq!(judge(&lost).cause, Cause::VerifierNoReport);
    assert_eq!(judge(&Failed { has_reward: true, ..lost }).cause, Cause::RewardZero);
    assert_eq!(judge(&Failed { is_imported: false, ..lost }).cause, Cause::RewardZero);
}

#[test]
fn lines_of_runners() {
    of_output("FAILED a_test.py::T::test_x - AssertionError: 'a' != 'b'\n", Cause::ValueMismatch);
    of_output("ERROR a_test.py - ModuleNotFoundError: No module named 'x'\n", Cause::VerifierImportError);
    of_output(
        "E   ImportError: cannot import name 'f' from 'a'\nERROR a_test.py\n",
        Cause::VerifierImportError,
    );
    of_output(
        "FAILED a_test.py::test_x - ModuleNotFoundError: No module named 'x'\n",
        Cause::DependencyMissing,
    );
    of_output("    --- FAIL: TestX/one (0.00s)\n", Cause::CheckFailed);
    of_output("test a::b ... FAILED\n", Cause::CheckFailed);
    of_output("  ● Group › does it\n\n    expect(received)\n", Cause::CheckFailed);
    of_output("ok 1 - a\nnot ok 2 - b\n", Cause::CheckFailed);
    of_output("1 thing is wrong\n", Cause::RewardZero);
}

#[test]
fn what_does_not_build() {
    let judged = of_output(
        "/app/a.cpp:3:14: error: 'x' was not declared\nmake: *** [all] Error 2\n",
        Cause::BuildFailed,
    );
    assert_eq!(judged.messages, ["<PATH:.cpp>:<N>:<N>: error: <STR> was not declared"]);
    assert!(
        judged.entities.contains("a.cpp") && judged.entities.contains("/app/a.cpp"),
        "{:?}",
        judged.entities
    );
    of_output(
        "error[E0308]: mismatched types\nerror: could not compile `a` (test \"a\")\n",
        Cause::BuildFailed,
    );
    of_output("./a.go:5:2: \"strconv\" imported and not used\nFAIL\ta [build failed]\n", Cause::BuildFailed);
    // A check that has a name was built.
    of_output("error: test failed, to rerun pass `--lib`\ntest a ... FAILED\n", Cause::CheckFailed);
}

#[test]
fn echoed_source_says_nothing() {
    let echoed = "    @pytest.mark.timeout(5)\n    raise FileNotFoundError('no such file')\n>       assert x == 1\n\
        E   assert 2 == 1\nE    +  where 2 = f('missing file, timed out')\nFAILED a_test.py::test_x - assert 2 == 1\n";
    of_output(echoed, Cause::ValueMismatch);
}

#[test]
fn a_message_that_the_summary_cuts_is_read_whole() {
    let judged = of_output(
        "E       AssertionError: File /app/out/sum.json does not exist\nFAILED a_test.py::test_x - AssertionError: File /app/o...\n",
        Cause::ArtifactMissing,
    );
    assert_eq!(judged.messages, ["AssertionError: File <PATH:.json> does not exist"]);
    assert!(judged.entities.contains("sum.json") && judged.entities.contains("test_x"));
}

#[test]
fn messages_are_few_and_in_order() {
    let checks: Vec<Check> = (0..20).map(|at| check(&format!("assert {at} == {}", at + 1))).collect();
    let judged = judge(&Failed { checks: &checks, ..Failed::default() });
    assert_eq!(judged.messages, ["assert <N> == <N>"]);
    let words = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let checks: Vec<Check> = words.iter().map(|word| check(&format!("{word} is wrong"))).collect();
    let judged = judge(&Failed { checks: &checks, ..Failed::default() });
    assert_eq!(judged.messages.len(), MAX_MESSAGES);
    assert_eq!(judged.messages.first().map(String::as_str), Some("a is wrong"));
}

#[test]
fn line_ends_and_colours_change_nothing() {
    let plain = "E   FileNotFoundError: [Errno 2] No such file or directory: '/app/a.txt'\nFAILED t.py::test_x - FileNotFoundError: ...\n";
    let coloured = plain.replace("FAILED", "\u{1b}[31mFAILED\u{1b}[0m").replace('\n', "\r\n");
    let read = |output| judge(&Failed { output, has_reward: true, ..Failed::default() });
    assert_eq!(read(plain), read(&coloured));
    assert_eq!(read(plain).missing.iter().collect::<Vec<_>>(), ["/app/a.txt"]);
}

#[test]
fn values_that_differ_in_form_alone() {
    for (message, expected) in [
        ("AssertionError: 'Hello World' != 'hello world'", true),
        ("assert 'a b\\n' == 'a b'", true),
        (r#"assert '{"a": 1, "b": 2}' == '{"b":2,"a":1}'"#, true),
        ("expected 'x  y', got 'x y'", true),
        ("assert 'a' == 'b'", false),
        ("assert 1 == 2", false),
        (r#"assert '{"a": 1}' == '{"a": 2}'"#, false),
    ] {
        let checks = [check(message)];
        let judged = judge(&Failed { checks: &checks, ..Failed::default() });
        assert_eq!(judged.differs_in_form, expected, "{message}");
    }
}

#[test]
fn the_message_that_decides_comes_first() {
    let checks = [check("assert 1 == 2"), check("FileNotFoundError: no file")];
    let judged = judge(&Failed { checks: &checks, ..Failed::default() });
    assert_eq!(judged.messages, ["FileNotFoundError: no file", "assert <N> == <N>"]);
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        Just("FAILED a_test.py::test_x - AssertionError: 'a' != 'b'".to_owned()),
        Just(
            "FAILED a_test.py::test_y - FileNotFoundError: [Errno 2] No such file or directory: 'o.txt'"
                .to_owned()
        ),
        Just("ERROR b_test.py".to_owned()),
        Just("E   ModuleNotFoundError: No module named 'x'".to_owned()),
        Just("--- FAIL: TestX (0.00s)".to_owned()),
        Just("test a ... FAILED".to_owned()),
        Just("a.cpp:1:2: error: no".to_owned()),
        Just("\u{1b}[31mE   assert 1 == 2\u{1b}[0m".to_owned()),
        "[ -~é]{0,30}",
    ];
    prop::collection::vec(line, 0..12)
}

proptest! {
    #[test]
    fn any_output_has_one_cause_whatever_its_line_ends(lines in lines(), is_imported in any::<bool>()) {
        let (plain, other) = (lines.join("\n"), lines.join("\r\n"));
        let read = |output: &str| judge(&Failed { output, is_imported, ..Failed::default() });
        let judged = read(&plain);
        prop_assert_eq!(&judged, &read(&other));
        prop_assert!(judged.messages.len() <= MAX_MESSAGES);
    }

    #[test]
    fn checks_in_any_order_are_judged_alike(lines in lines(), at in any::<prop::sample::Index>()) {
        let checks: Vec<Check> = lines.iter().enumerate().map(|(at, line)| Check { name: format!("t{at}"), ..check(line) }).collect();
        let mut turned = checks.clone();
        turned.reverse();
        if !turned.is_empty() {
            let at = at.index(turned.len());
            turned.rotate_left(at);
        }
        let read = |checks: &[Check]| judge(&Failed { checks, has_reward: true, ..Failed::default() });
        prop_assert_eq!(read(&checks), read(&turned));
    }
}
