// What the server and this extension say to each other beyond the language server protocol.

import type { Location, Range } from "vscode-languageclient/node";

/** The scheme of the server's pages: `selfharness://<root>/weakness/C-7f3a`. */
export const SCHEME = "selfharness";

/** What the ids of the server's commands begin with. */
export const PREFIX = "self-harness.";

/** What a command is about. Everything may be missing but the project. */
export interface Argument {
  root?: string | undefined;
  tasks?: string[];
  clusters?: string[];
  proposals?: (number | string)[];
  run?: string;
  file?: string;
  rule?: string;
  repeat?: number;
  repeats?: number | undefined;
  /** The test view has asked. */
  test?: boolean;
}

/** The answer to a command. */
export interface Answer {
  runId?: string;
  asked?: boolean;
  text?: string;
  uri?: string;
  failure?: { message: string; hint: string };
}

/** An item of the tree. */
export interface TreeEntry {
  id: string;
  kind: "group" | "run" | "weakness" | "place" | "proposal" | "step";
  text: string;
  detail: string;
  tooltip: string;
  state: string;
  location: Location | null;
  uri: string | null;
  actions: string[];
  hasChildren: boolean;
}

/** `selfHarness/tree`. */
export interface TreeAnswer {
  revision: number;
  badge: number;
  items: TreeEntry[];
}

/** `selfHarness/content`: a part of a page, and where the next part begins. */
export interface ContentAnswer {
  text: string;
  language: string;
  revision: number;
  next: number | null;
}

/** `selfHarness/compare`. */
export interface CompareAnswer {
  pairs: { left: string; right: string; title: string }[];
}

/** `selfHarness/consent`, asked by the server. */
export interface ConsentQuestion {
  root: string;
  verb: string;
  digest: string;
  title: string;
  lines: string[];
  buttons: { id: string; title: string }[];
}

/** `selfHarness/trustState`. */
export interface TrustState {
  root: string;
  state: "untrusted" | "trusted" | "stale";
  changed: string[];
}

/** `selfHarness/runState`. */
export interface RunState {
  root: string;
  runId: string;
  verb: string;
  state:
    | "queued"
    | "running"
    | "stopping"
    | "paused"
    | "interrupted"
    | "result"
    | "empty"
    | "cancelled"
    | "undecided"
    | "failed";
  sentence: string;
  startedBy: string;
}

/** `experimental/serverStatus`. */
export interface ServerStatus {
  health: "ok" | "warning" | "error";
  quiescent: boolean;
  message: string;
}

/** A test, as rust-analyzer's protocol has it. */
export interface Test {
  id: string;
  label: string;
  description: string;
  parent: string | null;
  canResolveChildren: boolean;
  kind: string;
  textDocument: { uri: string } | null;
  range: Range | null;
}

/** `experimental/discoverTest`. */
export interface Tests {
  tests: Test[];
  scope: string[];
}

/** `selfHarness/testsOutdated`: the tests whose results are of another text than the one that is open. */
export interface Outdated {
  root: string;
  ids: string[];
}

/** `experimental/changeTestState`. */
export interface TestChange {
  /** The harness, as a URI. */
  root: string;
  testId: string;
  state: {
    tag: "enqueued" | "started" | "passed" | "failed" | "errored" | "skipped";
    message?: string;
  };
}
