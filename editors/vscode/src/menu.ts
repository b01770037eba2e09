// The menu of the status bar and of `More…`: what can be done, the next step first.

import * as vscode from "vscode";
import type { Client } from "./client";
import type { Argument } from "./protocol";
import { PREFIX } from "./protocol";
import { manifest } from "./roots";

interface Lens {
  command?: { title: string; command: string; arguments?: [Argument] };
}

interface Item extends vscode.QuickPickItem {
  word?: string;
  argument?: Argument;
}

/** What is always there. */
const ALWAYS: [label: string, word: string][] = [
  ["$(play) Evaluate", "evaluate"],
  ["$(beaker) Try 3 Tasks", "smoke"],
  ["$(lightbulb) Propose", "propose"],
  ["$(check-all) Validate Proposals", "validate"],
  ["$(rocket) Improve", "improve"],
  ["$(bug) Show Weaknesses", "weaknesses"],
  ["$(graph) Show Report", "report"],
  ["$(git-commit) Show Lineage", "lineage"],
  ["$(pulse) Doctor", "doctor"],
  ["$(shield) Trust…", "trust"],
  ["$(key) Set Model Key…", "key"],
];

/** Without a server there is this. */
const DOWN: [label: string, word: string][] = [
  ["$(refresh) Restart Server", "restart"],
  ["$(output) Show Log", "log"],
];

/** Shows the menu; performs what is chosen. */
export async function menu(
  client: Client | undefined,
  root: vscode.Uri | undefined,
  why: string,
  perform: (word: string, argument: Argument) => Promise<unknown>,
): Promise<void> {
  const about: Argument = root ? { root: root.toString() } : {};
  const plain = ([label, word]: [string, string]): Item => ({ label, word, argument: about });
  const rest = DOWN.map(plain);
  let items = rest;
  let placeHolder = why;
  if (client && root) {
    const params = { textDocument: { uri: manifest(root).toString() } };
    // The lenses of the manifest: how it stands, and the step that comes next.
    const [state, next] = (await client.sendRequest<Lens[] | null>("textDocument/codeLens", params)) ?? [];
    placeHolder = state?.command?.title ?? why;
    const { title, command, arguments: [argument] = [] } = next?.command ?? {};
    const word = command?.slice(PREFIX.length);
    const first: Item[] = title && word ? [{ label: `$(arrow-right) ${title}`, description: "next", word, argument }] : [];
    const line: Item = { label: "", kind: vscode.QuickPickItemKind.Separator };
    items = [...first, line, ...ALWAYS.map(plain).filter((item) => item.word !== word), line, ...rest];
  }
  const picked = await vscode.window.showQuickPick(items, { placeHolder, title: "Self-Harness" });
  if (picked?.word) {
    await perform(picked.word, picked.argument ?? about);
  }
}
