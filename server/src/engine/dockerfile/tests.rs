//! Dockerfiles that are read, lines that are refused, and any text at all.

use proptest::prelude::*;

use super::*;

fn steps(source: &str) -> Vec<(usize, Step)> {
    let read = parse(source).unwrap_or_else(|refused| panic!("{refused}\n{source}"));
    read.instructions.into_iter().map(|instruction| (instruction.line, instruction.step)).collect()
}

fn refusal(source: &str) -> String {
    parse(source).unwrap_err().to_string()
}

fn copied(sources: &[&str], target: &str) -> Step {
    let sources = sources.iter().map(|source| (*source).to_owned()).collect();
    Step::Copy(Copy { sources, target: target.to_owned(), mode: None })
}

#[test]
fn instructions_keep_their_order_and_lines() {
    let source = "# syntax=docker/dockerfile:1\nFROM debian:12 AS base\n\nWORKDIR /app\nCOPY a \\\n  # why\n\n  b /app/\n\
        RUN printf 'x # y' > z && \\\n    cat z\nrun [\"cat\", \"z\"]\nENV A=1 B=\"two words\"\nENV D $A the rest\nCMD [\"x\"]\n";
    let env = |pairs: &[(&str, &str)]| {
        Step::Env(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    assert_eq!(
        steps(source),
        [
            (4, Step::Workdir("/app".into())),
            (5, copied(&["a", "b"], "/app/")),
            (9, Step::Shell("printf 'x # y' > z &&     cat z".into())),
            (11, Step::Program(vec!["cat".into(), "z".into()])),
            (12, env(&[("A", "1"), ("B", "two words")])),
            (13, env(&[("D", "1 the rest")])),
        ]
    );
    let read = parse(source).unwrap();
    assert_eq!(
        (read.image.as_str(), read.ignored),
        ("debian:12", vec![Ignored { line: 14, what: "CMD".into() }])
    );
}

#[test]
fn copies_are_read_in_both_forms() {
    let of = |text: &str| steps(&format!("FROM x\nENV D=/app\n{text}\n")).pop().unwrap().1;
    assert_eq!(of("COPY [\"a b\", \"$D/\"]"), copied(&["a b"], "/app/"));
    assert_eq!(of("COPY \"a b\" ${D}/c"), copied(&["a b"], "/app/c"));
    assert_eq!(of("COPY . ${X:-/srv}"), copied(&["."], "/srv"));
    let mode = Step::Copy(Copy { sources: vec!["a".into()], target: "b".into(), mode: Some(0o755) });
    assert_eq!(of("COPY --chmod=755 --chown=1:1 a b"), mode);
}

#[test]
fn what_needs_a_container_is_refused_on_its_line() {
    for (line, reason) in [
        ("ADD a /app", "`ADD` needs a container"),
        ("arg X=1", "`ARG` needs a container"),
        ("USER agent", "`USER` needs a container"),
        ("ENTRYPOINT [\"x\"]", "`ENTRYPOINT` needs a container"),
        ("FROM y", "a second `FROM` makes stages, which need a container"),
        ("COPY --from=y a b", "`COPY --from=y` needs a container"),
        ("RUN --mount=type=cache,target=/x ls", "`RUN --mount=type=cache,target=/x` needs a container"),
        ("RUN cat <<EOF", "a here-document in `RUN` is not understood: put the script into a file"),
        ("RUN a; apt-get -y install git", "packages are installed with `apt-get`, which needs a container"),
        ("RUN [\"pip\", \"install\", \"x\"]", "packages are installed with `pip`, which needs a container"),
        ("RUN (apk --no-cache add x)", "packages are installed with `apk`, which needs a container"),
        ("COPY a", "`COPY` names no source or no target"),
        ("COPY $HOME/a /app", "`$HOME` is set by no `ENV` above"),
        ("COPY 'a /app", "a quotation mark is not closed"),
        ("ENV A", "`ENV` gives no value"),
        ("RUN", "`RUN` says nothing"),
        ("DANCE", "`DANCE` is no instruction of a Dockerfile"),
    ] {
        assert_eq!(refusal(&format!("FROM x\n\n{line}\n")), format!("line 3: {reason}"));
    }
    assert_eq!(refusal("RUN ls\nFROM x"), "line 1: `RUN` stands before `FROM`");
    assert_eq!(refusal("# escape=`\nFROM x"), "line 1: another escape character than `\\` is not understood");
    assert_eq!(refusal(""), "line 1: there is no `FROM`");
}

#[test]
fn scripts_that_only_look_like_it_are_run() {
    for script in [
        "echo $((1 << 2))",
        "cat <<< text",
        "echo apt-get && echo install",
        "echo pip; ls install",
        "npm run x",
    ] {
        assert_eq!(steps(&format!("FROM x\nRUN {script}")), [(2, Step::Shell(script.to_owned()))]);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(source in "(FROM x\n)?((RUN|COPY|ENV|WORKDIR|#|CMD)?[ \\\\\"'$\\{\\}\\[\\]=:\\-<a-zäß\n]{0,12}){0,12}") {
        let lines = source.lines().count().max(1);
        match parse(&source) {
            Ok(read) => prop_assert!(read.instructions.iter().all(|one| (1..=lines).contains(&one.line))),
            Err(refused) => prop_assert!((1..=lines).contains(&refused.line), "{refused}"),
        }
    }

    #[test]
    fn any_characters_are_read_or_refused(source in "\\PC{0,80}") {
        let _ = parse(&source);
        let _ = parse(&format!("FROM x\n{source}"));
    }
}
