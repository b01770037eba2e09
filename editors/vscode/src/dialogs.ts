// The questions before something runs: the server's own lines, in a dialog that waits for an answer.

import * as vscode from "vscode";
import type { ConsentQuestion } from "./protocol";

/** The button of ours: to read first what would be executed. */
const REVIEW = "Review";

/** Shows the page about trust of a project. */
export type ShowTrust = (root: string) => Promise<void>;

/** Asks; the id of the button, `undefined` if the question was closed. Nothing is agreed to in Restricted Mode. */
export async function consent(question: ConsentQuestion, showTrust: ShowTrust): Promise<string | undefined> {
  if (!vscode.workspace.isTrusted) {
    void restricted();
    return undefined;
  }
  const offered = question.buttons.filter((button) => button.id !== "cancel").map((button) => button.title);
  const titles = isAboutExecution(question) ? [...offered, REVIEW] : offered;
  const options = { modal: true, detail: question.lines.map(readable).join("\n") };
  for (;;) {
    const chosen = await vscode.window.showInformationMessage(question.title, options, ...titles);
    if (chosen !== REVIEW) {
      return question.buttons.find((button) => button.title === chosen)?.id;
    }
    // A dialog closes on any button, and nobody can read behind one: it is asked again when somebody has read.
    await showTrust(question.root);
    const again = await vscode.window.showInformationMessage(question.title, "Continue…", "Cancel");
    if (again !== "Continue…") {
      return undefined;
    }
  }
}

/** A line for a dialog, whose letters have no columns and which breaks long lines: the same words, with a mark where each line begins. */
function readable(line: string): string {
  const [, what, rest] = /^(\S+(?= {2})|Leaves out) +(.*)$/.exec(line) ?? [];
  if (what !== undefined) {
    return `• ${what}: ${rest}`;
  }
  // Plain blanks at the beginning are left out by the dialog.
  return line.replace(/^ {2,}/, "\u00a0\u00a0\u00a0\u00a0– ");
}

/** Whether it says what decides what is executed, of which there is a page. */
function isAboutExecution(question: ConsentQuestion): boolean {
  return question.verb === "trust" || question.lines.some((line) => /^(Trusts\s|Changed since)/.test(line));
}

/** Says why nothing runs in Restricted Mode. */
export async function restricted(): Promise<void> {
  const manage = "Manage Workspace Trust";
  const message = "Self-Harness: this window is in Restricted Mode, where a harness is checked and nothing of it runs.";
  if ((await vscode.window.showWarningMessage(message, manage)) === manage) {
    await vscode.commands.executeCommand("workbench.trust.manage");
  }
}
